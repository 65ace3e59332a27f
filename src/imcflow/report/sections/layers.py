"""What each step costs, with its share."""

from __future__ import annotations

from imcflow.report.charts import bar
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, Html, shortened, table
from imcflow.targets.ap_cost import StepCost as ApStepCost
from imcflow.targets.cost_text import with_unit


def layers(data: ReportData) -> Section | None:
    """One row per step; nothing where the program is not costed."""
    cost = data.cost
    if cost is None:
        return None
    seconds, joules = cost.seconds or 1.0, cost.energy.total or 1.0
    on_arrays = any(isinstance(step, ApStepCost) for step in cost.steps)
    columns = [Column("step"), Column("unit")]
    columns += [Column("arrays x copies", numeric=True), Column("rounds", numeric=True)] if on_arrays else []
    columns += [Column("cycles", numeric=True), Column("time", numeric=True), Column("share")]
    columns += [Column("energy", numeric=True), Column("share")]
    rows: list[list[object]] = []
    for step in cost.steps:
        places: list[object] = []
        if isinstance(step, ApStepCost):
            places = [f"{step.arrays} x {step.row_blocks}", step.rounds] if step.arrays else ["", ""]
        rows.append(
            [
                shortened(step.name),
                step.unit,
                *(places or ([""] * 2 if on_arrays else [])),
                f"{step.cycles:,.0f}" if step.cycles else "",
                with_unit(step.seconds, "s"),
                _share(step.seconds / seconds, "c0"),
                with_unit(step.energy.total, "J"),
                _share(step.energy.total / joules, "c1"),
            ]
        )
    rows.append(
        [
            "total",
            "",
            *([""] * 2 if on_arrays else []),
            f"{sum(step.cycles for step in cost.steps):,.0f}",
            with_unit(cost.seconds, "s"),
            "",
            with_unit(cost.energy.total, "J"),
            "",
        ]
    )
    lead = f"Cost of {cost.images} image{'s' if cost.images > 1 else ''} on {cost.target}, steps in execution order."
    return Section("Layers", lead, table(columns, rows, total=True))


def _share(share: float, colour: str) -> Html:
    return Html(f'<span class="share">{100 * share:.1f} %</span>{bar(share, colour)}')
