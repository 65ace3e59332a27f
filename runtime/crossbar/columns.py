"""Window elements of all lanes as the rows of one matrix: what the word lines of the macros carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.kernels.unfold import unfold_function
from imcflow.runtime.program import ElementType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import Window


def window_columns(window: Window, maps: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the matrix [elements, images * positions] of `dtype`; lane = image * positions + position.

    Args:
        window: the geometry.
        maps: [images, channels, height, width].
        dtype: numpy type of the result; it must hold every element and the pad value.
    """
    maps = _padded(window, maps, dtype)
    (rows, columns), (down, across) = window.kernel, window.dilations
    reach = (down * (rows - 1) + 1, across * (columns - 1) + 1)
    view = np.lib.stride_tricks.sliding_window_view(maps, reach, axis=(2, 3))
    view = view[:, :, :: window.strides[0], :: window.strides[1], ::down, ::across]
    shape = (window.channels, rows, columns, len(maps), window.out_height, window.out_width)
    result = np.empty(shape, dtype)
    result[...] = view.transpose(1, 4, 5, 0, 2, 3)
    return result.reshape(window.elements, -1)


class DigitWindows:
    """Window elements in digits, arranged once for a geometry; call it with maps as often as wanted."""

    def __init__(self, window: Window, bits_per_cycle: int, dtype: np.dtype[Any]) -> None:
        """Prepare.

        Args:
            window: the geometry; its type has the digits, the top one signed if the type is.
            bits_per_cycle: length of a digit; the whole element if it has no more bits.
            dtype: float32 or float64; it must hold every digit.
        """
        self._window, self._dtype = window, dtype
        self._stored = storage_dtype(ElementType(window.bits, window.signed))
        self._cycles = -(-window.bits // bits_per_cycle)
        self._lanes = window.out_height * window.out_width
        digits = np.zeros((self._cycles, 2), np.int64)  # shift, mask
        digits[:, 0] = bits_per_cycle * np.arange(self._cycles)
        digits[:, 1] = (1 << min(bits_per_cycle, 62)) - 1
        if window.signed or self._cycles == 1:
            digits[-1, 1] = -1
        top, left, bottom, right = window.pads
        padded = (window.channels, window.height + top + bottom, window.width + left + right)
        if min(window.pads) < 0 or not _reaches(window, padded[1:]):
            raise ValueError(f"windows of {window.kernel} reach outside maps of {padded}")
        out = (window.out_height, window.out_width)
        sizes = (0, *padded, *window.kernel, *out, *window.strides, *window.dilations, self._cycles)
        self._shape = np.concatenate([np.array(sizes, np.int64), digits.reshape(-1)])
        self._function = unfold_function(
            source_bytes=self._stored.itemsize, source_signed=self._stored.kind == "i", wide=dtype.itemsize == 8
        )

    def __call__(self, maps: NDArray[Any], memory: Workspace) -> NDArray[Any]:
        """Return the digits, [elements, cycles * images * positions], lowest digits first.

        Args:
            maps: integers [images, channels, height, width] of the window's type.
            memory: of this thread; the result is its scratch "columns".
        """
        window = self._window
        if maps.shape[1:] != (window.channels, window.height, window.width):
            raise ValueError(f"maps of shape {maps.shape} for a window of {window.elements} elements")
        padded = np.ascontiguousarray(_padded(window, maps, self._stored))
        result = memory.scratch_array("columns", (window.elements, self._cycles * len(maps) * self._lanes), self._dtype)
        shape = self._shape.copy()
        shape[0] = len(maps)
        self._function(address(padded), address(result), address(shape))
        return result


def _reaches(window: Window, size: tuple[int, ...]) -> bool:
    """Return whether every window lies inside padded maps of a size."""
    axes = zip(
        size, (window.out_height, window.out_width), window.strides, window.kernel, window.dilations, strict=True
    )
    return all((count - 1) * stride + (kernel - 1) * step < whole for whole, count, stride, kernel, step in axes)


def digits(values: NDArray[Any], bits: int, signed: bool, bits_per_cycle: int) -> list[NDArray[Any]]:
    """Return the digits of integers, lowest first: value = sum of digit[k] * 2^(k * bits_per_cycle).

    Args:
        values: integers of `bits` bits.
        bits: length of the integers.
        signed: whether they are two's complement; then the last digit is signed.
        bits_per_cycle: length of a digit.
    """
    count = -(-bits // bits_per_cycle)
    mask = (1 << min(bits, bits_per_cycle)) - 1
    parts = [values >> (bits_per_cycle * index) & mask for index in range(count)]
    if signed:
        parts[-1] = values >> (bits_per_cycle * (count - 1))
    return parts


def _padded(window: Window, maps: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not any(window.pads):
        return maps.astype(dtype, copy=False)
    top, left, bottom, right = window.pads
    size = (len(maps), window.channels, window.height + top + bottom, window.width + left + right)
    padded = np.full(size, window.pad_value, dtype)
    padded[:, :, top : top + window.height, left : left + window.width] = maps
    return padded
