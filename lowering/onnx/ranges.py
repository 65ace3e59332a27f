"""Interval arithmetic of the importer: which integers a result may hold, exactly, in Python integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcflow.lowering.onnx.tensors import Array


@dataclass(frozen=True)
class Interval:
    """The integers `low ... high`, both included."""

    low: int
    high: int

    def with_zero(self) -> Interval:
        """Return the interval widened to contain 0, as padding does."""
        return Interval(min(self.low, 0), max(self.high, 0))

    def union(self, other: Interval) -> Interval:
        """Return the smallest interval that contains both."""
        return Interval(min(self.low, other.low), max(self.high, other.high))

    def clamped(self, low: int, high: int) -> Interval:
        """Return the interval of `clamp(x, low, high)`."""
        return Interval(min(max(self.low, low), high), min(max(self.high, low), high))

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Interval) -> Interval:
        products = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(min(products), max(products))

    def scaled(self, factor: int) -> Interval:
        """Return the interval of the sum of `factor` such integers."""
        return Interval(self.low * factor, self.high * factor)

    def truncated_quotient(self, other: Interval) -> Interval:
        """Return the interval of the quotient truncated towards zero; the divisor is not 0."""
        magnitude = max(abs(self.low), abs(self.high))
        if other.low > 0:
            return Interval(_truncate(self.low, other.low), _truncate(self.high, other.low)).with_zero()
        return Interval(-magnitude, magnitude)


def _truncate(numerator: int, divisor: int) -> int:
    return numerator // divisor if numerator >= 0 else -(-numerator // divisor)


def linear_interval(weights: Array, values: Interval, bias: Array | None) -> Interval:
    """Return the interval of `sum_k weights[m, k] * x[k] + bias[m]` over all m.

    Args:
        weights: int64 [M, ...].
        values: interval of every x[k].
        bias: int64 [M] or None.
    """
    flat = weights.reshape(weights.shape[0], -1)
    positive = np.where(flat > 0, flat, 0).sum(axis=1).tolist()
    negative = np.where(flat < 0, flat, 0).sum(axis=1).tolist()
    offsets: list[int] = [0] * len(positive) if bias is None else bias.tolist()
    rows = list(zip(positive, negative, offsets, strict=True))
    if not rows:
        return Interval(0, 0)
    low = min(p * values.low + n * values.high + b for p, n, b in rows)
    high = max(p * values.high + n * values.low + b for p, n, b in rows)
    return Interval(low, high)


def affine_interval(values: Interval, multiplier: Array, addend: Array) -> Interval:
    """Return the interval of `x * multiplier + addend` over all elements of the constants."""
    pairs = np.broadcast_arrays(multiplier, addend)
    rows = set(zip(pairs[0].ravel().tolist(), pairs[1].ravel().tolist(), strict=True))
    ends = [x * m + a for m, a in rows for x in (values.low, values.high)]
    return Interval(min(ends), max(ends))


def requantised_interval(values: Interval, multiplier: Array, addend: Array, divisor: Array) -> Interval:
    """Return an interval of `round((x * multiplier + addend) / divisor)` that holds for every rounding mode."""
    triples = np.broadcast_arrays(multiplier, addend, divisor)
    rows = set(zip(*(array.ravel().tolist() for array in triples), strict=True))
    ends = [(x * m + a, d) for m, a, d in rows for x in (values.low, values.high)]
    return Interval(min(n // d for n, d in ends), max(-(-n // d) for n, d in ends))
