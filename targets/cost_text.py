"""The cost report as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcflow.targets.ap_cost import ProgramCost

_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))
LONGEST_NAME = 40


def with_unit(value: float, unit: str) -> str:
    """Return `value` with an SI prefix, as in `12.3 uJ`."""
    for scale, prefix in _PREFIXES:
        if abs(value) >= scale:
            return f"{value / scale:.4g} {prefix}{unit}"
    return f"{value:.4g} {unit}"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a text table: first column to the left, others to the right."""
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (header, ["-" * width for width in widths], *rows)
    ]
    return "\n".join(lines)


def shortened(name: str) -> str:
    """Return a layer's name, cut where it would widen the whole table."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}..."


def cost_report(cost: ProgramCost) -> str:
    """Return layers, totals, the energy split and the assumptions that move the result."""
    total = cost.energy.total or 1.0
    layers = [
        [
            shortened(step.name),
            step.unit,
            f"{step.arrays} x {step.row_blocks}" if step.arrays else "",
            f"{step.rounds}" if step.arrays else "",
            f"{step.cycles:,.0f}" if step.arrays else "",
            with_unit(step.seconds, "s"),
            with_unit(step.energy.total, "J"),
        ]
        for step in cost.steps
    ]
    layers.append(
        ["total", "", "", "", f"{cost.cycles:,.0f}", with_unit(cost.seconds, "s"), with_unit(cost.energy.total, "J")]
    )
    split = [
        [name, with_unit(joules, "J"), f"{100 * joules / total:.1f} %"] for name, joules in asdict(cost.energy).items()
    ]
    kinds = [[kind, f"{cycles:,}"] for kind, cycles in cost.cycles_by_kind().items()]
    facts = [
        f"{cost.program} on {cost.target}, {cost.images} image{'s' if cost.images > 1 else ''}; "
        f"energies of class {cost.energy_class}",
        f"arrays: {cost.arrays_needed} needed at once, {cost.arrays_available} available",
    ]
    if cost.lifetime_years is not None:
        facts.append(f"endurance: at least {cost.lifetime_years:.3g} years of non-stop operation, whatever the data")
    facts.append(f"activation movement: {100 * cost.movement_share:.2f} % of the energy")
    if cost.tagged_rows_factor is not None:
        rows = sum(step.rows for step in cost.activity)
        facts.append(
            f"writes behind searches: counted in {rows:,} rows, {cost.tagged_rows_factor:.3f} times the cells "
            "that random bits give"
        )
    if cost.area_mm2 is not None:
        facts.append(f"area: {cost.area_mm2:.4g} mm2")
    parts = [
        "\n".join(facts),
        aligned(["layer", "unit", "arrays x copies", "rounds", "cycles", "time", "energy"], layers),
        aligned(["cycles of one row block", "count"], kinds),
        aligned(["energy", "joules", "share"], split),
    ]
    if cost.wear:
        wear = [
            [
                item.cells,
                f"{item.count:,}",
                f"{item.mean_writes:,.1f}",
                f"{item.most_writes:,}",
                f"{item.lifetime_years:.3g} years",
            ]
            for item in cost.wear
        ]
        parts.append(aligned(["cells of a row", "written", "mean writes", "most writes", "lifetime"], wear))
    moving = [
        [
            entry.key,
            f"{entry.low:g} .. {entry.value:g} .. {entry.high:g}",
            f"{with_unit(entry.seconds_at_low, 's')} .. {with_unit(entry.seconds_at_high, 's')}",
            f"{100 * entry.seconds_swing:.1f} %",
            f"{with_unit(entry.joules_at_low, 'J')} .. {with_unit(entry.joules_at_high, 'J')}",
            f"{100 * entry.joules_swing:.1f} %",
        ]
        for entry in cost.sensitivity
        if entry.seconds_swing or entry.joules_swing
    ]
    if moving:
        parts.append(aligned(["assumed, without a source", "range", "time", "swing", "energy", "swing"], moving))
    return "\n\n".join(parts)
