"""Memory that compiled kernels work in: aligned, and reused from step to step."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.kernels.layout import ALIGNMENT_BYTES


def address(array: NDArray[Any]) -> int:
    """Return where the first element of an array lies in memory."""
    return array.ctypes.data  # the array interface would also describe every field of an instruction table


class Workspace:
    """Hands out byte buffers aligned for the widest vector. One run at a time may use it."""

    def __init__(self) -> None:
        """Start without any memory."""
        self._scratch: dict[str, NDArray[np.uint8]] = {}

    def fresh(self, size: int) -> NDArray[np.uint8]:
        """Return `size` zero bytes of their own."""
        raw = np.zeros(size + ALIGNMENT_BYTES, np.uint8)
        start = -address(raw) % ALIGNMENT_BYTES
        return raw[start : start + size]

    def unwritten(self, size: int) -> NDArray[np.uint8]:
        """Return `size` bytes of their own with anything in them, for results that are written completely."""
        raw = np.empty(size + ALIGNMENT_BYTES, np.uint8)
        start = -address(raw) % ALIGNMENT_BYTES
        return raw[start : start + size]

    def scratch(self, name: str, size: int) -> NDArray[np.uint8]:
        """Return `size` bytes that stay valid until the next call with this name, with whatever was in them."""
        buffer = self._scratch.get(name)
        if buffer is None or len(buffer) < size:
            buffer = self._scratch[name] = self.fresh(size)
        return buffer[:size]

    def scratch_array(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return an array in scratch memory; see `scratch`. Memory that is touched again costs no page faults."""
        return self.scratch(name, prod(shape) * dtype.itemsize).view(dtype).reshape(shape)

    def placed(self, array: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return a copy of an array in fresh memory."""
        memory = self.fresh(array.nbytes).view(np.int64).reshape(array.shape)
        memory[...] = array
        return memory
