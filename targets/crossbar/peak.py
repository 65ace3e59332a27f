"""Energy per cycle, clock period and area of a fully used macro (sheet 2.4 peak columns, 2.5, 2.6)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.converters import adc_area_um2, adc_delay_ns, dac_energy_fj
from imcflow.targets.crossbar.macro import MacroKind, tree_adders

if TYPE_CHECKING:
    from imcflow.targets.crossbar.macro import Macro

_UM2_PER_MM2 = 1e6
_LOCAL_BIT_LINE_NS_PER_WEIGHT = 0.00653
_FJ_PER_PJ = 1e3

SQUARE_ARRAY_CELL_AREA_UM2 = {32: 0.589, 64: 0.474, 128: 0.418, 256: 0.382, 512: 0.402, 1024: 0.367}
"""Cell area per bit of square arrays of `side` rows x `side` physical columns, D_m = 1 (sheet 3.2, after CACTI 7)."""


class ClockModel(StrEnum):
    """Three released versions of the critical path (sheet 2.5)."""

    ZIGZAG_3_9 = "zigzag-3.9"
    """The shift accumulator is entered at the carry."""
    ICCAD23 = "iccad23"
    """It is entered at the sum, and the analog place-value carry chain is longer."""
    WEIGHT_PACKING = "weight-packing"
    """As zigzag-3.9, and deep cells (D_m > 1) add a local bit line."""


@dataclass(frozen=True, slots=True)
class MacroParts:
    """One number per part of a macro, in the unit of the function that returns it; `total` sums them."""

    cells: float = 0.0
    multipliers: float = 0.0
    bit_lines: float = 0.0
    precharge: float = 0.0
    dac: float = 0.0
    adc: float = 0.0
    adder_tree: float = 0.0
    place_value: float = 0.0
    accumulators: float = 0.0

    @property
    def total(self) -> float:
        """Sum over all parts."""
        return sum(getattr(self, field.name) for field in fields(self))


def peak_energy_pj(macro: Macro) -> MacroParts:
    """Energy of one cycle of all H macros with every row and column in use, pJ."""
    cells, supply = macro.cells, macro.supply_v
    products = macro.weight_bits * macro.rows * macro.output_channels * macro.macro_count
    channels = macro.output_channels * macro.macro_count
    adder_fj = cells.full_adder_energy_fj(supply)
    place_value_fj = adder_fj * macro.place_value_adders * channels
    accumulator_fj = 0.0
    if macro.accumulates:
        accumulator_fj = (adder_fj + cells.flip_flop_energy_fj(supply)) * macro.accumulator_bits * channels
    if macro.kind is MacroKind.ANALOG:
        return MacroParts(
            multipliers=cells.multiplier_energy_fj(supply) * products / _FJ_PER_PJ,
            bit_lines=cells.line_energy_fj(supply) * products / _FJ_PER_PJ,
            dac=dac_energy_fj(macro.bits_per_cycle, supply) * macro.rows * macro.macro_count / _FJ_PER_PJ,
            adc=macro.conversion_energy_fj * macro.weight_bits * channels / _FJ_PER_PJ,
            place_value=place_value_fj / _FJ_PER_PJ,
            accumulators=accumulator_fj / _FJ_PER_PJ,
        )
    tree_fj = adder_fj * tree_adders(macro.rows, macro.weight_bits) * macro.bits_per_cycle * channels
    return MacroParts(
        multipliers=cells.multiplier_energy_fj(supply) * macro.bits_per_cycle * products / _FJ_PER_PJ,
        adder_tree=tree_fj / _FJ_PER_PJ,
        place_value=place_value_fj / _FJ_PER_PJ,
        accumulators=accumulator_fj / _FJ_PER_PJ,
    )


def clock_period_ns(macro: Macro, model: ClockModel = ClockModel.ZIGZAG_3_9) -> MacroParts:
    """Delay of each part on the critical path, ns; the sum is the clock period (no pipelining; sheet 2.5).

    DACs and flip-flops take no time, cells only under `weight-packing`. The accumulator takes t_ico and W - p - 1
    carries, under `iccad23` t_sum and W - p carries.
    """
    cells = macro.cells
    carry, start, summed = cells.carry_delay_ns, cells.carry_start_delay_ns, cells.sum_delay_ns
    older = model is ClockModel.ICCAD23
    if macro.kind is MacroKind.ANALOG:
        levels = macro.weight_bits.bit_length() - 1
        width = macro.converter_bits + macro.weight_bits
        carries = width - 1 if older else macro.weight_bits - 1
        tree = 0.0
        place_value = (levels - 1) * summed + start + carries * carry if levels else 0.0
        adc = adc_delay_ns(macro.converter_bits, macro.rows)
    else:
        depth, adc = macro.tree_depth, 0.0
        width = macro.weight_bits + depth
        tree = (depth - 1) * summed + start + (width - 2) * carry if depth else 0.0
        place_value = 0.0
        if macro.bits_per_cycle > 1:
            levels = macro.bits_per_cycle.bit_length() - 1
            place_value = (levels - 1) * summed + start + (macro.bits_per_cycle - 1) * carry
            width += macro.bits_per_cycle
    accumulator = 0.0
    if macro.accumulates:
        remaining = macro.accumulator_bits - width
        accumulator = summed + remaining * carry if older else start + (remaining - 1) * carry
    deep = model is ClockModel.WEIGHT_PACKING and macro.weights_per_multiplier > 1
    return MacroParts(
        cells=_LOCAL_BIT_LINE_NS_PER_WEIGHT * macro.weights_per_multiplier if deep else 0.0,
        multipliers=cells.gate_delay_ns,
        adc=adc,
        adder_tree=tree,
        place_value=place_value,
        accumulators=accumulator,
    )


def cell_area_um2_per_bit(macro: Macro) -> float:
    """Area of one stored bit: the macro's own figure, else the nearest larger square array of the CACTI-free table."""
    if macro.cell_area_um2_per_bit is not None:
        return macro.cell_area_um2_per_bit
    side = max(macro.rows * macro.weights_per_multiplier, macro.output_channels * macro.weight_bits)
    sides = sorted(SQUARE_ARRAY_CELL_AREA_UM2)
    return SQUARE_ARRAY_CELL_AREA_UM2[next((known for known in sides if known >= side), sides[-1])]


def macro_area_mm2(macro: Macro) -> MacroParts:
    """Area of all H macros by part, mm2 (sheet 2.6); registers and buffers are counted with the memory levels."""
    cells = macro.cells
    channels = macro.output_channels * macro.macro_count
    products = macro.weight_bits * macro.rows * channels
    analog = macro.kind is MacroKind.ANALOG
    tree = 0.0 if analog else tree_adders(macro.rows, macro.weight_bits) * macro.bits_per_cycle * channels
    accumulator = (
        (cells.full_adder_area_um2 + cells.flip_flop_area_um2) * macro.accumulator_bits if macro.accumulates else 0.0
    )
    adc = adc_area_um2(macro.converter_bits) * macro.weight_bits * channels if analog else 0.0
    multipliers = cells.gate_area_um2 * products * (1 if analog else macro.bits_per_cycle)
    stored_um2 = cell_area_um2_per_bit(macro) * macro.weight_capacity * macro.weight_bits
    return MacroParts(
        cells=stored_um2 / _UM2_PER_MM2,
        multipliers=multipliers / _UM2_PER_MM2,
        adc=adc / _UM2_PER_MM2,
        adder_tree=cells.full_adder_area_um2 * tree / _UM2_PER_MM2,
        place_value=cells.full_adder_area_um2 * macro.place_value_adders * channels / _UM2_PER_MM2,
        accumulators=accumulator * channels / _UM2_PER_MM2,
    )


@dataclass(frozen=True, slots=True)
class PeakFigures:
    """What a macro does at full use: 2 operations per MAC."""

    macs_per_cycle: float
    energy_per_cycle_pj: float
    clock_ns: float
    area_mm2: float

    @property
    def tops(self) -> float:
        """Tera-operations per second."""
        return 2 * self.macs_per_cycle / self.clock_ns / 1000

    @property
    def tops_per_watt(self) -> float:
        """Tera-operations per joule."""
        return 2 * self.macs_per_cycle / self.energy_per_cycle_pj

    @property
    def tops_per_mm2(self) -> float:
        """Tera-operations per second and mm2 of macro."""
        return self.tops / self.area_mm2


def peak_figures(macro: Macro, clock: ClockModel = ClockModel.ZIGZAG_3_9) -> PeakFigures:
    """Peak throughput, efficiency and density of a macro without registers and buffers."""
    macs = macro.rows * macro.output_channels * macro.macro_count / macro.cycles_per_mac
    return PeakFigures(
        macs_per_cycle=macs,
        energy_per_cycle_pj=peak_energy_pj(macro).total,
        clock_ns=clock_period_ns(macro, clock).total,
        area_mm2=macro_area_mm2(macro).total,
    )
