"""`imcflow run`: execute a program on input arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NAME = "run"


def command(
    program: Annotated[Path, typer.Argument(help="program file (.imcp)", show_default=False)],
    inputs: Annotated[
        Path, typer.Option("-i", "--inputs", metavar="IN.npz", help="arrays named like the model's inputs")
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT.npz", help="where to write the outputs")
    ] = None,
    fidelity: Annotated[str, typer.Option("--fidelity", help="word or micro")] = "word",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="default: all cores")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="working memory, such as 512M or 2G")] = None,
    profile: Annotated[bool, typer.Option("--profile", help="show the time of every step")] = False,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Execute PROGRAM on every image of IN.npz (axis 0 is the batch)."""
    import time

    from imcflow import api
    from imcflow.arrays import read_arrays, write_arrays
    from imcflow.tools.output import print_json, print_text, table
    from imcflow.tools.progress import progress

    compiled = api.load(program)
    arrays = read_arrays(inputs)
    started = time.perf_counter()
    with progress(f"running {program.name}") as on_progress:
        result = compiled.run_detailed(
            arrays,
            fidelity=fidelity,
            threads=threads,
            memory_bytes=None if memory is None else api.parse_bytes(memory),
            on_progress=on_progress,
        )
    seconds = time.perf_counter() - started
    if output is not None:
        write_arrays(output, result.outputs)
    images = next((len(array) for array in result.outputs.values()), 0)
    if json:
        values: dict[str, object] = {
            "program": str(program),
            "fidelity": fidelity,
            "images": images,
            "seconds": seconds,
            "outputs": {name: {"shape": list(a.shape), "dtype": str(a.dtype)} for name, a in result.outputs.items()},
            "output_file": None if output is None else str(output),
        }
        if profile:
            values["step_seconds"] = [{"step": name, "seconds": spent} for name, spent in result.step_seconds]
        print_json(values)
        return
    if profile:
        print_text(table(["step", "ms"], [[name, spent * 1e3] for name, spent in result.step_seconds]))
    shapes = ", ".join(f"{name} {list(array.shape)} {array.dtype}" for name, array in result.outputs.items())
    print_text(f"{images} images in {seconds:.3f} s ({fidelity}): {shapes}")
    if output is not None:
        print_text(f"wrote {output}")
