"""`imcflow cost`: cycles, energy and time of a program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "cost"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    target: Annotated[
        str | None, typer.Option("-t", "--target", help="another description of the same machine (other energies)")
    ] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="size of the batch")] = 1,
    conventions: Annotated[
        str | None,
        typer.Option(
            "--conventions",
            metavar="NAME",
            help="let the closed-form crossbar model map the layers: physical, zigzag-3.9 or iccad23",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Print what PROGRAM costs, per layer and in all, from the counters of its instruction stream.

    With --conventions the closed-form model maps and costs the layers on crossbar macros instead, as that tool does.
    """
    from imcflow import api
    from imcflow.tools.output import print_json, print_text

    compiled = api.load(program)
    if conventions is None:
        cost = compiled.cost(target=target, images=images)
    else:
        cost = compiled.estimate(conventions=conventions, target=target, images=images)
    if json:
        print_json(cost.to_json())
    else:
        print_text(cost.table())
