"""Rounding of real numbers and of exact fractions, one rule for both."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imcflow.dialect.attributes import Rounding

Flags = NDArray[np.bool_]


def _rounds_up(
    mode: Rounding, odd: Flags, remainder: NDArray[Any], twice: NDArray[Any], divisor: NDArray[Any], negative: Flags
) -> Flags:
    """Return where `floor(n / divisor)` must be raised by one: `remainder` is what the floor left, `twice` its double.

    Args:
        mode: the rounding mode.
        odd: where the floor is odd.
        remainder, twice: `n - floor * divisor`, and the double of it.
        divisor: positive.
        negative: where n < 0.
    """
    tie = twice == divisor
    nearest = twice > divisor
    inexact = remainder > 0
    match mode:
        case Rounding.HALF_EVEN:
            return nearest | (tie & odd)
        case Rounding.HALF_UP:
            return nearest | tie
        case Rounding.HALF_DOWN:
            return nearest
        case Rounding.HALF_AWAY:
            return nearest | (tie & ~negative)
        case Rounding.HALF_TO_ZERO:
            return nearest | (tie & negative)
        case Rounding.FLOOR:
            return np.zeros_like(inexact)
        case Rounding.CEIL:
            return inexact
        case Rounding.TRUNCATE:
            return inexact & negative
        case Rounding.AWAY:
            return inexact & ~negative


def round_float(values: NDArray[Any], mode: Rounding) -> NDArray[Any]:
    """Return `float32` values rounded to integral `float32` numbers; infinities stay."""
    if mode is Rounding.HALF_EVEN:
        return np.rint(values)
    floor = np.floor(values)
    with np.errstate(invalid="ignore"):
        remainder = values - floor
    odd, one = np.zeros(values.shape, np.bool_), np.ones((), np.float32)
    return floor + _rounds_up(mode, odd, remainder, remainder * 2, one, values < 0).astype(np.float32)


def round_fraction(numerator: NDArray[Any], divisor: NDArray[Any], mode: Rounding) -> NDArray[Any]:
    """Return `numerator / divisor` rounded to integers, exactly; integers of any size as `object` arrays.

    Args:
        numerator: integers.
        divisor: positive integers that broadcast against the numerator.
        mode: the rounding mode.
    """
    floor = numerator // divisor
    remainder = numerator - floor * divisor
    odd = np.asarray(floor % 2 == 1, dtype=np.bool_)
    negative = np.asarray(numerator < 0, dtype=np.bool_)
    raised = _rounds_up(mode, odd, remainder, remainder * 2, divisor, negative)
    return floor + np.asarray(raised, dtype=np.bool_)
