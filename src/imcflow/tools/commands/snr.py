"""`imcflow snr`: what analog macros lose, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "snr"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp) for an analog target", show_default=False)],
    inputs: Annotated[Path, typer.Option("-i", "--inputs", metavar="IN.npz", help="arrays named like the inputs")],
    read_noise: Annotated[
        float, typer.Option("--read-noise", min=0.0, help="deviation of each conversion, in unit cells")
    ] = 0.0,
    conductance: Annotated[
        float, typer.Option("--conductance", min=0.0, help="relative deviation of each cell's conductance")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of both")] = 0,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Compare an analog PROGRAM with its exact results and print signal-to-noise ratios of every layer."""
    from imcflow import api
    from imcflow.arrays import read_arrays
    from imcflow.runtime.crossbar.converters import AnalogNoise
    from imcflow.runtime.execution.analog_quality import quality_table
    from imcflow.targets.cost_text import aligned, shortened
    from imcflow.tools.output import print_json, print_text

    compiled = api.load(program)
    names = [port.name for port in compiled.program.inputs]
    arrays = {name: array for name, array in read_arrays(inputs).items() if name in names}
    noise = AnalogNoise(read_cells=read_noise, conductance=conductance, seed=seed)
    layers = compiled.signal_to_noise(arrays, noise=noise)
    if json:
        print_json({"program": compiled.program.name, "layers": [layer.to_json() for layer in layers]})
        return
    rows = [[shortened(name), *rest] for name, *rest in quality_table(layers)]
    print_text(aligned(["layer", "sums, exact inputs", "results in the network", "results equal"], rows))
