"""Energy of the macros while they compute one layer (sheet 2.4, layer columns; 2.4 precharge)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.conventions import MultiplierGating
from imcflow.targets.crossbar.converters import dac_energy_fj
from imcflow.targets.crossbar.layers import Dim
from imcflow.targets.crossbar.macro import MacroKind, partial_tree_adders
from imcflow.targets.crossbar.peak import MacroParts

if TYPE_CHECKING:
    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.macro import Macro
    from imcflow.targets.crossbar.mapping import SpatialMapping

_FJ_PER_PJ = 1e3


@dataclass(frozen=True, slots=True)
class MappedArray:
    """How much of one macro a layer uses.

    Args:
        rows: r_u, rows driven by an input; windows laid diagonally drive more rows than one column adds.
        tree_inputs: rows that one column adds.
        columns: n_u, output channels (or positions) in use.
        macs_per_activation: U, products of one macro and one matrix-vector product.
        activations: matrix-vector products of the layer, summed over macros.
    """

    rows: float
    tree_inputs: float
    columns: float
    macs_per_activation: float
    activations: float


def mapped_array(layer: Layer, spatial: SpatialMapping, conventions: Conventions) -> MappedArray:
    """The use of one macro under a spatial mapping; averages over uneven tiles when the conventions say so."""
    used = spatial.average(layer) if conventions.average_rows else spatial
    rows, columns = used.rows, used.columns
    window = 1.0
    for taps, outputs in ((Dim.FX, Dim.OX), (Dim.FY, Dim.OY)):
        window *= rows.get(taps, 1) + columns.get(outputs, 1) - 1
    others = math.prod(factor for dim, factor in rows.items() if dim not in (Dim.FX, Dim.FY))
    taps_used = rows.get(Dim.FX, 1) * rows.get(Dim.FY, 1)
    driven = others * window * columns.get(Dim.G, 1)
    added = others * taps_used
    if not conventions.average_rows:
        driven, added = math.ceil(driven), math.ceil(added)
    return MappedArray(
        rows=driven,
        tree_inputs=added,
        columns=math.prod(columns.values()),
        macs_per_activation=used.in_macro,
        activations=layer.macs / used.in_macro,
    )


def cycles_per_product(macro: Macro, layer: Layer) -> int:
    """Cycles to feed one activation vector, b bits at a time.

    Raises:
        TargetError: the layer's weights or activations are wider than the macro takes.
    """
    if layer.weight_bits > macro.weight_bits:
        raise TargetError(
            f"layer {layer.name}: weights of {layer.weight_bits} bits, but a channel of the macro holds "
            f"{macro.weight_bits}; slice the weights over several channels first"
        )
    if layer.activation_bits > macro.activation_bits:
        raise TargetError(
            f"layer {layer.name}: activations of {layer.activation_bits} bits, but the macro takes "
            f"{macro.activation_bits}"
        )
    return math.ceil(layer.activation_bits / macro.bits_per_cycle)


def array_energy_pj(
    macro: Macro, layer: Layer, spatial: SpatialMapping, conventions: Conventions, weight_stationarity: int
) -> MacroParts:
    """Energy of all macros over one layer, pJ by part.

    Args:
        weight_stationarity: s, consecutive products with the same weight behind a multiplier.
    """
    used = mapped_array(layer, spatial, conventions)
    supply, cells = macro.supply_v, macro.cells
    pulses = cycles_per_product(macro, layer) * used.activations / _FJ_PER_PJ
    analog = macro.kind is MacroKind.ANALOG

    active_rows = used.rows
    if conventions.gating is MultiplierGating.NONE and not analog:
        active_rows = macro.rows
    gated = conventions.gating is MultiplierGating.ALL
    products = macro.weight_bits * active_rows * (used.columns if gated else macro.output_channels)
    adder_fj = cells.full_adder_energy_fj(supply)
    accumulator_fj = 0.0
    if macro.accumulates:
        accumulator_fj = (adder_fj + cells.flip_flop_energy_fj(supply)) * macro.accumulator_bits
    shared = {
        "precharge": precharge_energy_pj(macro, layer, conventions, weight_stationarity),
        "place_value": adder_fj * macro.place_value_adders * used.columns * pulses,
        "accumulators": accumulator_fj * used.columns * pulses,
    }
    if analog:
        bit_lines = cells.line_energy_fj(supply) * macro.weight_bits * used.columns * macro.rows
        return MacroParts(
            multipliers=cells.multiplier_energy_fj(supply) * products * pulses,
            bit_lines=bit_lines * pulses,
            dac=dac_energy_fj(macro.bits_per_cycle, supply) * used.rows * pulses,
            adc=macro.conversion_energy_fj * macro.weight_bits * used.columns * pulses,
            **shared,
        )
    input_bits = macro.weight_bits + (1 if conventions.tree_extra_bit else 0)
    full, half = partial_tree_adders(used.tree_inputs, macro.rows, input_bits)
    tree_fj = full * adder_fj + half * cells.half_adder_energy_fj(supply)
    return MacroParts(
        multipliers=cells.multiplier_energy_fj(supply) * macro.bits_per_cycle * products * pulses,
        adder_tree=tree_fj * macro.bits_per_cycle * used.columns * pulses,
        **shared,
    )


def precharge_energy_pj(macro: Macro, layer: Layer, conventions: Conventions, weight_stationarity: int) -> float:
    """Local lines recharged once per weight change of a multiplier when D_m > 1: (C_wl + C_bl D_m) V^2 B_w MACs / s.

    With `precharge_other_cells` only the bit-line segments of the D_m - 1 other weights count (ICCAD'23).
    """
    depth = macro.weights_per_multiplier
    if depth == 1:
        return 0.0
    segments = depth - 1 if conventions.precharge_other_cells else depth
    unit_fj = macro.cells.line_energy_fj(macro.supply_v) * (1 + segments) * macro.weight_bits
    changes = layer.macs / weight_stationarity
    if conventions.precharge_divided_twice:
        changes = int(changes) / weight_stationarity
    return unit_fj * changes / _FJ_PER_PJ
