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
    activity: Annotated[
        Path | None,
        typer.Option("--activity", metavar="IN.npz", help="let writes reach as many rows as they do on these inputs"),
    ] = None,
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

    With --activity the program runs on the images of a file first, and the rows that its writes reach are counted, not
    assumed. With --conventions the closed-form model maps and costs the layers on crossbar macros instead, as that
    tool does.
    """
    from imcflow import api
    from imcflow.arrays import read_arrays
    from imcflow.errors import ImcflowError
    from imcflow.tools.output import print_json, print_text

    compiled = api.load(program)
    if conventions is not None and activity is not None:
        raise ImcflowError("--activity is for associative processors, --conventions for crossbar macros")
    if conventions is None:
        matches = None
        if activity is not None:
            matches = compiled.run_detailed(read_arrays(activity), fidelity="count").matches
        cost = compiled.cost(target=target, images=images, activity=matches)
    else:
        cost = compiled.estimate(conventions=conventions, target=target, images=images)
    if json:
        print_json(cost.to_json())
    else:
        print_text(cost.table())
