"""One-dimensional range maxima, the three parts of the closed form, in two exact ways.

Table: f_d with a sparse table, O(n log n) once and O(1) per query. Digits: no table, O(number of loops) per query: the
largest f over [lo, hi] is at hi or at a prefix of hi in mixed radix with one digit lowered by 1 and all later digits at
their largest, because every digit adds a non-negative amount on its own (sheet 2.3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.nests import Dim, Ints, Mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = -(1 << 60)
"""Maximum over an empty range; three of them added still fit into 64 bits."""


class RangeMaxima:
    """Sparse table over axis 0 of an array: maxima of any ranges, O(1) each.

    Args:
        values: int64[n, ...], n >= 1.
    """

    def __init__(self, values: Ints) -> None:
        self._levels: list[Ints] = [values]
        width = 1
        while 2 * width <= len(values):
            last = self._levels[-1]
            self._levels.append(np.maximum(last[:-width], last[width:]))
            width *= 2

    def query(self, low: Ints, high: Ints) -> Ints:
        """Maxima over rows low..high inclusive; NOTHING where low > high.

        Args:
            low: first rows, any shape, within 0..n-1 where the range is not empty.
            high: last rows, same shape.

        Returns:
            int64[*low.shape, ...].
        """
        empty = low > high
        first = np.where(empty, 0, low)
        last = np.where(empty, 0, high)
        # Exact for widths below 2**53; a frexp exponent is one more than floor(log2).
        level = np.frexp((last - first + 1).astype(np.float64))[1] - 1
        result = np.empty(low.shape + self._levels[0].shape[1:], dtype=np.int64)
        for depth, values in enumerate(self._levels):
            chosen = level == depth
            if chosen.any():
                found = np.maximum(values[first[chosen]], values[last[chosen] - (1 << depth) + 1])
                result[chosen] = found
        result[empty] = NOTHING
        return result


def digit_maxima(bounds: Sequence[int], weights: Sequence[int], low: Ints, high: Ints) -> Ints:
    """Maxima of sum of digit_i(x) weights_i over x in low..high, from the digits of `high` alone.

    Args:
        bounds: radix of every digit, most significant first.
        weights: what one unit of every digit adds, not negative.
        low: first x, any shape.
        high: last x, same shape, below the product of the bounds.

    Returns:
        int64 of the same shape; NOTHING where low > high.
    """
    safe = np.maximum(high, 0)
    strides = [1] * len(bounds)
    for index in range(len(bounds) - 2, -1, -1):
        strides[index] = strides[index + 1] * bounds[index + 1]
    # What all digits after position i add at their largest.
    rest = [0] * (len(bounds) + 1)
    for index in range(len(bounds) - 1, -1, -1):
        rest[index] = rest[index + 1] + (bounds[index] - 1) * weights[index]
    best = np.full(high.shape, NOTHING, dtype=np.int64)
    prefix_value: Ints = np.zeros(high.shape, dtype=np.int64)
    prefix_start: Ints = np.zeros(high.shape, dtype=np.int64)
    for index, (bound, weight, stride) in enumerate(zip(bounds, weights, strides, strict=True)):
        digit = (safe // stride) % bound
        # The candidate ends just below the prefix of `high` that includes this digit.
        end = prefix_start + digit * stride - 1
        value = prefix_value + (digit - 1) * weight + rest[index + 1]
        np.maximum(best, np.where((digit > 0) & (end >= low), value, NOTHING), out=best)
        prefix_value = prefix_value + digit * weight
        prefix_start = prefix_start + digit * stride
    return np.where(low > high, NOTHING, np.maximum(best, prefix_value))


def step_maxima(mapping: Mapping, dim: Dim, low: Ints, high: Ints, *, digits: bool = False) -> Ints:
    """Maxima of f_d over tile indices low..high of a dimension, by table or by digits.

    Returns:
        int64 of the shape of `low`; NOTHING where low > high.
    """
    if not digits:
        return RangeMaxima(mapping.step_shares(dim)).query(low, high)
    axes = mapping.axes(dim)
    bounds = [mapping.loops[axis].bound for axis in axes]
    return digit_maxima(bounds, [mapping.time_weights[axis] for axis in axes], low, high)
