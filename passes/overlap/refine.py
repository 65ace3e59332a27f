"""Mappings chosen again for the transformed schedule: the search looks at lock step, the result is re-ordered.

Mappings near the best own time are tried in every order, the other layers as they are: first on all layers of a shape
together, because one fine layer among coarse ones gains nothing, then on single layers. A change is kept if the network
ends earlier, or at the same time with its layers ending earlier on average. Then all orders are chosen anew.
"""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING

from imcflow.passes.overlap.ready import has_outputs, working_ticks
from imcflow.passes.overlap.runs import FREE_MOVES, Order, run_layer
from imcflow.passes.overlap.schedule import Schedule, ready_times
from imcflow.passes.overlap.transform import overlap_layers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imcflow.passes.overlap.layers import Layer
    from imcflow.passes.overlap.nests import Mapping
    from imcflow.passes.overlap.runs import MoveCosts, Run
    from imcflow.passes.overlap.search import Space

MOST_TRIED = 16
"""Mappings tried per layer and round."""
SLOWEST = 1.1
"""Own time of a mapping that is tried, at most this many times the best one."""


def refine(
    current: Schedule,
    space: Space,
    *,
    rounds: int = 2,
    seconds: float | None = None,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> Schedule:
    """Choose mappings again, with free moves; never ends later than before.

    Args:
        current: a schedule whose mappings are among the choices.
        space: the choices.
        rounds: times that every layer is tried; fewer if a round changes nothing.
        seconds: wall time; None for no limit. A refinement cut short by it may differ from run to run.
        seed: of the order of layers.
        on_progress: called with a line of text at each better schedule.
    """
    started = time.monotonic()
    best = current
    for turn in range(rounds):
        before = best
        singles = [(index,) for index in range(len(space.choices))]
        Random(seed + turn).shuffle(singles)
        for group in [*_alike(space), *singles]:
            for mapping in tried_mappings(space.graph.layers[group[0]], space.choices[group[0]]):
                if seconds is not None and time.monotonic() - started > seconds:
                    return best
                if any(mapping != best.mappings[index] for index in group):
                    best = _better(best, with_mapping(best, group, mapping))
            if on_progress is not None:
                on_progress(f"end {best.end} ticks after {time.monotonic() - started:.1f} s")
        again = overlap_layers(space.graph, best.mappings)
        best = again if again.end < best.end else best
        if best is before:
            break
    return best


def _alike(space: Space) -> list[tuple[int, ...]]:
    """Layers with the same choices, where there are several."""
    groups: dict[tuple[Mapping, ...], list[int]] = {}
    for index, choices in enumerate(space.choices):
        groups.setdefault(choices, []).append(index)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def tried_mappings(layer: Layer, choices: Sequence[Mapping]) -> list[Mapping]:
    """An even choice of the mappings near the best own time, from coarse to fine."""
    ticks = {mapping: working_ticks(layer, mapping) for mapping in choices}
    near = [mapping for mapping in choices if ticks[mapping] <= SLOWEST * min(ticks.values())]
    near.sort(key=lambda mapping: (mapping.steps, ticks[mapping], str(mapping)))
    count = min(len(near), MOST_TRIED)
    return [near[place * len(near) // count] for place in range(count)]


def _better(current: Schedule, other: Schedule) -> Schedule:
    return min((current, other), key=lambda found: (found.end, sum(run.end for run in found.runs)))


def with_mapping(
    current: Schedule, layers: Sequence[int], mapping: Mapping, moves: Sequence[MoveCosts] | None = None
) -> Schedule:
    """The schedule with another mapping of some layers, each in the order in which it ends first; later layers again.

    Args:
        current: the schedule.
        layers: the layers, ascending.
        mapping: their new loops.
        moves: move costs by layer; free if left out.
    """
    costs = moves if moves is not None else [FREE_MOVES] * len(current.mappings)
    graph = current.graph
    mappings = [mapping if index in layers else old for index, old in enumerate(current.mappings)]
    runs: list[Run] = list(current.runs[: layers[0]])
    affected = set(layers)
    for layer in range(layers[0], len(mappings)):
        if layer not in affected and not affected.intersection(edge.producer for edge in graph.layers[layer].edges):
            runs.append(current.runs[layer])
            continue
        ready = ready_times(graph, layer, mappings, [run.done for run in runs])
        orders = list(Order) if layer in layers else [current.runs[layer].order]
        inside = has_outputs(graph.layers[layer], mappings[layer])
        options = [run_layer(mappings[layer], ready, order, costs[layer], inside) for order in orders]
        runs.append(min(options, key=lambda run: (run.end, float(run.done.mean()), run.moved_blocks)))
        affected.add(layer)
    return Schedule(graph, tuple(mappings), tuple(runs))
