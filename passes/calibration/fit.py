"""Ternary and few-level integer weights closest to real ones, per output channel.

Threshold method: Li, Zhang, Liu, "Ternary Weight Networks" (arXiv 1605.04711), eq. 6 and 7: weights beyond
`delta = ratio * mean(|w|)` become +-alpha, alpha is the mean magnitude of those. Least squares: alpha and the set of
nonzero weights that minimise the squared error exactly; for every count k the best set is the k largest magnitudes, the
best alpha their mean, and the error falls by `(sum of the k largest)**2 / k`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.network.weights import ScaledWeights

Method = Literal["threshold", "least-squares"]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Fit:
    """Integer weights in place of real ones.

    Attributes:
        weights: integers [M, ...] and scales [M].
        error: norm of the difference over the norm of the real weights; 0 where both are 0.
        kind: what was done, for the report.
    """

    weights: ScaledWeights
    error: float
    kind: str

    @property
    def bits(self) -> int:
        """Bits of the signed integers; 2 for ternary ones."""
        return int(np.abs(self.weights.integers).max(initial=1)).bit_length() + 1

    @property
    def zeros(self) -> float:
        """Share of zero weights."""
        integers = self.weights.integers
        return 1 - np.count_nonzero(integers) / max(integers.size, 1)


def fit_weights(weights: FloatArray, *, method: Method, ratio: float, max_bits: int, tolerance: float) -> Fit:
    """Return the integer weights for a layer.

    A layer whose channels all hold at most one positive and one negative value (trained with two scales) keeps its
    pattern: the two values become small integers whose ratio is close enough. Every other layer becomes ternary.

    Args:
        weights: [M, ...].
        method: how to become ternary.
        ratio: of the threshold method.
        max_bits: most bits of the integers that stand for two scales.
        tolerance: relative error up to which the cheapest pair of integers is taken instead of the closest.
    """
    rows = weights.reshape(weights.shape[0], -1)
    if _has_two_scales(rows):
        levels, scale = _fit_two_scales(rows, max_bits, tolerance)
        fitted = [(row, scale) for row in levels]
        kind = "two scales kept"
    elif all(_has_two_scales(row) for row in rows):
        fitted = [_fit_two_scales(row, max_bits, tolerance) for row in rows]
        kind = "two scales per channel kept"
    else:
        fitted = [_fit_ternary(row, method, ratio) for row in rows]
        kind = f"ternary by {method}"
    integers = np.stack([levels for levels, _ in fitted]).reshape(weights.shape)
    scales = np.asarray([scale for _, scale in fitted], np.float32).astype(np.float64)
    return Fit(ScaledWeights(integers, scales), relative_error(weights, integers, scales), kind)


def fit_uniform(weights: FloatArray, bits: int) -> Fit:
    """Return symmetric integers of `bits` bits; in each output channel the largest weight is the largest integer."""
    rows = weights.reshape(weights.shape[0], -1)
    limit = (1 << (bits - 1)) - 1
    largest = np.abs(rows).max(axis=1)
    scales = np.where(largest > 0, largest / limit, 1).astype(np.float32).astype(np.float64)
    integers = np.clip(np.rint(rows / scales[:, None]), -limit, limit).astype(np.int64).reshape(weights.shape)
    return Fit(ScaledWeights(integers, scales), relative_error(weights, integers, scales), f"{bits} bits")


def relative_error(weights: FloatArray, integers: IntArray, scales: FloatArray) -> float:
    """Return the norm of `weights - scale * integers` over the norm of the weights."""
    norm = float(np.linalg.norm(weights))
    difference = weights - integers * scales.reshape((-1,) + (1,) * (weights.ndim - 1))
    return float(np.linalg.norm(difference)) / norm if norm else 0.0


def _fit_ternary(row: FloatArray, method: Method, ratio: float) -> tuple[IntArray, float]:
    magnitudes = np.abs(row)
    if not magnitudes.any():
        return np.zeros(row.shape, np.int64), 1.0
    if method == "threshold":
        kept = magnitudes > ratio * magnitudes.mean()
    else:
        order = np.argsort(-magnitudes, kind="stable")
        sums = np.cumsum(magnitudes[order])
        count = int(np.argmax(sums**2 / np.arange(1, len(sums) + 1))) + 1
        kept = np.zeros(row.shape, np.bool_)
        kept[order[:count]] = True
    if not kept.any():
        return np.zeros(row.shape, np.int64), 1.0
    return (np.sign(row) * kept).astype(np.int64), float(magnitudes[kept].mean())


def _has_two_scales(weights: FloatArray) -> bool:
    """Return whether there is at most one positive and one negative value."""
    return len(np.unique(weights[weights > 0])) <= 1 and len(np.unique(weights[weights < 0])) <= 1


def _fit_two_scales(row: FloatArray, max_bits: int, tolerance: float) -> tuple[IntArray, float]:
    """Return the integers `{-n, 0, p}` and the scale of weights with at most one positive and one negative value."""
    positive, negative = np.count_nonzero(row > 0), np.count_nonzero(row < 0)
    if not positive or not negative:
        scale = float(np.abs(row).max())
        return np.sign(row).astype(np.int64), scale or 1.0
    high, low = float(row.max()), -float(row.min())
    limit = (1 << (max_bits - 1)) - 1
    candidates = np.arange(1, limit + 1)
    p, n = (grid.ravel() for grid in np.meshgrid(candidates, candidates))
    coprime = np.gcd(p, n) == 1
    p, n = p[coprime], n[coprime]
    # Least-squares scale for each pair, and the error that it leaves.
    power = positive * p**2 + negative * n**2
    scale = (positive * p * high + negative * n * low) / power
    total = positive * high**2 + negative * low**2
    error = np.sqrt(np.maximum(total - scale**2 * power, 0) / total)
    counts = _digit_counts(limit)
    digits = counts[p] + counts[n]
    good = error <= max(tolerance, float(error.min()))
    best = np.lexsort((error, digits, ~good))[0]
    levels = np.where(row > 0, p[best], 0) - np.where(row < 0, n[best], 0)
    return levels.astype(np.int64), float(scale[best])


@lru_cache(maxsize=16)
def _digit_counts(limit: int) -> IntArray:
    """Return the nonzero signed digits (canonical form) of 0 ... limit: the ternary planes that a weight costs."""
    # A digit stands where n and 3n differ.
    return np.asarray([(number ^ (3 * number)).bit_count() for number in range(limit + 1)], np.int64)
