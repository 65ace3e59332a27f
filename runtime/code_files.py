"""Files of machine code: where they lie, whom they may come from, and how damaged ones are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG

VARIABLE = "IMCFLOW_CACHE_DIR"
_MAGIC = b"imcflow code 1\n\n"
_DIGEST_BYTES = 32
_OTHERS_WRITE = 0o022


def packed(content: bytes, key: str) -> bytes:
    """Return the bytes of a file; `key` is what it is stored under."""
    return _MAGIC + sha256(key.encode() + content).digest() + content


def unpacked(data: bytes, key: str) -> bytes | None:
    """Return the content of a file; None if it is damaged or was written for something else."""
    begin = len(_MAGIC) + _DIGEST_BYTES
    content = data[begin:]
    return content if data[:begin] == packed(content, key)[:begin] else None


def load(source: str, name: str, key: str) -> bytes | None:
    """Look for machine code in all folders.

    Args:
        source: file that the code belongs to.
        name: of the file.
        key: hash of all that determines the code.
    """
    for folder in _folders(source):
        data = _read(folder, name)
        content = None if data is None else unpacked(data, key)
        if content is not None:
            return content
    return None


def save(source: str, name: str, key: str, content: bytes) -> bool:
    """Write machine code into the first folder that can be written; False if there is none.

    The file appears as a whole: other processes may write or read it at the same time.
    """
    return any(_write(folder, name, packed(content, key)) for folder in _folders(source))


def _folders(source: str) -> Iterator[Path]:
    """Named by the user, beside the source, the user's own."""
    named = os.environ.get(VARIABLE)
    if named:
        yield Path(named)
    if os.path.isfile(source):
        yield Path(os.path.realpath(source)).parent / "__pycache__"
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if os.path.isabs(cache):
        yield Path(cache) / "imcflow"


def _trusted(status: os.stat_result) -> bool:
    """Whether only this user or the administrator can have written a file or a folder: its code will run."""
    if os.name != "posix":
        return True
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & _OTHERS_WRITE


def _read(folder: Path, name: str) -> bytes | None:
    try:
        if not _trusted(folder.stat()):
            return None
        with open(folder / name, "rb") as file:
            # Of the open file: whatever lies under its name later.
            status = os.fstat(file.fileno())
            return file.read() if S_ISREG(status.st_mode) and _trusted(status) else None
    except OSError:
        return None


def _write(folder: Path, name: str, data: bytes) -> bool:
    temporary = folder / f"{name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = folder.stat()
        if not S_ISDIR(status.st_mode) or not _trusted(status):
            return False
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        with open(os.open(temporary, flags, 0o644), "wb") as file:
            file.write(data)
        os.replace(temporary, folder / name)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        return False
    return True
