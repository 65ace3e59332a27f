"""Meaning of the ops between real numbers and integers."""

from __future__ import annotations

import numpy as np

from imcflow.dialect.interpreter.exact import multiply
from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.interpreter.rounding import round_float, round_fraction
from imcflow.dialect.ops_quantise import BipolarOp, DequantizeOp, QuantizeOp, RequantizeOp, ThresholdOp


@meaning(QuantizeOp)
def quantize(op: QuantizeOp, values: Array, scale: Array, zero_point: Array) -> Array:
    """Divide and round in `float32`; add the zero point and clamp exactly."""
    quotient = values / scale
    if op.zero_point_inside is not None:
        rounded = round_float(quotient + zero_point.astype(np.float32), op.mode.data).astype(np.float64)
    else:
        rounded = round_float(quotient, op.mode.data).astype(np.float64) + zero_point
    if np.any(np.isnan(rounded)):
        raise OverflowError("an undefined number (NaN) cannot be quantised")
    return np.clip(rounded, op.low.value.data, op.high.value.data).astype(np.int64)


@meaning(DequantizeOp)
def dequantize(op: DequantizeOp, values: Array, scale: Array, zero_point: Array) -> Array:
    """Subtract the zero point exactly, convert to `float32`, multiply."""
    return (values - zero_point).astype(np.float32) * scale


@meaning(BipolarOp)
def bipolar(op: BipolarOp, values: Array) -> Array:
    """Return +1 where the value is not negative, else -1."""
    return np.where(values >= 0, np.int64(1), np.int64(-1))


MANY_COMPARISONS = 1 << 18
"""Of values with thresholds: more are searched instead, which needs no table of all of them."""


@meaning(ThresholdOp)
def threshold(op: ThresholdOp, values: Array, thresholds: Array, descending: Array | None = None) -> Array:
    """Count, channel by channel, the thresholds that the value reaches."""
    levels = thresholds.shape[1]
    if values.size * levels <= MANY_COMPARISONS:
        # An order of the thresholds is needed only to compare fewer of them.
        axes = (1, -1, *(1 for _ in values.shape[2:]))
        counts: Array = np.count_nonzero(values[..., None] >= thresholds.reshape(*axes, levels), axis=-1)
        if descending is not None:
            counts = np.where(np.asarray(descending, np.bool_).reshape(axes), levels - counts, counts)
        return counts + op.low.value.data
    result = np.zeros(values.shape, np.int64)
    for channel in range(values.shape[1]):
        row = np.sort(thresholds[channel if thresholds.shape[0] > 1 else 0])
        reached = np.searchsorted(row, values[:, channel], side="right")
        turned = descending is not None and bool(descending[channel])
        result[:, channel] = op.low.value.data + (levels - reached if turned else reached)
    return result


@meaning(RequantizeOp)
def requantize(op: RequantizeOp, values: Array, multiplier: Array, addend: Array, divisor: Array) -> Array:
    """Evaluate the fraction in exact integers, round it, clamp it."""
    if np.any(divisor <= 0):
        raise ZeroDivisionError("the divisor of a requantisation must be positive")
    result = round_fraction(multiply(values, multiplier) + addend, divisor, op.mode.data)
    if op.low is not None and op.high is not None:
        result = np.clip(result, op.low.value.data, op.high.value.data)
    return result
