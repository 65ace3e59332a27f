"""What no schedule of the parts of a program beats, whatever its order.

Dependency: the longest chain of parts, every one on a unit of its own. Units: the tasks of one macro, of the digital
unit or of the pool of array groups with their heads (earliest starts) and tails, as one machine that may interrupt
tasks (Jackson's preemptive schedule; Carlier 1982). A head also counts that the tasks of a producer that a part waits
for take turns on each unit, and a tail that its readers do.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.passes.scheduling.parts import POOL, Parts

if TYPE_CHECKING:
    Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class ProgramBounds:
    """Lower bounds on the end of a program, in cycles.

    Attributes:
        dependency: longest chain.
        units: the busiest unit with heads and tails.
    """

    dependency: int
    units: int

    @property
    def best(self) -> int:
        """The largest."""
        return max(self.dependency, self.units)


def program_bounds(parts: Parts) -> ProgramBounds:
    """Return lower bounds for all schedules of these parts."""
    machine = parts.machine
    cycles = parts.part_cycles
    heads, tails = _heads(parts), _tails(parts)
    dependency = int((heads + cycles + tails).max(initial=0))
    units = 0
    for unit in np.unique(parts.task_unit).tolist():
        tasks = np.flatnonzero(parts.task_unit == unit)
        part = parts.task_part[tasks]
        many = machine.groups if unit == POOL else 1
        units = max(units, unit_bound(heads[part], parts.task_cycles[tasks], tails[part], many))
    return ProgramBounds(dependency, units)


def unit_bound(heads: Ints, cycles: Ints, tails: Ints, machines: int) -> int:
    """Return when the tasks of some equal machines can be over at the earliest.

    One machine: Jackson's preemptive schedule, which is optimal. More: the tasks that start after some head share the
    machines evenly, then the least tail follows.

    Args:
        heads: int64 [n].
        cycles: int64 [n].
        tails: int64 [n].
        machines: how many.
    """
    order = np.argsort(heads, kind="stable")
    heads, cycles, tails = heads[order], cycles[order], tails[order]
    if machines > 1:
        work = np.cumsum(cycles[::-1])[::-1]
        least = np.minimum.accumulate(tails[::-1])[::-1]
        return int((heads - -work // machines + least).max(initial=0))
    waiting: list[tuple[int, int]] = []
    end = now = 0
    head, length, tail = heads.tolist(), cycles.tolist(), tails.tolist()
    left, following = list(length), 0
    while waiting or following < len(head):
        if not waiting:
            now = max(now, head[following])
        while following < len(head) and head[following] <= now:
            heapq.heappush(waiting, (-tail[following], following))
            following += 1
        _, task = waiting[0]
        until = head[following] if following < len(head) else now + left[task]
        step = min(left[task], until - now)
        now += step
        left[task] -= step
        if left[task] == 0:
            heapq.heappop(waiting)
            end = max(end, now + tail[task])
    return end


def _shared(parts: Parts, low: int, high: int) -> int:
    """Least time of all tasks of parts low..high, which are of one step, on its units."""
    begin, stop = int(parts.part_tasks[low]), int(parts.part_tasks[high + 1])
    units, cycles = parts.task_unit[begin:stop], parts.task_cycles[begin:stop]
    if units[0] == POOL:
        return -(-len(units) // parts.machine.groups) * int(cycles[0])
    return int(np.bincount(units - units.min(), weights=cycles).max())


def _heads(parts: Parts) -> Ints:
    """Earliest start of each part, int64 [parts]."""
    heads = np.zeros(len(parts.step), np.int64)
    ends = np.zeros(len(parts.step), np.int64)
    cycles = parts.part_cycles
    known: dict[tuple[int, int], int] = {}
    for part, needs in enumerate(parts.producers):
        head = 0
        for low, high in needs:
            if (low, high) not in known:
                shared = int(heads[low : high + 1].min()) + _shared(parts, low, high)
                known[low, high] = max(int(ends[low : high + 1].max()), shared)
            head = max(head, known[low, high])
        heads[part] = head
        ends[part] = head + cycles[part]
    return heads


def _tails(parts: Parts) -> Ints:
    """Least time after the end of each part, int64 [parts]."""
    count = len(parts.step)
    tails = np.zeros(count, np.int64)
    cycles = parts.part_cycles
    readers: list[dict[int, tuple[int, int]]] = [{} for _ in range(count)]
    for part in range(count - 1, -1, -1):
        tail = 0
        for low, high in readers[part].values():
            after = int(tails[low : high + 1].min()) + _shared(parts, low, high)
            tail = max(tail, after, int((cycles[low : high + 1] + tails[low : high + 1]).max()))
        tails[part] = tail
        step = int(parts.step[part])
        for low, high in parts.producers[part]:
            for producer in range(low, high + 1):
                # Readers of a part within a step are met from the last to the first; only neighbours are counted.
                known = readers[producer].get(step, (part, part))
                readers[producer][step] = (part, known[1]) if known[0] <= part + 1 else known
    return tails
