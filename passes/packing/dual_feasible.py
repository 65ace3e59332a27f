"""Dual feasible functions: maps of lengths that keep every feasible packing feasible, so that sums of images are bounds.

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


@dataclass(frozen=True, eq=False, slots=True)
class DualFeasibleFunction:
    """A dual feasible function on lengths 0..D.

    Args:
        images: int64 array of D + 1 images, not decreasing.
        unit: the image that stands for a whole bin; sums of images of lengths that fit into D stay at or below it.
    """

    images: NDArray[np.int64]
    unit: int

    def least_image(self, total: int, parts: int) -> int:
        """Least sum of images over all splits of `total` into `parts` lengths of at most D, each at least 1.

        Whole lengths are the rule, and the shortfall `parts * D - total` (below D for a split into fewest parts) is
        dealt to the parts so that the images shrink most: a max-plus power of the gain, by repeated squaring.
        """
        whole = len(self.images) - 1
        shortfall = parts * whole - total
        top = int(self.images[whole])
        if shortfall == 0 or parts == 1:
            return top * (parts - 1) + int(self.images[whole - shortfall])
        gain = top - self.images[whole - np.arange(min(shortfall, whole - 1) + 1)]
        if len(gain) <= shortfall:
            gain = np.concatenate([gain, np.full(shortfall + 1 - len(gain), -(2**40), dtype=np.int64)])
        best = _max_plus_power(gain, parts)
        return top * parts - int(best[shortfall])


def _max_plus_power(gain: NDArray[np.int64], exponent: int) -> NDArray[np.int64]:
    result: NDArray[np.int64] | None = None
    while exponent:
        if exponent & 1:
            result = gain if result is None else _max_plus(result, gain)
        exponent >>= 1
        if exponent:
            gain = _max_plus(gain, gain)
    return gain if result is None else result


def _max_plus(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Max-plus convolution of two arrays of the same length, cut to that length."""
    out = np.full(len(first), -(2**41), dtype=np.int64)
    for shift, value in enumerate(first.tolist()):
        np.maximum(out[shift:], second[: len(second) - shift] + value, out=out[shift:])
    return out


def dual_feasible_family(length: int, sizes: Iterable[int]) -> list[DualFeasibleFunction]:
    """Identity, rounding to k + 1 parts, and threshold functions whose steps lie at the given sizes.

    Args:
        length: D, the length of a bin side.
        sizes: lengths that occur, 1..D; they place the steps.
    """
    x = np.arange(length + 1, dtype=np.int64)
    family = [DualFeasibleFunction(x, length)]
    for k in range(1, MOST_ROUNDING_STEPS + 1):
        parts = (k + 1) * x
        images = np.where(parts % length == 0, k * x, length * (parts // length))
        family.append(DualFeasibleFunction(images.astype(np.int64), k * length))
    occurring = set(sizes)
    steps = sorted({step for size in occurring for step in (size, size + 1, length - size, length - size + 1)})
    thresholds = [step for step in steps if 1 <= step <= length // 2][:MOST_THRESHOLDS]
    for k in thresholds:
        images = np.where(x > length - k, length, np.where(x < k, 0, x))
        family.append(DualFeasibleFunction(images.astype(np.int64), length))
    for k in thresholds:
        # Multiples of k below the middle; above it, what a complement of that size would leave.
        middle = length // k
        upper = 2 * (middle - (length - x) // k)
        images = np.where(2 * x > length, upper, np.where(2 * x == length, middle, 2 * (x // k)))
        family.append(DualFeasibleFunction(images.astype(np.int64), 2 * middle))
    return family
