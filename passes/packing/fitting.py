"""Fits a network to macros of given depth: copies where planes are left, folding or reloading where they lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from imcflow.passes.packing.bounds import minimum_passes
from imcflow.passes.packing.economy import Machine, PackedCost, WeightSource, packed_cost
from imcflow.passes.packing.packer import pack_weights
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingError,
    PackingResult,
    PackingStyle,
    ceil_div,
    slice_count,
)
from imcflow.passes.packing.stacked import stack_planes
from imcflow.passes.packing.tile_packer import pack_tiles

FOLD_FACTORS = (1.02, 1.05, 1.1, 1.2, 1.4, 1.7, 2.0, 3.0, 4.0)
"""Budgets of passes tried when tiles do not fit, relative to the minimum."""

DEPTH_FACTORS = (1.0, 2.0)
"""Depths tried for copies, relative to the planes that single copies need."""


@dataclass(frozen=True, slots=True)
class FittedNetwork:
    """A network in macros of given depth.

    Args:
        resident: placement of the layers that stay in the cells; None if no layer does.
        resident_layers: their indices in the network.
        reloaded_layers: indices of the layers whose weights are loaded at every inference.
        cost: cost of one inference.
        steps: what was done and why, one line each.
    """

    resident: PackingResult | None
    resident_layers: tuple[int, ...]
    reloaded_layers: tuple[int, ...]
    cost: PackedCost
    steps: tuple[str, ...]


def fit_network(
    layers: Sequence[LayerShape],
    machine: Machine,
    planes: int,
    style: PackingStyle = PackingStyle.SLICE,
    source: WeightSource = WeightSource.DRAM,
) -> FittedNetwork:
    """Places a network in macros of `planes` planes at the least energy-delay product found.

    A network that fits gets copies of layers, as long as they lower the product and fit. One that does not fit is
    folded (tile geometry: more passes for fewer planes) or loses layers to reloading, whichever costs less.

    Args:
        layers: the network.
        machine: macros and memories.
        planes: planes per macro.
        style: geometry of the placement.
        source: where reloaded weights come from.

    Raises:
        PackingError: there are no layers, or `planes` is below 1.
    """
    roomy = machine.geometry
    geometry = replace(roomy, planes=planes)
    plain = pack_weights(layers, roomy, style)
    if plain.planes <= planes:
        return _with_copies(layers, machine, geometry, style, plain)
    shortage = f"{plain.planes} planes are needed, there are {planes}"
    choices = [_reloading(layers, machine, geometry, style, source, shortage)]
    if style is PackingStyle.TILE:
        choices.extend(_folded(layers, machine, geometry, shortage))
    return min(choices, key=lambda choice: choice.cost.edp_uj_us)


def choose_depth(
    layers: Sequence[LayerShape], machine: Machine, style: PackingStyle = PackingStyle.SLICE
) -> FittedNetwork:
    """A resident network with copies, in macros whose depth is chosen, too: deeper cells hold more but are slower.

    Args:
        layers: the network.
        machine: macros and memories.
        style: geometry of the placement.

    Raises:
        PackingError: there are no layers.
    """
    plain = pack_weights(layers, machine.geometry, style)
    everything = tuple(range(len(layers)))
    best = FittedNetwork(plain, everything, (), packed_cost(plain, machine), ())
    for planes in sorted({int(plain.planes * factor) for factor in DEPTH_FACTORS}):
        geometry = replace(machine.geometry, planes=planes)
        fitted = _with_copies(layers, machine, geometry, style, plain)
        if fitted.resident is None:
            continue
        cost = packed_cost(fitted.resident, machine)
        if cost.edp_uj_us < best.cost.edp_uj_us:
            best = replace(fitted, cost=cost)
    return best


def _with_copies(
    layers: Sequence[LayerShape], machine: Machine, geometry: MacroGeometry, style: PackingStyle, plain: PackingResult
) -> FittedNetwork:
    """Adds copies one layer at a time, most cycles saved per weight first, while the product falls."""
    planes = geometry.planes or plain.planes
    best, cost = plain, packed_cost(plain, machine, planes=planes)
    refused: set[tuple[int, int]] = set()
    while True:
        offers = [
            offer for offer in _offers(layers, best.copies, geometry) if (offer.layer, offer.copies) not in refused
        ]
        if not offers:
            break
        offer = max(offers, key=lambda offer: (offer.gain, -offer.layer))
        copies = list(best.copies)
        copies[offer.layer] = offer.copies
        refused.add((offer.layer, offer.copies))
        try:
            tried = pack_weights(layers, geometry, style, copies)
        except PackingError:
            continue
        tried_cost = packed_cost(tried, machine, planes=planes)
        if tried_cost.edp_uj_us < cost.edp_uj_us:
            best, cost = tried, tried_cost
    steps: list[str] = []
    for layer, number in zip(layers, best.copies, strict=True):
        if number > 1:
            steps.append(f"{layer.name}: {number} copies in idle macros")
    return FittedNetwork(best, tuple(range(len(layers))), (), cost, tuple(steps))


def _next_copies(layer: LayerShape, copies: int, geometry: MacroGeometry) -> int | None:
    """The next number of copies that shortens a row of outputs, as far as macros would idle without them."""
    most = max(1, geometry.macros // slice_count(layer, geometry))
    steps = ceil_div(layer.output_width, copies)
    for number in range(copies + 1, min(most, layer.output_width) + 1):
        if ceil_div(layer.output_width, number) < steps:
            return number
    return None


class _Offer(NamedTuple):
    """More copies of one layer, and the passes they save per weight they add."""

    layer: int
    copies: int
    gain: float


def _offers(layers: Sequence[LayerShape], copies: Sequence[int], geometry: MacroGeometry) -> Iterator[_Offer]:
    for index, (layer, number) in enumerate(zip(layers, copies, strict=True)):
        more = _next_copies(layer, number, geometry)
        if more is None:
            continue
        saved = minimum_passes([layer], geometry, [number]) - minimum_passes([layer], geometry, [more])
        if saved > 0:
            yield _Offer(index, more, saved / (layer.weights * (more - number)))


def _reloading(
    layers: Sequence[LayerShape],
    machine: Machine,
    geometry: MacroGeometry,
    style: PackingStyle,
    source: WeightSource,
    shortage: str,
) -> FittedNetwork:
    """Keeps what fits beside one plane per macro through which the other layers are loaded.

    Reloading costs the same per weight whatever the layer, so few weights are given up: one layer that frees just
    enough, or else the largest one and on; layers that then fit again come back.
    """
    planes = geometry.planes or 1
    resident = list(range(len(layers)))
    given_up: list[int] = []
    kept: PackingResult | None = None
    room = replace(geometry, planes=planes - 1) if planes > 1 else None
    missing = 1
    while resident and kept is None:
        excess = max(missing * geometry.plane_weights, _excess(layers, resident, room))
        by_size = sorted(resident, key=lambda index: (layers[index].weights, index))
        victim = next((index for index in by_size if layers[index].weights >= excess), by_size[-1])
        resident.remove(victim)
        given_up.append(victim)
        if resident and room is not None and _excess(layers, resident, room) <= 0:
            tried = pack_weights([layers[i] for i in resident], machine.geometry, style)
            missing = tried.planes - planes + 1
            kept = tried if missing <= 0 else None
    if kept is not None and room is not None:
        for index in sorted(given_up, key=lambda index: -layers[index].weights):
            more = sorted([*resident, index])
            if len(given_up) == 1 or _excess(layers, more, room) > 0:
                continue
            tried = pack_weights([layers[i] for i in more], machine.geometry, style)
            if tried.planes < planes:
                kept, resident = tried, more
                given_up.remove(index)
    given_up.sort()
    steps = (
        shortage,
        f"reloaded from {source.value} at every inference: {', '.join(layers[index].name for index in given_up)}",
    )
    # A reloaded layer computes from the plane that is left free, slice after slice, as from planes of its own.
    alone = packed_cost(
        stack_planes([layers[index] for index in given_up], machine.geometry),
        machine,
        planes=planes,
        reloaded=range(len(given_up)),
        source=source,
    )
    cost = alone
    if kept is not None:
        cost = _sum(packed_cost(kept, machine, planes=planes), alone)
    return FittedNetwork(kept, tuple(resident), tuple(given_up), cost, steps)


def _excess(layers: Sequence[LayerShape], resident: Sequence[int], room: MacroGeometry | None) -> int:
    """Weights of these layers beyond what the macros hold."""
    weights = sum(layers[index].weights for index in resident)
    if room is None or room.planes is None:
        return weights
    return weights - room.planes * room.macros * room.plane_weights


def _folded(
    layers: Sequence[LayerShape], machine: Machine, geometry: MacroGeometry, shortage: str
) -> list[FittedNetwork]:
    least = minimum_passes(layers, geometry)
    for factor in FOLD_FACTORS:
        try:
            folded = pack_tiles(layers, geometry, most_passes=int(least * factor))
        except PackingError:
            continue
        step = f"folded: {folded.total_passes} instead of {least} passes"
        cost = packed_cost(folded, machine, planes=geometry.planes)
        return [FittedNetwork(folded, tuple(range(len(layers))), (), cost, (shortage, step))]
    return []


def _sum(first: PackedCost, second: PackedCost) -> PackedCost:
    """Two parts of a network one after the other in the same macros."""
    return PackedCost(
        array_pj=first.array_pj + second.array_pj,
        activations_pj=first.activations_pj + second.activations_pj,
        weights_pj=first.weights_pj + second.weights_pj,
        compute_cycles=first.compute_cycles + second.compute_cycles,
        weight_cycles=first.weight_cycles + second.weight_cycles,
        clock_ns=first.clock_ns,
        area_mm2=first.area_mm2,
    )
