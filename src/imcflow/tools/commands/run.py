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
    fidelity: Annotated[
        str, typer.Option("--fidelity", help="word, micro or count (rows that match and are written)")
    ] = "word",
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="default: all cores")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="working memory, such as 512M or 2G")] = None,
    time_limit: Annotated[
        float | None, typer.Option("--time-limit", metavar="SECONDS", help="give up when execution takes longer")
    ] = None,
    pipelined: Annotated[
        bool, typer.Option("--pipelined", help="stream the images through the cores of a pipelined program")
    ] = False,
    lanes: Annotated[
        int, typer.Option("--lanes", min=1, help="pipelines side by side, each with its share of the images")
    ] = 1,
    profile: Annotated[bool, typer.Option("--profile", help="show the time of every layer and its kernel")] = False,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FILE.json", help="write a timeline for Perfetto or chrome://tracing"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Execute PROGRAM on every image of IN.npz (axis 0 is the batch)."""
    import json as json_format
    import time
    from dataclasses import asdict

    from imcflow import api
    from imcflow.arrays import read_arrays, write_arrays
    from imcflow.runtime.execution.match_counts import MATCH_HEADER, match_rows
    from imcflow.runtime.execution.watch import Trace
    from imcflow.tools.atomic_file import check_outputs, write_bytes_atomically
    from imcflow.tools.output import print_json, print_text, table
    from imcflow.tools.progress import progress

    check_outputs([output, trace], [program, inputs])
    compiled = api.load(program)
    arrays = read_arrays(inputs)
    recorded = Trace() if profile or trace is not None else None
    started = time.perf_counter()
    with progress(f"running {program.name}") as on_progress:
        if pipelined:
            result = compiled.run_pipelined(arrays, lanes=lanes, on_progress=on_progress)
            fidelity = "pipelined"
        else:
            result = compiled.run_detailed(
                arrays,
                fidelity=fidelity,
                threads=threads,
                memory_bytes=None if memory is None else api.parse_bytes(memory),
                on_progress=on_progress,
                time_limit_s=time_limit,
                trace=recorded,
            )
    seconds = time.perf_counter() - started
    if output is not None:
        write_arrays(output, result.outputs)
    if trace is not None and recorded is not None:
        write_bytes_atomically(trace, json_format.dumps(recorded.to_json()).encode())
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
        if result.matches:
            values["matches"] = [step.to_json() for step in result.matches]
        if profile and recorded is not None:
            values["step_seconds"] = [{"step": name, "seconds": spent} for name, spent in result.step_seconds]
            values["profile"] = [asdict(step) for step in recorded.step_times()]
        print_json(values)
        return
    if profile and recorded is not None:
        rows = [[step.step, step.kernel, step.ranges, step.wall_ms, step.kernel_ms] for step in recorded.step_times()]
        print_text(table(["step", "kernel", "ranges", "ms", "ms in the kernel, all threads"], rows))
    if result.matches:
        print_text(table(MATCH_HEADER, match_rows(result.matches)))
    shapes = ", ".join(f"{name} {list(array.shape)} {array.dtype}" for name, array in result.outputs.items())
    print_text(f"{images} images in {seconds:.3f} s ({fidelity}): {shapes}")
    if output is not None:
        print_text(f"wrote {output}")
