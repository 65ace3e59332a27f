"""`imcflow report`: a program as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "report"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="the page to write; default: PROGRAM with suffix .html")
    ] = None,
    target: Annotated[
        str | None, typer.Option("-t", "--target", help="another description of the same machine (other energies)")
    ] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="size of the batch")] = 1,
) -> None:
    """Write one HTML file that shows what PROGRAM is, what it costs and where time and energy go."""
    from imcflow import api
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_text

    path = program.with_suffix(".html") if output is None else output
    check_outputs([path], [program, target])
    page = api.load(program).report(target=target, images=images).encode()
    write_bytes_atomically(path, page)
    print_text(f"wrote {path} ({len(page):,} bytes)")
