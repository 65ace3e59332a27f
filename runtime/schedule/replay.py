"""A machine that runs the tasks of a schedule against the clock, to derive the times once more.

It takes from the schedule only which part of which step runs on which unit, and in which order each unit takes its
parts. Durations come from the instruction streams; whether data is there is seen from the rows that have been written
so far. Nothing starts at a time that the schedule says: a unit starts its next part as soon as it is free and its
rows are there. The times must come out as scheduled, to the cycle.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.program import ApKernel, DigitalOp, Program
from imcflow.runtime.schedule.durations import step_durations
from imcflow.runtime.schedule.work import StepWork, map_height, overwritten_weights, program_work

if TYPE_CHECKING:
    from imcflow.runtime.schedule.table import Schedule

    Ints = np.ndarray[Any, np.dtype[np.int64]]

DIGITAL_UNIT = -1
"""The digital unit among the units, which are numbered as arrays or macros are."""


@dataclass(frozen=True, eq=False)
class Replay:
    """What the machine did.

    Attributes:
        start: cycle at which each task started, int64 [tasks].
        cycles: how long it took.
        order: tasks in the order of their starts.
        busy: cycles in which each unit worked, by unit.
        stalled: cycles in which some unit had a task next and its rows were not there, added over the units.
    """

    start: Ints
    cycles: Ints
    order: Ints
    busy: dict[int, int]
    stalled: int

    @property
    def end_cycles(self) -> int:
        """When the last task ended."""
        return int((self.start + self.cycles).max(initial=0))


def replay_schedule(program: Program) -> Replay:
    """Run the tasks of a checked program.

    Raises:
        ProgramError: the program has no schedule, or the machine comes to a standstill.
    """
    if program.schedule is None:
        raise ProgramError(f"program '{program.name}' has no schedule; compile it with --schedule")
    return _Machine(program, program.schedule).run()


def verify_replay(program: Program) -> Replay:
    """Replay a schedule and compare every start and duration with it.

    Raises:
        ProgramError: names the first task whose time differs.
    """
    replay = replay_schedule(program)
    assert program.schedule is not None
    table = program.schedule.tasks
    for what, found, column in (("takes", replay.cycles, "cycles"), ("starts at", replay.start, "start")):
        differs = np.flatnonzero(found != table[column].astype(np.int64))
        if len(differs):
            task = int(differs[0])
            name = program.steps[int(table["step"][task])].name
            raise ProgramError(
                f"schedule: task {task} of step '{name}' {what} {table[column][task]} as scheduled, {found[task]} when "
                "replayed"
            )
    return replay


class _Machine:
    def __init__(self, program: Program, schedule: Schedule) -> None:
        self.program = program
        self.rate = schedule.digital_operations_per_cycle
        self.works = program_work(program)
        self.durations = step_durations(program, self.works)
        self.tasks: list[tuple[int, int, int, int]] = [
            (int(row["step"]), int(row["first"]), int(row["stop"]), int(row["unit"])) for row in schedule.tasks
        ]
        # Every unit takes its tasks in the order of the table.
        self.queues: dict[int, list[int]] = {}
        for task in range(len(self.tasks)):
            for unit in self.units_of(task):
                self.queues.setdefault(unit, []).append(task)
        self.place = dict.fromkeys(self.queues, 0)
        self.free = dict.fromkeys(self.queues, True)
        # Results still missing, per step row; a lane of a crossbar step needs every macro that works on it.
        self.missing = [lanes_by_row(work) for work in self.works]
        self.producer: dict[int, StepWork] = {tensor: work for work in self.works for tensor in work.written}
        self.overwritten = overwritten_weights(self.works)
        self.waiting: dict[int, set[int]] = {}

    def units_of(self, task: int) -> range | tuple[int]:
        step, _, _, unit = self.tasks[task]
        found = self.program.steps[step]
        if isinstance(found, ApKernel):
            return range(unit, unit + found.array_count)
        return (DIGITAL_UNIT,) if isinstance(found, DigitalOp) else (unit,)

    def run(self) -> Replay:
        count = len(self.tasks)
        start, cycles = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        left: dict[tuple[int, int], int] = {}
        for step, _, _, unit in self.tasks:
            left[step, unit] = left.get((step, unit), 0) + 1
        order: list[int] = []
        ending: list[tuple[int, int]] = []
        stalled, now = 0, 0
        idle_since: dict[int, int] = dict.fromkeys(self.queues, 0)
        busy = dict.fromkeys(self.queues, 0)
        candidates = set(self.queues)
        while len(order) < count or ending:
            for task in self.startable(candidates, left):
                units = self.units_of(task)
                step, first, stop, unit = self.tasks[task]
                took = self.durations[step].cycles(first, stop, unit, self.rate)
                start[task], cycles[task] = now, took
                order.append(task)
                heapq.heappush(ending, (now + took, task))
                for name in units:
                    self.free[name] = False
                    busy[name] += took
                    stalled += now - idle_since[name]
            candidates = set[int]()
            if not ending:
                waiting = min(queue[self.place[unit]] for unit, queue in self.queues.items() if self.is_next(unit))
                step = self.tasks[waiting][0]
                raise ProgramError(
                    f"schedule: the machine stands still at cycle {now}: task {waiting} of step "
                    f"'{self.program.steps[step].name}' waits for rows that come later on its unit"
                )
            now = ending[0][0]
            while ending and ending[0][0] == now:
                _, task = heapq.heappop(ending)
                candidates |= self.finish(task, left)
                for name in self.units_of(task):
                    idle_since[name] = now
        return Replay(start, cycles, np.array(order, np.int64), busy, stalled)

    def is_next(self, unit: int) -> bool:
        return self.place[unit] < len(self.queues[unit])

    def startable(self, units: set[int], left: dict[tuple[int, int], int]) -> list[int]:
        """Tasks that are next on all their units, which are free, and whose rows are there."""
        chosen: list[int] = []
        seen: set[int] = set()
        for unit in sorted(units):
            if not self.is_next(unit) or not self.free[unit]:
                continue
            task = self.queues[unit][self.place[unit]]
            if task in seen:
                continue
            seen.add(task)
            names = self.units_of(task)
            if all(self.free[name] and self.queues[name][self.place[name]] == task for name in names) and (
                self.is_ready(task, left)
            ):
                chosen.append(task)
        return sorted(chosen)

    def is_ready(self, task: int, left: dict[tuple[int, int], int]) -> bool:
        step, first, stop, unit = self.tasks[task]
        work = self.works[step]
        rows = work.rows_of(np.array([first]), np.array([stop]))
        for read in work.reads:
            producer = self.producer.get(read.tensor)
            if producer is None:
                continue
            low, high = (int(row[0]) for row in read.rows(*rows))
            missing = self.missing[producer.number]
            if producer.divisible and len(missing) == map_height(self.program, read.tensor):
                missing = missing[low : high + 1]
            if missing.any():
                self.waiting.setdefault(producer.number, set()).add(task)
                return False
        for before in self.overwritten.get((step, unit), ()) if work.products else ():
            if left.get(before, 0):
                self.waiting.setdefault(before[0], set()).add(task)
                return False
        return True

    def finish(self, task: int, left: dict[tuple[int, int], int]) -> set[int]:
        """Write the rows of a task, free its units; return the units on which something may start now."""
        step, first, stop, unit = self.tasks[task]
        work, missing = self.works[step], self.missing[step]
        left[step, unit] -= 1
        low, high = first // work.width, (stop - 1) // work.width
        lanes = np.arange(low, high + 1)
        inside = np.minimum(stop, (lanes + 1) * work.width) - np.maximum(first, lanes * work.width)
        missing[low : high + 1] -= inside
        touched: set[int] = set()
        for name in self.units_of(task):
            self.free[name] = True
            self.place[name] += 1
            touched.add(name)
        for waiter in self.waiting.pop(step, ()):
            touched.update(self.units_of(waiter))
        return touched


def lanes_by_row(work: StepWork) -> Ints:
    """Return the results that each row of a step needs: its lanes, and for each lane every macro that works on it."""
    begin = np.arange(work.height, dtype=np.int64) * work.width
    ranges = list(work.macro_lanes.values()) or [(0, work.lanes)]
    total = np.zeros(work.height, np.int64)
    for first, stop in ranges:
        total += np.maximum(np.minimum(stop, begin + work.width) - np.maximum(first, begin), 0)
    return total
