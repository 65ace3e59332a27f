"""Scales of activations from samples: the whole range, a percentile of it, or the least squared error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Method = Literal["minmax", "percentile", "mse"]
FloatArray = NDArray[np.float64]

MSE_STEPS = 64
"""How many clipping ranges `mse` tries, from the whole range down to 1/64 of it."""

SAMPLES_PER_TENSOR = 1 << 16
"""Values kept of each tensor, evenly spread; the extremes are exact."""


class Samples:
    """Values of one tensor, collected batch by batch: exact extremes and an even selection of the rest."""

    def __init__(self, per_batch: int) -> None:
        self._per_batch = per_batch
        self._parts: list[FloatArray] = []
        self.low = 0.0
        self.high = 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        """Add the values of one batch."""
        if not values.size:
            return
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        flat = values.ravel()
        # A step that shares no factor with the sizes of feature maps visits all channels and places.
        step = max(1, flat.size // self._per_batch) | 1
        self._parts.append(flat[::step].astype(np.float64))

    @property
    def values(self) -> FloatArray:
        """The selection."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0)


@dataclass(frozen=True)
class IntegerRange:
    """The integers that stand for a tensor: `clamp(round(x / scale) + zero_point, low, high)`."""

    scale: float
    zero_point: int
    low: int
    high: int

    def apply(self, values: FloatArray) -> FloatArray:
        """Return the real numbers that the integers stand for."""
        integers = np.clip(np.rint(values / self.scale) + self.zero_point, self.low, self.high)
        return (integers - self.zero_point) * self.scale


def symmetric(limit: float, bits: int, *, signed: bool) -> IntegerRange:
    """Return `bits`-bit integers with zero point 0 for values up to `limit` in magnitude."""
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    low = -high - 1 if signed else 0
    scale = float(np.float32(limit / max(high, 1))) if limit > 0 else 1.0
    return IntegerRange(scale or 1.0, 0, low, high)


def affine(low: float, high: float, bits: int) -> IntegerRange:
    """Return unsigned `bits`-bit integers for values in `low ... high`, which contains 0."""
    top = (1 << bits) - 1
    if high <= low:
        return IntegerRange(1.0, 0, 0, top)
    scale = float(np.float32((high - low) / top))
    return IntegerRange(scale, int(np.clip(np.rint(-low / scale), 0, top)), 0, top)


def fit_group(
    samples: Sequence[Samples], signed: Sequence[bool], bits: int, method: Method, percentile: float
) -> float:
    """Return one scale for several tensors with zero point 0: the largest that any of them needs."""
    scales: list[float] = []
    for sample, is_signed in zip(samples, signed, strict=True):
        limit = max(-sample.low, sample.high)
        magnitudes = np.abs(sample.values)
        if method == "percentile" and magnitudes.size:
            limit = float(np.percentile(magnitudes, percentile))
        elif method == "mse" and magnitudes.size:
            limits = limit * np.arange(1, MSE_STEPS + 1) / MSE_STEPS
            errors = [
                float(np.mean((symmetric(cut, bits, signed=is_signed).apply(sample.values) - sample.values) ** 2))
                for cut in limits
            ]
            limit = float(limits[int(np.argmin(errors))])
        if limit > 0:
            scales.append(symmetric(limit, bits, signed=is_signed).scale)
    return max(scales, default=1.0)


def fit_single(sample: Samples, bits: int, method: Method, percentile: float) -> IntegerRange:
    """Return the integers with a zero point for a tensor that takes both signs and shares its scale with none."""
    low, high = sample.low, sample.high
    if method == "percentile" and sample.values.size:
        low = min(0.0, float(np.percentile(sample.values, 100 - percentile)))
        high = max(0.0, float(np.percentile(sample.values, percentile)))
    elif method == "mse" and sample.values.size:
        shares = np.arange(1, MSE_STEPS + 1) / MSE_STEPS
        errors = [
            float(np.mean((affine(low * share, high * share, bits).apply(sample.values) - sample.values) ** 2))
            for share in shares
        ]
        share = float(shares[int(np.argmin(errors))])
        low, high = low * share, high * share
    return affine(low, high, bits)


def sqnr_db(values: FloatArray, quantised: FloatArray) -> float:
    """Return the ratio of signal to quantisation noise in decibels; infinite without noise."""
    noise = float(np.sum((values - quantised) ** 2))
    signal = float(np.sum(values**2))
    if not noise:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal else float("-inf")
