"""Converters and cells of an analog macro: range, levels and clipping of the ADCs, noise, conductance variation.

The sum of a physical column is counted in unit cells: what one conducting cell adds for an input digit of 1. An ADC
with L levels over a full scale F reads s as the code `clip(round((s - low) / step), 0, L - 1)` with
`step = max(1, F / (L - 1))`: a step below one unit cell would resolve nothing. `low` is 0, and for the signed digit of
two's complement activations `-round(F * 2^(b-1) / (2^b - 1))`, the share of its range that is negative.

Cells of several bits are differences of two conductances; their columns are read with signed codes
`clip(round(s / step), -(L // 2), (L - 1) // 2)`, `step = max(1, F / ((L - 1) // 2))`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from imcflow.errors import InputError
from imcflow.runtime.crossbar.noise import tile_key

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.crossbar.stream import Product
    from imcflow.runtime.program import MacroSummary

CONDUCTANCE_STEPS = 1 << 20
"""Conductances are multiples of this part of a unit cell, so that sums of them are exact in any order."""


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


class ColumnRange(NamedTuple):
    """What a converter tells apart: unit cells at code 0, least and greatest code."""

    low: int
    least: int
    most: int


def columns_per_weight(weight_bits: int, macro: MacroSummary) -> int:
    """Return how many physical columns a weight of `weight_bits` bits takes."""
    return -(-weight_bits // macro.cell_bits)


@dataclass(frozen=True)
class Converters:
    """The analog parts of the macros while one kernel runs.

    Attributes:
        macro: geometry; `adc_levels` is at least 2, at least 3 for cells of several bits.
        noise: disturbances.
        kernel_name: separates the random numbers of kernels.
    """

    macro: MacroSummary
    noise: AnalogNoise
    kernel_name: str

    @property
    def _signed_codes(self) -> bool:
        return self.macro.cell_bits > 1

    def step(self, full_scale: int) -> float:
        """Unit cells per code."""
        intervals = (self.macro.adc_levels - 1) // 2 if self._signed_codes else self.macro.adc_levels - 1
        return max(1.0, full_scale / intervals)

    def range(self, full_scale: int, *, signed_digit: bool) -> ColumnRange:
        """Return the range in which the sums of a column are read while a digit enters."""
        levels, bits = self.macro.adc_levels, self.macro.bits_per_cycle
        if self._signed_codes:
            return ColumnRange(0, -(levels // 2), (levels - 1) // 2)
        low = -round(full_scale * (1 << (bits - 1)) / ((1 << bits) - 1)) if signed_digit else 0
        return ColumnRange(low, 0, levels - 1)

    def conductances(self, product: Product, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the conductances [columns, digits, rows] of cells that hold integers; exact in float64 sums."""
        if self.noise.conductance == 0.0:
            return cells
        sequence = np.random.SeedSequence((self.noise.seed, self._kernel_hash, product.number, 1))
        deviation = np.random.Generator(np.random.SFC64(sequence)).standard_normal(cells.shape)
        varied = cells * (1.0 + self.noise.conductance * deviation)
        return np.rint(varied * CONDUCTANCE_STEPS) / CONDUCTANCE_STEPS

    def noise_key(self, product: Product) -> int:
        """Return the key of the read noise of a tile."""
        return tile_key(self.noise.seed, self._kernel_hash, product.number)

    @property
    def _kernel_hash(self) -> int:
        return zlib.crc32(self.kernel_name.encode())


def converts_exactly(macro: MacroSummary, kernel_full_scales: list[tuple[int, int]]) -> bool:
    """Return whether converters lose nothing: a level per unit cell, and no sum beyond the full scale.

    Args:
        macro: levels of the converters.
        kernel_full_scales: per tile, its full scale and the largest magnitude of the sum of a column, in unit cells.
    """
    codes = (macro.adc_levels - 1) // 2 if macro.cell_bits > 1 else macro.adc_levels - 1
    return all(largest <= scale <= codes for scale, largest in kernel_full_scales)
