"""`imcflow inspect`: what a program file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "inspect"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    step: Annotated[
        str | None, typer.Option("--assembly", metavar="STEP", help="disassemble this step (name or number)")
    ] = None,
    weights: Annotated[
        bool, typer.Option("--weights", help="show which weights lie in which plane of which macro")
    ] = False,
    weights_svg: Annotated[
        Path | None, typer.Option("--weights-svg", metavar="FILE.svg", help="draw the same picture into a file")
    ] = None,
    cores: Annotated[
        bool, typer.Option("--cores", help="print the channels and streams of a pipelined program")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show target, ports, steps and source nodes of PROGRAM; assembly of one step; its cores; its weights."""
    from imcflow import api
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_json, print_text

    check_outputs([weights_svg], [program])
    compiled = api.load(program)
    if weights_svg is not None:
        write_bytes_atomically(weights_svg, compiled.weights_svg().encode())
        print_text(f"wrote {weights_svg}")
    elif weights:
        print_text(compiled.weights_text())
    elif cores:
        from imcflow.runtime.pipeline.assembly import dataflow_text

        print_text(dataflow_text(compiled.program))
    elif step is not None:
        print_text(compiled.assembly(step))
    elif json:
        print_json(compiled.summary())
    else:
        print_text(compiled.describe())
