"""Which node of the source network became what."""

from __future__ import annotations

from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, folded, joined, shortened, table
from imcflow.runtime.program import DigitalOp
from imcflow.targets.cost_text import with_unit

MOST_REGIONS = 400


def source_map(data: ReportData) -> Section:
    """Steps with the nodes they compute; the regions of the streams are folded away."""
    costs = {} if data.cost is None else dict(enumerate(data.cost.steps))
    rows = [
        [
            shortened(", ".join(step.onnx_nodes) or "(none)", 60),
            shortened(step.name),
            step.op if isinstance(step, DigitalOp) else step.kind.replace("_", " "),
            "" if isinstance(step, DigitalOp) else f"{len(step.instructions):,}",
            with_unit(costs[number].seconds, "s") if number in costs else "",
            with_unit(costs[number].energy.total, "J") if number in costs else "",
        ]
        for number, step in enumerate(data.program.steps)
    ]
    columns = [Column("ONNX nodes"), Column("step"), Column("runs as"), Column("instructions", numeric=True)]
    columns += [Column("time", numeric=True), Column("energy", numeric=True)]
    parts = [table(columns, rows)]
    regions = [
        [
            shortened(kernel.name),
            shortened(region.onnx_node, 30),
            shortened(region.text, 50),
            f"{region.start:,}",
            f"{counts.instructions:,}",
            f"{counts.cycles:,}",
        ]
        for kernel in data.counters.kernels
        for region, counts in kernel.by_region
    ]
    if regions:
        head = [Column("step"), Column("ONNX node"), Column("part"), Column("first instruction", numeric=True)]
        head += [Column("instructions", numeric=True), Column("cycles", numeric=True)]
        shown = f"the first {MOST_REGIONS} of " if len(regions) > MOST_REGIONS else ""
        parts.append(folded(f"{shown}{len(regions):,} regions of the streams", table(head, regions[:MOST_REGIONS])))
    return Section("Source map", "From the nodes of the ONNX file to the steps of the program.", joined(parts))
