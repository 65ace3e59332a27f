"""How long racetrack cells last under the program."""

from __future__ import annotations

from imcflow.report.charts import stacked, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, joined, table
from imcflow.targets.ap_cost import ProgramCost

_COLOURS = {"carry": "c3", "result": "c0", "input": "c2"}


def endurance(data: ReportData) -> Section | None:
    """Writes and lifetime by class of cell."""
    cost = data.cost
    if not isinstance(cost, ProgramCost) or not cost.wear:
        return None
    rows = [
        [
            wear.cells,
            f"{wear.count:,}",
            f"{wear.mean_writes:,.1f}",
            f"{wear.most_writes:,}",
            f"{wear.lifetime_years:.3g} years",
        ]
        for wear in cost.wear
    ]
    columns = [Column("cells"), Column("written, in a row", numeric=True), Column("mean writes", numeric=True)]
    columns += [Column("most writes", numeric=True), Column("lifetime", numeric=True)]
    bars = [
        stacked(
            wear.cells,
            [(float(wear.most_writes), _COLOURS[wear.cells], f"{wear.cells}: {wear.most_writes:,} writes per batch")],
            f"{wear.most_writes:,}",
        )
        for wear in cost.wear
    ]
    lead = "Writes of the most written cell per batch, worst case over all data; lifetime if the batch never stops."
    chart = strip_chart(bars, tick=lambda writes: f"{writes:,.0f}")
    return Section("Endurance", lead, joined([chart, table(columns, rows)]))
