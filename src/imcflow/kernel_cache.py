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
    if os.environ.get(_VARIABLE) or any(map(can_be_written, _usual_places())):
        return
    try:
        folder = tempfile.mkdtemp(prefix="imcflow-kernels-")
    except OSError:
        return
    os.environ[_VARIABLE] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _usual_places() -> tuple[str, str]:
    package = os.path.dirname(__file__)
    # Beside the sources: all of them, or the user's cache has to do.
    beside = [os.path.realpath(os.path.join(package, room)) for room in _ROOMS_WITH_KERNELS]
    worst = min(beside, key=can_be_written)
    user = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(worst, "__pycache__"), os.path.join(user, "numba")


def can_be_written(folder: str) -> bool:
    """Whether files can be made in a folder, which may be missing with some of those above it."""
    while not os.path.isdir(folder):
        above = os.path.dirname(folder)
        if above == folder or os.path.exists(folder):
            return False
        folder = above
    return os.access(folder, os.W_OK | os.X_OK)
