"""Converters and cells of an analog macro: range, levels and clipping of the ADCs, noise, conductance variation.

The sum of a physical column is counted in unit cells: what one conducting cell adds for an input digit of 1. An ADC
with L levels over a full scale F reads s as the code `clip(round((s - low) / step), 0, L - 1)` with
`step = max(1, F / (L - 1))`: a step below one unit cell would resolve nothing. `low` is 0, and for the signed digit of
two's complement activations `-round(F * 2^(b-1) / (2^b - 1))`, the share of its range that is negative.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.crossbar.stream import Product
    from imcflow.runtime.program import MacroSummary


@dataclass(frozen=True)
class AnalogNoise:
    """What makes an analog macro differ from its design; the default differs in nothing.

    Attributes:
        read_cells: standard deviation of the Gaussian noise of each conversion, in unit cells, as seen at the column's
            output. Independent noise of the cells has the same distribution with sqrt(conducting cells) times theirs.
        conductance: relative standard deviation of each cell's conductance, fixed for a loaded tile.
        seed: of both; results depend on it and on the image's number in the batch, not on threads or memory.
    """

    read_cells: float = 0.0
    conductance: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for field, value in (("read_cells", self.read_cells), ("conductance", self.conductance)):
            if not 0.0 <= value < float("inf"):
                raise InputError(f"noise: {field} must be a number of at least 0, got {value}")
        if not 0 <= self.seed < 1 << 32:
            raise InputError(f"noise: seed must be 0 to {(1 << 32) - 1}, got {self.seed}")

    @property
    def absent(self) -> bool:
        """Whether nothing is disturbed."""
        return self.read_cells == 0.0 and self.conductance == 0.0


@dataclass(frozen=True)
class Converters:
    """The analog parts of the macros while one kernel runs on some images.

    Attributes:
        macro: geometry; `adc_levels` is at least 2.
        noise: disturbances.
        kernel_name: separates the random numbers of kernels.
        first_image: number of the first image in the batch.
        images: how many images the lanes belong to, the same number of lanes each.
    """

    macro: MacroSummary
    noise: AnalogNoise
    kernel_name: str
    first_image: int
    images: int

    def step(self, full_scale: int) -> float:
        """Unit cells per code."""
        return max(1.0, full_scale / (self.macro.adc_levels - 1))

    def cells(self, product: Product, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the conductances [bits, columns, rows] of cells that are 0 or 1."""
        if self.noise.conductance == 0.0:
            return cells
        deviation = self._generator(product.number, 0, 0).standard_normal(cells.shape)
        return cells * (1.0 + self.noise.conductance * deviation)

    def codes(
        self, product: Product, cycle: int, sums: NDArray[np.float64], *, signed: bool
    ) -> tuple[NDArray[np.float64], int]:
        """Return the codes of column sums [physical columns, lanes], and the unit cells at code 0.

        Args:
            product: the tile; its full scale is the range.
            cycle: number of the input digit.
            sums: in unit cells.
            signed: whether the input digit is signed.
        """
        low = self._low(product.full_scale) if signed else 0
        if self.noise.read_cells:
            sums = sums + self.noise.read_cells * self._read_noise(product.number, cycle, sums.shape)
        codes = np.rint((sums - low) / self.step(product.full_scale))
        return np.clip(codes, 0.0, self.macro.adc_levels - 1), low

    def _low(self, full_scale: int) -> int:
        bits = self.macro.bits_per_cycle
        return -round(full_scale * (1 << (bits - 1)) / ((1 << bits) - 1))

    def _read_noise(self, number: int, cycle: int, shape: tuple[int, ...]) -> NDArray[np.float64]:
        columns, lanes = shape
        parts = [
            self._generator(number, 1 + cycle, 1 + self.first_image + image).standard_normal(
                (columns, lanes // self.images)
            )
            for image in range(self.images)
        ]
        return np.concatenate(parts, axis=1)

    def _generator(self, number: int, purpose: int, image: int) -> np.random.Generator:
        key = (self.noise.seed, zlib.crc32(self.kernel_name.encode()), number, purpose, image)
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(key)))


def converts_exactly(macro: MacroSummary, kernel_full_scales: list[tuple[int, int]]) -> bool:
    """Return whether converters lose nothing: a level per unit cell, and no sum beyond the full scale.

    Args:
        macro: levels of the converters.
        kernel_full_scales: per tile, its full scale and the largest sum of a column, in unit cells.
    """
    return all(largest <= scale <= macro.adc_levels - 1 for scale, largest in kernel_full_scales)
