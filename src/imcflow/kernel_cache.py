"""A place for numba's compiled kernels where nothing else can be written: read-only installations without a home."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

_VARIABLE = "NUMBA_CACHE_DIR"
_ROOMS_WITH_KERNELS = ("passes/allocation", "passes/reduction", "runtime/pipeline")


def provide_kernel_cache() -> None:
    """Let numba keep its kernels in a folder of this process, if it could keep them nowhere.

    Numba wants a folder beside the source file or in the user's cache, and refuses to define a kernel without one. The
    folder lives as long as the process, so every process compiles anew: `NUMBA_CACHE_DIR` names a lasting one.
    """
    if os.environ.get(_VARIABLE) or all(map(can_be_written, _beside_the_sources())) or can_be_written(_of_the_user()):
        return
    try:
        folder = tempfile.mkdtemp(prefix="imcflow-kernels-")
    except OSError:
        return
    os.environ[_VARIABLE] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _beside_the_sources() -> list[str]:
    package = os.path.dirname(__file__)
    return [os.path.join(os.path.realpath(os.path.join(package, room)), "__pycache__") for room in _ROOMS_WITH_KERNELS]


def _of_the_user() -> str:
    return os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache"), "numba")


def can_be_written(folder: str) -> bool:
    """Make a folder and a file in it, as numba is going to; permissions alone do not tell whether that works."""
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True
