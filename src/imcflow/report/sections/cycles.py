"""Array cycles of associative-processor kernels by what they do."""

from __future__ import annotations

from imcflow.report.charts import legend, stacked, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, joined, table
from imcflow.runtime.counts import Counts

_KINDS = (
    ("search", "searches"),
    ("write", "writes"),
    ("shift", "shift_cycles"),
    ("load", "load_bits"),
    ("store", "store_bits"),
    ("move", "move_bits"),
)


def cycles(data: ReportData) -> Section | None:
    """A stacked bar per kernel, and sums by macro instruction."""
    kernels = data.counters.kernels
    if not kernels:
        return None
    rows = [
        stacked(
            kernel.name,
            [
                (
                    getattr(kernel.totals, field),
                    f"c{number}",
                    f"{kernel.name}, {kind}: {getattr(kernel.totals, field):,}",
                )
                for number, (kind, field) in enumerate(_KINDS)
            ],
            f"{kernel.totals.cycles:,}",
        )
        for kernel in kernels
    ]
    header = [Column("instruction"), Column("count", numeric=True)]
    header += [Column(kind, numeric=True) for kind, _ in _KINDS] + [Column("cycles", numeric=True)]
    sums = [_row(name, counts) for name, counts in data.counters.by_opcode().items()]
    return Section(
        "Cycles",
        "Counted on the instruction stream, one row block, all arrays of a layer added up; one cycle per event.",
        joined(
            [
                legend([(f"c{number}", kind) for number, (kind, _) in enumerate(_KINDS)]),
                strip_chart(rows, tick=lambda count: f"{count:,.0f}"),
                table(header, [*sums, _row("total", data.counters.totals())], total=True),
            ]
        ),
    )


def _row(name: str, counts: Counts) -> list[str]:
    return [
        name,
        f"{counts.instructions:,}",
        *(f"{getattr(counts, field):,}" for _, field in _KINDS),
        f"{counts.cycles:,}",
    ]
