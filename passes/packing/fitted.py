"""What fitting a network to macros gives: the layers as they are cut, where their slices go, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imcflow.passes.packing.economy import PackedCost
from imcflow.passes.packing.shapes import LayerShape, PackingResult, PlacedSlice

MOST_NAME_CHARACTERS = 32
"""Of a layer's name in lines that list layers."""


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network in macros of given depth.

    Args:
        layers: the layers of the network, as they were chosen from the alternatives.
        copies: copies of each layer.
        slices: every slice of every layer, resident or reloaded, ordered by layer.
        resident: placement of the layers that stay in the cells, and of the reload area behind them if there is one;
            None if no layer stays.
        resident_layers: their indices in the network.
        reloaded_layers: indices of the layers whose weights are loaded at every inference.
        cost: cost of one inference.
        steps: what was done and why, one line each.
    """

    layers: tuple[LayerShape, ...]
    copies: tuple[int, ...]
    slices: tuple[PlacedSlice, ...]
    resident: PackingResult | None
    resident_layers: tuple[int, ...]
    reloaded_layers: tuple[int, ...]
    cost: PackedCost
    steps: tuple[str, ...]


def fully_resident(placement: PackingResult, cost: PackedCost, steps: Sequence[str]) -> FittedNetwork:
    """The network of a placement that holds all of it."""
    everything = tuple(range(len(placement.layers)))
    return FittedNetwork(
        placement.layers, placement.copies, placement.slices, placement, everything, (), cost, tuple(steps)
    )


def brief_name(layer: LayerShape) -> str:
    """The name of a layer for a line with several of them; exported networks have names of hundreds of characters."""
    return layer.name if len(layer.name) <= MOST_NAME_CHARACTERS else f"{layer.name[: MOST_NAME_CHARACTERS - 3]}..."


def renumbered(slices: Sequence[PlacedSlice], layers: Sequence[int]) -> list[PlacedSlice]:
    """Slices of part of a network, with the layers' numbers in the whole; slices of further layers are left out."""
    return [replace(piece, layer=layers[piece.layer]) for piece in slices if piece.layer < len(layers)]


def added_costs(first: PackedCost, second: PackedCost) -> PackedCost:
    """Cost of two parts of a network, one after the other in the same macros."""
    return PackedCost(
        array_pj=first.array_pj + second.array_pj,
        activations_pj=first.activations_pj + second.activations_pj,
        weights_pj=first.weights_pj + second.weights_pj,
        compute_cycles=first.compute_cycles + second.compute_cycles,
        weight_cycles=first.weight_cycles + second.weight_cycles,
        clock_ns=first.clock_ns,
        area_mm2=first.area_mm2,
    )
