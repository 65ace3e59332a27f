"""LiteRT's fixed-point scaling: a positive real factor as a 31-bit integer and a power of two.

The reference kernels of LiteRT for convolutions and sums scale an integer x by `multiplier * 2^(exponent - 31)` in two
steps: the upper half of the doubled product `x * 2^max(exponent, 0) * multiplier`, ties upwards, then a division by
`2^max(-exponent, 0)`, ties away from zero. Two roundings, so the result may differ by one from rounding the exact
product once, which is what the kernel of fully connected layers does, ties upwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_elementwise import AddOp, ClampOp
from imcflow.dialect.ops_quantise import RequantizeOp
from imcflow.dialect.types import shape_of, smallest_integer_type
from imcflow.passes.network.constants import collapse
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import parameter_shape, range_of

UNIT = 1 << 31
"""The integer that stands for the factor 1."""

LARGEST_EXPONENT = 30
"""LiteRT's limits: a factor below 2^-31 is zero, one of 2^30 or more is refused."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """The factors `multiplier * 2^(exponent - 31)`; int64 arrays of one shape."""

    multiplier: IntArray
    exponent: IntArray


def fixed_point(factors: NDArray[np.float64]) -> FixedPoint | None:
    """Return positive real factors as LiteRT stores them, or None if one is out of its range."""
    if not np.all(np.isfinite(factors)) or np.any(factors <= 0):
        return None
    mantissa, exponent = np.frexp(factors)
    # The mantissa lies in 0.5 ... 1, so adding a half and cutting rounds as std::round does.
    multiplier = np.floor(mantissa * UNIT + 0.5).astype(np.int64)
    full = multiplier == UNIT
    multiplier, exponent = np.where(full, UNIT // 2, multiplier), np.where(full, exponent + 1, exponent)
    if np.any(exponent > LARGEST_EXPONENT):
        return None
    tiny = exponent < -31
    return FixedPoint(np.where(tiny, 0, multiplier), np.where(tiny, 0, exponent).astype(np.int64))


def scaled_once(editor: Editor, value: SSAValue, factor: FixedPoint) -> SSAValue:
    """Insert one step and return `round(factor * value)`, ties upwards; arguments as for `scaled`."""
    rank = len(shape_of(value))
    multiplier = _per_channel(factor.multiplier << np.maximum(factor.exponent, 0), rank)
    divisor = _per_channel(UNIT << np.maximum(-factor.exponent, 0), rank)
    return _requantized(editor, value, multiplier, np.asarray(0), divisor, Rounding.HALF_UP)


def scaled(editor: Editor, value: SSAValue, factor: FixedPoint, *, zero: int = 0, left_shift: int = 0) -> SSAValue:
    """Insert the two steps and return `round(factor * (value - zero) * 2^left_shift)`.

    Args:
        editor: where to insert.
        value: integer tensor.
        factor: one factor, or one per channel of `value`.
        zero: zero point of `value`.
        left_shift: by which the difference is shifted before it is scaled.
    """
    rank = len(shape_of(value))
    multiplier = _per_channel(factor.multiplier << (np.maximum(factor.exponent, 0) + left_shift), rank)
    divisor = _per_channel(np.int64(1) << np.maximum(-factor.exponent, 0), rank)
    product = _requantized(editor, value, multiplier, -zero * multiplier, np.asarray(UNIT), Rounding.HALF_UP)
    if np.all(divisor == 1):
        return product
    return _requantized(editor, product, np.asarray(1), np.asarray(0), divisor, Rounding.HALF_AWAY)


def limited(editor: Editor, value: SSAValue, zero: int, low: int, high: int, element: IntegerType) -> SSAValue:
    """Add a zero point and limit the result to `low ... high`, in a type that holds them."""
    least, greatest = range_of(value)
    if zero:
        constant = editor.value(integer_constant(np.asarray(zero)))
        value = editor.value(AddOp(value, constant, smallest_integer_type(least + zero, greatest + zero)))
    return editor.value(ClampOp(value, element, low=low, high=high))


def _per_channel(array: IntArray, rank: int) -> IntArray:
    """Return an array that broadcasts against a tensor of `rank` axes along axis 1."""
    return array if array.ndim == 0 else collapse(array.reshape((-1,) + (1,) * (rank - 2)))


def _requantized(
    editor: Editor, value: SSAValue, multiplier: IntArray, addend: IntArray, divisor: IntArray, mode: Rounding
) -> SSAValue:
    low, high = range_of(value)
    # The multipliers are not negative; one more covers every rounding.
    least = int(np.min((low * multiplier + addend) // divisor))
    greatest = int(np.max((high * multiplier + addend) // divisor)) + 1
    factor, offset, quotient = (
        editor.value(integer_constant(parameter_shape(array))) for array in (multiplier, addend, divisor)
    )
    element = smallest_integer_type(min(least, 0), max(greatest, 0))
    return editor.value(RequantizeOp(value, factor, offset, quotient, element, mode=mode))
