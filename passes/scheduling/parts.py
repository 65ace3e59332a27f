"""Parts of the steps of a program, and what they wait for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ImcflowError
from imcflow.runtime.program import ApKernel, Program
from imcflow.runtime.schedule.durations import StepDurations, step_durations
from imcflow.runtime.schedule.work import Gates, StepWork, overwritten_weights, program_work

if TYPE_CHECKING:
    Ints = np.ndarray[Any, np.dtype[np.int64]]

POOL = -2
"""Unit of a part that may run on any group of arrays."""
DIGITAL = -1
"""The digital unit."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How a step is cut: into parts of some rows of lanes, or of some lanes of a row.

    Args:
        rows: rows of a part.
        columns: lanes of a part within a row; 0: whole rows.
    """

    rows: int
    columns: int = 0


@dataclass(frozen=True)
class Machine:
    """The units of a program.

    Args:
        program: a checked program.
        arrays: AP arrays that may be used.
        digital_operations_per_cycle: of the digital unit; 0: its work takes no time.
    """

    program: Program
    arrays: int
    digital_operations_per_cycle: int
    works: list[StepWork] = field(init=False)
    durations: list[StepDurations] = field(init=False)
    gates: Gates = field(init=False)

    def __post_init__(self) -> None:
        """Count all streams once."""
        works = program_work(self.program)
        object.__setattr__(self, "works", works)
        object.__setattr__(self, "durations", step_durations(self.program, works))
        object.__setattr__(self, "gates", overwritten_weights(works))
        if self.program.kernels and self.group < 1:
            raise ImcflowError(f"program '{self.program.name}': a schedule on {self.arrays} arrays")
        if self.group > self.arrays:
            raise ImcflowError(
                f"program '{self.program.name}': a step takes {self.group} arrays, the schedule may use {self.arrays}"
            )

    @property
    def group(self) -> int:
        """Arrays of a group: what the widest step takes."""
        return max((kernel.array_count for kernel in self.program.kernels), default=0)

    @property
    def groups(self) -> int:
        """Groups of arrays that run side by side."""
        return self.arrays // self.group if self.group else 0


def cuts_of(machine: Machine, work: StepWork) -> list[Cut]:
    """Return the cuts worth trying for a step, the coarsest first."""
    if not work.divisible:
        return [Cut(work.height)]
    most = work.height
    if isinstance(work.step, ApKernel):
        lanes = machine.program.target.rows
        if work.width > lanes:
            return [Cut(1, lanes)]
        most = min(most, lanes // work.width)
    sizes = sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power < most)}, reverse=True)
    return [Cut(size) for size in sizes]


def lane_ranges(work: StepWork, cut: Cut) -> tuple[Ints, Ints]:
    """Return first lanes and lanes behind the last of all parts, in order.

    Where macros share the lanes of a crossbar step, parts end: every macro of a part works on all its lanes.
    """
    if cut.columns:
        row = np.arange(work.height, dtype=np.int64)[:, None] * work.width
        piece = np.arange(0, work.width, cut.columns, dtype=np.int64)
        first = (row + piece).ravel()
        return first, (row + np.minimum(piece + cut.columns, work.width)).ravel()
    first = np.arange(0, work.height, cut.rows, dtype=np.int64) * work.width
    if work.divisible and work.macro_lanes:
        borders = [lane for lanes in work.macro_lanes.values() for lane in lanes if lane < work.lanes]
        first = np.union1d(first, np.array(borders, np.int64))
    return first, np.append(first[1:], work.lanes)


@dataclass(frozen=True, eq=False)
class Parts:
    """All parts of a program, in program order; a part of a crossbar step has a task on each macro that works on it.

    Attributes:
        step: step of each part, int64 [parts].
        first, stop: lanes of each part, int64 [parts].
        task_part: part of each task, int64 [tasks].
        task_unit: macro, DIGITAL or POOL, int64 [tasks].
        task_cycles: int64 [tasks].
        task_first, task_stop: lanes of each task, int64 [tasks].
        part_tasks: first task of each part, and the end, int64 [parts + 1].
        producers: per part, ranges (first part, last part) of what it reads.
        gates: per (step, macro), the (step, macro) pairs whose weights it overwrites.
    """

    machine: Machine
    step: Ints
    first: Ints
    stop: Ints
    task_part: Ints
    task_unit: Ints
    task_cycles: Ints
    task_first: Ints
    task_stop: Ints
    part_tasks: Ints
    producers: list[list[tuple[int, int]]]
    gates: Gates

    @property
    def part_cycles(self) -> Ints:
        """Cycles of each part with all its macros side by side."""
        return np.maximum.reduceat(self.task_cycles, self.part_tasks[:-1])


def cut_program(machine: Machine, cuts: Sequence[Cut]) -> Parts:
    """Cut every step.

    Args:
        machine: the program and its units.
        cuts: by step.
    """
    ranges = [lane_ranges(work, cut) for work, cut in zip(machine.works, cuts, strict=True)]
    counts = np.array([len(first) for first, _ in ranges], np.int64)
    base = np.concatenate([[0], np.cumsum(counts)])
    written: dict[int, StepWork] = {tensor: work for work in machine.works for tensor in work.written}
    producers: list[list[tuple[int, int]]] = []
    tasks: list[tuple[int, int, int, int, int]] = []
    rate = machine.digital_operations_per_cycle
    for work, durations, (first, stop) in zip(machine.works, machine.durations, ranges, strict=True):
        needs = _needs(work, (first, stop), written, ranges, base)
        producers += needs
        other = POOL if isinstance(work.step, ApKernel) else DIGITAL
        units = work.macro_lanes or {other: (0, work.lanes)}
        for place, (begin, end) in enumerate(zip(first.tolist(), stop.tolist(), strict=True)):
            for unit, (least, most) in units.items():
                low, high = max(begin, least), min(end, most)
                if low < high:
                    cycles = durations.cycles(low, high, unit, rate)
                    tasks.append((int(base[work.number]) + place, unit, cycles, low, high))
    parts, unit, cycles, task_first, task_stop = np.array(tasks, np.int64).T
    return Parts(
        machine=machine,
        step=np.repeat(np.arange(len(counts)), counts),
        first=np.concatenate([first for first, _ in ranges]),
        stop=np.concatenate([stop for _, stop in ranges]),
        task_part=parts,
        task_unit=unit,
        task_cycles=cycles,
        task_first=task_first,
        task_stop=task_stop,
        part_tasks=np.searchsorted(parts, np.arange(int(base[-1]) + 1)),
        producers=producers,
        gates=machine.gates,
    )


def _needs(
    work: StepWork,
    lanes: tuple[Ints, Ints],
    written: dict[int, StepWork],
    ranges: list[tuple[Ints, Ints]],
    base: Ints,
) -> list[list[tuple[int, int]]]:
    """Ranges of producer parts that every part of a step reads."""
    found: list[list[tuple[int, int]]] = [[] for _ in lanes[0]]
    first_row, last_row = work.rows_of(*lanes)
    for read in work.reads:
        producer = written.get(read.tensor)
        if producer is None:
            continue
        low, high = read.rows(first_row, last_row)
        begins, ends = ranges[producer.number]
        if producer.divisible and producer.height == read.height:
            # Parts lie in order of lanes: those that touch a range of rows are neighbours.
            first = np.searchsorted(ends, low * producer.width, side="right")
            last = np.searchsorted(begins, (high + 1) * producer.width, side="left") - 1
        else:
            first, last = np.zeros_like(low), np.full_like(high, len(begins) - 1)
        offset = int(base[producer.number])
        for place in np.flatnonzero(low <= high).tolist():
            found[place].append((offset + int(first[place]), offset + int(last[place])))
    return found
