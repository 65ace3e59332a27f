"""Energy by cause, in all and by step."""

from __future__ import annotations

from imcflow.report.charts import legend, stacked, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, joined, table
from imcflow.targets.cost_text import with_unit


def energy(data: ReportData) -> Section | None:
    """A stacked bar per step that needs at least a thousandth of the energy, and the sums by cause."""
    cost = data.cost
    if cost is None or not cost.energy.total:
        return None
    total = cost.energy.total
    causes = {name: joules for name, joules in cost.energy.to_json().items() if name != "total" and joules > 0}
    colours = {name: f"c{number % 8}" for number, name in enumerate(causes)}
    shown = [step for step in cost.steps if step.energy.total >= total / 1000]
    rows = [
        stacked(
            step.name,
            [
                (joules, colours[name], f"{step.name}, {name}: {with_unit(joules, 'J')}")
                for name, joules in step.energy.to_json().items()
                if name in colours
            ],
            f"{with_unit(step.energy.total, 'J')}  {100 * step.energy.total / total:.1f} %",
        )
        for step in shown
    ]
    sums = [
        [name.replace("_", " "), with_unit(joules, "J"), f"{100 * joules / total:.2f} %"]
        for name, joules in causes.items()
    ]
    left_out = len(cost.steps) - len(shown)
    lead = f"{with_unit(total, 'J')} for {cost.images} image{'s' if cost.images > 1 else ''}."
    if left_out:
        lead += f" {left_out} steps with less than a thousandth each are left out of the chart."
    return Section(
        "Energy",
        lead,
        joined(
            [
                legend([(colours[name], name.replace("_", " ")) for name in causes]),
                strip_chart(rows, tick=lambda joules: with_unit(joules, "J")),
                table(
                    [Column("cause"), Column("energy", numeric=True), Column("share", numeric=True)],
                    [*sums, ["total", with_unit(total, "J"), ""]],
                    total=True,
                ),
            ]
        ),
    )
