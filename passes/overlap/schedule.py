"""A whole network in time: each layer on its own banks, every layer as early as its data and its order allow.

Lock step keeps the closed form (step ends do not fall with the step), so `LockStepPlan` gathers and accumulates only:
a schedule of 40,000 tiles takes a fraction of a millisecond. Other orders keep a grid of done times per layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.grid import box_maxima, box_tiles
from imcflow.passes.overlap.layers import Graph
from imcflow.passes.overlap.nests import Ints, Mapping, OverlapError
from imcflow.passes.overlap.ready import has_outputs, lock_step_ready
from imcflow.passes.overlap.runs import FREE_MOVES, MoveCosts, Order, Run, run_layer

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class _Gather:
    """How the ready times of a layer's steps follow from one producer's step ends.

    Args:
        producer: index of the producer.
        places: index into its readable times, one more than a group of steps; 0 is "needs nothing".
        lead: how much earlier than the end of the group the step ends, or None where it never does.
    """

    producer: int
    places: NDArrayIntp
    lead: Ints | None


NDArrayIntp = np.ndarray[tuple[int, ...], np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Everything about a layer's lock-step schedule that does not depend on times.

    Steps whose ready times are equal because only inner loops differ form a group; one number per group is kept.

    Args:
        gathers: one per edge.
        shape: bounds of the loops over groups.
        group_steps: steps of a group.
        step_ticks: length of a step.
        tail_ticks: from a step's end to its readable result.
        slots: earliest starts of the groups, (group index) * (group length).
        steps: steps of a bank.
    """

    gathers: tuple[_Gather, ...]
    shape: tuple[int, ...]
    group_steps: int
    step_ticks: int
    tail_ticks: int
    slots: Ints
    steps: int

    def times(self, readable: Sequence[Ints | None]) -> Ints:
        """Readable times of the layer's groups, int64[groups + 1], 0 first.

        Args:
            readable: the same of the earlier layers; None counts as ready from the start.
        """
        result = np.empty(len(self.slots) + 1, dtype=np.int64)
        result[0] = 0
        ends = result[1:]
        ready: Ints | None = None
        for gather in self.gathers:
            times = readable[gather.producer]
            if times is None:
                continue
            found = times.take(gather.places)
            if gather.lead is not None:
                found -= gather.lead
            ready = found if ready is None else np.maximum(ready, found)
        group_ticks = self.group_steps * self.step_ticks
        if ready is None:
            np.add(self.slots, group_ticks + self.tail_ticks, out=ends)
            return result
        if ready.size == len(ends):
            np.subtract(ready.ravel(), self.slots, out=ends)
        else:
            np.subtract(np.broadcast_to(ready, self.shape).ravel(), self.slots, out=ends)
        np.maximum.accumulate(ends, out=ends)
        ends += self.slots
        ends += group_ticks + self.tail_ticks
        return result


def plan_layer(graph: Graph, index: int, mappings: Sequence[Mapping | None], groups: Sequence[int]) -> LayerPlan:
    """Prepare the lock-step schedule of a layer.

    Args:
        graph: the network.
        index: the layer.
        mappings: loops by layer; edges from layers without a mapping are left out.
        groups: group lengths of the producers' plans, by layer.
    """
    layer, mapping = graph.layers[index], mappings[index]
    if mapping is None:
        raise OverlapError(f"layer {layer.name}: has no mapping")
    steps: list[tuple[int, Mapping, Ints]] = []
    for edge in layer.edges:
        producer_mapping = mappings[edge.producer]
        if producer_mapping is not None:
            producer = graph.layers[edge.producer]
            found = lock_step_ready(producer, producer_mapping, layer, mapping, edge)
            steps.append((edge.producer, producer_mapping, found))
    shape = [1 if loop.spatial else loop.bound for loop in mapping.loops]
    group_steps = 1
    for axis in reversed(range(len(shape))):
        if any(found.shape[axis] > 1 for _, _, found in steps):
            break
        group_steps *= shape[axis]
        shape[axis] = 1
    gathers = tuple(_gather(producer, own, found, groups[producer]) for producer, own, found in steps)
    count = mapping.steps // group_steps
    slots = np.arange(count, dtype=np.int64) * (group_steps * mapping.step_ticks)
    return LayerPlan(gathers, tuple(shape), group_steps, mapping.step_ticks, mapping.tail_ticks, slots, mapping.steps)


def _gather(producer: int, mapping: Mapping, steps: Ints, group: int) -> _Gather:
    places = steps // group + 1
    lead = (group - 1 - steps % group) * mapping.step_ticks
    return _Gather(producer, places.astype(np.intp), lead if lead.any() else None)


class LockStepPlan:
    """A prepared lock-step schedule of a network.

    Args:
        graph: the network.
        mappings: loops by layer.
    """

    def __init__(self, graph: Graph, mappings: Sequence[Mapping]) -> None:
        plans: list[LayerPlan] = []
        groups: list[int] = []
        for index in range(len(graph.layers)):
            plans.append(plan_layer(graph, index, mappings, groups))
            groups.append(plans[-1].group_steps)
        self.plans = tuple(plans)
        self.tiles = sum(mapping.steps * mapping.banks for mapping in mappings)
        self.steps = sum(mapping.steps for mapping in mappings)

    def times(self) -> list[Ints]:
        """Readable times of all layers' step groups."""
        readable: list[Ints] = []
        for plan in self.plans:
            readable.append(plan.times(readable))
        return readable

    def end(self) -> int:
        """End of the network, in ticks."""
        return max(int(times[-1]) for times in self.times())


@dataclass(frozen=True, slots=True)
class Schedule:
    """A network in time.

    Args:
        graph: the network.
        mappings: loops by layer.
        runs: tiles in time by layer.
    """

    graph: Graph
    mappings: tuple[Mapping, ...]
    runs: tuple[Run, ...]

    @property
    def end(self) -> int:
        """End of the network, in ticks."""
        return max(run.end for run in self.runs)

    @property
    def tiles(self) -> int:
        """Tiles of work."""
        return sum(run.start.size for run in self.runs)


def ready_times(graph: Graph, index: int, mappings: Sequence[Mapping], done: Sequence[Ints]) -> Ints:
    """Ready time of every tile of a layer, broadcasting over its loops; 0 for what needs nothing.

    Args:
        graph: the network.
        index: the layer.
        mappings: loops by layer.
        done: done times of the output tiles of the earlier layers.
    """
    layer, mapping = graph.layers[index], mappings[index]
    ready: Ints = np.zeros((1,) * len(mapping.loops), dtype=np.int64)
    for edge in layer.edges:
        box = box_tiles(graph.layers[edge.producer], mappings[edge.producer], layer, mapping, edge)
        ready = np.maximum(ready, box_maxima(done[edge.producer], box))
    return ready


def schedule(
    graph: Graph, mappings: Sequence[Mapping], orders: Sequence[Order], moves: Sequence[MoveCosts] | None = None
) -> Schedule:
    """Run a network, every layer in its order.

    Args:
        graph: the network.
        mappings: loops by layer.
        orders: order by layer.
        moves: move costs by layer; free if left out.
    """
    costs = moves if moves is not None else [FREE_MOVES] * len(mappings)
    runs: list[Run] = []
    for index, mapping in enumerate(mappings):
        ready = ready_times(graph, index, mappings, [run.done for run in runs])
        runs.append(run_layer(mapping, ready, orders[index], costs[index], has_outputs(graph.layers[index], mapping)))
    return Schedule(graph, tuple(mappings), tuple(runs))
