"""A schedule as bars on units: figures, a Gantt chart (SVG) and a trace for Perfetto (JSON)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import numpy as np

from imcflow.runtime.program import ApKernel, DigitalOp
from imcflow.runtime.schedule.replay import verify_replay

if TYPE_CHECKING:
    from imcflow.runtime.program import Program

    Ints = np.ndarray[Any, np.dtype[np.int64]]

CHART_WIDTH_PX = 1100.0
LABEL_WIDTH_PX = 130.0
ROW_HEIGHT_PX = 16.0
TOP_PX = 58.0
LEGEND_LINE_PX = 15.0
LEGEND_COLUMNS = 4
MOST_ROWS = 160
"""Units drawn; the rest is named in a line."""
_GOLDEN_ANGLE = 137.508
"""Degrees between the hues of neighbouring layers: any few in a row differ well."""


@dataclass(frozen=True, eq=False)
class Timeline:
    """Bars on units.

    Attributes:
        title: what is shown.
        unit_of_time: "cycles" or "ps".
        microseconds: length of a tick in the trace; a cycle is shown as a microsecond.
        units: names of the units.
        layers: names of the layers.
        unit, layer, start, ticks: a bar each, int64.
        sequential, bound: end without overlap, and what no order beats.
    """

    title: str
    unit_of_time: str
    microseconds: float
    units: tuple[str, ...]
    layers: tuple[str, ...]
    unit: Ints
    layer: Ints
    start: Ints
    ticks: Ints
    sequential: int
    bound: int

    @property
    def end(self) -> int:
        """When the last bar ends."""
        return int((self.start + self.ticks).max(initial=0))

    def figures(self) -> dict[str, float]:
        """Return end, bound, their ratio, the headroom and the gain over no overlap."""
        end, bound = self.end, self.bound
        return {
            "end": end,
            "bound": bound,
            "ratio": end / bound if bound else 1.0,
            "headroom": end - bound,
            "sequential": self.sequential,
            "speedup": self.sequential / end if end else 1.0,
            "largest_speedup": self.sequential / bound if bound else 1.0,
        }

    def layer_rows(self) -> list[list[object]]:
        """Return per layer: name, bars, units, first start, end, busy time, and the share of its span it is busy."""
        rows: list[list[object]] = []
        for number, name in enumerate(self.layers):
            own = np.flatnonzero(self.layer == number)
            if not len(own):
                continue
            begins, ends = int(self.start[own].min()), int((self.start[own] + self.ticks[own]).max())
            units, busy = len(np.unique(self.unit[own])), int(self.ticks[own].sum())
            share = busy / (units * (ends - begins)) if ends > begins else 1.0
            rows.append([name, len(own), units, begins, ends, busy, f"{share:.0%}"])
        return rows

    def trace(self) -> dict[str, object]:
        """Return the trace-event JSON object that Perfetto and chrome://tracing open: a thread per unit."""
        events: list[dict[str, object]] = [
            {
                "ph": "M",
                "name": "process_name",
                "pid": 1,
                "args": {"name": f"{self.title} (time in {self.unit_of_time})"},
            }
        ]
        for number, name in enumerate(self.units):
            events.append({"ph": "M", "name": "thread_name", "pid": 1, "tid": number + 1, "args": {"name": name}})
            events.append(
                {"ph": "M", "name": "thread_sort_index", "pid": 1, "tid": number + 1, "args": {"sort_index": number}}
            )
        columns = (self.unit, self.layer, self.start, self.ticks)
        for unit, layer, start, ticks in zip(*(column.tolist() for column in columns), strict=True):
            events.append(
                {
                    "ph": "X",
                    "name": self.layers[layer],
                    "cat": "tile",
                    "pid": 1,
                    "tid": unit + 1,
                    "ts": start * self.microseconds,
                    "dur": ticks * self.microseconds,
                    "args": {"start": start, self.unit_of_time: ticks},
                }
            )
        return {"traceEvents": events, "displayTimeUnit": "ms", "otherData": self.figures()}

    def svg(self) -> str:
        """Return the Gantt chart: a row per unit, a colour per layer, the bound as a line."""
        shown = min(len(self.units), MOST_ROWS)
        legend = -(-len(self.layers) // LEGEND_COLUMNS) * LEGEND_LINE_PX
        height = TOP_PX + shown * ROW_HEIGHT_PX + 30 + legend
        scale = (CHART_WIDTH_PX - LABEL_WIDTH_PX - 20) / max(1, self.end)
        figures = self.figures()
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{CHART_WIDTH_PX:g}" height="{height:g}" '
            'font-family="sans-serif" font-size="11">',
            f"<title>{escape(self.title)}</title>",
            f'<rect width="{CHART_WIDTH_PX:g}" height="{height:g}" fill="white"/>',
            f'<text x="10" y="18" font-size="14">{escape(self.title)}</text>',
            f'<text x="10" y="36">end {self.end:,} {self.unit_of_time}, lower bound {self.bound:,} '
            f"(ratio {figures['ratio']:.3f}), without overlap {self.sequential:,} ({figures['speedup']:.2f}x)</text>",
        ]
        for unit in range(shown):
            y = TOP_PX + unit * ROW_HEIGHT_PX
            lines.append(f'<text x="10" y="{y + 12:g}">{escape(self.units[unit])}</text>')
        for unit, layer, start, stop in self._joined(shown):
            y = TOP_PX + unit * ROW_HEIGHT_PX + 1
            x, width = LABEL_WIDTH_PX + start * scale, max((stop - start) * scale, 0.3)
            lines.append(
                f'<rect x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{ROW_HEIGHT_PX - 2:g}" '
                f'fill="{_colour(layer)}"><title>{escape(self.layers[layer])}: {start:,} to {stop:,}</title></rect>'
            )
        bottom = TOP_PX + shown * ROW_HEIGHT_PX
        x = LABEL_WIDTH_PX + self.bound * scale
        lines.append(
            f'<line x1="{x:.2f}" x2="{x:.2f}" y1="{TOP_PX - 6:g}" y2="{bottom:g}" stroke="black" '
            'stroke-dasharray="4 3"><title>lower bound</title></line>'
        )
        if shown < len(self.units):
            lines.append(f'<text x="10" y="{bottom + 13:g}">and {len(self.units) - shown} more units</text>')
        for number, name in enumerate(self.layers):
            column, line = number % LEGEND_COLUMNS, number // LEGEND_COLUMNS
            x, y = 10 + column * (CHART_WIDTH_PX - 20) / LEGEND_COLUMNS, bottom + 26 + line * LEGEND_LINE_PX
            short = name if len(name) <= 36 else f"{name[:33]}..."
            lines.append(f'<rect x="{x:g}" y="{y - 9:g}" width="10" height="10" fill="{_colour(number)}"/>')
            lines.append(f'<text x="{x + 14:g}" y="{y:g}">{escape(short)}</text>')
        return "\n".join([*lines, "</svg>", ""])

    def _joined(self, units: int) -> list[tuple[int, int, int, int]]:
        """Bars of the first units, those of a layer that follow each other without a gap as one: fewer shapes."""
        drawn = np.flatnonzero((self.unit < units) & (self.ticks > 0))
        order = drawn[np.lexsort((self.start[drawn], self.unit[drawn]))]
        bars: list[tuple[int, int, int, int]] = []
        for unit, layer, start, ticks in zip(
            *(column[order].tolist() for column in (self.unit, self.layer, self.start, self.ticks)), strict=True
        ):
            if bars and bars[-1][:2] == (unit, layer) and bars[-1][3] == start:
                bars[-1] = (unit, layer, bars[-1][2], start + ticks)
            else:
                bars.append((unit, layer, start, start + ticks))
        return bars


def _colour(layer: int) -> str:
    return f"hsl({layer * _GOLDEN_ANGLE % 360:.0f},60%,{(55, 68)[layer % 2]}%)"


def program_timeline(program: Program) -> Timeline:
    """Return the schedule of a checked program, confirmed by a replay.

    Raises:
        ProgramError: the program has no schedule, or the replay gives other times.
    """
    replay = verify_replay(program)
    schedule = program.schedule
    assert schedule is not None
    table = schedule.tasks
    steps = program.steps
    needed = np.array([step.array_count if isinstance(step, ApKernel) else 1 for step in steps], np.int64)
    kinds = np.array([0 if isinstance(step, DigitalOp) else 1 for step in steps], np.int64)
    step = table["step"].astype(np.int64)
    task = np.repeat(np.arange(len(table)), needed[step])
    within = np.arange(len(task)) - np.repeat(np.cumsum(needed[step]) - needed[step], needed[step])
    place = np.where(kinds[step[task]] == 0, -1, table["unit"][task].astype(np.int64) + within)
    names, unit = np.unique(place, return_inverse=True)
    return Timeline(
        title=f"{program.name} on {program.target.name}",
        unit_of_time="cycles",
        microseconds=1.0,
        units=tuple(_unit_names(names.tolist(), "array" if program.target.macro is None else "macro")),
        layers=tuple(step.name for step in steps),
        unit=unit.astype(np.int64),
        layer=step[task],
        start=replay.start[task],
        ticks=replay.cycles[task],
        sequential=schedule.sequential_cycles,
        bound=schedule.bound_cycles,
    )


def _unit_names(places: Sequence[int], kind: str) -> list[str]:
    return ["digital unit" if place < 0 else f"{kind} {place}" for place in places]
