"""Which layers keep their weights in the cells between inferences.

A multiplier holds D_m weights, so an array holds D_m tiles. A resident layer occupies as many of them as its weights
need; what remains is the working space of the other layers. The layers chosen save the most energy together.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from imcflow.errors import TargetError
from imcflow.targets.crossbar.layers import RELEVANT, Operand
from imcflow.targets.crossbar.report import LayerCost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.residency import Placement
    from imcflow.targets.crossbar.target import CrossbarTarget

    CostOf = Callable[[CrossbarTarget, Layer, Placement], LayerCost]


def weight_tiles(cost: LayerCost) -> int:
    """Weight tiles that a mapping keeps in the cells at once."""
    kept = cost.mapping.temporal.levels[Operand.WEIGHT][0]
    return math.prod(trips for dim, trips in kept if dim in RELEVANT[Operand.WEIGHT])


class _Option(NamedTuple):
    """A layer that could stay: its tiles, the energy that saves, and its cost then."""

    position: int
    tiles: int
    saved_pj: float
    cost: LayerCost


def _most_saving(options: Sequence[_Option], tiles: int) -> tuple[_Option, ...]:
    """The layers that save most energy together within `tiles` places (knapsack, exact)."""
    best: dict[int, tuple[float, tuple[_Option, ...]]] = {0: (0.0, ())}
    for option in options:
        for used, (saved, chosen) in sorted(best.items(), reverse=True):
            total = used + option.tiles
            if total <= tiles and saved + option.saved_pj > best.get(total, (0.0, ()))[0]:
                best[total] = (saved + option.saved_pj, (*chosen, option))
    return max(best.values(), key=lambda entry: entry[0])[1]


def with_resident_weights(
    target: CrossbarTarget, layers: Sequence[Layer], placements: Sequence[Placement], cost_of: CostOf
) -> list[LayerCost]:
    """Costs of all layers, with as many of them resident as pay off.

    Args:
        target: the machine.
        layers, placements: in execution order.
        cost_of: cost of one layer with its best mapping.
    """
    loaded = [cost_of(target, layer, placement) for layer, placement in zip(layers, placements, strict=True)]
    depth = target.macro.weights_per_multiplier
    options: list[_Option] = []
    for index, (layer, placement) in enumerate(zip(layers, placements, strict=True)):
        if layer.weight_count > target.macro.weight_capacity:
            continue
        try:
            resident = cost_of(target, layer, replace(placement, weights_resident=True))
        except TargetError:
            continue
        saved = loaded[index].energy_pj - resident.energy_pj
        if saved > 0:
            options.append(_Option(index, weight_tiles(resident), saved, resident))
    everything = len(options) == len(layers) and sum(option.tiles for option in options) <= depth
    costs = list(loaded)
    chosen = _most_saving(options, depth if everything else depth - 1)
    for option in chosen:
        costs[option.position] = option.cost
    kept = {option.position for option in chosen}
    free = depth - sum(option.tiles for option in chosen)
    if kept and len(kept) < len(layers):
        working = target.with_cell_depth(free)
        for index, (layer, placement) in enumerate(zip(layers, placements, strict=True)):
            if index not in kept:
                costs[index] = cost_of(working, layer, placement)
    return costs
