"""Integer forms of arithmetic on quantised tensors: exact in real numbers, without the rounding of float32."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_elementwise import AddOp, ClampOp, ClipOp, DivOp, MulOp, NegOp, ReluOp, SubOp
from imcflow.dialect.ops_network import AvgPoolOp, SumPoolOp
from imcflow.dialect.ops_shape import ReduceMeanOp
from imcflow.dialect.types import MAX_INTEGER_BITS, shape_of, smallest_integer_type
from imcflow.passes.network.constants import collapse, constant_value, per_image
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import FormOf, Quantised

MAX_RATIO = 1 << 10
"""Largest ratio of the scales of two summands: the coarser one is multiplied by it."""

MAX_REFINEMENT = 8
"""Largest denominator by which a scale is refined so that an added constant becomes an integer."""

LARGEST = 1 << (MAX_INTEGER_BITS - 1)


def lift_sum(editor: Editor, op: AddOp | SubOp, form_of: FormOf) -> Quantised | None:
    """Add the integers of two tensors whose scales are equal, or one a small multiple of the other."""
    left, right = form_of(op.lhs), form_of(op.rhs)
    if left is None or right is None or len(shape_of(op.lhs)) != len(shape_of(op.rhs)):
        return None
    ratio = scale_ratio(left.scale, right.scale)
    if ratio is not None:
        left, scale = scaled(editor, left, ratio), right.scale
    else:
        ratio = scale_ratio(right.scale, left.scale)
        if ratio is None:
            return None
        right, scale = scaled(editor, right, ratio), left.scale
    (low, high), (other_low, other_high) = left.range, right.range
    if isinstance(op, SubOp):
        low, high, zero = low - other_high, high - other_low, left.zero - right.zero
    else:
        low, high, zero = low + other_low, high + other_high, left.zero + right.zero
    if not fits(low, high):
        return None
    total = type(op)(left.integers, right.integers, smallest_integer_type(low, high))
    return Quantised(editor.value(total), scale, collapse(zero))


def scale_ratio(coarse: NDArray[np.float64], fine: NDArray[np.float64]) -> int | None:
    """Return the integer k with `coarse == k * fine` in float32 everywhere, or None."""
    if np.any(fine == 0):
        return None
    ratio = np.rint(coarse / fine)
    multiple = int(ratio.flat[0])
    if not 1 <= multiple <= MAX_RATIO or np.any(ratio != multiple):
        return None
    same = (multiple * fine).astype(np.float32) == coarse.astype(np.float32)
    return multiple if bool(np.all(same)) else None


def scaled(editor: Editor, form: Quantised, multiple: int) -> Quantised:
    """Return the same real tensor with integers `multiple` times as large."""
    if multiple == 1:
        return form
    low, high = form.range
    factor = editor.value(integer_constant(np.asarray(multiple)))
    product = MulOp(form.integers, factor, smallest_integer_type(low * multiple, high * multiple))
    return Quantised(editor.value(product), form.scale / multiple, form.zero * multiple)


def fits(low: int, high: int) -> bool:
    """Return whether the dialect has a type for the range."""
    return low >= -LARGEST and high < LARGEST


def _activation_and_constant(
    lhs: SSAValue, rhs: SSAValue, form_of: FormOf
) -> tuple[Quantised, NDArray[np.float64]] | None:
    """Return the form of one operand and the value of the other, per image."""
    for value, other in ((lhs, rhs), (rhs, lhs)):
        constant = constant_value(other)
        if constant is None:
            continue
        parameter = per_image(constant.astype(np.float64), len(shape_of(value)))
        form = form_of(value)
        return None if parameter is None or form is None else (form, parameter)
    return None


def lift_offset(editor: Editor, op: AddOp | SubOp, form_of: FormOf) -> Quantised | None:
    """Add a constant: it moves the zero point, or the integers if it is a fraction of the scale."""
    found = _activation_and_constant(op.lhs, op.rhs, form_of)
    if found is None:
        return None
    form, constant = found
    if isinstance(op, SubOp):
        if constant_value(op.lhs) is not None:
            form = _negated(form)
        else:
            constant = -constant
    if np.any(form.scale == 0):
        return None
    for denominator in range(1, MAX_REFINEMENT + 1):
        steps = np.rint(constant / form.scale * denominator)
        if not np.array_equal((steps * form.scale / denominator).astype(np.float32), constant.astype(np.float32)):
            continue
        if np.abs(steps).max() >= MAX_RATIO * MAX_RATIO:
            return None
        refined = scaled(editor, form, denominator)
        if denominator == 1:
            return Quantised(refined.integers, refined.scale, collapse(refined.zero - steps.astype(np.int64)))
        return _shifted(editor, refined, collapse(steps.astype(np.int64)))
    return None


def _negated(form: Quantised) -> Quantised:
    return Quantised(form.integers, -form.scale, form.zero)


def _shifted(editor: Editor, form: Quantised, steps: NDArray[np.int64]) -> Quantised:
    """Return the form with `steps` added to its integers."""
    low, high = form.range
    constant = editor.value(integer_constant(steps))
    total = AddOp(form.integers, constant, smallest_integer_type(low + int(steps.min()), high + int(steps.max())))
    return Quantised(editor.value(total), form.scale, form.zero)


def lift_scaling(editor: Editor, op: MulOp | DivOp, form_of: FormOf) -> Quantised | None:
    """Multiply the scale by a constant, or divide it."""
    if isinstance(op, DivOp) and constant_value(op.lhs) is not None:
        return None
    found = _activation_and_constant(op.lhs, op.rhs, form_of)
    if found is None:
        return None
    form, constant = found
    if not np.all(np.isfinite(constant)) or np.any(constant == 0):
        return None
    return Quantised(
        form.integers, form.scale * constant if isinstance(op, MulOp) else form.scale / constant, form.zero
    )


def lift_negation(editor: Editor, op: NegOp, form_of: FormOf) -> Quantised | None:
    """Negate the scale."""
    form = form_of(op.input)
    return None if form is None else _negated(form)


def lift_limits(editor: Editor, op: ReluOp | ClipOp, form_of: FormOf) -> Quantised | None:
    """Limit the integers, if the limits are multiples of the one positive scale."""
    form = form_of(op.input)
    if form is None or not form.is_per_tensor or form.scale.item() <= 0:
        return None
    least, greatest = form.range
    low, high = (0.0, np.inf) if isinstance(op, ReluOp) else (op.low.value.data, op.high.value.data)
    low_level, high_level = _level(low, form), _level(high, form)
    if low_level is None or high_level is None or low_level > high_level:
        return None
    if (low_level, high_level) == (least, greatest):
        return form
    element = smallest_integer_type(low_level, high_level)
    limited = ClampOp(form.integers, element, low=low_level, high=high_level)
    return Quantised(editor.value(limited), form.scale, form.zero)


def _level(limit: float, form: Quantised) -> int | None:
    """Return the integer that stands for a real limit, cut to the range of the form; None if it lies between two."""
    scale, zero = form.scale.item(), int(form.zero.item())
    least, greatest = form.range
    real = limit / scale + zero
    if real <= least:
        return least
    if real >= greatest:
        return greatest
    level = round(real)
    return level if np.float32((level - zero) * scale) == np.float32(limit) else None


def summed(editor: Editor, op: AvgPoolOp | ReduceMeanOp, form_of: FormOf) -> tuple[Quantised, int] | None:
    """Return the form of the window sums and the number of elements that the mean divides by.

    None if the count differs between windows or the zero point would have to be padded.
    """
    form = form_of(op.input)
    if form is None or form.scale.shape[1:] != (1, 1) or form.zero.shape[1:] != (1, 1):
        return None
    if isinstance(op, ReduceMeanOp):
        if sorted(op.axes.get_values()) != [2, 3]:
            return None
        kernel = shape_of(op.input)[2:]
        strides, pads, dilations = (1, 1), (0, 0, 0, 0), (1, 1)
    else:
        kernel, strides = op.kernel.get_values(), op.strides.get_values()
        pads, dilations = op.pads.get_values(), op.dilations.get_values()
        if op.ceil_mode is not None or (any(pads) and (op.count_include_pad is None or np.any(form.zero))):
            return None
    count = kernel[0] * kernel[1]
    low, high = form.range
    if any(pads):
        low, high = min(low, 0), max(high, 0)
    if not fits(low * count, high * count):
        return None
    pooled = SumPoolOp(
        form.integers,
        smallest_integer_type(low * count, high * count),
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
    )
    return Quantised(editor.value(pooled), form.scale, form.zero * count), count


def lift_mean(editor: Editor, op: AvgPoolOp | ReduceMeanOp, form_of: FormOf) -> Quantised | None:
    """Replace a mean by a sum with a smaller scale."""
    found = summed(editor, op, form_of)
    if found is None:
        return None
    form, count = found
    return Quantised(form.integers, form.scale / count, form.zero)
