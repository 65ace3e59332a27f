"""Window elements of all lanes as the rows of one matrix: what the word lines of the macros carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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
    images = len(maps)
    top, left, bottom, right = window.pads
    if any(window.pads):
        size = (images, window.channels, window.height + top + bottom, window.width + left + right)
        padded = np.full(size, window.pad_value, dtype)
        padded[:, :, top : top + window.height, left : left + window.width] = maps
        maps = padded
    (rows, columns), (down, across) = window.kernel, window.dilations
    reach = (down * (rows - 1) + 1, across * (columns - 1) + 1)
    view = np.lib.stride_tricks.sliding_window_view(maps, reach, axis=(2, 3))
    view = view[:, :, :: window.strides[0], :: window.strides[1], ::down, ::across]
    shape = (window.channels, rows, columns, images, window.out_height, window.out_width)
    result = np.empty(shape, dtype)
    result[...] = view.transpose(1, 4, 5, 0, 2, 3)
    return result.reshape(window.elements, -1)
