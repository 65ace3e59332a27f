"""Operations between real numbers and integers."""

from __future__ import annotations

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital.exact import FLOAT32_EXACT, product
from imcflow.runtime.digital.registry import Array, Call, is_float, operation

FEW_LEVELS = 32  # up to here a comparison per level beats a binary search per element
MOST_TABLE_ENTRIES_PER_VALUE = 2  # up to here a table of all integers that occur is filled faster than it is searched


def _round_float(values: Array, mode: str) -> Array:
    """Round float32 to integral float32."""
    if mode == "half_even":
        return np.rint(values)
    if mode == "floor":
        return np.floor(values)
    if mode == "ceil":
        return np.ceil(values)
    if mode == "truncate":
        return np.trunc(values)
    if mode == "away":
        return np.copysign(np.ceil(np.abs(values)), values)
    below = np.floor(values)
    with np.errstate(invalid="ignore"):
        fraction = values - below
    half = np.float32(0.5)
    up = fraction > half
    tie = fraction == half
    if mode == "half_up":
        up |= tie
    elif mode == "half_away":
        up |= tie & (values > 0)
    elif mode == "half_to_zero":
        up |= tie & (values < 0)
    return below + up.astype(np.float32)


def _round_quotient(numerator: Array, divisor: Array, mode: str) -> Array:
    """Return numerator / divisor rounded to integers, exactly, for a positive divisor."""
    below = numerator // divisor
    rest = numerator - below * divisor
    if mode == "floor":
        return below
    if mode in ("ceil", "truncate", "away"):
        up = rest > 0
        if mode != "ceil":
            up = up & ((numerator < 0) if mode == "truncate" else (numerator > 0))
        return below + up.astype(below.dtype)
    up = 2 * rest > divisor
    tie = 2 * rest == divisor
    if mode == "half_even":
        up = up | (tie & (below % 2 != 0))
    elif mode == "half_up":
        up = up | tie
    elif mode == "half_away":
        up = up | (tie & (numerator > 0))
    elif mode == "half_to_zero":
        up = up | (tie & (numerator < 0))
    return below + up.astype(below.dtype)


@operation("round")
def round_(call: Call) -> Array:
    """Round float32 to integral float32 by the given mode."""
    return _round_float(call.first, call.text("mode"))


@operation("quantize")
def quantize(call: Call) -> Array:
    """`clamp(round(x / scale) + zero_point, low, high)`; the quotient and its rounding in float32."""
    values, scale, zero_point = call.operands
    quotient = values / scale
    mode = call.text("mode")
    inside = call.flag("zero_point_inside")
    rounded = _round_float(quotient + zero_point.astype(np.float32) if inside else quotient, mode)
    if rounded.size and np.isnan(rounded.max()):
        raise ProgramError("the digital unit quantises an undefined number (NaN)")
    low, high = call.integer("low"), call.integer("high")
    if inside:
        return _clamp_float(rounded, np.int64(low), np.int64(high))
    # Clamping before the exact addition keeps every number small.
    return _clamp_float(rounded, low - zero_point.astype(np.int64), high - zero_point.astype(np.int64)) + zero_point


def _clamp_float(values: Array, low: Array | np.int64, high: Array | np.int64) -> Array:
    """Limit integral float32 to integers and convert: int32 where float32 holds the limits, else int64."""
    if max(np.abs(low).max(), np.abs(high).max()) < FLOAT32_EXACT:
        return np.minimum(np.maximum(values, np.float32(low)), np.float32(high)).astype(np.int32)
    return np.minimum(np.maximum(values.astype(np.float64), low), high).astype(np.int64)


@operation("dequantize")
def dequantize(call: Call) -> Array:
    """`float32(x - zero_point) * scale`; the difference is exact."""
    values, scale, zero_point = call.operands
    return (values.astype(np.int64) - zero_point).astype(np.float32) * scale


@operation("bipolar")
def bipolar(call: Call) -> Array:
    """+1 where the input is not negative, else -1."""
    return (call.first >= 0).astype(np.int8) * np.int8(2) - np.int8(1)


@operation("threshold")
def threshold(call: Call) -> Array:
    """`low + #{k : x >= thresholds[c, k]}`; descending channels count down from `low + L`."""
    values, thresholds = call.operands[:2]
    channels, levels = values.shape[1], thresholds.shape[1]
    if thresholds.shape[0] == 1 and levels > FEW_LEVELS:
        counts = _reached_by_all(values, thresholds[0]).astype(np.int64)
    else:
        counts = _reached(values, np.broadcast_to(thresholds, (channels, levels))).astype(np.int64)
    if len(call.operands) == 3:
        turned = call.operands[2].astype(np.bool_).reshape(-1, *[1] * (values.ndim - 2))
        counts = np.where(turned, levels - counts, counts)
    return counts + call.integer("low")


def _reached_by_all(values: Array, thresholds: Array) -> Array:
    """Count per element how many thresholds [levels] it reaches: from a table of all integers that occur, if short."""
    if is_float(values) or not values.size:
        return np.searchsorted(np.sort(thresholds), values, side="right").astype(np.int32)
    least, greatest = int(values.min()), int(values.max())
    if greatest - least >= MOST_TABLE_ENTRIES_PER_VALUE * values.size:
        return np.searchsorted(np.sort(thresholds), values, side="right").astype(np.int32)
    places = np.clip(thresholds.astype(np.int64), least, greatest + 1) - least
    table = np.cumsum(np.bincount(places, minlength=greatest - least + 2)).astype(np.int32)
    return table[values.astype(np.int64) - least]


def _reached(values: Array, thresholds: Array) -> Array:
    """Count per element how many thresholds [channels, levels] of its channel it reaches."""
    counts = np.zeros(values.shape, np.int32)
    if thresholds.shape[1] > FEW_LEVELS:
        for channel, row in enumerate(thresholds):
            counts[:, channel] = _reached_by_all(values[:, channel], row)
        return counts
    per_channel = (-1, *[1] * (values.ndim - 2))
    for level in thresholds.T:
        possible = np.ones(len(level), np.bool_)
        if not is_float(values):  # compare in the type of the values, without widening them
            limits = np.iinfo(values.dtype)
            possible = level <= limits.max
            level = np.clip(level, limits.min, limits.max).astype(values.dtype)
        counts += (values >= level.reshape(per_channel)) & possible.reshape(per_channel)
    return counts


@operation("requantize")
def requantize(call: Call) -> Array:
    """`clamp(round((x * multiplier + addend) / divisor), low, high)` in exact integers."""
    values, multiplier, addend, divisor = call.operands
    if (divisor <= 0).any():
        raise ProgramError("the digital unit requantises with a divisor that is not positive")
    result = _round_quotient(product(values, multiplier) + addend, divisor.astype(np.int64), call.text("mode"))
    if call.attributes["low"] is not None and call.attributes["high"] is not None:
        result = np.minimum(np.maximum(result, call.integer("low")), call.integer("high"))
    return result
