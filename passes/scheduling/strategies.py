"""How finely each step of a program is cut, for the end of the whole program.

A step cut finely lets the next one start early, and a step in one piece allows no overlap; but an associative processor
takes as long for few lanes as for many, so fine parts need more arrays. Strategies fix one step after the other, each
for the end time behind the choices made before; open steps stand in their finest cut. Of cuts that end alike the
coarsest is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from imcflow.passes.overlap.search import Strategy
from imcflow.passes.scheduling.list_schedule import ListSchedule, list_schedule, tails
from imcflow.passes.scheduling.parts import Cut, Machine, Parts, cut_program, cuts_of, lane_ranges

MOST_TASKS = 20_000
"""Cuts that give more tasks than this in all are coarsened."""


@dataclass(frozen=True)
class CutSearch:
    """Where the search ends.

    Attributes:
        rounds: times that every step is chosen again after the strategy.
        seconds: wall time; None for no limit. A search cut short by it may differ from run to run.
        beam_width: partial choices that a beam keeps.
        seed: of the order of steps.
    """

    rounds: int = 1
    seconds: float | None = None
    beam_width: int = 3
    seed: int = 0


def choose_cuts(
    machine: Machine,
    strategy: Strategy,
    budget: CutSearch | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> list[Cut]:
    """Return a cut for every step.

    Args:
        machine: the program and its units.
        strategy: order of the choices; LAYERWISE leaves every step as coarse as it can be.
        budget: where to end.
        on_progress: called with a line of text at each better choice.
    """
    return _Choice(machine, budget or CutSearch(), on_progress).run(strategy)


def plan(parts: Parts, *, restarts: int = 8, seed: int = 0, bound: int = 0) -> ListSchedule:
    """Return the best of some list schedules: by longest rest of the program, in program order, and shaken.

    Args:
        parts: the tasks.
        restarts: schedules with shaken urgencies.
        seed: of the shaking.
        bound: a lower bound; ends early when it is met.
    """
    rest = (tails(parts) + parts.part_cycles).astype(np.float64)
    random = np.random.default_rng(seed)
    order = np.arange(len(rest), dtype=np.float64)
    urgencies = [rest, order, -order]
    scale = 0.1 * max(float(rest.max(initial=0.0)), 1.0)
    urgencies += [rest + scale * random.standard_normal(len(rest)) for _ in range(restarts)]
    best: ListSchedule | None = None
    for urgency in urgencies:
        found = list_schedule(parts, urgency)
        if best is None or found.end < best.end:
            best = found
        if best.end <= bound:
            break
    assert best is not None
    return best


class _Choice:
    def __init__(self, machine: Machine, budget: CutSearch, on_progress: Callable[[str], None] | None) -> None:
        self.machine = machine
        self.budget = budget
        self.on_progress = on_progress
        self.started = time.monotonic()
        self.choices = [self._choices(step) for step in range(len(machine.works))]
        self.open = [step for step, cuts in enumerate(self.choices) if len(cuts) > 1]
        self.known: dict[tuple[int, ...], int] = {}

    def _choices(self, step: int) -> list[Cut]:
        work = self.machine.works[step]
        most = max(1, MOST_TASKS // len(self.machine.works))
        tasks = max(1, len(work.products))
        cuts = cuts_of(self.machine, work)
        return [cut for cut in cuts if len(lane_ranges(work, cut)[0]) * tasks <= most] or cuts[:1]

    def run(self, strategy: Strategy) -> list[Cut]:
        count = len(self.choices)
        coarse = [0] * count
        fine = [len(cuts) - 1 for cuts in self.choices]
        if strategy is Strategy.LAYERWISE:
            return self.cuts(coarse)
        picks = self.beam(fine) if strategy is Strategy.BEAM else self.in_turn(fine, self.order(strategy))
        picks = min((picks, coarse, fine), key=self.end)
        picks = self.improve(picks)
        return self.cuts(picks)

    def order(self, strategy: Strategy) -> list[int]:
        """The steps that have a choice, in the order of a strategy."""
        if strategy is Strategy.BACKWARD:
            return self.open[::-1]
        if strategy is not Strategy.MIDDLE_OUT or not self.open:
            return self.open
        cycles = [self._step_cycles(step) for step in self.open]
        middle = int(np.argmax(cycles))
        return [*self.open[middle:], *self.open[:middle][::-1]]

    def _step_cycles(self, step: int) -> int:
        work, durations = self.machine.works[step], self.machine.durations[step]
        rate = self.machine.digital_operations_per_cycle
        return max(durations.cycles(0, work.lanes, unit, rate) for unit in (work.products or (0,)))

    def cuts(self, picks: Sequence[int]) -> list[Cut]:
        return [cuts[pick] for cuts, pick in zip(self.choices, picks, strict=True)]

    def end(self, picks: Sequence[int]) -> int:
        key = tuple(picks)
        if key not in self.known:
            parts = cut_program(self.machine, self.cuts(picks))
            rest = (tails(parts) + parts.part_cycles).astype(np.float64)
            self.known[key] = list_schedule(parts, rest).end
        return self.known[key]

    def is_over(self) -> bool:
        limit = self.budget.seconds
        return limit is not None and time.monotonic() - self.started > limit

    def best_pick(self, picks: list[int], step: int) -> list[int]:
        """The picks with the best, then the coarsest cut of one step."""
        trials = [[*picks[:step], pick, *picks[step + 1 :]] for pick in range(len(self.choices[step]))]
        return min(trials, key=self.end)

    def in_turn(self, picks: list[int], steps: Sequence[int]) -> list[int]:
        for step in steps:
            if self.is_over():
                break
            before = self.end(picks)
            picks = self.best_pick(picks, step)
            if self.on_progress is not None and self.end(picks) < before:
                self.on_progress(f"end {self.end(picks)} cycles after {time.monotonic() - self.started:.1f} s")
        return picks

    def beam(self, picks: list[int]) -> list[int]:
        states = [picks]
        for step in self.open:
            if self.is_over():
                break
            trials = [
                [*state[:step], pick, *state[step + 1 :]] for state in states for pick in range(len(self.choices[step]))
            ]
            states = sorted(trials, key=self.end)[: self.budget.beam_width]
        return states[0]

    def improve(self, picks: list[int]) -> list[int]:
        random = Random(self.budget.seed)
        for _ in range(self.budget.rounds):
            before = self.end(picks)
            steps = list(self.open)
            random.shuffle(steps)
            picks = self.in_turn(picks, steps)
            if self.end(picks) == before:
                break
        return picks
