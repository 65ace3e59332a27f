"""The macro: an array of R rows by N output channels, H times, with D_m weights behind each multiplier.

Symbols are those of the sheet (`imc_cost_model.md` 2.1): R `rows`, N `output_channels`, H `macro_count`, D_m
`weights_per_multiplier`, B_w `weight_bits`, B_a `activation_bits`, b `bits_per_cycle`, A `adc_bits`, V `supply_v`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.cells import CELLS_28NM
from imcflow.targets.crossbar.converters import adc_energy_fj

if TYPE_CHECKING:
    from imcflow.targets.crossbar.cells import UnitCells


class MacroKind(StrEnum):
    """How a column adds: on the bit line, read by an ADC, or in an adder tree."""

    ANALOG = "aimc"
    DIGITAL = "dimc"


def is_power_of_two(value: int) -> bool:
    """True for 1, 2, 4, ..."""
    return value > 0 and value & (value - 1) == 0


@dataclass(frozen=True, slots=True)
class Macro:
    """One in-memory-computing array and its periphery.

    Args:
        cell_area_um2_per_bit: area of a stored bit; None takes the table for square arrays.
        adc_energy_fj_per_conversion: of a given converter; None takes the survey formula for `adc_bits` and `supply_v`.

    Raises:
        TargetError: a value is out of its range; R, B_w and, in a digital macro, b must be powers of two (the adder
            trees are complete), b must divide B_a, an analog macro needs `adc_bits`, a digital one has none.
    """

    kind: MacroKind
    rows: int
    output_channels: int
    weight_bits: int = 8
    activation_bits: int = 8
    bits_per_cycle: int = 1
    adc_bits: float | None = None
    macro_count: int = 1
    weights_per_multiplier: int = 1
    supply_v: float = 0.9
    cell_area_um2_per_bit: float | None = None
    adc_energy_fj_per_conversion: float | None = None
    cells: UnitCells = CELLS_28NM

    def __post_init__(self) -> None:
        trees = ("rows", "weight_bits", *(("bits_per_cycle",) if self.kind is MacroKind.DIGITAL else ()))
        for key in trees:
            value = getattr(self, key)
            if not is_power_of_two(value):
                raise TargetError(f"macro.{key} is {value}, but must be a power of two: the adder trees are complete")
        for key in ("output_channels", "activation_bits", "bits_per_cycle", "macro_count", "weights_per_multiplier"):
            if getattr(self, key) < 1:
                raise TargetError(f"macro.{key} is {getattr(self, key)}, but must be at least 1")
        if self.activation_bits % self.bits_per_cycle:
            raise TargetError(
                f"macro.bits_per_cycle is {self.bits_per_cycle}, but must divide activation_bits {self.activation_bits}"
            )
        if self.kind is MacroKind.ANALOG and (self.adc_bits is None or not 0 < self.adc_bits <= 16):
            raise TargetError(f"macro.adc_bits is {self.adc_bits}, but an analog macro needs a value in (0, 16]")
        if self.kind is MacroKind.DIGITAL and self.adc_bits is not None:
            raise TargetError("macro.adc_bits is set, but a digital macro has no ADC")
        if self.supply_v <= 0:
            raise TargetError(f"macro.supply_v is {self.supply_v}, but must be positive")

    @property
    def cycles_per_mac(self) -> int:
        """n = B_a / b cycles of one matrix-vector product."""
        return self.activation_bits // self.bits_per_cycle

    @property
    def tree_depth(self) -> int:
        """d = log2 R."""
        return int(math.log2(self.rows))

    @property
    def converter_bits(self) -> float:
        """A of an analog macro.

        Raises:
            TargetError: the macro is digital.
        """
        if self.adc_bits is None:
            raise TargetError("a digital macro has no converters")
        return self.adc_bits

    @property
    def conversion_energy_fj(self) -> float:
        """E_ADC of an analog macro, fJ per conversion.

        Raises:
            TargetError: the macro is digital.
        """
        if self.adc_energy_fj_per_conversion is not None:
            return self.adc_energy_fj_per_conversion
        return adc_energy_fj(self.converter_bits, self.supply_v)

    @property
    def weight_capacity(self) -> int:
        """Weights that the cells hold: R N H D_m."""
        return self.rows * self.output_channels * self.macro_count * self.weights_per_multiplier

    @property
    def accumulates(self) -> bool:
        """True when activations arrive in several cycles, so that partial products are shifted and added."""
        return self.bits_per_cycle < self.activation_bits

    @property
    def accumulator_bits(self) -> float:
        """Width W of the shift accumulator: B_a + A + B_w (analog) or B_a + d + B_w (digital); sheet 2.2."""
        if self.kind is MacroKind.ANALOG:
            return self.activation_bits + self.converter_bits + self.weight_bits
        return self.activation_bits + self.tree_depth + self.weight_bits

    @property
    def place_value_adders(self) -> float:
        """Full adders of the place-value tree of one channel: PV(B_w, A) or PV(b, B_w + d); 0 for b = 1 digital."""
        if self.kind is MacroKind.ANALOG:
            return place_value_adders(self.weight_bits, self.converter_bits)
        return place_value_adders(self.bits_per_cycle, self.weight_bits + self.tree_depth)


def tree_adders(inputs: int, input_bits: int) -> int:
    """FA(R, w) = R (w + 1) - (w + log2 R + 1): full adders of a ripple-carry tree; output w + log2 R bits."""
    return inputs * (input_bits + 1) - (input_bits + int(math.log2(inputs)) + 1)


def place_value_adders(inputs: int, input_bits: float) -> float:
    """PV(q, p) = p (q - 1) + q (log2 q - 0.5): q inputs of p bits, each shifted one more place; absent for q = 1."""
    if inputs == 1:
        return 0.0
    return input_bits * (inputs - 1) + inputs * (math.log2(inputs) - 0.5)


def partial_tree_adders(active_inputs: float, inputs: int, input_bits: int) -> tuple[float, float]:
    """Full and half active adders of a tree of `inputs` inputs of which `active_inputs` carry data (sheet 2.4).

    Args:
        active_inputs: m, mapped rows; may be fractional (an average over uneven tiles).
        inputs: R, a power of two.
        input_bits: w.

    Returns:
        (full, half): adders with both inputs active, and adders that only pass one active input on.
    """
    if active_inputs <= 0:
        return 0.0, 0.0
    if active_inputs >= inputs:
        return float(tree_adders(inputs, input_bits)), 0.0
    full, half = 0.0, 0.0
    base, left = inputs, active_inputs
    while True:
        base //= 2
        level = int(math.log2(base)) if base else 0
        if base <= 1 and left <= 1:
            return full, half + input_bits
        if left > base:
            full += tree_adders(base, input_bits) + (input_bits + level)
            left -= base
        elif left < base:
            half += input_bits + level
        else:
            return full + tree_adders(base, input_bits), half + input_bits + level
