"""`imcflow compile`: from a model and a target to a program file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "compile"


def command(
    model: Annotated[Path, typer.Argument(help="the network: .onnx or .mlir", show_default=False)],
    target: Annotated[str, typer.Option("-t", "--target", help="preset name or YAML file")] = "rtm-ap-256",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="the program file to write (.imcp)")] = None,
    input_type: Annotated[
        list[str] | None,
        typer.Option("--input", metavar="NAME:TYPE", help="integer type of an input, such as x:si8 or 0:ui8"),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option("--calibrate", metavar="IN.npz", help="sample inputs for models with float activations"),
    ] = None,
    activation_bits: Annotated[
        int | None, typer.Option("--activation-bits", min=1, max=14, help="bits of calibrated activations")
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            "--layout", help="weights on crossbar macros: slice, tile (packed); stacked, spread, reload (to compare)"
        ),
    ] = None,
    arithmetic: Annotated[
        str, typer.Option("--arithmetic", help="of quantised layers: onnx (as the file says) or litert")
    ] = "onnx",
    calibrate_converters: Annotated[
        Path | None,
        typer.Option(
            "--calibrate-converters", metavar="IN.npz", help="sample inputs, to choose the ranges of analog converters"
        ),
    ] = None,
    pipeline: Annotated[str | None, typer.Option("--pipeline", help="run this pass pipeline instead")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            "--schedule", metavar="STRATEGY", help="let layers overlap: layerwise, forward, backward, middle-out, beam"
        ),
    ] = None,
    print_pipeline: Annotated[
        bool, typer.Option("--print-pipeline", help="print the pass pipeline for imc-opt -p and exit")
    ] = False,
    dump_ir: Annotated[
        Path | None, typer.Option("--dump-ir", metavar="DIR", help="write the IR after every pass to DIR")
    ] = None,
    time_passes: Annotated[
        bool, typer.Option("--time-passes", help="print time and peak memory of every pass on stderr")
    ] = False,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PASS.OPTION=VALUE",
            help="an option of a pass of the pipeline, such as imc-unroll.arrays-per-layer=4",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compile MODEL for a target into a program file."""
    from imcflow import api
    from imcflow.errors import ImcflowError
    from imcflow.tools.atomic_file import check_outputs
    from imcflow.tools.output import print_json, print_text
    from imcflow.tools.progress import progress

    options = api.CompileOptions(
        target=target,
        input_types=api.parse_input_types(input_type or ()),
        calibration=calibrate,
        activation_bits=activation_bits,
        layout=layout,
        arithmetic=arithmetic,
        converter_calibration=calibrate_converters,
        pipeline=pipeline,
        schedule=schedule,
        settings=api.parse_settings(setting or ()),
    )
    if print_pipeline:
        print_text(api.pipeline_text(options, model))
        return
    if output is None:
        raise ImcflowError("compile: give the program file to write with -o FILE.imcp")
    check_outputs([output], [model, target, calibrate, calibrate_converters])
    with progress(f"compiling {model.name}") as on_progress:
        program = api.compile_model(model, options, dump_ir=dump_ir, time_passes=time_passes, on_progress=on_progress)
    program.save(output)
    if json:
        print_json(program.summary() | {"file": str(output), "bytes": output.stat().st_size})
        return
    print_text("\n".join([*program.notes, program.summary_text(), f"wrote {output} ({output.stat().st_size:,} bytes)"]))
