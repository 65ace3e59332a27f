"""What the figures depend on: assumed quantities at both ends of their range, as tornado charts."""

from __future__ import annotations

from collections.abc import Sequence

from imcflow.report.charts import Segment, Strip, legend, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, Html, heading, joined, paragraph, table
from imcflow.targets.ap_cost import ProgramCost
from imcflow.targets.cost_text import with_unit
from imcflow.targets.sensitivity import Sensitivity


def sensitivity(data: ReportData) -> Section | None:
    """Two tornado charts and the table behind them."""
    cost = data.cost
    if not isinstance(cost, ProgramCost) or not cost.sensitivity:
        return None
    entries = cost.sensitivity
    seconds = [(e, e.seconds_at_low, e.seconds, e.seconds_at_high, e.seconds_swing) for e in entries]
    joules = [(e, e.joules_at_low, e.joules, e.joules_at_high, e.joules_swing) for e in entries]
    columns = [Column("quantity"), Column("low", numeric=True), Column("used", numeric=True)]
    columns += [Column("high", numeric=True), Column("time", numeric=True), Column("energy", numeric=True)]
    rows = [
        [
            entry.key,
            f"{entry.low:g}",
            f"{entry.value:g}",
            f"{entry.high:g}",
            f"{with_unit(entry.seconds_at_low, 's')} .. {with_unit(entry.seconds_at_high, 's')}",
            f"{with_unit(entry.joules_at_low, 'J')} .. {with_unit(entry.joules_at_high, 'J')}",
        ]
        for entry in entries
    ]
    lead = "Quantities that no source gives, one at a time at both ends of the range in which the truth may lie."
    parts = [
        legend([("c2", "at the low end"), ("c3", "at the high end")]),
        heading("Time"),
        _tornado(seconds, "s"),
        heading("Energy"),
        _tornado(joules, "J"),
        table(columns, rows),
    ]
    return Section("Sensitivity", lead, joined(parts))


def _tornado(entries: Sequence[tuple[Sensitivity, float, float, float, float]], unit: str) -> Html:
    """Return a chart of the entries that move the result, largest swing first; the line is the value in use."""
    moving = sorted((entry for entry in entries if entry[4] > 1e-6), key=lambda entry: -entry[4])
    if not moving:
        return paragraph("No assumed quantity moves it.")
    rows: list[Strip] = []
    for entry, at_low, used, at_high, swing in moving:
        segments = [
            Segment(min(end, used), max(end, used), colour, f"{entry.key} = {value:g}: {with_unit(end, unit)}")
            for end, value, colour in ((at_low, entry.low, "c2"), (at_high, entry.high, "c3"))
            if end != used
        ]
        rows.append(Strip(entry.key, segments, f"{100 * swing:.1f} %"))
    used = moving[0][2]
    low = min(used, *(min(entry[1], entry[3]) for entry in moving))
    return strip_chart(rows, low=low, tick=lambda value: with_unit(value, unit), mark=used)
