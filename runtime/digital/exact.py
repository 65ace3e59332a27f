"""Integer products that never wrap, as fast as their proven range allows."""

from __future__ import annotations

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital.registry import Array

FLOAT32_EXACT = 1 << 24
FLOAT64_EXACT = 1 << 53
INT64_SAFE = 1 << 62


def magnitude(array: Array) -> int:
    """Return the largest absolute value of an integer array as a Python integer; 0 if it is empty."""
    return max(abs(int(array.min())), abs(int(array.max()))) if array.size else 0


def dot(left: Array, right: Array) -> Array:
    """Return the exact matrix product of integers, int64.

    The product goes through BLAS in the narrowest floating-point type that holds every partial sum exactly: all of
    them are integers of at most `max|left| * max|right| * inner` in magnitude.

    Raises:
        ProgramError: a sum might leave 63 bits.
    """
    bound = magnitude(left) * magnitude(right) * left.shape[-1]
    if bound < FLOAT32_EXACT:
        return (left.astype(np.float32) @ right.astype(np.float32)).astype(np.int64)
    if bound < FLOAT64_EXACT:
        return (left.astype(np.float64) @ right.astype(np.float64)).astype(np.int64)
    if bound >= INT64_SAFE:
        raise ProgramError(f"a sum of {left.shape[-1]} products may reach {bound}, more than 62 bits hold")
    return left.astype(np.int64) @ right.astype(np.int64)


def product(left: Array, right: Array) -> Array:
    """Return the exact elementwise product of integers: int64, or Python integers where 63 bits may not do."""
    if magnitude(left) * magnitude(right) < INT64_SAFE:
        return left.astype(np.int64) * right.astype(np.int64)
    return left.astype(object) * right.astype(object)
