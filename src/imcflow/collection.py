"""Python's cyclic garbage collector while modules are built, and when a command ends."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

_THRESHOLDS = (200_000, 50, 1000)


@contextmanager
def seldom_collecting() -> Generator[None]:
    """Collect cycles rarely inside the block.

    Imports and large modules are many long-lived objects. With Python's default thresholds, looking through them again
    and again takes a seventh of a short command and 30 to 60 % of building a module of 1e5 ops.
    """
    thresholds = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


@cache
def end_without_collecting() -> None:
    """Let the process end without a last search for cycles: its memory goes back to the system anyway.

    Python collects once more when it ends; after compiling a small network that takes as long as elimination.
    """
    atexit.register(gc.freeze)
