"""Output files that appear complete or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

_NAME_PART = 64  # of the file's name in the temporary one, which must not be too long for the file system


@contextmanager
def written_whole(path: Path) -> Generator[Path]:
    """Give a temporary file to write instead of `path`; it takes the place of `path` when the block ends without error.

    A link stays, and what it leads to is replaced. A device or a pipe has no content that could be half-written: it is
    written itself, never replaced by a file.

    Raises:
        OSError: `path` is a directory, its folder does not exist or cannot be written, or the disk is full; the error
            names `path`.
    """
    if path.is_dir():
        raise IsADirectoryError(21, "is a directory", str(path))
    if path.exists() and not path.is_file():
        yield path
        return
    place = Path(os.path.realpath(path)) if path.is_symlink() else path  # of a ring of links, one of them
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{place.name[:_NAME_PART]}.", suffix=".part", dir=place.parent)
    except OSError as error:
        raise _unwritable(error, path) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        # mkstemp makes the file private; an output file has the permissions that the user's umask gives.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        yield temporary
        temporary.replace(place)
    except OSError as error:
        if error.filename not in (None, name):  # of another file, such as an input
            raise
        raise _unwritable(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def _unwritable(error: OSError, path: Path) -> OSError:
    return OSError(error.errno, f"cannot be written: {error.strerror or error}", str(path))
