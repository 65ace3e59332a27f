"""`imcflow pipeline`: a stream of images through the cores of a pipelined program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "pipeline"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    images: Annotated[int, typer.Option("--images", min=1, max=100_000, help="length of the stream")] = 16,
    step_ns: Annotated[float, typer.Option("--step-ns", min=1e-3, help="time of one crossbar operation")] = 100.0,
    trace: Annotated[
        Path | None, typer.Option("--trace", metavar="FILE.json", help="write the timeline for Perfetto")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show throughput, latency, cores, buffers, bottleneck and what another copy buys, all measured tick by tick."""
    from json import dumps

    from imcflow import api
    from imcflow.runtime.pipeline.report import pipeline_report, trace_program
    from imcflow.runtime.pipeline.trace_file import trace_events
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_json, print_text
    from imcflow.tools.pipeline_text import report_text

    check_outputs([trace], [program])
    compiled = api.load(program).program
    run = trace_program(compiled, images)
    report = pipeline_report(compiled, run, step_ns=step_ns)
    if trace is not None:
        write_bytes_atomically(trace, dumps(trace_events(run, step_ns=step_ns)).encode())
    if json:
        print_json(report.to_json())
    else:
        print_text(report_text(report) + (f"\n\nwrote {trace}" if trace is not None else ""))
