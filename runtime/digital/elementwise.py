"""Elementwise operations. Integers are exact, float32 rounds once per operation."""

from __future__ import annotations

import math

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital.exact import INT64_SAFE
from imcflow.runtime.digital.registry import Array, Call, is_float, operation


@operation("add")
def add(call: Call) -> Array:
    """Sum. Modulo the width of the result type it is the true sum, because that fits."""
    return np.add(*call.operands, dtype=call.dtype, casting="unsafe")


@operation("sub")
def sub(call: Call) -> Array:
    """Difference."""
    return np.subtract(*call.operands, dtype=call.dtype, casting="unsafe")


@operation("mul")
def mul(call: Call) -> Array:
    """Product."""
    return np.multiply(*call.operands, dtype=call.dtype, casting="unsafe")


@operation("div")
def div(call: Call) -> Array:
    """Quotient; of integers, truncated towards zero."""
    left, right = call.operands
    if is_float(left):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.divide(left, right)
    if not right.all():
        raise ProgramError("the digital unit divides an integer by zero")
    wide_left, wide_right = left.astype(np.int64), right.astype(np.int64)
    quotient = wide_left // wide_right
    # Floor and truncation differ by one where the signs differ and something is left over.
    return quotient + ((quotient < 0) & (quotient * wide_right != wide_left))


@operation("pow")
def power(call: Call) -> Array:
    """Power of float32."""
    return np.power(*call.operands)


@operation("greater")
def greater(call: Call) -> Array:
    """1 where the first operand is larger."""
    return np.greater(*call.operands)


@operation("greater_equal")
def greater_equal(call: Call) -> Array:
    """1 where the first operand is not smaller."""
    return np.greater_equal(*call.operands)


@operation("relu")
def relu(call: Call) -> Array:
    """Larger of the input and 0."""
    return np.maximum(call.first, call.first.dtype.type(0))


@operation("neg")
def neg(call: Call) -> Array:
    """Negation."""
    return np.negative(call.first, dtype=call.dtype, casting="unsafe")


@operation("abs")
def absolute(call: Call) -> Array:
    """Magnitude; computed wide, because -128 has none in 8 bits."""
    return np.abs(call.first if is_float(call.first) else call.first.astype(np.int64))


@operation("sign")
def sign(call: Call) -> Array:
    """-1, 0 or 1."""
    return np.sign(call.first)


@operation("cast")
def cast(call: Call) -> Array:
    """Between integers and float32; floating point is truncated towards zero."""
    if not is_float(call.first) or call.element.is_float:
        return call.first.astype(call.dtype)
    if not np.isfinite(call.first).all():
        raise ProgramError("the digital unit casts an infinite or undefined number to an integer")
    return np.trunc(call.first).astype(np.int64)


@operation("clamp")
def clamp(call: Call) -> Array:
    """Integers limited to low ... high."""
    # Bounds that the input's type holds need no wider type.
    limits = np.iinfo(call.first.dtype)
    low, high = (min(max(call.integer(name), limits.min), limits.max) for name in ("low", "high"))
    if (low, high) != (call.integer("low"), call.integer("high")):
        wide = np.maximum(call.first.astype(np.int64), max(call.integer("low"), -INT64_SAFE))
        return np.minimum(wide, min(call.integer("high"), INT64_SAFE))
    limited = np.clip(call.first, low, high)
    held = np.iinfo(call.dtype) if call.dtype.kind in "iu" else limits
    if held.min <= min(low, high) and max(low, high) <= held.max and held.bits == limits.bits:
        return limited.view(call.dtype)  # all of these are the same bits in both types
    return limited


@operation("clip")
def clip(call: Call) -> Array:
    """Limit float32 to low ... high."""
    return np.minimum(np.maximum(call.first, call.number("low")), call.number("high"))


@operation("sqrt")
def sqrt(call: Call) -> Array:
    """Square root; of negative numbers, NaN."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(call.first)


@operation("erf")
def erf(call: Call) -> Array:
    """Error function, computed in double precision and rounded once."""
    return np.vectorize(math.erf, otypes=[np.float64])(call.first).astype(np.float32)


@operation("sigmoid")
def sigmoid(call: Call) -> Array:
    """Logistic function, computed in double precision and rounded once."""
    with np.errstate(over="ignore"):
        return np.reciprocal(1.0 + np.exp(-call.first.astype(np.float64))).astype(np.float32)


@operation("softmax")
def softmax(call: Call) -> Array:
    """Softmax along one axis, computed in double precision and rounded once."""
    axis = call.integer("axis")
    wide = call.first.astype(np.float64)
    exponentials = np.exp(wide - wide.max(axis=axis, keepdims=True))
    return (exponentials / exponentials.sum(axis=axis, keepdims=True)).astype(np.float32)


@operation("log_softmax")
def log_softmax(call: Call) -> Array:
    """Logarithm of the softmax along one axis, computed in double precision and rounded once."""
    axis = call.integer("axis")
    wide = call.first.astype(np.float64)
    centred = wide - wide.max(axis=axis, keepdims=True)
    return (centred - np.log(np.exp(centred).sum(axis=axis, keepdims=True))).astype(np.float32)
