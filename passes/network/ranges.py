"""Interval analysis of a network: which integers each value can hold, per channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

import numpy as np
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.interpreter import evaluate_op
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    CastOp,
    ClampOp,
    DivOp,
    MulOp,
    NegOp,
    ReluOp,
    SignOp,
    SubOp,
)
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MatMulOp, MaxPoolOp, SumPoolOp
from imcflow.dialect.ops_quantise import BipolarOp, QuantizeOp, RequantizeOp, ThresholdOp
from imcflow.dialect.ops_shape import ConcatOp, DepthToSpaceOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from imcflow.dialect.types import element_type_of, shape_of, value_range
from imcflow.errors import ModelError
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.intervals import IntArray, Interval, constant_interval, weighted_sum

Intervals = Mapping[SSAValue, Interval]

MONOTONE = (AddOp, SubOp, MulOp, DivOp, NegOp, ReluOp, SignOp, CastOp, ClampOp, RequantizeOp, ThresholdOp)
"""Monotone in one varying operand, so the ends of the operand give the ends of the result."""


def type_interval(value: SSAValue) -> Interval | None:
    """Return what the type of a value allows; None of `f32`."""
    element = element_type_of(value)
    return constant_interval(*value_range(element)) if isinstance(element, IntegerType) else None


def analyse(block: Block) -> dict[SSAValue, Interval]:
    """Return the interval of every integer value of `block`; always inside the range of its type."""
    intervals: dict[SSAValue, Interval] = {}
    for argument in block.args:
        interval = type_interval(argument)
        if interval is not None:
            intervals[argument] = interval
    for op in block.ops:
        if op.results:
            note(op, intervals)
    return intervals


def note(op: Operation, intervals: dict[SSAValue, Interval]) -> None:
    """Add the interval of the result of `op` to `intervals`, which holds those of its operands."""
    result = op.results[0]
    declared = type_interval(result)
    if declared is None:
        return
    interval = _constant(result) or _of(op, intervals)
    if interval is None:
        intervals[result] = declared
        return
    low, high = np.maximum(interval.low, declared.low), np.minimum(interval.high, declared.high)
    intervals[result] = Interval(low, high) if np.all(low <= high) else declared


def _constant(value: SSAValue) -> Interval | None:
    array = constant_value(value)
    return None if array is None or not array.size else constant_interval(int(array.min()), int(array.max()))


def _of(op: Operation, intervals: Intervals) -> Interval | None:
    if isinstance(op, MONOTONE) and _varying_count(op) == 1:
        return _of_monotone(op, intervals)
    rule = RULES.get(type(op))
    return None if rule is None else rule(op, intervals)


def _varying_count(op: Operation) -> int:
    return sum(constant_value(operand) is None for operand in op.operands)


def _of_monotone(op: Operation, intervals: Intervals) -> Interval | None:
    """Evaluate `op` at both ends of its varying operand."""
    operands: list[IntArray] = []
    for operand in op.operands:
        array = constant_value(operand)
        if array is None:
            interval = intervals.get(operand)
            if interval is None:
                return None
            channels = np.broadcast_to(np.stack([interval.low, interval.high]), (2, shape_of(operand)[1]))
            array = channels.reshape(channels.shape + (1,) * (len(shape_of(operand)) - 2))
        operands.append(array)
    try:
        ends = evaluate_op(op, operands)
    except ModelError:
        return None
    rows = ends.reshape(ends.shape[0], ends.shape[1], -1)
    low, high = rows.min(axis=(0, 2)), rows.max(axis=(0, 2))
    return Interval(low, high)


def _of_linear(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, Conv2dOp | GemmOp):
        return None
    weights = constant_value(op.weights)
    bias = None if op.bias is None else constant_value(op.bias)
    if weights is None or (op.bias is not None and bias is None):
        return None
    groups, padded, pad_value = 1, False, 0
    if isinstance(op, Conv2dOp):
        groups, padded, pad_value = op.groups.value.data, any(op.pads.get_values()), op.pad_value.value.data
    inputs = intervals[op.input]
    try:
        low, high = weighted_sum(inputs, weights, bias, groups=groups, padded=padded, pad_value=pad_value)
    except OverflowError:
        return None
    return Interval(low, high)


def _of_matmul(op: Operation, intervals: Intervals) -> Interval | None:
    lhs, rhs = (intervals[operand] for operand in op.operands)
    products = [a * b for a in (lhs.least, lhs.greatest) for b in (rhs.least, rhs.greatest)]
    terms = shape_of(op.operands[0])[-1]
    return constant_interval(min(products) * terms, max(products) * terms)


def _of_sum(op: Operation, intervals: Intervals) -> Interval | None:
    lhs, rhs = (intervals[operand] for operand in op.operands)
    if isinstance(op, SubOp):
        return Interval(lhs.low - rhs.high, lhs.high - rhs.low)
    return Interval(lhs.low + rhs.low, lhs.high + rhs.high)


def _of_product(op: Operation, intervals: Intervals) -> Interval | None:
    lhs, rhs = (intervals[operand] for operand in op.operands)
    products = [a * b for a in (lhs.least, lhs.greatest) for b in (rhs.least, rhs.greatest)]
    return constant_interval(min(products), max(products)) if max(map(abs, products)) < 1 << 62 else None


def _of_abs(op: Operation, intervals: Intervals) -> Interval | None:
    inputs = intervals[op.operands[0]]
    largest = np.maximum(np.abs(inputs.low), np.abs(inputs.high))
    return Interval(np.zeros_like(largest), largest)


def _of_quantize(op: Operation, intervals: Intervals) -> Interval | None:
    return constant_interval(op.low.value.data, op.high.value.data) if isinstance(op, QuantizeOp) else None


def _of_threshold(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, ThresholdOp):
        return None
    low = op.low.value.data
    return constant_interval(low, low + shape_of(op.thresholds)[1])


def _of_bipolar(_op: Operation, _intervals: Intervals) -> Interval | None:
    return constant_interval(-1, 1)


def _of_max_pool(op: Operation, intervals: Intervals) -> Interval | None:
    return intervals.get(op.operands[0])


def _of_sum_pool(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, SumPoolOp):
        return None
    inputs, count = intervals[op.input], prod(op.kernel.get_values())
    low, high = inputs.low, inputs.high
    if any(op.pads.get_values()) or op.ceil_mode is not None:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    return Interval(low * count, high * count)


def _whole(interval: Interval) -> Interval:
    return constant_interval(interval.least, interval.greatest)


def _of_reshape(op: Operation, intervals: Intervals) -> Interval | None:
    inputs = intervals[op.operands[0]]
    before, after = shape_of(op.operands[0]), shape_of(op.results[0])
    return inputs if len(before) > 1 and len(after) > 1 and before[1] == after[1] else _whole(inputs)


def _of_transpose(op: Operation, intervals: Intervals) -> Interval | None:
    inputs = intervals[op.operands[0]]
    return inputs if isinstance(op, TransposeOp) and op.permutation.get_values()[1] == 1 else _whole(inputs)


def _of_pad(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, PadOp):
        return None
    inputs, value = _whole(intervals[op.input]), op.value.value.data
    return constant_interval(min(inputs.least, value), max(inputs.greatest, value))


def _of_slice(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, SliceOp):
        return None
    inputs = intervals[op.input]
    if op.axis.value.data != 1 or inputs.low.size == 1:
        return inputs
    part = range(op.start.value.data, op.stop.value.data, op.step.value.data)
    return Interval(inputs.low.take(part), inputs.high.take(part))


def _of_concat(op: Operation, intervals: Intervals) -> Interval | None:
    if not isinstance(op, ConcatOp):
        return None
    parts = [intervals[value] for value in op.inputs]
    if op.axis.value.data != 1:
        return constant_interval(min(part.least for part in parts), max(part.greatest for part in parts))
    sizes = [shape_of(value)[1] for value in op.inputs]
    low = np.concatenate([np.broadcast_to(part.low, (size,)) for part, size in zip(parts, sizes, strict=True)])
    high = np.concatenate([np.broadcast_to(part.high, (size,)) for part, size in zip(parts, sizes, strict=True)])
    return Interval(low, high)


def _of_depth_to_space(op: Operation, intervals: Intervals) -> Interval | None:
    return _whole(intervals[op.operands[0]])


RULES: dict[type[Operation], Callable[[Operation, Intervals], Interval | None]] = {
    Conv2dOp: _of_linear,
    GemmOp: _of_linear,
    MatMulOp: _of_matmul,
    AddOp: _of_sum,
    SubOp: _of_sum,
    MulOp: _of_product,
    AbsOp: _of_abs,
    QuantizeOp: _of_quantize,
    BipolarOp: _of_bipolar,
    ThresholdOp: _of_threshold,
    MaxPoolOp: _of_max_pool,
    SumPoolOp: _of_sum_pool,
    ReshapeOp: _of_reshape,
    TransposeOp: _of_transpose,
    PadOp: _of_pad,
    SliceOp: _of_slice,
    ConcatOp: _of_concat,
    DepthToSpaceOp: _of_depth_to_space,
}
