"""What crossbar macros do with their cycles, and where weights and activations are."""

from __future__ import annotations

from dataclasses import asdict

from imcflow.report.charts import bar, legend, stacked, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, Html, joined, paragraph, shortened, table
from imcflow.targets.crossbar.program_report import CrossbarProgramCost

_PHASES = (("load", "c1"), ("compute", "c0"), ("stall", "c3"))


def macros(data: ReportData) -> Section | None:
    """Cycles by phase and use of the multipliers, by layer; weights that stay."""
    cost = data.cost
    if not isinstance(cost, CrossbarProgramCost):
        return None
    layers = [step for step in cost.steps if step.macs]
    chart = strip_chart(
        [
            stacked(
                step.name,
                [
                    (float(cycles), colour, f"{step.name}, {phase}: {cycles:,} cycles")
                    for phase, colour in _PHASES
                    for cycles in (asdict(step.cycle_split)[phase],)
                ],
                f"{step.cycles:,}",
            )
            for step in layers
        ],
        tick=lambda cycles: f"{cycles:,.0f}",
    )
    rows = [
        [
            shortened(step.name),
            f"{step.macs:,}",
            f"{step.tiles} x {step.rounds}",
            Html(f'<span class="share">{100 * step.utilisation:.1f} %</span>{bar(step.utilisation)}'),
            f"{step.resident_weights:,}",
            f"{step.reloaded_weights:,}",
        ]
        for step in layers
    ]
    columns = [Column("step"), Column("MACs", numeric=True), Column("tiles x rounds", numeric=True)]
    columns += [Column("multipliers in use"), Column("weights that stay", numeric=True)]
    columns.append(Column("written per batch", numeric=True))
    parts = [legend([(colour, phase) for phase, colour in _PHASES]), chart, table(columns, rows)]
    if cost.tensors_outside:
        names = ", ".join(cost.tensors_outside)
        parts.append(paragraph(f"Activations that do not fit the buffer and go to the outermost memory: {names}."))
    if cost.unpriced_operations:
        parts.append(
            paragraph(
                f"{cost.unpriced_operations:,} operations of the digital unit cost nothing here: the target has none.",
                kind="warn",
            )
        )
    return Section("Macros", f"Clock cycles of the macros, {cost.clock_ns:.4g} ns each.", joined(parts))
