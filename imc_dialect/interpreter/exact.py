"""Integer products that never wrap: `int64` where a bound proves that it holds, Python integers otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

INT64_LIMIT = 1 << 62
"""Sums of two numbers below this still fit int64."""

FLOAT64_LIMIT = 1 << 53
"""float64 adds integers below this exactly."""


def largest_magnitude(values: NDArray[Any]) -> int:
    """Return the largest absolute value, as a Python integer; 0 of an empty array."""
    return max(abs(int(values.max())), abs(int(values.min()))) if values.size else 0


def multiply(lhs: NDArray[Any], rhs: NDArray[Any]) -> NDArray[Any]:
    """Return the exact elementwise product of integers."""
    if largest_magnitude(lhs) * largest_magnitude(rhs) < INT64_LIMIT:
        return lhs * rhs
    return lhs.astype(object) * rhs.astype(object)


def dot(lhs: NDArray[Any], rhs: NDArray[Any]) -> NDArray[Any]:
    """Return `lhs @ rhs` for `int64` arrays, exactly.

    Sums that provably stay below 2**53 go through float64, where they are exact and fast.

    Raises:
        OverflowError: if a sum might exceed int64.
    """
    bound = largest_magnitude(lhs) * largest_magnitude(rhs) * lhs.shape[-1]
    if bound < FLOAT64_LIMIT:
        return (lhs.astype(np.float64) @ rhs.astype(np.float64)).astype(np.int64)
    if bound >= INT64_LIMIT:
        raise OverflowError(f"a sum of {lhs.shape[-1]} products may reach {bound}, more than 62 bits hold")
    return lhs @ rhs
