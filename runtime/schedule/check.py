"""The loader's rules for a schedule: whole steps, free units, data before use.

All rules are checked on arrays, in O(n log n) for n tasks whatever the sizes of maps and kernels: a hostile file cannot
make them slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.json_fields import shown
from imcflow.runtime.program import ApKernel, CrossbarKernel, DigitalOp, Program
from imcflow.runtime.schedule.row_maxima import RowMaxima
from imcflow.runtime.schedule.table import MAX_CYCLE, MAX_TASKS, Schedule, task_dtype
from imcflow.runtime.schedule.work import StepWork, map_height, overwritten_weights, program_work

if TYPE_CHECKING:
    Ints = np.ndarray[Any, np.dtype[np.int64]]

MAX_OCCUPATIONS = 1 << 24
"""Tasks times the arrays of each."""


def check_schedule(program: Program) -> None:
    """Check the schedule of a program whose steps have been checked; programs without one pass.

    Raises:
        ProgramError: names the task, the step and the rule.
    """
    schedule = program.schedule
    if schedule is None:
        return
    table = schedule.tasks
    if table.dtype != task_dtype() or table.ndim != 1:
        raise ProgramError(f"schedule: tasks have type {table.dtype}, expected rows of {task_dtype().itemsize} bytes")
    if not 1 <= len(table) <= MAX_TASKS:
        raise ProgramError(f"schedule: {len(table)} tasks, 1 to {MAX_TASKS} are allowed")
    _Check(program, schedule).run()


class _Check:
    def __init__(self, program: Program, schedule: Schedule) -> None:
        self.program = program
        self.schedule = schedule
        self.work = program_work(program)
        table = schedule.tasks
        late = np.flatnonzero((table["start"] > MAX_CYCLE) | (table["cycles"] > MAX_CYCLE))
        if len(late):
            raise ProgramError(f"schedule: task {late[0]} starts or lasts beyond cycle {MAX_CYCLE}")
        self.step, self.first, self.stop, self.unit, self.start, self.cycles = (
            table[name].astype(np.int64) for name in ("step", "first", "stop", "unit", "start", "cycles")
        )
        self.end = self.start + self.cycles

    def run(self) -> None:
        self._order()
        groups = np.argsort(self.step, kind="stable")
        bounds = np.searchsorted(self.step[groups], np.arange(len(self.work) + 1))
        members = [groups[bounds[number] : bounds[number + 1]] for number in range(len(self.work))]
        for work, tasks in zip(self.work, members, strict=True):
            self._whole(work, tasks)
        self._units()
        self._causality(members)
        self._weights(members)

    def _where(self, task: int) -> str:
        step = int(self.step[task])
        name = shown(self.work[step].step.name) if step < len(self.work) else "unknown"
        return f"schedule: task {task} of step {step} {name}"

    def _order(self) -> None:
        wrong = np.flatnonzero(self.step >= len(self.work))
        if len(wrong):
            raise ProgramError(f"schedule: task {wrong[0]}: step {self.step[wrong[0]]} of {len(self.work)}")
        wrong = np.flatnonzero(np.diff(self.start) < 0)
        if len(wrong):
            raise ProgramError(f"{self._where(int(wrong[0]) + 1)} starts before the task above it")

    def _whole(self, work: StepWork, tasks: Ints) -> None:
        """Every lane of a step runs once; on a crossbar, once on every macro that holds its weights."""
        if not len(tasks):
            raise ProgramError(f"schedule: step {work.number} {shown(work.step.name)} has no task")
        self._shape(work, tasks)
        unit = self.unit[tasks]
        ranges = {0: (0, work.lanes)}
        if isinstance(work.step, CrossbarKernel):
            ranges = work.macro_lanes
            units = np.array(list(ranges), np.int64)
            strange = tasks[~np.isin(unit, units)]
            if len(strange):
                raise ProgramError(f"{self._where(int(strange[0]))}: macro {self.unit[strange[0]]} holds none of it")
        else:
            unit = np.zeros_like(unit)
        # Sorted by unit and lane, the ranges of a unit join without gap from its first to its last lane.
        units = np.array(list(ranges), np.int64)
        limits = np.array(list(ranges.values()), np.int64)
        order = np.lexsort((self.first[tasks], unit))
        unit, first, stop = unit[order], self.first[tasks][order], self.stop[tasks][order]
        own = limits[np.searchsorted(units, unit)]
        begins = np.append(True, unit[1:] != unit[:-1])
        expected = np.where(begins, own[:, 0], np.append(0, stop[:-1]))
        ends = np.append(begins[1:], True)
        gaps = np.flatnonzero((first != expected) | (ends & (stop != own[:, 1])))
        if len(gaps) or int(begins.sum()) != len(units):
            missing = np.setdiff1d(units, unit)
            place = f" on macro {missing[0]}" if len(missing) else f": see lanes {first[gaps[0]]} to {stop[gaps[0]]}"
            raise ProgramError(
                f"schedule: step {work.number} {shown(work.step.name)}: not every lane runs exactly once{place}"
            )

    def _shape(self, work: StepWork, tasks: Ints) -> None:
        first, stop, unit = self.first[tasks], self.stop[tasks], self.unit[tasks]
        rules = [(first < stop) & (stop <= work.lanes)]
        text = f"lanes must be an ascending range within 0 to {work.lanes}"
        complaints = [text]
        if not work.divisible and not work.macro_lanes:
            rules.append(stop - first == work.lanes)
            complaints.append(f"the step has one part, all {work.lanes} lanes")
        if not work.divisible and work.macro_lanes:
            most = max(last - begin for begin, last in work.macro_lanes.values())
            whole = np.array([work.macro_lanes.get(macro, (0, most)) for macro in unit.tolist()], np.int64)
            rules.append((first == whole[:, 0]) & (stop == whole[:, 1]))
            complaints.append("the step has one part on each macro, all its lanes")
        if isinstance(work.step, ApKernel):
            rows, arrays = self.program.target.rows, self.schedule.arrays
            rules += [stop - first <= rows, unit + work.step.array_count <= arrays]
            complaints += [f"an array has {rows} rows", f"{work.step.array_count} arrays from there on, of {arrays}"]
        if isinstance(work.step, DigitalOp):
            rules.append(unit == 0)
            complaints.append("unit must be 0, the digital unit")
        for rule, complaint in zip(rules, complaints, strict=True):
            if not rule.all():
                task = int(tasks[int(np.argmin(rule))])
                raise ProgramError(
                    f"{self._where(task)}: lanes {self.first[task]} to {self.stop[task]} on unit {self.unit[task]}: "
                    f"{complaint}"
                )

    def _units(self) -> None:
        """No array, no macro and not the digital unit does two tasks at once."""
        kinds = np.array([0 if isinstance(work.step, DigitalOp) else 1 for work in self.work])
        counts = [work.step.array_count if isinstance(work.step, ApKernel) else 1 for work in self.work]
        needed = np.array(counts, np.int64)[self.step]
        if int(needed.sum()) > MAX_OCCUPATIONS:
            raise ProgramError(f"schedule: {needed.sum()} array occupations, at most {MAX_OCCUPATIONS} are allowed")
        task = np.repeat(np.arange(len(needed)), needed)
        within = np.arange(len(task)) - np.repeat(np.cumsum(needed) - needed, needed)
        place = (self.unit[task] + within) * 2 + kinds[self.step[task]]
        order = np.lexsort((self.start[task], place))
        task, place = task[order], place[order]
        clash = np.flatnonzero((place[1:] == place[:-1]) & (self.start[task[1:]] < self.end[task[:-1]]))
        if len(clash):
            one, other = int(task[clash[0]]), int(task[clash[0] + 1])
            name = "the digital unit" if place[clash[0]] % 2 == 0 else f"unit {place[clash[0]] // 2}"
            raise ProgramError(
                f"{self._where(other)} starts at {self.start[other]} on {name}, busy with task {one} until "
                f"{self.end[one]}"
            )

    def _causality(self, members: list[Ints]) -> None:
        """No task starts before what it reads has ended, nor stands above it in the table."""
        ready = {port.tensor: None for port in self.program.inputs}
        tables: dict[int, tuple[RowMaxima, RowMaxima] | None] = dict(ready)
        for work, tasks in zip(self.work, members, strict=True):
            first_row, last_row = work.rows_of(self.first[tasks], self.stop[tasks])
            for read in work.reads:
                written = tables[read.tensor]
                if written is None:
                    continue
                low, high = read.rows(first_row, last_row)
                needed = low <= high
                ends = written[0].query(low[needed], high[needed])
                rows = written[1].query(low[needed], high[needed])
                wrong = np.flatnonzero((ends > self.start[tasks][needed]) | (rows > tasks[needed]))
                if len(wrong):
                    task = int(tasks[needed][wrong[0]])
                    raise ProgramError(
                        f"{self._where(task)} starts at {self.start[task]}, but reads rows of tensor "
                        f"{shown(self.program.tensors[read.tensor].name)} that task {rows[wrong[0]]} or another "
                        f"ends at {ends[wrong[0]]}"
                    )
            for tensor in work.written:
                height = map_height(self.program, tensor)
                low, high = work.output_rows(height, self.first[tasks], self.stop[tasks])
                tables[tensor] = RowMaxima(low, high, self.end[tasks]), RowMaxima(low, high, tasks)

    def _weights(self, members: list[Ints]) -> None:
        """A step overwrites weights only after the last product that needs them."""
        for (step, macro), befores in overwritten_weights(self.work).items():
            own = members[step][self.unit[members[step]] == macro]
            for before, _ in befores:
                earlier = members[before][self.unit[members[before]] == macro]
                if not len(own) or not len(earlier):
                    continue
                begins, ended = int(self.start[own].min()), int(self.end[earlier].max())
                if begins < ended or int(own.min()) < int(earlier.max()):
                    raise ProgramError(
                        f"{self._where(int(own.min()))} starts at {begins} and overwrites weights of step {before} on "
                        f"macro {macro}, which are needed until {ended}"
                    )
