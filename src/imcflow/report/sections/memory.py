"""Arrays that layers fill, and activations that are alive between them."""

from __future__ import annotations

from imcflow.report.charts import legend, stacked, strip_chart
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Html, heading, joined, paragraph
from imcflow.runtime.program import Program, tensors_read, tensors_written
from imcflow.targets.ap_cost import ProgramCost


def memory(data: ReportData) -> Section | None:
    """Arrays by layer where the target has arrays; bytes of live activations by step."""
    parts: list[Html] = []
    cost = data.cost
    if isinstance(cost, ProgramCost):
        parts += _arrays(cost)
    live = live_bytes(data.program)
    if live:
        peak = max(live)
        rows = [
            stacked(step.name, [(size, "c6", f"{step.name}: {_bytes(size)} of activations")], _bytes(size))
            for step, size in zip(data.program.steps, live, strict=True)
        ]
        parts += [
            heading("Activations between layers"),
            paragraph(f"One image, packed to their bits: at most {_bytes(peak)} while a step runs."),
            strip_chart(rows, tick=_bytes),
        ]
    return Section("Memory", "", joined(parts)) if parts else None


def live_bytes(program: Program) -> list[int]:
    """Return, per step, the bytes of one image's tensors that are read, written or kept for later while it runs."""
    last = {port.tensor: len(program.steps) for port in program.outputs}
    first = {port.tensor: 0 for port in program.inputs}
    for number, step in enumerate(program.steps):
        for tensor in tensors_written(step):
            first.setdefault(tensor, number)
        for tensor in (*tensors_read(step), *tensors_written(step)):
            last[tensor] = max(last.get(tensor, 0), number)
    sizes = [-(-info.size * info.element.bits // 8) for info in program.tensors]
    return [
        sum(sizes[tensor] for tensor, start in first.items() if start <= number <= last.get(tensor, -1))
        for number in range(len(program.steps))
    ]


def _arrays(cost: ProgramCost) -> list[Html]:
    available = cost.arrays_available
    rows = [
        stacked(
            step.name,
            [
                (
                    step.arrays * min(step.row_blocks, available // step.arrays),
                    "c4",
                    f"{step.name}: {step.arrays} arrays "
                    f"for a row block, {step.row_blocks} row blocks, {step.rounds} rounds",
                )
            ],
            f"{step.arrays} x {step.row_blocks}" + (f" in {step.rounds} rounds" if step.rounds > 1 else ""),
        )
        for step in cost.steps
        if step.arrays
    ]
    return [
        heading("Arrays"),
        paragraph(f"Filled at once, of {available:,}; arrays of a row block x row blocks of the batch."),
        strip_chart(rows, high=float(available), tick=lambda count: f"{count:,.0f}"),
        legend([("c4", "arrays in use")]),
    ]


def _bytes(size: float) -> str:
    for scale, unit in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:.0f} B"
