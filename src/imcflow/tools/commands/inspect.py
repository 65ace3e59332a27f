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
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Show target, ports, steps, instruction counts and source nodes of PROGRAM; or the assembly of one step."""
    from imcflow import api
    from imcflow.tools.output import print_json, print_text

    compiled = api.load(program)
    if step is not None:
        print_text(compiled.assembly(step))
    elif json:
        print_json(compiled.summary())
    else:
        print_text(compiled.describe())
