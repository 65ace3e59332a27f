"""`imcflow compare`: what a network costs on several targets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "compare"


def command(
    model: Annotated[Path, typer.Argument(help="the network: .onnx or .mlir", show_default=False)],
    target: Annotated[
        list[str], typer.Option("-t", "--target", metavar="TARGET", help="preset name or YAML file; at least two")
    ],
    images: Annotated[int, typer.Option("--images", min=1, help="size of the batch")] = 1,
    input_type: Annotated[list[str] | None, typer.Option("--input", metavar="NAME:TYPE", help="as for compile")] = None,
    calibrate: Annotated[Path | None, typer.Option("--calibrate", metavar="IN.npz", help="as for compile")] = None,
    activation_bits: Annotated[
        int | None, typer.Option("--activation-bits", min=1, max=14, help="as for compile")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compile MODEL for every target and print time and energy side by side, per layer and in all."""
    from imcflow import api
    from imcflow.comparison import compare_targets
    from imcflow.tools.output import print_json, print_text
    from imcflow.tools.progress import progress

    options = api.CompileOptions(
        input_types=api.parse_input_types(input_type or ()),
        calibration=calibrate,
        activation_bits=activation_bits,
    )
    with progress(f"comparing {len(target)} targets") as on_progress:
        comparison = compare_targets(model, target, options, images=images, on_progress=on_progress)
    if json:
        print_json(comparison.to_json())
    else:
        print_text(comparison.table())
