"""Layers with two weight scales: scaled in the array, or two sums per filter that the digital unit multiplies.

    python benchmarks/two_scales.py [layers] [network] [--json FILE] [--check]

`layers`: seeded filters of three values {-n, 0, p}; "array" scales the sums of the integers there,
"apart" eliminates the sums of the positive and of the negative weights in two programs, "joint" in one. Operations are
two-input additions of the whole layer, in the array alone; cycles are those of the emitted program in its best scope on
`rtm-ap-256`, with 4-bit activations, without stores. Every program is expanded and compared with its matrix.
`network`: a SqueezeNet by trained ternary quantisation, with and without `imc-factor-weights`; needs the trained
networks, and calibrates 8-bit activations on their 16 images. Times are CPU seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from report import Report, Row, run_tables

from imcflow.api import CompileOptions, compile_model
from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
from imcflow.passes.ap_target import load_ap_target
from imcflow.passes.factoring import factored
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import COUNT_ONLY, reduce_matrix
from imcflow.passes.reduction.scope import emitted_cycles, reduce_in_best_scope

TTQ = Path(__file__).resolve().parent.parent.parent / "shared" / "models" / "ternary" / "ttq_tinyimagenet"
TARGET = "rtm-ap-256"
LAYERS = [(64, 16), (128, 32)]
"""Filters and input channels of 3x3 convolutions."""
VALUES = [(3, 2), (7, 5), (41, 43)]
SPARSITY = 0.64
"""Share of zeros of the trained network."""
JOINT_BAR, NETWORK_BAR = 1.0, 0.8
"""Most operations of "joint" against "apart"; most cycles of the network against scaling in the array."""

Matrix = NDArray[np.int64]


def operations(matrix: Matrix, inputs: Bounds) -> int:
    """Two-input operations of the whole layer."""
    program = reduce_matrix(matrix, inputs, cycles=COUNT_ONLY)
    _compare(program, matrix)
    return program.operation_count + program.accumulation_count


def cycles(matrix: Matrix, inputs: Bounds) -> float:
    """Cycles of the emitted program in its best scope."""
    target = load_ap_target(TARGET)
    bias = np.zeros(len(matrix), np.int64)
    program = reduce_in_best_scope(matrix, inputs, bias, 9, target, "layer")
    _compare(program, matrix)
    return emitted_cycles(infer_bounds(program, inputs), target, "layer")


def _compare(program: AddSubProgram, matrix: Matrix) -> None:
    if not np.array_equal(program.expand(), matrix):
        raise AssertionError("the program computes another matrix")


def layers(report: Report) -> None:
    """Seeded layers."""
    rows: list[Row] = []
    for outputs, channels in LAYERS:
        inputs = Bounds(np.zeros(9 * channels, np.int64), np.full(9 * channels, 15, np.int64))
        for p, n in VALUES:
            half = (1 - SPARSITY) / 2
            rng = np.random.default_rng(outputs)
            matrix = rng.choice([p, 0, -n], (outputs, 9 * channels), p=[half, SPARSITY, half]).astype(np.int64)
            pairs = factored(matrix)
            assert pairs is not None
            apart = [pairs.ternary[0::2], pairs.ternary[1::2]]
            row: Row = {"layer": f"{outputs}x{channels}x3x3", "p": p, "n": n}
            for name, parts in (("array", [matrix]), ("apart", apart), ("joint", [pairs.ternary])):
                begin = time.process_time()
                row[f"{name} ops"] = sum(operations(part, inputs) for part in parts)
                row[f"{name} cycles"] = sum(cycles(part, inputs) for part in parts)
                row[f"{name} s"] = time.process_time() - begin
            row["joint/apart ops"] = row["joint ops"] / row["apart ops"]
            row["joint/array cycles"] = row["joint cycles"] / row["array cycles"]
            report.require(row["joint/apart ops"] < JOINT_BAR, f"{row['layer']}: one elimination saves nothing")
            rows.append(row)
    report.add("layers", rows)


def network(report: Report) -> None:
    """The trained network."""
    if not TTQ.is_dir():
        report.note("network", None, "no trained networks here: the table `network` is left out")
        return
    golden = np.load(TTQ / "golden_16.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = ((golden["input_u8"] / 255.0 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    rows: list[Row] = []
    results: list[NDArray[np.float32]] = []
    with TemporaryDirectory() as folder:
        calibration = Path(folder) / "calibration.npz"
        np.savez(calibration, x=images)
        for name, digits in (("scaled in the array", 1000.0), ("two sums", 1.25)):
            begin = time.process_time()
            settings = {"imc-factor-weights.digits": str(digits)}
            options = CompileOptions(TARGET, calibration=calibration, activation_bits=8, settings=settings)
            program = compile_model(TTQ / "ttq_squeezenet.onnx", options)
            spent = time.process_time() - begin
            cost = program.cost()
            rows.append(
                {"weights": name, "cycles": cost.cycles, "energy mJ": cost.energy.total * 1e3, "compile s": spent}
            )
            (logits,) = program.run({"x": images[:2]}).values()
            results.append(logits)
    if not np.array_equal(results[0], results[1]):
        raise AssertionError("the two programs differ")
    report.add("network", rows)
    ratio = rows[1]["cycles"] / rows[0]["cycles"]
    report.note(
        "cycles ratio", ratio, f"two sums take {ratio:.3f} of the cycles of scaling in the array; equal outputs"
    )
    report.require(ratio <= NETWORK_BAR, f"network: {ratio:.3f} of the cycles, bar {NETWORK_BAR}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables."""
    return run_tables(__doc__, {"layers": layers, "network": network}, arguments)


if __name__ == "__main__":
    sys.exit(main())
