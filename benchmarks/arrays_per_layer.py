"""Layers on several arrays of an associative processor: what dividing the input channels saves, and what it costs.

    python benchmarks/arrays_per_layer.py             every table
    python benchmarks/arrays_per_layer.py digits      one of them
    python benchmarks/arrays_per_layer.py --check     exit status 1 and one line for every figure that misses its bar
    python benchmarks/arrays_per_layer.py --json FILE the same figures as JSON
    python benchmarks/arrays_per_layer.py --arrays 1 4 auto
                                                      other numbers of arrays

Cycles, energy and wear come from the compiled streams, for one image on `--target`. The bundled network is executed in
both fidelities; ResNet-18 (224x224, seeded ternary weights of sparsity 0.8, 4-bit activations) is compiled and counted.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from report import Report, Row, run_tables
from resnet18 import write_resnet18

import imcflow
from imcflow.compiled import CompiledProgram

LEAST_SPEEDUP = 0.7
"""Of the ideal one, with four arrays on ResNet-18."""
SMALLEST_GAIN = 2.0
"""Energy-delay product of one array, over the best."""


def compiled(model: Path, arrays: str, target: str) -> tuple[CompiledProgram, float]:
    """The program with the layers' channels divided among so many arrays, and the CPU seconds of compiling it."""
    started = time.process_time()
    program = imcflow.compile(model, target, settings={"imc-unroll.arrays-per-layer": arrays})
    return program, time.process_time() - started


def costs(report: Report, model: Path, title: str, images: np.ndarray | None = None) -> list[Row]:
    """A row per number of arrays; with images, every program is executed and must give the integers of the first."""
    rows: list[Row] = []
    expected: np.ndarray | None = None
    for arrays in report.options.arrays:
        program, seconds = compiled(model, arrays, report.options.target)
        cost = program.cost()
        joules = sum(step.energy.total for step in cost.steps)
        row: Row = {
            "arrays": arrays,
            "cycles": sum(step.cycles for step in cost.steps),
            "us": 1e6 * cost.seconds,
            "uJ": 1e6 * joules,
            "EDP uJ us": 1e12 * joules * cost.seconds,
            "moved %": 100 * sum(step.energy.accumulation for step in cost.steps) / joules,
            "arrays needed": cost.arrays_needed,
            "compile CPU s": seconds,
        }
        if images is not None:
            (port,) = program.program.inputs
            differ = 0
            for fidelity in ("word", "micro"):
                (found,) = program.run({port.name: images}, fidelity=fidelity).values()
                expected = found if expected is None else expected
                differ += int((found != expected).sum())
            row["values that differ"] = differ
            report.require(not differ, f"{title}, {arrays} arrays: {differ} values differ")
        rows.append(row)
    for row in rows:
        row["times faster"] = rows[0]["cycles"] / row["cycles"]
    report.add(title, rows)
    return rows


def digits(report: Report) -> None:
    """The bundled network on 100 held-out images, every number of arrays in both fidelities."""
    data = files("imcflow") / "data"
    images = np.load(str(data / "digits_test.npz"))
    (name,) = [key for key in images.files if images[key].ndim == 4]
    costs(report, Path(str(data / "digits_cnn.onnx")), "bundled network", images[name][:100])


def resnet18(report: Report) -> None:
    """ResNet-18 at 224x224."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "resnet18.onnx"
        write_resnet18(model, ternary=True)
        rows = costs(report, model, "ResNet-18, 224x224, ternary 0.8, 4 bits")
    for row in rows:
        if row["arrays"] == "4":
            reached = row["times faster"] / 4
            report.require(reached >= LEAST_SPEEDUP, f"four arrays are {reached:.2f} of four times as fast")
    gain = rows[0]["EDP uJ us"] / min(row["EDP uJ us"] for row in rows)
    report.note("edp_gain", gain, f"energy-delay product of one array over the best: {gain:.1f}")
    report.require(gain >= SMALLEST_GAIN, f"the energy-delay product falls by {gain:.1f} at best")


TABLES: dict[str, Callable[[Report], None]] = {"digits": digits, "resnet18": resnet18}


def more_options(parser: argparse.ArgumentParser) -> None:
    """Adds what this benchmark needs to know."""
    parser.add_argument(
        "--arrays", nargs="+", default=["1", "2", "4", "8", "16", "32", "64", "auto"], help="powers of two, or auto"
    )
    parser.add_argument("--target", default="rtm-ap-256", help="associative processor (default rtm-ap-256)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    return run_tables(__doc__, TABLES, arguments, more_options)


if __name__ == "__main__":
    sys.exit(main())
