"""Fits a network to macros of given depth: copies where planes are left, folding or reloading where they lack."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imcflow.passes.packing.bounds import minimum_passes, packing_bounds
from imcflow.passes.packing.copying import idle_copies, with_copies
from imcflow.passes.packing.economy import Machine, PackedCost, WeightSource, packed_cost
from imcflow.passes.packing.fitted import FittedNetwork, brief_name, fully_resident
from imcflow.passes.packing.packer import fit_weights, pack_weights
from imcflow.passes.packing.reloading import with_reloading
from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingError, PackingResult, PackingStyle
from imcflow.passes.packing.stacked import stack_planes
from imcflow.passes.packing.tile_packer import pack_tiles

FOLD_FACTORS = (1.02, 1.05, 1.1, 1.2, 1.4, 1.7, 2.0, 3.0, 4.0)
"""Budgets of passes tried when tiles do not fit, relative to the minimum."""

DEPTH_FACTORS = (1.0, 2.0)
"""Depths tried for copies, relative to the planes that single copies need."""

Alternatives = Sequence[LayerShape]
"""Ways to cut a layer, fewest passes first and fewest weights last: groups side by side, or each on its own."""


def fit_network(
    layers: Sequence[LayerShape | Alternatives],
    machine: Machine,
    planes: int,
    style: PackingStyle = PackingStyle.SLICE,
    source: WeightSource = WeightSource.DRAM,
) -> FittedNetwork:
    """Places a network in macros of `planes` planes at the least energy-delay product found.

    A network that fits gets copies of layers, as long as they lower the product and fit. One that does not fit is
    folded (groups that lie side by side take turns; tile geometry: also more passes for fewer planes) or loses layers
    to reloading, whichever costs less.

    Args:
        layers: the network; a layer that can be cut in several ways as the sequence of its alternatives.
        machine: macros and memories.
        planes: planes per macro.
        style: geometry of the placement.
        source: where reloaded weights come from.

    Raises:
        PackingError: there are no layers, or `planes` is below 1.
    """
    geometry = replace(machine.geometry, planes=planes)
    ways = [[layer] if isinstance(layer, LayerShape) else list(layer) for layer in layers]
    if not ways:
        raise PackingError("packing: no layers are given, allowed is 1 or more")
    widest = [alternatives[0] for alternatives in ways]
    plain = _placed(widest, geometry, style, thorough=True)
    if isinstance(plain, PackingResult):
        return with_copies(machine, geometry, style, plain)
    shortage = f"{plain} planes are needed, there are {planes}"
    choices: list[FittedNetwork] = []
    folded = _with_turns(ways, machine, geometry, style)
    if isinstance(folded, PackingResult):
        fitted = with_copies(machine, geometry, style, folded)
        choices.append(replace(fitted, steps=(shortage, *_turns(ways, folded.layers), *fitted.steps)))
    if style is PackingStyle.TILE:
        choices.extend(_folded([alternatives[-1] for alternatives in ways], machine, geometry, shortage))
    least = min((choice.cost.edp_uj_us for choice in choices), default=float("inf"))
    shapes = [widest] if isinstance(folded, PackingResult) or folded == widest else [widest, folded]
    for layers_tried in shapes:
        if _least_reloading_edp(layers_tried, machine, geometry, source) < least:
            reloaded = with_reloading(layers_tried, machine, geometry, style, source, shortage)
            choices.append(replace(reloaded, steps=(*reloaded.steps, *_turns(ways, layers_tried))))
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
    best = fully_resident(plain, packed_cost(plain, machine), ())
    for planes in sorted({int(plain.planes * factor) for factor in DEPTH_FACTORS}):
        fitted = with_copies(machine, replace(machine.geometry, planes=planes), style, plain)
        if fitted.resident is None:
            continue
        cost = packed_cost(fitted.resident, machine)
        if cost.edp_uj_us < best.cost.edp_uj_us:
            best = replace(fitted, cost=cost)
    return best


def _placed(
    layers: Sequence[LayerShape], geometry: MacroGeometry, style: PackingStyle, *, thorough: bool
) -> PackingResult | int:
    """The placement of the layers if it fits, else the planes they need (at least, where that is plain to see).

    Only a thorough search shuffles orders.
    """
    quick = fit_weights(layers, geometry, style)
    least = packing_bounds(layers, geometry).planes
    if quick is not None or least > (geometry.planes or 1) or not thorough:
        return least if quick is None else quick
    placement = pack_weights(layers, replace(geometry, planes=None), style)
    return replace(placement, geometry=geometry) if placement.planes <= (geometry.planes or 1) else placement.planes


def _with_turns(
    ways: Sequence[Sequence[LayerShape]], machine: Machine, geometry: MacroGeometry, style: PackingStyle
) -> PackingResult | list[LayerShape]:
    """Lets groups take turns, at the least cost per weight saved, until the network fits; else the smallest shapes."""
    chosen = [0] * len(ways)
    costs = [[_alone(layer, machine, geometry) for layer in alternatives] for alternatives in ways]

    def price(index: int, choice: int) -> tuple[float, int]:
        """Energy-delay product and weights of the network with another choice for one layer."""
        at = [choice if number == index else now for number, now in enumerate(chosen)]
        energy = sum(of[now].energy_uj for of, now in zip(costs, at, strict=True))
        latency = sum(of[now].latency_us for of, now in zip(costs, at, strict=True))
        return energy * latency, sum(of[now].weights for of, now in zip(ways, at, strict=True))

    while True:
        offers: list[tuple[float, int]] = []
        product, weights = price(0, chosen[0])
        for index, alternatives in enumerate(ways):
            if chosen[index] + 1 < len(alternatives):
                more, fewer = price(index, chosen[index] + 1)
                offers.append(((more - product) / max(1, weights - fewer), index))
        if not offers:
            return [alternatives[-1] for alternatives in ways]
        chosen[min(offers)[1]] += 1
        shapes = [alternatives[choice] for alternatives, choice in zip(ways, chosen, strict=True)]
        placement = _placed(shapes, geometry, style, thorough=False)
        if isinstance(placement, PackingResult):
            return placement


def _least_reloading_edp(
    layers: Sequence[LayerShape], machine: Machine, geometry: MacroGeometry, source: WeightSource
) -> float:
    """What reloading costs at least: no fewer weights are loaded than are too many, and copies fill all macros."""
    capacity = (geometry.planes or 1) * geometry.macros * geometry.plane_weights
    excess = max(1, sum(layer.weights for layer in layers) - capacity)
    alone = [_alone(layer, machine, geometry) for layer in layers]
    loading = machine.load_pj(excess, source) / 1e6
    waiting = machine.load_cycles(excess, source) * alone[0].clock_ns / 1e3
    shares = [idle_copies(layer, machine.geometry) for layer in layers]
    computing = sum(cost.latency_us / share for cost, share in zip(alone, shares, strict=True))
    return (sum(cost.energy_uj for cost in alone) + loading) * (waiting + computing)


def _alone(layer: LayerShape, machine: Machine, geometry: MacroGeometry) -> PackedCost:
    """Cost of a resident layer, wherever its slices lie."""
    return packed_cost(stack_planes([layer], machine.geometry), machine, planes=geometry.planes)


def _turns(ways: Sequence[Sequence[LayerShape]], shapes: Sequence[LayerShape]) -> list[str]:
    """Say which groups take turns."""
    folded = [
        f"{brief_name(shape)} {shape.groups} (not {alternatives[0].groups})"
        for alternatives, shape in zip(ways, shapes, strict=True)
        if shape != alternatives[0]
    ]
    return [f"folded, blocks of groups that take turns: {', '.join(folded)}"] if folded else []


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
        return [fully_resident(folded, packed_cost(folded, machine, planes=geometry.planes), (shortage, step))]
    return []
