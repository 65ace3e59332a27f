"""Energy of the macros while they compute one layer (sheet 2.4, layer columns; 2.4 precharge)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.conventions import MultiplierGating
from imcflow.targets.crossbar.layers import Dim
from imcflow.targets.crossbar.macro import MacroKind
from imcflow.targets.crossbar.pulse import Rectangle, precharge_unit_energy_fj, pulse_energy_fj, scaled

if TYPE_CHECKING:
    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.macro import Macro
    from imcflow.targets.crossbar.mapping import SpatialMapping
    from imcflow.targets.crossbar.peak import MacroParts

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
    pulses = cycles_per_product(macro, layer) * used.activations / _FJ_PER_PJ
    whole_array = conventions.gating is MultiplierGating.NONE and macro.kind is MacroKind.DIGITAL
    pulse = pulse_energy_fj(
        macro,
        Rectangle(used.rows, used.tree_inputs, used.columns, layer.weight_bits),
        toggling_rows=macro.rows if whole_array else None,
        toggling_columns=None if conventions.gating is MultiplierGating.ALL else macro.output_channels,
        tree_extra_bits=1 if conventions.tree_extra_bit else 0,
    )
    precharge = precharge_energy_pj(macro, layer, conventions, weight_stationarity)
    return replace(scaled(pulse, pulses), precharge=precharge)


def precharge_energy_pj(macro: Macro, layer: Layer, conventions: Conventions, weight_stationarity: int) -> float:
    """Local lines recharged once per weight change of a multiplier when D_m > 1: (C_wl + C_bl D_m) V^2 B_w MACs / s.

    With `precharge_other_cells` only the bit-line segments of the D_m - 1 other weights count (ICCAD'23).
    """
    unit_fj = precharge_unit_energy_fj(macro, layer.weight_bits, other_cells_only=conventions.precharge_other_cells)
    changes = layer.macs / weight_stationarity
    if conventions.precharge_divided_twice:
        changes = int(changes) / weight_stationarity
    return unit_fj * changes / _FJ_PER_PJ
