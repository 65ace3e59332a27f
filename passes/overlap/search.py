"""Choice of one mapping per layer for the end time of the network in lock step (sheet 2.8).

Strategies: the best mapping of every layer by itself; layer by layer from the first, from the last, or from the slowest
outwards; a beam of partial mappings. Then single layers are chosen again in seeded random order for the end of the
whole network. The same arguments give the same result unless the time budget ends the search.

A layer's own end says little about what it does to the next one: a single step per bank ends first and allows no
overlap. So a choice is judged by the end of the layers that read it, which as long as they are open are represented by
a few probes: the finest mappings within some distance of the best latency. Open producers are represented likewise.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from imcflow.passes.overlap.candidates import CandidateLimits, candidates
from imcflow.passes.overlap.layers import Graph, Layer
from imcflow.passes.overlap.machine import share_banks
from imcflow.passes.overlap.nests import Ints, Mapping, OverlapError
from imcflow.passes.overlap.schedule import LayerPlan, plan_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imcflow.passes.overlap.machine import Machine


class Strategy(StrEnum):
    """Order in which layers get their mapping."""

    LAYERWISE = "layerwise"
    FORWARD = "forward"
    BACKWARD = "backward"
    MIDDLE_OUT = "middle-out"
    BEAM = "beam"


@dataclass(frozen=True, slots=True)
class Space:
    """What the search chooses from.

    Args:
        graph: the network.
        banks: banks by layer.
        choices: mappings by layer, the one with the shortest own latency first.
    """

    graph: Graph
    banks: tuple[int, ...]
    choices: tuple[tuple[Mapping, ...], ...]


@dataclass(frozen=True, slots=True)
class Budget:
    """Where the search ends.

    Args:
        rounds: times that every layer is chosen again after the strategy.
        seconds: wall time; None for no limit. A search cut short by it may differ from run to run.
        beam_width: partial mappings that a beam keeps.
        seed: of the order of layers.
    """

    rounds: int = 2
    seconds: float | None = None
    beam_width: int = 4
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Result of a search.

    Args:
        mappings: by layer.
        end: end of the network in lock step, in ticks.
        evaluations: layers or networks evaluated.
        progress: seconds since the start and end time, whenever a complete choice got better.
        out_of_time: whether the time budget ended the search.
    """

    mappings: tuple[Mapping, ...]
    end: int
    evaluations: int
    progress: tuple[tuple[float, int], ...]
    out_of_time: bool


def search_space(graph: Graph, machine: Machine, limits: CandidateLimits | None = None) -> Space:
    """Share the machine's banks out and list the mappings of every layer.

    Raises:
        OverlapError: the layers do not fit into the banks together.
    """
    known: dict[tuple[Layer, int], tuple[Mapping, ...]] = {}
    least = [1] * len(graph.layers)
    while True:
        banks = share_banks(graph, machine.banks, least)
        choices: list[tuple[Mapping, ...]] = []
        for index, layer in enumerate(graph.layers):
            shape = replace(layer, name="", edges=())
            if (shape, banks[index]) not in known:
                try:
                    known[shape, banks[index]] = candidates(layer, machine, banks[index], limits)
                except OverlapError:
                    known[shape, banks[index]] = ()
            choices.append(known[shape, banks[index]])
            if not choices[-1]:
                least[index] = banks[index] + 1
        if all(choices):
            return Space(graph, banks, tuple(choices))


def search(
    space: Space, strategy: Strategy, budget: Budget | None = None, on_progress: Callable[[str], None] | None = None
) -> Found:
    """Choose a mapping for every layer.

    Args:
        space: what to choose from.
        strategy: order of the choices.
        budget: where to end.
        on_progress: called with a line of text at each better result.
    """
    state = _Search(space, budget or Budget(), on_progress)
    start = {
        Strategy.LAYERWISE: state.layerwise,
        Strategy.FORWARD: lambda: state.forward({}, range(len(space.choices))),
        Strategy.BACKWARD: state.backward,
        Strategy.MIDDLE_OUT: state.middle_out,
        Strategy.BEAM: state.beam,
    }[strategy]
    chosen = start()
    state.keep(chosen)
    state.improve()
    return state.found()


_Known: TypeAlias = "dict[int, tuple[LayerPlan, Ints]]"
_PROBE_LATENCIES = (1.05, 1.2)


def _probes(choices: tuple[Mapping, ...]) -> list[int]:
    """The mappings with most steps whose own latency is within some distances of the best."""
    found: list[int] = []
    for distance in _PROBE_LATENCIES:
        near = [pick for pick, own in enumerate(choices) if own.latency_ticks <= distance * choices[0].latency_ticks]
        finest = max(near, key=lambda pick: (choices[pick].steps, -choices[pick].latency_ticks, -pick))
        if finest not in found:
            found.append(finest)
    return found


class _Search:
    def __init__(self, space: Space, budget: Budget, on_progress: Callable[[str], None] | None) -> None:
        self.space = space
        self.budget = budget
        self.on_progress = on_progress
        count = len(space.choices)
        self.readers = [sorted({reader for reader, _ in space.graph.consumers(index)}) for index in range(count)]
        self.probes = [_probes(choices) for choices in space.choices]
        self.started = time.monotonic()
        self.evaluations = 0
        self.best: dict[int, int] = {}
        self.best_end = -1
        self.progress: list[tuple[float, int]] = []
        self.out_of_time = False

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def is_over(self) -> bool:
        limit = self.budget.seconds
        self.out_of_time = self.out_of_time or (limit is not None and self.seconds() > limit)
        return self.out_of_time

    def mappings(self, picks: dict[int, int]) -> list[Mapping | None]:
        choices = self.space.choices
        return [choices[index][picks[index]] if index in picks else None for index in range(len(choices))]

    def trials(self, index: int) -> list[int]:
        """Mappings of a layer, probes first: a search that runs out of time ends with one that overlaps."""
        rest = (pick for pick in range(len(self.space.choices[index])) if pick not in self.probes[index])
        return [*self.probes[index], *rest]

    def times_of(self, index: int, picks: dict[int, int], known: _Known) -> tuple[LayerPlan, Ints]:
        """Plan and times of a layer behind those producers that are known."""
        visible = {layer: pick for layer, pick in picks.items() if layer in known or layer == index}
        count = len(self.space.choices)
        groups = [known[layer][0].group_steps if layer in known else 1 for layer in range(count)]
        plan = plan_layer(self.space.graph, index, self.mappings(visible), groups)
        self.evaluations += 1
        return plan, plan.times([known[layer][1] if layer in known else None for layer in range(count)])

    def outlook(self, index: int, picks: dict[int, int], known: _Known) -> tuple[int, float]:
        """How early the readers of a layer end behind it: the chosen mapping of each, or its best probe."""
        own = known[index][1]
        end = int(own[-1])
        for reader in self.readers[index]:
            tried = [picks[reader]] if reader in picks else self.probes[reader]
            ends = (self.times_of(reader, picks | {reader: pick}, known)[1][-1] for pick in tried)
            end = max(end, int(min(ends)))
        return end, float(own.mean())

    def forward(self, picks: dict[int, int], layers: Sequence[int]) -> dict[int, int]:
        """Choose layers in the given order, each behind the layers chosen before."""
        known: _Known = {}
        for index in sorted(picks):
            known[index] = self.times_of(index, picks, known)
        for index in layers:
            options: list[tuple[tuple[int, float], int, tuple[LayerPlan, Ints]]] = []
            for pick in self.trials(index):
                trial = picks | {index: pick}
                result = self.times_of(index, trial, known)
                options.append((self.outlook(index, trial, known | {index: result}), pick, result))
                if self.is_over():
                    break
            _, pick, result = min(options, key=lambda option: option[:2])
            picks = picks | {index: pick}
            known[index] = result
        return picks

    def upwards(self, picks: dict[int, int], layers: Sequence[int]) -> dict[int, int]:
        """Choose layers towards the first one, each for the ends of its readers, which are chosen."""
        graph = self.space.graph
        for index in layers:
            producers = sorted({edge.producer for edge in graph.layers[index].edges})
            ahead = {producer: self.probes[producer][0] for producer in producers}
            known: _Known = {producer: self.times_of(producer, ahead, {}) for producer in producers}
            options: list[tuple[tuple[int, float], int]] = []
            for pick in self.trials(index):
                trial = picks | ahead | {index: pick}
                result = self.times_of(index, trial, known)
                options.append((self.outlook(index, trial, known | {index: result}), pick))
                if self.is_over():
                    break
            picks = picks | {index: min(options)[1]}
        return picks

    def layerwise(self) -> dict[int, int]:
        return dict.fromkeys(range(len(self.space.choices)), 0)

    def backward(self) -> dict[int, int]:
        last = len(self.space.choices) - 1
        return self.upwards({last: self.probes[last][0]}, range(last - 1, -1, -1))

    def middle_out(self) -> dict[int, int]:
        choices = self.space.choices
        middle = max(range(len(choices)), key=lambda index: choices[index][0].latency_ticks)
        picks = self.forward({middle: self.probes[middle][0]}, range(middle + 1, len(choices)))
        return self.upwards(picks, range(middle - 1, -1, -1))

    def beam(self) -> dict[int, int]:
        states: list[tuple[dict[int, int], _Known]] = [({}, {})]
        for index in range(len(self.space.choices)):
            options: list[tuple[tuple[int, float], int, int, tuple[LayerPlan, Ints]]] = []
            for place, (picks, known) in enumerate(states):
                for pick in self.trials(index):
                    trial = picks | {index: pick}
                    result = self.times_of(index, trial, known)
                    options.append((self.outlook(index, trial, known | {index: result}), place, pick, result))
                    if self.is_over():
                        break
            options.sort(key=lambda option: option[:3])
            states = [
                (states[place][0] | {index: pick}, states[place][1] | {index: result})
                for _, place, pick, result in options[: self.budget.beam_width]
            ]
        return states[0][0]

    def keep(self, picks: dict[int, int]) -> None:
        """Note a complete choice if it ends earlier than the best one."""
        known: _Known = {}
        for index in range(len(self.space.choices)):
            known[index] = self.times_of(index, picks, known)
        self.note(picks, max(int(times[-1]) for _, times in known.values()))

    def note(self, picks: dict[int, int], end: int) -> bool:
        if self.best_end >= 0 and end >= self.best_end:
            return False
        self.best, self.best_end = picks, end
        self.progress.append((self.seconds(), end))
        if self.on_progress is not None:
            self.on_progress(f"end {end} ticks after {self.seconds():.1f} s, {self.evaluations} evaluations")
        return True

    def improve(self) -> None:
        """Choose single layers again for the end of the whole network, until a round changes nothing."""
        random = Random(self.budget.seed)
        for _ in range(self.budget.rounds):
            before = self.best_end
            order = list(range(len(self.space.choices)))
            random.shuffle(order)
            for index in order:
                if not self.improve_layer(index):
                    return
            if self.best_end == before:
                return

    def improve_layer(self, index: int) -> bool:
        """Try all mappings of a layer; False when the time is up."""
        count = len(self.space.choices)
        known: _Known = {}
        for layer in range(count):
            known[layer] = self.times_of(layer, self.best, known)
        picks = self.best
        planned_again = {index, *(consumer for consumer, _ in self.space.graph.consumers(index))}
        for pick in range(len(self.space.choices[index])):
            trial = picks | {index: pick}
            ahead = {layer: known[layer] for layer in range(index)}
            for layer in range(index, count):
                if layer in planned_again:
                    ahead[layer] = self.times_of(layer, trial, ahead)
                else:
                    plan = known[layer][0]
                    ahead[layer] = plan, plan.times([ahead[earlier][1] for earlier in range(layer)])
            self.note(trial, max(int(times[-1]) for _, times in ahead.values()))
            if self.is_over():
                return False
        return True

    def found(self) -> Found:
        mappings = tuple(self.space.choices[index][pick] for index, pick in sorted(self.best.items()))
        return Found(mappings, self.best_end, self.evaluations, tuple(self.progress), self.out_of_time)
