"""Dual feasible functions: maps of lengths that keep feasible packings feasible, so that sums of images are bounds.

A function f on 0..D is dual feasible if lengths that fit into D have images that sum to at most f's unit. Two of them,
one per direction, bound a two-dimensional packing: sum f(width) g(height) <= number of bins (Fekete and Schepers,
Math. Program. 91, 2001; the discrete forms of Carlier, Clautiaux and Moukrim, Comput. Oper. Res. 34, 2007).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ROUNDING_STEPS = 8
"""Rounding functions u^(k) are tried up to this k: finer ones hardly differ from the identity."""

MOST_THRESHOLDS = 24
"""Thresholds tried per threshold family; the sizes of real layers give fewer."""

_IMPOSSIBLE = -(2**40)


@dataclass(frozen=True, eq=False, slots=True)
class DualFeasibleFamily:
    """Dual feasible functions on lengths 0..D; the first is the identity.

    Args:
        images: int64 [functions, D + 1], not decreasing along each row.
        units: int64 [functions], the image that stands for a whole bin: images of lengths that fit into D together
            sum to at most this.
    """

    images: NDArray[np.int64]
    units: NDArray[np.int64]

    def least_images(self, total: int, parts: int) -> NDArray[np.int64]:
        """Least sums of images, int64 [functions], over all splits of `total` into `parts` lengths of 1..D.

        Whole lengths are the rule, and the shortfall `parts * D - total` (below D for a split into fewest parts) is
        dealt to the parts so that the images shrink most: one entry of a max-plus power of the gain.
        """
        whole = self.images.shape[1] - 1
        shortfall = parts * whole - total
        top = self.images[:, whole]
        if shortfall == 0 or parts == 1:
            return top * (parts - 1) + self.images[:, whole - shortfall]
        gain = np.full((len(top), shortfall + 1), _IMPOSSIBLE, dtype=np.int64)
        given = min(shortfall, whole - 1)
        gain[:, : given + 1] = top[:, None] - self.images[:, whole - np.arange(given + 1)]
        first, second = _max_plus_power(gain, parts // 2), _max_plus_power(gain, parts - parts // 2)
        best: NDArray[np.int64] = np.max(first + second[:, ::-1], axis=1)
        return top * parts - best


def _max_plus_power(gain: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    """Max-plus convolution of a row with itself, `exponent` (1 or more) factors, by repeated squaring."""
    result: NDArray[np.int64] | None = None
    while True:
        if exponent & 1:
            result = gain if result is None else _max_plus(result, gain)
        exponent >>= 1
        if not exponent:
            return gain if result is None else result
        gain = _max_plus(gain, gain)


def _max_plus(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Max-plus convolution row by row, cut to the length of the arguments."""
    length = first.shape[1]
    out = first[:, :1] + second
    for shift in range(1, length):
        np.maximum(out[:, shift:], first[:, shift : shift + 1] + second[:, : length - shift], out=out[:, shift:])
    return out


def dual_feasible_family(length: int, sizes: Iterable[int]) -> DualFeasibleFamily:
    """Identity, rounding to k + 1 parts, and threshold functions whose steps lie at the given sizes.

    Args:
        length: D, the length of a bin side.
        sizes: lengths that occur, 1..D; they place the steps.
    """
    x = np.arange(length + 1, dtype=np.int64)
    images: list[NDArray[np.int64]] = [x]
    units = [length]
    for k in range(1, MOST_ROUNDING_STEPS + 1):
        parts = (k + 1) * x
        images.append(np.where(parts % length == 0, k * x, length * (parts // length)))
        units.append(k * length)
    occurring = set(sizes)
    steps = sorted({step for size in occurring for step in (size, size + 1, length - size, length - size + 1)})
    for k in [step for step in steps if 1 <= step <= length // 2][:MOST_THRESHOLDS]:
        images.append(np.where(x > length - k, length, np.where(x < k, 0, x)))
        units.append(length)
        # Multiples of k below the middle; above it, what a complement of that size would leave.
        middle = length // k
        upper = 2 * (middle - (length - x) // k)
        images.append(np.where(2 * x > length, upper, np.where(2 * x == length, middle, 2 * (x // k))))
        units.append(2 * middle)
    return DualFeasibleFamily(np.array(images, dtype=np.int64), np.array(units, dtype=np.int64))
