"""`imcflow explore`: which macro sizes are worth their area."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "explore"


def command(
    space: Annotated[Path, typer.Argument(metavar="SPACE.yaml", help="target, networks and sizes", show_default=False)],
    everything: Annotated[bool, typer.Option("--all", help="every point, not only those that nothing beats")] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE.svg", help="draw area against energy-delay product")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object with all points")] = False,
) -> None:
    """Weigh macro sizes with packed weights: the Pareto front of energy-delay product and area."""
    from imcflow.exploration import explore
    from imcflow.passes.packing.space import load_space
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_json, print_text
    from imcflow.tools.progress import progress

    check_outputs([svg], [space])
    loaded = load_space(space)
    with progress(f"exploring {space.name}") as on_progress:
        found = explore(loaded, on_progress=on_progress)
    if svg is not None:
        write_bytes_atomically(svg, found.svg().encode())
    if json:
        print_json(found.to_json())
        return
    print_text(found.table(everything=everything))
