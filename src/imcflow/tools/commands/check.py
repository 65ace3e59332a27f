"""`imcflow check`: layer-by-layer comparison of a program with the reference interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "check"


def command(
    model: Annotated[Path, typer.Argument(help="the model the program was compiled from", show_default=False)],
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    inputs: Annotated[
        Path, typer.Option("-i", "--inputs", metavar="IN.npz", help="arrays named like the model's inputs")
    ],
    fidelity: Annotated[str, typer.Option("--fidelity", help="word or micro")] = "word",
    input_type: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME:TYPE", help="input types the program was compiled with"),
    ] = None,
    calibrate: Annotated[Path | None, typer.Option("--calibrate", help="as for compile")] = None,
    activation_bits: Annotated[int | None, typer.Option("--activation-bits", help="as for compile")] = None,
    arithmetic: Annotated[str, typer.Option("--arithmetic", help="as for compile")] = "onnx",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PASS.OPTION=VALUE", help="as for compile"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> int:
    """Compare every tensor of PROGRAM with the reference interpreter of MODEL; exit status 1 if one differs."""
    from imcflow import api
    from imcflow.arrays import read_arrays
    from imcflow.checking import check_program
    from imcflow.errors import InputError
    from imcflow.tools.output import print_json, print_text, table
    from imcflow.tools.progress import progress

    compiled = api.load(program)
    arrays = read_arrays(inputs)
    if any(array.shape[:1] == (0,) for array in arrays.values()):
        raise InputError(f"{inputs}: holds no images, nothing would be compared")
    options = api.CompileOptions(
        target=compiled.program.target.name,
        input_types=api.parse_input_types(input_type or ()),
        calibration=calibrate,
        activation_bits=activation_bits,
        arithmetic=arithmetic,
        settings=api.parse_settings(setting or ()),
    )
    with progress(f"checking {program.name}") as on_progress:
        report = check_program(model, compiled, arrays, options, fidelity=fidelity, on_progress=on_progress)
    if json:
        print_json(report.to_json())
    else:
        rows = [
            [item.tensor, "x".join(map(str, item.shape)), item.compared, item.mismatches, item.largest_difference]
            for item in report.tensors
        ]
        print_text(table(["tensor", "shape", "values", "differ", "largest difference"], rows))
        print_text(report.verdict())
    return 0 if report.equal else 1
