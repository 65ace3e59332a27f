"""Energy of one macro cycle on a mapped rectangle of cells (sheet 2.4): what a layer of any mapping is made of.

The closed-form model multiplies it by the activations of a mapping, the cost of a program by those of its stream.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.converters import dac_energy_fj
from imcflow.targets.crossbar.macro import MacroKind, partial_tree_adders, place_value_adders
from imcflow.targets.crossbar.peak import MacroParts

if TYPE_CHECKING:
    from imcflow.targets.crossbar.macro import Macro


@dataclass(frozen=True, slots=True)
class Rectangle:
    """The cells that work in one cycle of one macro; averages over uneven tiles may be fractions.

    Args:
        rows: r_u, rows that get an input digit.
        tree_inputs: rows that one column adds; fewer than `rows` where groups lie on the diagonal.
        columns: n_u, output channels in use.
        weight_bits: physical columns of a channel that hold a weight.
    """

    rows: float
    tree_inputs: float
    columns: float
    weight_bits: int


def pulse_energy_fj(
    macro: Macro,
    used: Rectangle,
    *,
    toggling_rows: float | None = None,
    toggling_columns: float | None = None,
    tree_extra_bits: int = 0,
) -> MacroParts:
    """Energy of one cycle, fJ by part, without precharge.

    Args:
        macro: the array.
        used: the rectangle in use.
        toggling_rows, toggling_columns: where multipliers toggle; absent: in the rectangle only.
        tree_extra_bits: bits by which the inputs of the adder trees are wider than the weights.
    """
    supply, cells = macro.supply_v, macro.cells
    analog = macro.kind is MacroKind.ANALOG
    multiplier_fj, adder_fj = cells.multiplier_energy_fj(supply), cells.full_adder_energy_fj(supply)
    toggling = used.weight_bits * (used.rows if toggling_rows is None else toggling_rows)
    toggling *= used.columns if toggling_columns is None else toggling_columns
    unused_bits = macro.weight_bits - used.weight_bits
    accumulator_fj = 0.0
    if macro.accumulates:
        accumulator_fj = (adder_fj + cells.flip_flop_energy_fj(supply)) * (macro.accumulator_bits - unused_bits)
    accumulators = accumulator_fj * used.columns
    if analog:
        adders = place_value_adders(used.weight_bits, macro.converter_bits)
        bit_lines = cells.line_energy_fj(supply) * used.weight_bits * used.columns * macro.rows
        return MacroParts(
            multipliers=multiplier_fj * toggling,
            bit_lines=bit_lines,
            dac=dac_energy_fj(macro.bits_per_cycle, supply) * used.rows,
            adc=macro.conversion_energy_fj * used.weight_bits * used.columns,
            place_value=adder_fj * adders * used.columns,
            accumulators=accumulators,
        )
    adders = place_value_adders(macro.bits_per_cycle, used.weight_bits + macro.tree_depth)
    full, half = partial_tree_adders(used.tree_inputs, macro.rows, used.weight_bits + tree_extra_bits)
    tree_fj = full * adder_fj + half * cells.half_adder_energy_fj(supply)
    return MacroParts(
        multipliers=multiplier_fj * macro.bits_per_cycle * toggling,
        adder_tree=tree_fj * macro.bits_per_cycle * used.columns,
        place_value=adder_fj * adders * used.columns,
        accumulators=accumulators,
    )


def precharge_unit_energy_fj(macro: Macro, weight_bits: int, *, other_cells_only: bool = False) -> float:
    """Local lines recharged when the weight behind a multiplier changes, (C_wl + C_bl D_m) V^2 B_w; 0 if D_m = 1.

    Args:
        macro: the array.
        weight_bits: of the weight.
        other_cells_only: the bit-line segment of the selected weight itself is not recharged (ICCAD'23).
    """
    depth = macro.weights_per_multiplier
    if depth == 1:
        return 0.0
    segments = depth - 1 if other_cells_only else depth
    return macro.cells.line_energy_fj(macro.supply_v) * (1 + segments) * weight_bits


def scaled(parts: MacroParts, factor: float) -> MacroParts:
    """Every part times `factor`."""
    return MacroParts(*(getattr(parts, field.name) * factor for field in fields(parts)))


def added(first: MacroParts, second: MacroParts) -> MacroParts:
    """Part by part."""
    return MacroParts(*(getattr(first, field.name) + getattr(second, field.name) for field in fields(first)))
