"""Layers that do not fit are loaded at every inference, through a reload area that no resident layer uses.

The area is the same rectangle in one plane of every macro. A reloaded layer is cut into slices of at most its size;
they take turns in it. A small area leaves room for more resident weights, a large one needs fewer passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imcflow.passes.packing.copying import idle_copies
from imcflow.passes.packing.economy import Machine, WeightSource, packed_cost
from imcflow.passes.packing.fitted import FittedNetwork, added_costs, brief_name, renumbered
from imcflow.passes.packing.packer import fit_weights
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingResult,
    PackingStyle,
    PlacedSlice,
    ceil_div,
)
from imcflow.passes.packing.stacked import stack_planes

AREA_SHARES = ((1, 1), (2, 1), (1, 2), (4, 1), (1, 4))
"""Reload areas that are tried: columns and rows of a plane, divided by these."""

AREA_NAME = "reload area"


def with_reloading(
    layers: Sequence[LayerShape],
    machine: Machine,
    geometry: MacroGeometry,
    style: PackingStyle,
    source: WeightSource,
    shortage: str,
) -> FittedNetwork:
    """Gives up layers until the others fit beside a reload area, for the area of the least energy-delay product.

    Args:
        layers: the network.
        machine: macros and memories.
        geometry: the macros with their planes, which are too few.
        style: geometry of the placement.
        source: where reloaded weights come from.
        shortage: why, the first line of the steps.
    """
    areas = dict.fromkeys(
        (ceil_div(geometry.columns, across), ceil_div(geometry.rows, down)) for across, down in AREA_SHARES
    )
    fitted = [
        _beside(layers, machine, geometry, style, source, MacroGeometry(*area, geometry.macros)) for area in areas
    ]
    best = min(fitted, key=lambda network: network.cost.edp_uj_us)
    names = ", ".join(brief_name(best.layers[index]) for index in best.reloaded_layers)
    return replace(best, steps=(shortage, f"reloaded from {source.value} at every inference: {names}"))


def _beside(
    layers: Sequence[LayerShape],
    machine: Machine,
    geometry: MacroGeometry,
    style: PackingStyle,
    source: WeightSource,
    area: MacroGeometry,
) -> FittedNetwork:
    """Keeps what fits beside a reload area of a size.

    Reloading costs the same per weight whatever the layer, so few weights are given up: one layer that frees just
    enough, or else the largest one and on; layers that then fit again come back.
    """
    resident, given_up = list(range(len(layers))), list[int]()
    placement: PackingResult | None = None
    failures = 0
    while resident and placement is None:
        # Where the weights would fit but their shapes do not, a plane more is freed at each failure.
        excess = max(failures * geometry.plane_weights, 1, _excess(layers, resident, geometry, area))
        by_size = sorted(resident, key=lambda index: (layers[index].weights, index))
        victim = next((index for index in by_size if layers[index].weights >= excess), by_size[-1])
        resident.remove(victim)
        given_up.append(victim)
        if _excess(layers, resident, geometry, area) <= 0:
            placement = _packed(layers, resident, geometry, style, area)
            failures += placement is None
    for index in sorted(given_up[:-1], key=lambda index: -layers[index].weights):
        more = sorted([*resident, index])
        tried = _packed(layers, more, geometry, style, area)
        if tried is not None:
            placement, resident = tried, more
            given_up.remove(index)
    return _finished(layers, sorted(given_up), placement, machine, geometry, source, area)


def all_reloaded(
    layers: Sequence[LayerShape], machine: Machine, geometry: MacroGeometry, source: WeightSource
) -> FittedNetwork:
    """Loads every layer at every inference, through a plane of every macro: the baseline.

    Args:
        layers: the network.
        machine: macros and memories.
        geometry: the macros with their planes.
        source: where the weights come from.
    """
    area = replace(geometry, planes=None)
    fitted = _finished(layers, list(range(len(layers))), None, machine, geometry, source, area)
    return replace(fitted, steps=(f"every layer is reloaded from {source.value} at every inference",))


def _finished(
    layers: Sequence[LayerShape],
    given_up: Sequence[int],
    placement: PackingResult | None,
    machine: Machine,
    geometry: MacroGeometry,
    source: WeightSource,
    area: MacroGeometry,
) -> FittedNetwork:
    """Deals the slices of the layers that are given up to the reload areas, with copies if they pay."""
    resident = [index for index in range(len(layers)) if index not in set(given_up)]
    chosen = [layers[index] for index in given_up]
    choices = [[1] * len(chosen), [idle_copies(layer, area) for layer in chosen]]
    stacks = [stack_planes(chosen, area, copies) for copies in choices]
    costs = [
        packed_cost(stack, machine, planes=geometry.planes, reloaded=range(len(chosen)), source=source)
        for stack in stacks
    ]
    turn, cost = min(enumerate(costs), key=lambda item: item[1].edp_uj_us)
    corners = _corners(placement, len(resident), geometry.macros)
    slices = [*_in_turns(stacks[turn], given_up, corners), *renumbered(placement.slices if placement else (), resident)]
    if placement is not None and resident:
        cost = added_costs(packed_cost(_without_area(placement), machine, planes=geometry.planes), cost)
    copies = [1] * len(layers)
    for index, number in zip(given_up, choices[turn], strict=True):
        copies[index] = number
    return FittedNetwork(
        layers=tuple(layers),
        copies=tuple(copies),
        slices=tuple(sorted(slices, key=lambda piece: (piece.layer, piece.copy))),
        resident=placement if resident else None,
        resident_layers=tuple(resident),
        reloaded_layers=tuple(given_up),
        cost=cost,
        steps=(),
    )


def _excess(layers: Sequence[LayerShape], resident: Sequence[int], geometry: MacroGeometry, area: MacroGeometry) -> int:
    """Weights of these layers beyond what the macros hold beside the area."""
    capacity = geometry.macros * ((geometry.planes or 1) * geometry.plane_weights - area.plane_weights)
    return sum(layers[index].weights for index in resident) - capacity


def _packed(
    layers: Sequence[LayerShape],
    resident: Sequence[int],
    geometry: MacroGeometry,
    style: PackingStyle,
    area: MacroGeometry,
) -> PackingResult | None:
    """The resident layers, and the reload area as a last layer with a slice in every macro; None if they do not fit."""
    if not resident or _excess(layers, resident, geometry, area) > 0:
        return None
    reserved = LayerShape(AREA_NAME, area.columns, area.rows, geometry.macros)
    return fit_weights([*(layers[index] for index in resident), reserved], geometry, style)


def _without_area(placement: PackingResult) -> PackingResult:
    """The placement without its last layer, the reload area."""
    last = len(placement.layers) - 1
    return replace(
        placement,
        layers=placement.layers[:-1],
        copies=placement.copies[:-1],
        slices=tuple(piece for piece in placement.slices if piece.layer != last),
        tiles=tuple(tile for tile in placement.tiles if tile.layer != last),
    )


def _corners(placement: PackingResult | None, area: int, macros: int) -> dict[int, tuple[int, int, int]]:
    """Plane, column and row of the reload area of every macro; layer number `area` of the placement is the area."""
    if placement is None:
        return dict.fromkeys(range(macros), (0, 0, 0))
    return {piece.macro: (piece.plane, piece.column, piece.row) for piece in placement.slices if piece.layer == area}


def _in_turns(
    stack: PackingResult, layers: Sequence[int], corners: dict[int, tuple[int, int, int]]
) -> list[PlacedSlice]:
    """The slices of reloaded layers, dealt to the reload areas of the macros one after the other."""
    macros, turns = len(corners), [0] * len(layers)
    placed: list[PlacedSlice] = []
    for piece in stack.slices:
        macro = turns[piece.layer] % macros
        turns[piece.layer] += 1
        plane, column, row = corners[macro]
        placed.append(replace(piece, layer=layers[piece.layer], macro=macro, plane=plane, column=column, row=row))
    return placed
