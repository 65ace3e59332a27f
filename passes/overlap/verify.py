"""The contract of a mapping: factorisation, banks, capacity and reduction rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.passes.overlap.nests import REDUCTION_DIMS, Dim, OverlapError
from imcflow.passes.overlap.ready import tile_size

if TYPE_CHECKING:
    from imcflow.passes.overlap.layers import Layer
    from imcflow.passes.overlap.machine import Machine
    from imcflow.passes.overlap.nests import Mapping


def tile_outputs(layer: Layer, mapping: Mapping) -> int:
    """Outputs of a tile."""
    return tile_size(layer, mapping, Dim.K) * tile_size(layer, mapping, Dim.P) * tile_size(layer, mapping, Dim.Q)


def tile_reduction(layer: Layer, mapping: Mapping) -> int:
    """Products per output of a tile."""
    return tile_size(layer, mapping, Dim.C) * tile_size(layer, mapping, Dim.R) * tile_size(layer, mapping, Dim.S)


def weight_tiles(mapping: Mapping) -> int:
    """Tiles with different weights on one bank."""
    tiles = 1
    for loop in mapping.loops:
        if not loop.spatial and loop.dim in (Dim.K, *REDUCTION_DIMS):
            tiles *= loop.bound
    return tiles


def verify_mapping(layer: Layer, mapping: Mapping, machine: Machine, banks: int) -> None:
    """Check a mapping of a layer on its banks.

    Raises:
        OverlapError: an iteration lies wholly beyond the layer; more banks are used than the layer has; a spatial
            reduction has no time for its adder tree; the step is shorter than its tile; a tile does not fit.
    """
    strides = {dim: tile_size(layer, mapping, dim) for dim in Dim}
    for loop in reversed(mapping.loops):
        if (loop.bound - 1) * strides[loop.dim] >= layer.size(loop.dim):
            raise OverlapError(
                f"layer {layer.name}: the last iteration of loop {loop} in '{mapping}' lies beyond the "
                f"{layer.size(loop.dim)} elements of {loop.dim}"
            )
        strides[loop.dim] *= loop.bound
    if mapping.banks > banks:
        raise OverlapError(f"layer {layer.name}: mapping '{mapping}' uses {mapping.banks} banks of {banks}")
    if mapping.reduction_banks > 1 and mapping.tail_ticks == 0:
        raise OverlapError(f"layer {layer.name}: mapping '{mapping}' adds sums of several banks in no time")
    outputs, reduction = tile_outputs(layer, mapping), tile_reduction(layer, mapping)
    if mapping.step_ticks < machine.tile_ticks(outputs, reduction):
        raise OverlapError(
            f"layer {layer.name}: a step of '{mapping}' lasts {mapping.step_ticks} ticks, its tile takes "
            f"{machine.tile_ticks(outputs, reduction)}"
        )
    if not machine.fits(outputs, reduction, weight_tiles(mapping)):
        raise OverlapError(
            f"layer {layer.name}: {weight_tiles(mapping)} weight tiles of {outputs} outputs x {reduction} products do "
            f"not fit into a bank of {machine.name}"
        )
