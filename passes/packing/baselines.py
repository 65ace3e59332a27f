"""What packing is compared with: the same network and macros with the weights kept or brought in another way."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from imcflow.passes.packing.economy import Machine, PackedCost, WeightSource, packed_cost
from imcflow.passes.packing.fitting import choose_depth
from imcflow.passes.packing.packer import pack_weights
from imcflow.passes.packing.shapes import LayerShape, PackingStyle, slice_count
from imcflow.passes.packing.stacked import spread_macros, stack_planes


class WeightPolicy(Enum):
    """How the weights of a network meet the macros."""

    PACKED = "packed"
    """Resident, layers share planes (slice geometry)."""
    PACKED_TILES = "packed tiles"
    """Resident, layers share planes at one offset per layer and macro (tile geometry)."""
    RELOAD_DRAM = "reload from DRAM"
    """One plane; every layer is loaded from DRAM at every inference."""
    RELOAD_SRAM = "reload from SRAM"
    """One plane; every layer is loaded from an on-chip weight memory at every inference."""
    STACKED = "stacked planes"
    """Resident, every layer has planes of its own."""
    SPREAD = "spread over macros"
    """Resident, every slice has a macro of its own; one plane."""


def policy_cost(
    layers: Sequence[LayerShape], machine: Machine, policy: WeightPolicy, *, copies: bool = False
) -> PackedCost:
    """Cost of one inference under a policy, with as many planes (or macros) as it needs.

    Args:
        layers: the network.
        machine: macros and memories.
        policy: where the weights are.
        copies: a reloading policy fills the macros that a layer would leave idle with copies of it (they are read
            once and written everywhere), and the packed ones choose copies and depth together.

    Raises:
        PackingError: there are no layers.
    """
    geometry = machine.geometry
    if copies and policy in (WeightPolicy.PACKED, WeightPolicy.PACKED_TILES):
        style = PackingStyle.SLICE if policy is WeightPolicy.PACKED else PackingStyle.TILE
        return choose_depth(layers, machine, style).cost
    if policy is WeightPolicy.PACKED:
        return packed_cost(pack_weights(layers, geometry), machine)
    if policy is WeightPolicy.PACKED_TILES:
        return packed_cost(pack_weights(layers, geometry, PackingStyle.TILE), machine)
    if policy is WeightPolicy.SPREAD:
        return packed_cost(spread_macros(layers, geometry), machine)
    if policy is WeightPolicy.STACKED:
        return packed_cost(stack_planes(layers, geometry), machine)
    idle = [min(layer.output_width, max(1, geometry.macros // slice_count(layer, geometry))) for layer in layers]
    stack = stack_planes(layers, geometry, idle if copies else None)
    source = WeightSource.DRAM if policy is WeightPolicy.RELOAD_DRAM else WeightSource.SRAM
    return packed_cost(stack, machine, planes=1, reloaded=range(len(layers)), source=source)
