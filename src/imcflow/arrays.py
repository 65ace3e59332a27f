"""Named arrays in `.npz` files: read without executing anything, written complete or not at all."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imcflow.errors import InputError

if TYPE_CHECKING:
    import numpy as np


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of an `.npz` file by name.

    Raises:
        InputError: the file is missing, is no `.npz`, is damaged, or holds Python objects instead of numbers.
    """
    import numpy as np

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{path}: a single array; save named arrays with numpy.savez")
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path}: not an .npz file of numeric arrays ({reason})") from error


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
