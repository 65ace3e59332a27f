"""Files of machine code: where they lie, whom they may come from, and how damaged ones are told."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from imcflow.runtime.compiled_loops.fingerprint import FORMAT

VARIABLE = "IMCFLOW_CACHE_DIR"
SUFFIX = ".loop"
_HEADER = struct.Struct("<16s32sIQQ")
_MAGIC = b"imcflow loop %d\n" % FORMAT
_OTHERS_WRITE = 0o022


@dataclass(frozen=True)
class Stored:
    """Machine code of a loop for some kinds of arguments.

    Attributes:
        result: `struct` format of the result, native sizes and alignment; empty for none.
        tuple_result: whether the result is a tuple.
        loop: object file of the loop.
        gate: object file of its gate.
    """

    result: str
    tuple_result: bool
    loop: bytes
    gate: bytes

    def dump(self, key: str) -> bytes:
        """Return the bytes of a file; `key` is the fingerprint that it is stored under."""
        result = f"{'t' if self.tuple_result else 's'}{self.result}".encode()
        sizes = struct.pack("<IQQ", len(result), len(self.loop), len(self.gate))
        content = result + self.loop + self.gate
        return _MAGIC.ljust(16) + sha256(key.encode() + sizes + content).digest() + sizes + content

    @staticmethod
    def parse(data: bytes, key: str) -> Stored | None:
        """Read the bytes of a file; None if it is damaged or was written for something else."""
        if len(data) < _HEADER.size:
            return None
        magic, digest, *sizes = _HEADER.unpack_from(data)
        if magic != _MAGIC.ljust(16) or len(data) != _HEADER.size + sum(sizes):
            return None
        if sha256(key.encode() + data[16 + len(digest) :]).digest() != digest:
            return None
        begin = _HEADER.size
        middle, end = begin + sizes[0], begin + sizes[0] + sizes[1]
        result = data[begin:middle].decode()
        return Stored(result[1:], result[0] == "t", data[middle:end], data[end:])


def load(source: str, name: str, key: str) -> Stored | None:
    """Look for machine code in all folders.

    Args:
        source: file of the loop.
        name: beginning of the file's name.
        key: fingerprint.
    """
    for folder in _folders(source):
        data = _read(folder, name + SUFFIX)
        stored = None if data is None else Stored.parse(data, key)
        if stored is not None:
            return stored
    return None


def save(source: str, name: str, key: str, stored: Stored) -> bool:
    """Write machine code into the first folder that can be written; False if there is none.

    The file appears as a whole: other processes may write or read it at the same time.
    """
    return any(_write(folder, name + SUFFIX, stored.dump(key)) for folder in _folders(source))


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
