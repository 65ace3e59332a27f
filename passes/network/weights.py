"""Weights as small integers times a scale per output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from imcflow.dialect.ops_quantise import DequantizeOp
from imcflow.dialect.types import integer_type
from imcflow.passes.network.constants import constant_value

NEIGHBOURS = 3
"""How many float32 numbers on either side of a quotient are tried as scale: the quotient itself is rounded."""


@dataclass(frozen=True, eq=False)
class ScaledWeights:
    """The real weights `scale[m] * integers[m, ...]`.

    Attributes:
        integers: int64 [M, ...].
        scale: float64 [M].
    """

    integers: NDArray[np.int64]
    scale: NDArray[np.float64]


def weight_form(value: SSAValue, max_bits: int) -> ScaledWeights | str:
    """Return constant weights `[M, ...]` as integers of at most `max_bits` bits, or why that is impossible.

    Stored integers with a scale are taken as they are; real weights are decomposed if the product of scale and integer,
    rounded to float32, gives back every weight exactly.
    """
    stored = _stored_form(value)
    if stored is not None and signed_bits(stored.integers) <= max_bits:
        return stored
    weights = constant_value(value)
    if weights is None:
        return "the weights are not constant"
    return decompose(weights, max_bits)


def _stored_form(value: SSAValue) -> ScaledWeights | None:
    op = value.owner
    if not isinstance(op, DequantizeOp):
        return None
    parts = [constant_value(operand) for operand in op.operands]
    quantised, scale, zero = parts
    if quantised is None or scale is None or zero is None:
        return None
    real: NDArray[np.float64] = scale.astype(np.float64)
    full: NDArray[np.float64] = np.broadcast_to(real, quantised.shape).reshape(quantised.shape[0], -1)
    if not np.array_equal(full, np.broadcast_to(full[:, :1], full.shape)):
        return None
    integers: NDArray[np.int64] = quantised - zero
    return ScaledWeights(integers, full[:, 0])


def weight_type(weights: NDArray[np.int64]) -> IntegerType:
    """Return the signed type of the weights, at least `si2`."""
    magnitude = max(int(weights.max(initial=1)), -int(weights.min(initial=-1)) - 1)
    return integer_type(magnitude.bit_length() + 1, signed=True)


def decompose(weights: NDArray[Any], max_bits: int) -> ScaledWeights | str:
    """Return float32 weights `[M, ...]` as integers of at most `max_bits` bits times scales, or why that fails.

    One scale for the whole tensor is preferred to one per output channel when it needs no more bits: residual
    additions need equal scales.
    """
    if weights.dtype.kind != "f":
        return ScaledWeights(weights.astype(np.int64), np.ones(len(weights)))
    if not np.all(np.isfinite(weights)):
        return "a weight is infinite or undefined"
    limit = 1 << (max_bits - 1)
    matrix = np.asarray(weights, np.float32).reshape(weights.shape[0], -1)
    whole = _common_scale(np.unique(np.abs(matrix)), limit)
    rows = _row_scales(matrix, limit)
    found = [scale for scale in rows if scale is not None]
    candidates: list[ScaledWeights] = []
    if whole is not None:
        candidates.append(_with_scales(weights, np.full(len(rows), whole or 1, np.float32)))
    if len(found) == len(rows):
        candidates.append(_with_scales(weights, _filled(np.asarray(found, np.float32))))
    candidates = [candidate for candidate in candidates if signed_bits(candidate.integers) <= max_bits]
    if candidates:
        return min(candidates, key=lambda candidate: signed_bits(candidate.integers))
    channel = next((index for index, scale in enumerate(rows) if scale is None), 0)
    levels = len(np.unique(matrix[channel]))
    return f"the {levels} different weights of output channel {channel} are no multiples, up to {limit}, of one scale"


def _row_scales(matrix: NDArray[np.float32], limit: int) -> list[np.float32 | None]:
    """Return the scale of each row; rows with the same magnitudes, common in trained layers, are searched once."""
    known: dict[bytes, np.float32 | None] = {}
    scales: list[np.float32 | None] = []
    largest = np.abs(matrix).max(axis=1, initial=0)
    single = ((matrix == 0) | (np.abs(matrix) == largest[:, None])).all(axis=1)
    for row, scale, one_magnitude in zip(matrix, largest, single, strict=True):
        if one_magnitude:
            scales.append(scale)
            continue
        magnitudes = np.unique(np.abs(row))
        key = magnitudes.tobytes()
        if key not in known:
            known[key] = _common_scale(magnitudes, limit)
        scales.append(known[key])
    return scales


def _with_scales(weights: NDArray[Any], scales: NDArray[np.float32]) -> ScaledWeights:
    shape = (-1,) + (1,) * (weights.ndim - 1)
    integers = np.rint(weights.astype(np.float64) / scales.astype(np.float64).reshape(shape)).astype(np.int64)
    return ScaledWeights(integers, scales.astype(np.float64))


def _filled(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace the scale 0 of channels without weights by that of another channel."""
    used = scales[scales > 0]
    return np.where(scales > 0, scales, used[0] if used.size else np.float32(1))


def signed_bits(integers: NDArray[np.int64]) -> int:
    """Return the bits of the two's complement that holds all `integers`: 2 for ternary, 8 for -128 ... 127."""
    low, high = int(integers.min(initial=0)), int(integers.max(initial=0))
    return max((-low - 1).bit_length() if low else 0, high.bit_length()) + 1


def _common_scale(magnitudes: NDArray[np.float32], limit: int) -> np.float32 | None:
    """Return the largest float32 scale of which all magnitudes are multiples of at most `limit`; 0 of zeros alone.

    Args:
        magnitudes: sorted, distinct, not negative.
        limit: largest multiple allowed.
    """
    values = magnitudes[magnitudes > 0]
    if not values.size:
        return np.float32(0)
    if values.size > limit:
        return None
    least, greatest = float(values[0]), float(values[-1])
    for divisor in range(1, limit + 1):
        if round(greatest * divisor / least) > limit:
            return None
        multiples = np.rint(values.astype(np.float64) * (divisor / least)).astype(np.float32)
        for scale in _neighbours(np.float32(least / divisor)):
            if scale > 0 and np.array_equal(multiples * scale, values):
                return scale
    return None


def _neighbours(value: np.float32) -> list[np.float32]:
    result = [value]
    for direction in (np.float32(-np.inf), np.float32(np.inf)):
        step = value
        for _ in range(NEIGHBOURS):
            step = np.nextafter(step, direction, dtype=np.float32)
            result.append(step)
    return result
