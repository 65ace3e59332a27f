"""Time, memory and file size of compiling whole networks, each in a process of its own.

    python benchmarks/compile_time.py                 print the tables
    python benchmarks/compile_time.py --json FILE     also write them as JSON
    python benchmarks/compile_time.py --check         exit with 1 and name every figure that misses its bar

Networks: ResNet-18 (224x224, and narrower and shallower ones of its blocks), the trained CNV-W2A2 (skipped where its
file is missing), and the layers of the four MLPerf Tiny networks; weights of the others are seeded ternary, sparsity
0.8, activations have 4 bits. Every network is compiled by `imcflow compile` to a program file. CPU seconds include the
start of Python and all threads; compiled loops are loaded from files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from resnet18 import ACTIVATION_MAX, GraphWriter, write_resnet18

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"
CNV = MODELS / "ternary" / "cnv_bnnpynq" / "cnvW2A2_qonnx.onnx"
MAIN = "from imcflow.tools.imcflow_main import main; raise SystemExit(main())"
RESNET18 = "resnet18 224x224"


@dataclass(frozen=True)
class Bars:
    """Upper limits of one network; None: no limit."""

    cpu_s: float | None = None
    wall_s: float | None = None
    peak_mb: float | None = None
    file_mb: float | None = None


@dataclass(frozen=True)
class Network:
    """A network: `write` puts the ONNX file at a path; `input_type` is NAME:TYPE."""

    name: str
    write: Callable[[Path], object]
    input_type: str
    bars: Bars
    grows: bool = False
    """Whether it is a point of the growth curve: layers of one kind, ternary, sparsity 0.8."""


@dataclass(frozen=True)
class Row:
    """What one compilation took; `weights` counts all weights, `nonzero` those that are not 0."""

    name: str
    weights: int
    nonzero: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    file_mb: float


def save(graph: GraphWriter, path: Path, shape: tuple[int, ...], result: str) -> None:
    """Write a graph with input `input` [N, ...shape]; `result` is [N, ...] of unstated shape."""
    import onnx
    from onnx import TensorProto, helper

    source = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", *shape])
    sink = helper.make_tensor_value_info(result, TensorProto.FLOAT, None)
    built = helper.make_graph(graph.nodes, path.stem, [source], [sink], graph.constants)
    onnx.save(helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def dense(graph: GraphWriter, source: str, inputs: int, outputs: int) -> str:
    """Add a fully connected layer with scale, shift, round and clip to 4 bits."""
    name = graph.node("MatMul", source, graph.weights(inputs, outputs))
    scale = np.full((1, outputs), 8 / (6 * np.sqrt(inputs * 0.2)), np.float32)
    name = graph.node("Add", graph.node("Mul", name, graph.constant(scale)), graph.constant(np.full_like(scale, 4)))
    return graph.clip(graph.node("Round", name), 0, ACTIVATION_MAX)


def separable(graph: GraphWriter, source: str, inputs: int, outputs: int, stride: int) -> str:
    """Add a depthwise 3x3 and a pointwise convolution."""
    name = graph.node(
        "Conv",
        source,
        graph.weights(inputs, 1, 3, 3),
        kernel_shape=[3, 3],
        strides=[stride, stride],
        pads=[1] * 4,
        group=inputs,
    )
    name = graph.node("Add", name, graph.constant(np.full((1, inputs, 1, 1), 4, np.float32)))
    name = graph.clip(graph.node("Round", name), 0, ACTIVATION_MAX)
    return graph.convolution(name, (inputs, outputs), 1, 1)


def write_autoencoder(path: Path) -> None:
    """Anomaly detection: 640, four times 128, 8, four times 128, 640."""
    graph, name = GraphWriter(ternary=True), "input"
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    for inputs, outputs in pairwise(widths):
        name = dense(graph, name, inputs, outputs)
    save(graph, path, (640,), name)


def write_keyword_spotter(path: Path) -> None:
    """DS-CNN: a convolution and four separable blocks of 64 channels on 49x10 features."""
    graph = GraphWriter(ternary=True)
    name = graph.convolution("input", (1, 64), 7, 2)
    for _ in range(4):
        name = separable(graph, name, 64, 64, 1)
    save(graph, path, (1, 49, 10), name)


def write_visual_wake_words(path: Path) -> None:
    """MobileNetV1 of width 0.25 on 96x96 images."""
    graph = GraphWriter(ternary=True)
    name = graph.convolution("input", (3, 8), 3, 2)
    widths = (8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256)
    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
    for inputs, outputs, stride in zip(widths, widths[1:], strides, strict=False):
        name = separable(graph, name, inputs, outputs, stride)
    save(graph, path, (3, 96, 96), name)


def write_blocks(path: Path, widths: tuple[int, ...], size: int) -> None:
    """Residual networks: a 3x3 convolution, then one block per width; strides of 2 where the width grows."""
    graph = GraphWriter(ternary=True)
    name = graph.convolution("input", (3, widths[0]), 3, 1)
    inputs = widths[0]
    for outputs in widths:
        name = graph.block(name, inputs, outputs, 2 if outputs != inputs else 1)
        inputs = outputs
    save(graph, path, (3, size, size), name)


def networks() -> Iterator[Network]:
    """The networks of the table."""
    tiny = Bars(wall_s=2.0)
    yield Network("tiny autoencoder", write_autoencoder, "input:si8", tiny)
    yield Network("tiny DS-CNN", write_keyword_spotter, "input:si8", tiny)
    yield Network("tiny MobileNet 0.25", write_visual_wake_words, "input:si8", tiny)
    yield Network("tiny ResNet-8", lambda path: write_blocks(path, (16, 32, 64), 32), "input:si8", tiny, grows=True)
    for width in (32, 64, 128):
        widths = (width, 2 * width, 4 * width)
        yield Network(
            f"ResNet-8, {width} to {4 * width} channels",
            lambda path, widths=widths: write_blocks(path, widths, 32),
            "input:si8",
            Bars(),
            grows=True,
        )
    if CNV.is_file():
        yield Network("CNV-W2A2", lambda path: path.write_bytes(CNV.read_bytes()), "x:si8", Bars(cpu_s=5.0))
    limits = Bars(cpu_s=30.0, peak_mb=2000.0, file_mb=100.0)
    yield Network(RESNET18, lambda path: write_resnet18(path, ternary=True), "input:si8", limits, grows=True)


def count_weights(path: Path) -> tuple[int, int]:
    """Weights of the convolutions and matrix products of a model, and those that are not 0."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(path)).graph
    used = {name for node in graph.node if node.op_type in ("Conv", "MatMul", "Gemm") for name in node.input[1:2]}
    quantised = {node.output[0]: node.input[0] for node in graph.node if node.output[0] in used}
    names = {quantised.get(name, name) for name in used}
    tables = [numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in names]
    return sum(table.size for table in tables), sum(int(np.count_nonzero(table)) for table in tables)


def compile_once(model: Path, input_type: str, program: Path, *options: str) -> tuple[float, float, float, str]:
    """Compile in a process of its own; return wall and CPU seconds, peak MB and what it wrote to stderr."""
    command = [sys.executable, "-c", MAIN, "compile", str(model), "--input", input_type, "-o", str(program), *options]
    # As in an installation: Python keeps its byte code, and does not translate all modules anew in every process.
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stderr is not None
    errors = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"{model.stem}: {errors}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, errors


def measure(network: Network, folder: Path, repeats: int) -> tuple[Row, str]:
    """Compile a network `repeats` times; the least time counts, because others may use the machine."""
    model, program = folder / "model.onnx", folder / "program.imcp"
    network.write(model)
    runs = [compile_once(model, network.input_type, program, "--time-passes") for _ in range(repeats)]
    weights, nonzero = count_weights(model)
    best = min(runs, key=lambda run: run[1])
    wall, peak = min(run[0] for run in runs), max(run[2] for run in runs)
    row = Row(network.name, weights, nonzero, wall, best[1], peak, program.stat().st_size / 1e6)
    return row, best[3]


def growth(rows: list[Row]) -> float:
    """Exponent p of CPU seconds ~ weights ** p, least squares on logarithms."""
    logs = np.log([(row.weights, row.cpu_s) for row in rows])
    return float(np.polyfit(logs[:, 0], logs[:, 1], 1)[0])


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="Time, memory and file size of compiling whole networks.")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    parser.add_argument("--repeats", type=int, default=2, help="compilations of each network")
    arguments = parser.parse_args()
    rows: list[Row] = []
    missed: list[str] = []
    growing: list[Row] = []
    passes = ""
    print(f"{'network':32} {'weights':>10} {'nonzero':>10} {'wall s':>7} {'CPU s':>7} {'peak MB':>8} {'file MB':>8}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for network in networks():
            row, errors = measure(network, folder, arguments.repeats)
            rows.append(row)
            if network.grows:
                growing.append(row)
            if network.name == RESNET18:
                passes = errors
            print(
                f"{row.name:32} {row.weights:10,d} {row.nonzero:10,d} {row.wall_s:7.2f} {row.cpu_s:7.2f} "
                f"{row.peak_mb:8.0f} {row.file_mb:8.2f}",
                flush=True,
            )
            for figure, limit in asdict(network.bars).items():
                if limit is not None and getattr(row, figure) > limit:
                    missed.append(f"{row.name}: {figure} {getattr(row, figure):.2f}, bar {limit}")
    print(f"\n{RESNET18}, pass by pass; the peak is that of the process so far\n{passes}")
    print("CPU seconds per million weights, less the start of the smallest network:")
    start = growing[0]
    for row in growing[1:]:
        print(f"{row.name:32} {(row.cpu_s - start.cpu_s) / (row.weights - start.weights) * 1e6:6.2f}")
    print(f"growth of CPU time from {growing[1].name} on: weights ** {growth(growing[1:]):.2f}")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    if arguments.check and missed:
        print("missed: " + "; ".join(missed), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
