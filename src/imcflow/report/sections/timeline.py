"""When each step runs."""

from __future__ import annotations

from imcflow.report.charts import Segment, Strip, legend, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import joined
from imcflow.targets.cost_text import with_unit

MOST_ROWS = 200


def timeline(data: ReportData) -> Section | None:
    """Steps over time, one after the other, as the cost model has them."""
    cost = data.cost
    if cost is None or not cost.seconds:
        return None
    rows: list[Strip] = []
    now = 0.0
    arrays = {kernel.step for kernel in (*data.counters.kernels, *data.counters.crossbar)}
    for number, step in enumerate(cost.steps):
        end = now + step.seconds
        colour = "c0" if number in arrays else "c1"
        text = f"{step.name} ({step.unit}): {with_unit(now, 's')} to {with_unit(end, 's')}"
        rows.append(Strip(step.name, [Segment(now, end, colour, text)], with_unit(step.seconds, "s")))
        now = end
    kept = sorted(sorted(range(len(rows)), key=lambda row: -cost.steps[row].seconds)[:MOST_ROWS])
    lead = "Layers run one after the other; a bar is one step with all its rounds."
    if len(kept) < len(rows):
        lead += f" The {MOST_ROWS} longest of {len(rows)} steps are shown."
    chart = strip_chart([rows[row] for row in kept], high=now, tick=lambda seconds: with_unit(seconds, "s"))
    return Section("Timeline", lead, joined([legend([("c0", "arrays or macros"), ("c1", "digital unit")]), chart]))
