"""Exact intervals of integer values, per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from imcflow.passes.network.forms import range_of

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Interval:
    """Both ends included; int64, one axis: per channel (axis 1 of the tensor), or of size 1 for all channels."""

    low: IntArray
    high: IntArray

    @property
    def least(self) -> int:
        """The least integer of any channel."""
        return int(self.low.min())

    @property
    def greatest(self) -> int:
        """The greatest integer of any channel."""
        return int(self.high.max())


def constant_interval(low: int, high: int) -> Interval:
    """Return one interval for all channels."""
    return Interval(np.asarray([low], np.int64), np.asarray([high], np.int64))


def linear_interval(
    value: SSAValue, weights: IntArray, bias: IntArray | None, *, padded: bool = False, pad_value: int = 0
) -> tuple[IntArray, IntArray]:
    """Return the exact range of the accumulators of each output channel `[M]`, for inputs of the type of `value`."""
    low, high = range_of(value)
    return weighted_sum(constant_interval(low, high), weights, bias, groups=1, padded=padded, pad_value=pad_value)


def weighted_sum(
    inputs: Interval, weights: IntArray, bias: IntArray | None, *, groups: int, padded: bool, pad_value: int
) -> tuple[IntArray, IntArray]:
    """Return the exact range of `bias[m] + sum(weights[m, c, ...] * x[c])`: the positive and negative parts apart.

    Args:
        inputs: per input channel, or one for all.
        weights: [M, C/groups, ...].
        bias: [M] or None.
        groups: groups of channels.
        padded: whether an input may also be `pad_value`.
        pad_value: see `padded`.

    Raises:
        OverflowError: if a bound might exceed int64.
    """
    low, high = inputs.low, inputs.high
    if padded:
        low, high = np.minimum(low, pad_value), np.maximum(high, pad_value)
    outputs = weights.shape[0]
    largest = max(abs(int(low.min())), abs(int(high.max()))) * int(np.abs(weights).max(initial=0))
    if largest * weights[0].size >= 1 << 62:
        raise OverflowError(f"a sum of {weights[0].size} products may need more than 62 bits")
    # Weights of one channel of one sign meet the same bound: add them up first.
    channels = weights.reshape(outputs, weights.shape[1], -1)
    positive, negative = (part(channels, 0).sum(axis=2) for part in (np.maximum, np.minimum))
    lows, highs = (_per_weight(end, positive, groups) for end in (low, high))
    least = (positive * lows + negative * highs).sum(axis=1)
    greatest = (positive * highs + negative * lows).sum(axis=1)
    return (least, greatest) if bias is None else (least + bias, greatest + bias)


def _per_weight(channels: IntArray, weights: IntArray, groups: int) -> IntArray:
    if channels.size == 1:
        return channels.reshape((1,) * weights.ndim)
    rows = np.repeat(channels.reshape(groups, -1), weights.shape[0] // groups, axis=0)
    return rows.reshape(rows.shape + (1,) * (weights.ndim - 2))
