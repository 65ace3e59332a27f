"""Meaning of the elementwise ops; numpy broadcasts as ONNX does."""

from __future__ import annotations

import math

import numpy as np

from imcflow.dialect.interpreter.exact import multiply
from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.interpreter.rounding import round_float
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    CastOp,
    ClampOp,
    ClipOp,
    DivOp,
    ErfOp,
    GreaterEqualOp,
    GreaterOp,
    LogSoftmaxOp,
    MulOp,
    NegOp,
    PowOp,
    ReluOp,
    RoundOp,
    SigmoidOp,
    SignOp,
    SoftmaxOp,
    SqrtOp,
    SubOp,
)
from imcflow.dialect.types import is_float


@meaning(AddOp)
def add(op: AddOp, lhs: Array, rhs: Array) -> Array:
    """Return the sum."""
    return lhs + rhs


@meaning(SubOp)
def sub(op: SubOp, lhs: Array, rhs: Array) -> Array:
    """Return the difference."""
    return lhs - rhs


@meaning(MulOp)
def mul(op: MulOp, lhs: Array, rhs: Array) -> Array:
    """Return the product."""
    return lhs * rhs if is_float(op.lhs) else multiply(lhs, rhs)


@meaning(DivOp)
def div(op: DivOp, lhs: Array, rhs: Array) -> Array:
    """Return the quotient; of integers, truncated towards zero."""
    if is_float(op.lhs):
        with np.errstate(divide="ignore", invalid="ignore"):
            return lhs / rhs
    if not np.all(rhs):
        raise ZeroDivisionError("division of an integer by zero")
    return np.sign(lhs) * np.sign(rhs) * (np.abs(lhs) // np.abs(rhs))


@meaning(PowOp)
def power(op: PowOp, lhs: Array, rhs: Array) -> Array:
    """Return the power."""
    return np.power(lhs, rhs)


@meaning(GreaterOp)
def greater(op: GreaterOp, lhs: Array, rhs: Array) -> Array:
    """Compare."""
    return (lhs > rhs).astype(np.int64)


@meaning(GreaterEqualOp)
def greater_equal(op: GreaterEqualOp, lhs: Array, rhs: Array) -> Array:
    """Compare."""
    return (lhs >= rhs).astype(np.int64)


@meaning(ReluOp)
def relu(op: ReluOp, values: Array) -> Array:
    """Replace negative numbers by 0."""
    return np.maximum(values, np.zeros((), values.dtype))


@meaning(NegOp)
def neg(op: NegOp, values: Array) -> Array:
    """Return the negative."""
    return -values


@meaning(AbsOp)
def absolute(op: AbsOp, values: Array) -> Array:
    """Return the magnitude."""
    return np.abs(values)


@meaning(SignOp)
def sign(op: SignOp, values: Array) -> Array:
    """Return -1, 0 or 1."""
    result = np.sign(values)
    return result if is_float(op.result) else result.astype(np.int64)


@meaning(CastOp)
def cast(op: CastOp, values: Array) -> Array:
    """Convert; floating point is truncated towards zero."""
    if is_float(op.result):
        return values.astype(np.float32)
    if not np.all(np.isfinite(values)):
        raise OverflowError("an infinite or undefined number is no integer")
    return np.trunc(values).astype(np.int64)


@meaning(ClampOp)
def clamp(op: ClampOp, values: Array) -> Array:
    """Limit integers."""
    return np.clip(values, op.low.value.data, op.high.value.data)


@meaning(ClipOp)
def clip(op: ClipOp, values: Array) -> Array:
    """Limit `f32`; the upper limit wins when the limits cross, as in ONNX."""
    low, high = np.float32(op.low.value.data), np.float32(op.high.value.data)
    return np.minimum(np.maximum(values, low), high)


@meaning(RoundOp)
def round_(op: RoundOp, values: Array) -> Array:
    """Round to integral numbers."""
    return round_float(values, op.mode.data)


@meaning(SqrtOp)
def sqrt(op: SqrtOp, values: Array) -> Array:
    """Return the square root; of negative numbers, NaN."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(values)


@meaning(ErfOp)
def erf(op: ErfOp, values: Array) -> Array:
    """Return the error function, computed in double precision and rounded once."""
    flat = [math.erf(value) for value in values.ravel().tolist()]
    return np.asarray(flat, np.float32).reshape(values.shape)


@meaning(SigmoidOp)
def sigmoid(op: SigmoidOp, values: Array) -> Array:
    """Return `1 / (1 + exp(-x))`, in double precision and rounded once."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)


def _shifted(values: Array, axis: int) -> Array:
    return values.astype(np.float64) - values.max(axis=axis, keepdims=True)


@meaning(SoftmaxOp)
def softmax(op: SoftmaxOp, values: Array) -> Array:
    """Return `exp(x) / sum(exp(x))` along the axis, in double precision and rounded once."""
    axis = op.axis.value.data
    powers = np.exp(_shifted(values, axis))
    return (powers / powers.sum(axis=axis, keepdims=True)).astype(np.float32)


@meaning(LogSoftmaxOp)
def log_softmax(op: LogSoftmaxOp, values: Array) -> Array:
    """Return the logarithm of the softmax, in double precision and rounded once."""
    axis = op.axis.value.data
    shifted = _shifted(values, axis)
    return (shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))).astype(np.float32)
