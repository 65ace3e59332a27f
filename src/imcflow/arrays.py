"""Named arrays in `.npz` files: read without executing anything, written complete or not at all."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imcflow.errors import InputError

if TYPE_CHECKING:
    import numpy as np


_ARRAY_MAGIC = b"\x93NUMPY"
_UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    LookupError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,  # an encrypted member
    NotImplementedError,  # a compression that Python does not know
)
"""What reading a damaged archive raises."""


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an `.npz` file by name.

    Raises:
        InputError: the file is missing, is no `.npz`, is damaged, or holds Python objects instead of numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with path.open("rb") as file:
        start = file.read(len(_ARRAY_MAGIC))
    if start == _ARRAY_MAGIC:
        raise InputError(f"{path}: a single array; save named arrays with numpy.savez")
    try:
        # numpy.load would take any other file for a pickle and advise to load it.
        with zipfile.ZipFile(path) as archive:
            return {_array_name(member.filename): _member(archive, member) for member in archive.infolist()}
    except _UNREADABLE as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(f"{path}: not an .npz file of numeric arrays ({reason})") from error


def _array_name(file_name: str) -> str:
    return file_name.removesuffix(".npy")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    import numpy as np

    with archive.open(member) as stream:
        try:
            return np.lib.format.read_array(stream, allow_pickle=False)
        except (ValueError, MemoryError) as error:
            raise ValueError(f"array '{_array_name(member.filename)}': {error}") from error


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """Write named arrays to an `.npz` file through a temporary file and a rename.

    Raises:
        OSError: the folder cannot be written; the error names `path`.
    """
    import numpy as np

    from imcflow.tools.atomic_file import write_bytes_atomically

    buffer = io.BytesIO()
    # Through a dictionary: an array called "file" would otherwise clash with numpy's parameter of that name.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", member.getvalue())
    write_bytes_atomically(path, buffer.getvalue())
