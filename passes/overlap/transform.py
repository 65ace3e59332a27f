"""The transformation: re-order and re-place tiles by ready time where it makes the network end earlier (sheet 2.7)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imcflow.passes.overlap.nests import Dim, OverlapError
from imcflow.passes.overlap.ready import has_outputs, read_box, tile_size
from imcflow.passes.overlap.runs import FREE_MOVES, MoveCosts, Order, run_layer
from imcflow.passes.overlap.schedule import Schedule, ready_times, schedule
from imcflow.passes.overlap.verify import tile_reduction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcflow.passes.overlap.layers import Graph
    from imcflow.passes.overlap.machine import Machine
    from imcflow.passes.overlap.nests import Mapping
    from imcflow.passes.overlap.runs import Run


def move_costs(graph: Graph, mappings: Sequence[Mapping], machine: Machine, element_bytes: int = 1) -> list[MoveCosts]:
    """What moving a block costs, by layer: its inputs each time, its weights once per new bank.

    Args:
        graph: the network.
        mappings: loops by layer.
        machine: gives the time on the link.
        element_bytes: size of an activation and of a weight.
    """
    costs: list[MoveCosts] = []
    for layer, mapping in zip(graph.layers, mappings, strict=True):
        size = 0
        for edge in layer.edges:
            box = read_box(graph.layers[edge.producer], layer, mapping, edge)
            size += math.prod(int((ranges.high - ranges.low).max()) + 1 for ranges in box)
        weights = 0
        if not layer.channelwise:
            weights = tile_size(layer, mapping, Dim.K) * tile_reduction(layer, mapping) * mapping.reduction_steps
        costs.append(MoveCosts(machine.link_ticks(size * element_bytes), machine.link_ticks(weights * element_bytes)))
    return costs


def overlap_layers(
    graph: Graph, mappings: Sequence[Mapping], moves: Sequence[MoveCosts] | None = None, rounds: int = 1
) -> Schedule:
    """Choose an order for every layer so that the network ends early; never later than in lock step.

    First each layer takes the order in which it ends first, given the layers before it; then single layers are tried in
    the other orders, and a change is kept only if the network ends earlier.

    Args:
        graph: the network.
        mappings: loops by layer.
        moves: move costs by layer; free if left out.
        rounds: times that every layer is tried again.
    """
    costs = list(moves) if moves is not None else [FREE_MOVES] * len(mappings)
    if len(costs) != len(mappings):
        raise OverlapError(f"network {graph.name}: {len(costs)} move costs for {len(mappings)} layers")
    runs: list[Run] = []
    for index, mapping in enumerate(mappings):
        ready = ready_times(graph, index, mappings, [run.done for run in runs])
        inside = has_outputs(graph.layers[index], mapping)
        options = [run_layer(mapping, ready, order, costs[index], inside) for order in Order]
        runs.append(min(options, key=lambda run: (run.end, float(run.done.mean()), run.moved_blocks)))
    best = Schedule(graph, tuple(mappings), tuple(runs))
    for order in (Order.LOCK_STEP, Order.INDEPENDENT, Order.PERMUTED):
        other = schedule(graph, mappings, [order] * len(mappings), costs)
        if other.end < best.end:
            best = other
    for _ in range(rounds):
        before = best.end
        for index in range(len(mappings)):
            best = _with_better_order(best, index, costs)
        if best.end == before:
            break
    return best


def _with_better_order(current: Schedule, index: int, costs: Sequence[MoveCosts]) -> Schedule:
    best = current
    orders = [run.order for run in current.runs]
    for order in Order:
        if order is not orders[index]:
            trial = _from(current, index, [*orders[:index], order, *orders[index + 1 :]], costs)
            if trial.end < best.end:
                best = trial
    return best


def _from(current: Schedule, first: int, orders: Sequence[Order], costs: Sequence[MoveCosts]) -> Schedule:
    """The schedule with other orders from layer `first` on."""
    runs = list(current.runs[:first])
    for index in range(first, len(orders)):
        ready = ready_times(current.graph, index, current.mappings, [run.done for run in runs])
        mapping = current.mappings[index]
        inside = has_outputs(current.graph.layers[index], mapping)
        runs.append(run_layer(mapping, ready, orders[index], costs[index], inside))
    return Schedule(current.graph, current.mappings, tuple(runs))
