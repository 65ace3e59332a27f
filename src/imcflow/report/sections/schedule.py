"""The schedule that a program carries: which part of which layer runs where and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.report.charts import Segment, Strip, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import heading, joined, paragraph, tiles
from imcflow.runtime.program import DigitalOp

if TYPE_CHECKING:
    from imcflow.runtime.program import Program
    from imcflow.runtime.schedule.table import TaskTable

MOST_ROWS = 120
"""Of a chart: the busiest are shown."""


def schedule(data: ReportData) -> Section | None:
    """Gantt charts by layer and by unit, beside the bound and the time without overlap."""
    plan, program = data.program.schedule, data.program
    if plan is None or not len(plan.tasks):
        return None
    end = plan.end_cycles
    figures = [
        ("end", f"{end:,}", "cycles, one image"),
        ("one after the other", f"{plan.sequential_cycles:,}", f"{plan.sequential_cycles / max(end, 1):.2f} times"),
        ("lower bound", f"{plan.bound_cycles:,}", f"end is {end / max(plan.bound_cycles, 1):.3f} times"),
        ("parts", f"{len(plan.tasks):,}", f"of {len(program.steps)} steps"),
    ]
    tasks = plan.tasks
    digital = np.array([isinstance(step, DigitalOp) for step in program.steps])[tasks["step"]]
    by_step = [
        _strip(step.name, tasks[tasks["step"] == number], program, parts=True)
        for number, step in enumerate(program.steps)
    ]
    units = [("digital unit", digital)]
    units += [
        (f"unit {unit}", ~digital & (tasks["unit"] == unit)) for unit in np.unique(tasks["unit"][~digital]).tolist()
    ]
    by_unit = [_strip(name, tasks[rows], program, parts=False) for name, rows in units if rows.any()]
    parts = [tiles(figures)]
    for title, rows in (("By layer", by_step), ("By unit", by_unit)):
        kept = [row for row in rows if row.segments][:MOST_ROWS]
        parts += [heading(title), strip_chart(kept, high=float(end), tick=lambda cycle: f"{cycle:,.0f}")]
        if len(kept) < len([row for row in rows if row.segments]):
            parts.append(paragraph(f"the first {MOST_ROWS} of {len(rows)} rows"))
    lead = "Cycles of one image. Parts of a layer start as soon as what they read is there and their unit is free."
    return Section("Schedule", lead, joined(parts))


def _strip(name: str, tasks: TaskTable, program: Program, *, parts: bool) -> Strip:
    """Return a row of the chart with its parts or its busy cycles; touching tasks of a step are one segment."""
    order = np.argsort(tasks["start"], kind="stable")
    segments: list[Segment] = []
    last_step = -1
    busy = 0
    for step, start, cycles in zip(
        tasks["step"][order].tolist(), tasks["start"][order].tolist(), tasks["cycles"][order].tolist(), strict=True
    ):
        stop = start + cycles
        busy += cycles
        if segments and step == last_step and start <= segments[-1].end:
            before = segments.pop()
            start, stop = int(before.start), max(int(before.end), stop)
        text = f"{program.steps[int(step)].name}: cycles {start:,} to {stop:,}"
        segments.append(Segment(start, stop, f"c{step % 8}", text))
        last_step = step
    return Strip(name, segments, f"{busy:,}" if not parts else f"{len(tasks):,} part{'' if len(tasks) == 1 else 's'}")
