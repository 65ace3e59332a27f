"""Output files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def temporary_beside(path: Path) -> Path:
    """Create an empty temporary file in the folder of `path`, so that renaming it to `path` is atomic.

    Raises:
        OSError: the folder does not exist or cannot be written; the error names `path`.
    """
    if path.is_dir():
        raise IsADirectoryError(21, "is a directory", str(path))
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error
    os.close(descriptor)
    # mkstemp makes the file private; an output file has the permissions that the user's umask gives.
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(name, 0o666 & ~umask)
    return Path(name)


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`; a reader sees the old file or the whole new one, also when writing fails.

    Raises:
        OSError: the folder cannot be written or the disk is full; the error names `path`.
    """
    temporary = temporary_beside(path)
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
