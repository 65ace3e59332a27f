"""`imcflow schedule`: when which layer runs where, and how far that is from the best possible."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "schedule"


def command(
    file: Annotated[
        Path,
        typer.Argument(help="a scheduled program (.imcp), or a network (.onnx, .mlir) for a DRAM", show_default=False),
    ],
    target: Annotated[
        str | None, typer.Option("-t", "--target", help="DRAM to schedule a network on, such as dram-pim-hbm2")
    ] = None,
    strategy: Annotated[
        str, typer.Option("--strategy", help="of a network: layerwise, forward, backward, middle-out, beam")
    ] = "forward",
    seconds: Annotated[int, typer.Option("--seconds", min=0, help="limit of the search; 0: none")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=1, help="searches side by side")] = 1,
    gantt: Annotated[Path | None, typer.Option("--gantt", metavar="OUT.svg", help="write a Gantt chart")] = None,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="OUT.json", help="write a trace for ui.perfetto.dev")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show the schedule of FILE beside its lower bound, layer by layer; the times of a program are replayed first."""
    import json as json_format

    from imcflow import scheduling
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_json, print_text, table

    check_outputs([gantt, trace], [file, target])
    timeline = scheduling.timeline(file, target=target, strategy=strategy, seconds=seconds, workers=workers)
    if gantt is not None:
        write_bytes_atomically(gantt, timeline.svg().encode())
    if trace is not None:
        write_bytes_atomically(trace, json_format.dumps(timeline.trace()).encode())
    figures, rows = timeline.figures(), timeline.layer_rows()
    header = ["layer", "tasks", "units", "start", "end", "busy", "used"]
    if json:
        keys = ("name", "tasks", "units", "start", "end", "busy", "used")
        layers = [dict(zip(keys, row, strict=True)) for row in rows]
        print_json({"title": timeline.title, "time_unit": timeline.unit_of_time, **figures, "layers": layers})
        return
    unit = timeline.unit_of_time
    print_text(
        "\n".join(
            [
                f"{timeline.title}, times in {unit}",
                table(header, [[short(str(row[0])), *row[1:]] for row in rows]),
                "",
                f"end {timeline.end:,} {unit}; no order of these tiles on these units ends before {timeline.bound:,} "
                f"(ratio {figures['ratio']:.3f}, headroom {timeline.end - timeline.bound:,})",
                f"one layer after the other {timeline.sequential:,}: {figures['speedup']:.2f}x as long; "
                f"at most {figures['largest_speedup']:.2f}x could be gained",
                *(f"wrote {path}" for path in (gantt, trace) if path is not None),
            ]
        )
    )


def short(name: str) -> str:
    """Return a name that fits a column of the table."""
    return name if len(name) <= 40 else f"{name[:20]}...{name[-17:]}"
