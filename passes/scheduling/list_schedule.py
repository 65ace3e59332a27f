"""List scheduling of the parts of a program: whenever a unit is free, the most urgent part whose data is there."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.passes.scheduling.parts import DIGITAL, POOL, Parts
from imcflow.runtime.schedule.table import task_dtype

if TYPE_CHECKING:
    Ints = np.ndarray[Any, np.dtype[np.int64]]
    Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class ListSchedule:
    """Tasks in time.

    Attributes:
        start: int64 [tasks].
        group: group of arrays of each task of an AP step, -1 elsewhere.
        order: tasks in the order in which they were started.
        end: when the last one ends.
    """

    start: Ints
    group: Ints
    order: Ints
    end: int


def tails(parts: Parts) -> Ints:
    """Return the least time from the end of each part to the end of the program, int64 [parts]."""
    result = np.zeros(len(parts.step), np.int64)
    cycles = parts.part_cycles
    for part in range(len(parts.step) - 1, -1, -1):
        after = int(result[part] + cycles[part])
        for low, high in parts.producers[part]:
            np.maximum(result[low : high + 1], after, out=result[low : high + 1])
    return result


def list_schedule(parts: Parts, urgency: Floats) -> ListSchedule:
    """Start every task as early as its unit, its data and more urgent tasks allow.

    A unit never waits while a task for it could run. Tasks that start at the same time do so in program order.

    Args:
        parts: the tasks.
        urgency: float64 [parts]; the largest first.
    """
    return _Run(parts, urgency).schedule()


class _Run:
    def __init__(self, parts: Parts, urgency: Floats) -> None:
        self.parts = parts
        self.cycles: list[int] = parts.task_cycles.tolist()
        self.unit: list[int] = parts.task_unit.tolist()
        self.part_of: list[int] = parts.task_part.tolist()
        self.step_of: list[int] = parts.step.tolist()
        self.urgency: list[float] = urgency.tolist()
        self.bounds: list[int] = parts.part_tasks.tolist()
        count = len(self.step_of)
        self.unfinished = [self.bounds[part + 1] - self.bounds[part] for part in range(count)]
        self.readers: list[list[int]] = [[] for _ in range(count)]
        # What a part waits for: producer parts. A task waits for its part and for the gates of its macro.
        self.part_waits = [0] * count
        for part, needs in enumerate(parts.producers):
            for low, high in needs:
                self.part_waits[part] += high - low + 1
                for producer in range(low, high + 1):
                    self.readers[producer].append(part)
        self.task_waits = [1] * len(self.cycles)
        self.open_gates: dict[tuple[int, int], int] = {}
        self.gated: dict[tuple[int, int], list[int]] = {}
        self._close_gates()
        self.available: dict[int, list[tuple[float, int]]] = {}
        self.idle: dict[int, bool] = {}
        self.groups = list(range(parts.machine.groups))

    def _close_gates(self) -> None:
        gates = self.parts.gates
        if not gates:
            return
        watched = {before for befores in gates.values() for before in befores}
        for task, unit in enumerate(self.unit):
            key = (self.step_of[self.part_of[task]], unit)
            if key in watched:
                self.open_gates[key] = self.open_gates.get(key, 0) + 1
            for before in gates.get(key, ()):
                self.task_waits[task] += 1
                self.gated.setdefault(before, []).append(task)

    def schedule(self) -> ListSchedule:
        total = len(self.cycles)
        start, group = np.full(total, -1, np.int64), np.full(total, -1, np.int64)
        order: list[int] = []
        ending: list[tuple[int, int]] = []
        now = 0
        touched: set[int] = set()
        for part, waits in enumerate(self.part_waits):
            if waits == 0:
                self._release_part(part, touched)
        while True:
            for unit in sorted(touched):
                for task, place in self._starting(unit):
                    start[task], group[task] = now, place
                    order.append(task)
                    heapq.heappush(ending, (now + self.cycles[task], task))
            if not ending:
                break
            now = ending[0][0]
            touched = set()
            while ending and ending[0][0] == now:
                _, task = heapq.heappop(ending)
                self._finish(task, int(group[task]), touched)
        return ListSchedule(start, group, np.array(order, np.int64), now)

    def _release_part(self, part: int, touched: set[int]) -> None:
        for task in range(self.bounds[part], self.bounds[part + 1]):
            self._release(task, touched)

    def _release(self, task: int, touched: set[int]) -> None:
        self.task_waits[task] -= 1
        if self.task_waits[task] == 0:
            unit = self.unit[task]
            heapq.heappush(self.available.setdefault(unit, []), (-self.urgency[self.part_of[task]], task))
            touched.add(unit)

    def _starting(self, unit: int) -> list[tuple[int, int]]:
        """Take what starts on a unit now: (task, group)."""
        waiting = self.available.get(unit, [])
        if unit == POOL:
            taken: list[tuple[int, int]] = []
            while waiting and self.groups:
                taken.append((heapq.heappop(waiting)[1], heapq.heappop(self.groups)))
            return taken
        if not waiting or not self.idle.get(unit, True):
            return []
        self.idle[unit] = False
        return [(heapq.heappop(waiting)[1], -1)]

    def _finish(self, task: int, group: int, touched: set[int]) -> None:
        part, unit = self.part_of[task], self.unit[task]
        if unit == POOL:
            heapq.heappush(self.groups, group)
        else:
            self.idle[unit] = True
        touched.add(unit)
        key = (self.step_of[part], unit)
        if key in self.open_gates:
            self.open_gates[key] -= 1
            if self.open_gates[key] == 0:
                for waiting in self.gated.get(key, ()):
                    self._release(waiting, touched)
        self.unfinished[part] -= 1
        if self.unfinished[part] == 0:
            for reader in self.readers[part]:
                self.part_waits[reader] -= 1
                if self.part_waits[reader] == 0:
                    self._release_part(reader, touched)


def task_table(parts: Parts, found: ListSchedule) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return a schedule as rows of `imcflow.runtime.schedule.table`."""
    table = np.zeros(len(found.start), task_dtype())
    part = parts.task_part
    table["step"], table["first"], table["stop"] = parts.step[part], parts.task_first, parts.task_stop
    unit = np.where(parts.task_unit == POOL, found.group * max(1, parts.machine.group), parts.task_unit)
    table["unit"] = np.where(parts.task_unit == DIGITAL, 0, unit)
    table["start"], table["cycles"] = found.start, parts.task_cycles
    return table[found.order]
