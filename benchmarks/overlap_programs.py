"""Scheduled programs executed and replayed, and schedules on the machine of a public scheduler.

    python benchmarks/overlap_programs.py                        every table
    python benchmarks/overlap_programs.py reference              one of them
    python benchmarks/overlap_programs.py --check                exit status 1 and one line for every missed figure
    python benchmarks/overlap_programs.py --models DIR           where the trained networks lie; without it only the
                                                                 bundled network is scheduled
    python benchmarks/overlap_programs.py --json FILE            the same figures as JSON

Times of the machines in cycles, times of this process in CPU seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from report import Report, Row, run_tables

import imcflow
from imcflow.compiled import CompiledProgram
from imcflow.passes.overlap.jackson import task_bounds
from imcflow.passes.overlap.networks import reference_network
from imcflow.passes.overlap.reference_cores import quad_core_tasks
from imcflow.passes.overlap.search import Strategy
from imcflow.passes.overlap.shared import schedule_tasks
from imcflow.passes.scheduling.parts import Machine
from imcflow.passes.scheduling.schedule import overlap_program
from imcflow.passes.scheduling.strategies import choose_cuts
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.schedule.replay import verify_replay
from imcflow.targets import load_target
from imcflow.targets.ap import ApTarget

DATA = Path(imcflow.__file__).parent / "data"
PRESETS = Path(imcflow.__file__).parent / "targets" / "presets"
IMAGES = 4


@dataclass(frozen=True)
class Recorded:
    """Latencies recorded for Stream (KULeuven-MICAS) on its example machine tpu_like_quad_core.

    Attributes:
        input_channels: of the network's input.
        older, newer: cycles of versions 1.13.14 (None: infeasible there) and 2.1.1.
        seconds: wall time of 2.1.1.
    """

    input_channels: int
    older: int | None
    newer: int
    seconds: float


RECORDED = {"chain4": Recorded(8, 22_464, 28_672, 16.0), "resnet18": Recorded(3, None, 7_739_942, 245.7)}
MOST_OVER_BOUND = 1.10


def crossbar_with(macros: int, folder: Path) -> str:
    """The preset dimc-64x16x8-dm32 with more macros, so that all weights of a network stay in the cells."""
    text = (PRESETS / "dimc-64x16x8-dm32.yaml").read_text().replace("macro_count: 8", f"macro_count: {macros}")
    path = folder / f"dimc-{macros}.yaml"
    path.write_text(text.replace("name: dimc-64x16x8-dm32", f"name: dimc-64x16x{macros}-dm32"))
    return str(path)


def machine_for(program: CompiledProgram, target: str, arrays: int) -> Machine:
    """The units of a program, with the rate of the digital unit that `imc-map-layers` takes."""
    description = load_target(target)
    if isinstance(description, ApTarget):
        return Machine(program.program, arrays, description.digital_unit.lanes)
    macro = program.program.target.macro
    return Machine(program.program, 0, macro.columns if macro is not None else 0)


def scheduled_row(name: str, program: CompiledProgram, target: str, arrays: int, report: Report) -> Row:
    """Schedule a program, run it part by part and step by step, and replay it."""
    started = time.process_time()
    machine = machine_for(program, target, arrays)
    schedule = overlap_program(machine, choose_cuts(machine, Strategy.FORWARD))
    search_s = time.process_time() - started
    scheduled = replace(program.program, schedule=schedule)
    replayed = verify_replay(scheduled).end_cycles
    (port,) = scheduled.inputs
    shape = scheduled.tensors[port.tensor].shape
    images = np.random.default_rng(0).integers(-128, 128, (IMAGES, *shape))
    if name == "digits":
        images = np.random.default_rng(0).integers(0, 4, (IMAGES, *shape))
    inputs = {port.name: images.astype(port.model_dtype)}
    names = [tensor.name for tensor in scheduled.tensors]
    expected, found = (run_program(chosen, inputs, keep=names) for chosen in (program.program, scheduled))
    differing = sum(int((found[key] != value).sum()) for key, value in expected.items())
    end, bound = schedule.end_cycles, schedule.bound_cycles
    label = f"{name} on {target if not target.endswith('.yaml') else Path(target).stem}"
    report.require(differing == 0, f"{label}: {differing} values differ from the unscheduled program")
    report.require(replayed == end, f"{label}: replayed end {replayed}, predicted {end}")
    report.require(end <= schedule.sequential_cycles, f"{label}: ends later than without overlap")
    return {
        "program": label,
        "arrays": arrays if program.program.kernels else "-",
        "tasks": len(schedule.tasks),
        "sequential": schedule.sequential_cycles,
        "overlapped": end,
        "replayed": replayed,
        "bound": bound,
        "end/bound": end / bound,
        "speed-up": schedule.sequential_cycles / end,
        "largest": schedule.sequential_cycles / bound,
        "values compared": sum(value.size for value in expected.values()),
        "differing": differing,
        "search CPU s": search_s,
    }


def programs(report: Report) -> None:
    """Scheduled programs: predicted against replayed end, integers against the unscheduled program."""
    rows: list[Row] = []
    models = report.options.models
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases: list[tuple[str, Path, str, list[int], dict[str, str]]] = [
            ("digits", DATA / "digits_cnn.onnx", "rtm-ap-256", [1024, 2], {}),
            ("digits", DATA / "digits_cnn.onnx", "dimc-64x16x8-dm32", [0], {}),
        ]
        if models is not None:
            cnv = models / "ternary" / "cnv_bnnpynq" / "cnvW2A2_affine.onnx"
            resnet8 = models / "mlperf_tiny" / "ic_resnet8_int8.onnx"
            cases += [
                ("CNV-W2A2", cnv, crossbar_with(64, folder), [0], {"x": "si8"}),
                ("ResNet-8", resnet8, "dimc-64x16x8-dm32", [0], {}),
                ("CNV-W2A2", cnv, "rtm-ap-256-pool", [1024, 3], {"x": "si8"}),
                ("ResNet-8", resnet8, "rtm-ap-256", [1024, 3], {}),
            ]
        for network, path, target, counts, types in cases:
            program = imcflow.compile(path, target, input_types=types)
            rows += [scheduled_row(network, program, target, arrays, report) for arrays in counts]
    report.add("scheduled programs, executed part by part", rows)
    if models is None:
        report.note("models", None, "CNV-W2A2 and ResNet-8 need --models DIR")
    report.note(
        "all_replayed",
        all(row["replayed"] == row["overlapped"] for row in rows),
        "An associative processor takes as long for one lane as for all lanes of an array: layers overlap only where "
        "they branch or where arrays are few. Macros take time per lane and overlap row by row.",
    )


def reference(report: Report) -> None:
    """Networks on the quad-core machine of a public scheduler, beside its recorded latencies."""
    rows: list[Row] = []
    for name, recorded in RECORDED.items():
        graph = reference_network(name, separate=True)
        best: Row | None = None
        started = time.process_time()
        for chunks in (1, 2, 4, 8):
            tasks = quad_core_tasks(graph, recorded.input_channels, chunks)
            found = schedule_tasks(tasks, restarts=8, rounds=3)
            bounds = task_bounds(tasks)
            row: Row = {
                "network": name,
                "chunks": chunks,
                "tasks": len(tasks.ticks),
                "end": found.makespan,
                "Jackson bound": found.bound,
                "longest path": bounds.path,
                "end/bound": found.makespan / found.bound,
            }
            if best is None or row["end"] < best["end"]:
                best = row
        assert best is not None
        best |= {
            "Stream 1.13.14": recorded.older,
            "Stream 2.1.1": recorded.newer,
            "their wall s": recorded.seconds,
            "our CPU s": time.process_time() - started,
        }
        report.require(best["end"] <= recorded.newer, f"{name}: {best['end']} cycles, recorded {recorded.newer}")
        report.require(best["end/bound"] <= MOST_OVER_BOUND, f"{name}: {best['end/bound']:.3f} x bound")
        rows.append(best)
    report.add("tpu_like_quad_core: cycles beside those recorded for Stream", rows)
    report.note(
        "reference_model",
        None,
        "Ours models multipliers, pooling and SIMD cores, links and DRAM of the description, not the SRAM sizes, "
        "which theirs limits. Their wall seconds were recorded on another day.",
    )


TABLES: dict[str, Callable[[Report], None]] = {"programs": programs, "reference": reference}


def more_options(parser: argparse.ArgumentParser) -> None:
    """Adds what this benchmark needs to know."""
    parser.add_argument("--models", metavar="DIR", type=Path, help="where the trained networks lie")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    return run_tables(__doc__, TABLES, arguments, more_options)


if __name__ == "__main__":
    sys.exit(main())
