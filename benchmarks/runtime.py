"""The runtime beside onnxruntime and the machine's own limit.

    python benchmarks/runtime.py                    print the table
    python benchmarks/runtime.py --json FILE        also write it as JSON
    python benchmarks/runtime.py --check            exit with 1 and name every figure that misses its bar
    python benchmarks/runtime.py --program FILE     keep the compiled ResNet-18 here, and take it from here next time

Single-thread times are CPU times of this process, medians of interleaved repetitions, so that a busy machine changes
them little. Scaling over threads is wall-clock time, the best of interleaved repetitions; beside it stands what two
free cores would give, from the CPU time of every range of blocks and of what lies outside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from literal_rate import literal_rate, peak_loop, peak_rate
from resnet18 import write_resnet18

import imcflow
from imcflow.runtime.container import write_program
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.board import CompiledRanges
from imcflow.runtime.execution.run import ProgramRun, run_program
from imcflow.runtime.loader import load_program

if TYPE_CHECKING:
    from imcflow.runtime.program import Program

REPEATS = 7
LOOP_SWEEPS = 500_000  # of the loop that shows what a second thread is worth on this machine: some 50 ms
MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"


@dataclass(frozen=True)
class Figure:
    """One measured figure and its bar; `bar` None: reported only."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure reaches its bar."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def medians(runs: dict[str, Callable[[], object]], clock: Callable[[], float]) -> dict[str, float]:
    """Return the median milliseconds of every function, all repeated in turn after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(REPEATS + 1):
        for name, run in runs.items():
            start = clock()
            run()
            if repeat:
                times[name].append((clock() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def best(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Return the least wall-clock milliseconds of every function, all repeated in turn after two warm-ups."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(repeats + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat > 1:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: min(values) for name, values in times.items()}


@dataclass(frozen=True)
class FreeCores:
    """CPU milliseconds of a run: outside the ranges that workers share, in them, and until the last worker ends."""

    serial_ms: float
    ranges_ms: float
    span_ms: float


def on_free_cores(run: Callable[[], object], threads: int) -> FreeCores:
    """Return what a run on `threads` cores of its own would take, from the CPU time of every range of blocks.

    The calling thread runs all ranges, one after the other; each counts for the worker that would be free first. What
    waking threads and sharing caches cost is not in it.
    """
    busy = [0.0] * threads
    spans: list[float] = []
    run_ranges, share_ranges = BlockPool.run, BlockPool.share

    def one_by_one(pool: BlockPool, count: int, per_call: int, runners: Any, kernel: str = "") -> None:
        free = [0.0] * threads
        for first in range(0, count, per_call):
            worker = free.index(min(free[: len(runners)]))
            start = time.thread_time()
            runners[worker](first, min(first + per_call, count))
            free[worker] += (time.thread_time() - start) * 1e3
        for worker, spent in enumerate(free):
            busy[worker] += spent
        spans.append(max(free))

    def share(pool: BlockPool, ranges: CompiledRanges, kernel: str = "") -> None:
        one_by_one(pool, ranges.items, ranges.per_range, ranges.runners(min(threads, ranges.workers)), kernel)

    results: list[FreeCores] = []
    BlockPool.run, BlockPool.share = one_by_one, share
    try:
        for _ in range(REPEATS):
            busy, spans, start = [0.0] * threads, [], time.thread_time()
            run()
            total = (time.thread_time() - start) * 1e3
            results.append(FreeCores(total - sum(busy), sum(busy), sum(spans)))
    finally:
        BlockPool.run, BlockPool.share = run_ranges, share_ranges
    return min(results, key=lambda result: result.serial_ms + result.span_ms)


def compiled_resnet18(keep: Path | None) -> Program:
    """Compile the ternary network, or load it if it was kept."""
    if keep is not None and keep.exists():
        return load_program(keep)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "resnet18.onnx"
        write_resnet18(model, ternary=True)
        program = imcflow.compile(model, input_types={"input": "si8"}).program
    if keep is not None:
        write_program(program, keep)
    return program


def onnxruntime_session(*, ternary: bool) -> Any:
    """Return an onnxruntime session of the network on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "resnet18.onnx"
        write_resnet18(model, ternary=ternary)
        return onnxruntime.InferenceSession(str(model), options)


def differing_features(program: Program, image: np.ndarray) -> int:
    """Compare the last integer feature map with onnxruntime's.

    Optimised graphs fold scales into weights, which rounds differently: the plain graph is the reference. The logits
    after it are averages in floating point, whose last bits depend on the order of summation.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "resnet18.onnx"
        features = write_resnet18(model, ternary=True, show_features=True)
        session = onnxruntime.InferenceSession(str(model), options)
    (expected,) = session.run([features], {"input": image})
    return int((run_program(program, {"input": image}, keep=[features])[features] != expected).sum())


def resnet18_figures(program: Program) -> list[Figure]:
    """Whole network from input tensor to logits: against onnxruntime, both fidelities, scaling, memory."""
    image = np.random.default_rng(0).integers(-100, 100, (1, 3, 224, 224)).astype(np.float32)
    batch = np.repeat(image, 8, axis=0)
    float_session = onnxruntime_session(ternary=False)
    same_session = onnxruntime_session(ternary=True)
    word, micro, count = (ProgramRun(program, fidelity=f, threads=1) for f in ("word", "micro", "count"))
    cpu = medians(
        {
            "onnxruntime": lambda: float_session.run(None, {"input": image}),
            "same": lambda: same_session.run(None, {"input": image}),
            "word": lambda: word({"input": image}),
            "micro": lambda: micro({"input": image}),
            "count": lambda: count({"input": image}),
            "word8": lambda: word({"input": batch}),
        },
        time.process_time,
    )
    two = ProgramRun(program, threads=2)
    loops, pool = [peak_loop(), peak_loop()], ThreadPoolExecutor(2)
    wall = best(
        {
            "one": lambda: word({"input": batch}),
            "two": lambda: two({"input": batch}),
            "loop": lambda: loops[0](LOOP_SWEEPS),
            "loops": lambda: list(pool.map(lambda loop: loop(LOOP_SWEEPS), loops)),
        },
        5 * REPEATS,
    )
    alone, shared = on_free_cores(lambda: word({"input": batch}), 1), on_free_cores(lambda: two({"input": batch}), 2)
    alone_ms, shared_ms = alone.serial_ms + alone.span_ms, shared.serial_ms + shared.span_ms
    reference = cpu["onnxruntime"]
    return [
        Figure("ResNet-18, differing integers of the last feature map", differing_features(program, image), "", 0),
        Figure("onnxruntime, same topology in float32", reference, "ms"),
        Figure("onnxruntime, the ternary network itself", cpu["same"], "ms"),
        Figure("word fidelity, batch 1", cpu["word"], "ms"),
        Figure("word fidelity / onnxruntime float32", cpu["word"] / reference, "x", 4, note="goal 2"),
        Figure("micro fidelity / onnxruntime float32", cpu["micro"] / reference, "x", 10),
        Figure("exact match counts / onnxruntime float32", cpu["count"] / reference, "x"),
        Figure("exact match counts, batch 1", cpu["count"], "ms", note="prototype: 52 to 82, convolutions alone"),
        Figure("word fidelity, batch 8, per image", cpu["word8"] / 8, "ms"),
        Figure("batch 8, CPU time outside what workers share", 100 * alone.serial_ms / alone_ms, "%"),
        Figure("batch 8, two threads over one, on free cores", alone_ms / shared_ms, "x", 1.6, at_least=True),
        Figure("batch 8, two threads over one", wall["one"] / wall["two"], "x", 1.6, at_least=True),
        Figure("vector loop over resident planes, two threads over one", 2 * wall["loop"] / wall["loops"], "x"),
    ]


def memory_figures(program_file: Path) -> list[Figure]:
    """Peak memory of a process that loads the program and runs a batch."""
    script = (
        "import re, sys, numpy as np\n"
        "from imcflow.runtime.loader import load_program\n"
        "from imcflow.runtime.execution.run import run_program\n"
        "images = np.zeros((int(sys.argv[2]), 3, 224, 224), np.float32)\n"
        "run_program(load_program(sys.argv[1]), {'input': images})\n"
        # The peak that getrusage gives would include what this process had when it forked.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)\n"
    )
    figures: list[Figure] = []
    for batch in (1, 64):
        command = [sys.executable, "-c", script, str(program_file), str(batch)]
        peak = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        figures.append(Figure(f"peak memory, batch {batch}", peak, "MiB", 1024))
    return figures


def cnv_figures() -> list[Figure]:
    """The trained CNV-W2A2 on 500 CIFAR-10 images, both cores."""
    folder = MODELS / "ternary" / "cnv_bnnpynq"
    if not folder.is_dir():
        return []
    program = imcflow.compile(folder / "cnvW2A2_qonnx.onnx", input_types={"x": "si8"}).program
    pixels = np.load(MODELS / "data" / "cifar10_test_0_499.npz")["X"].astype(np.int16)
    images = (pixels - 128).transpose(0, 3, 1, 2).astype(np.float32)
    golden = np.load(folder / "cnvW2A2_golden_cifar10_0_499.npz")["logits"]
    run = ProgramRun(program, threads=2)
    wrong = float((run({"x": images})["logits"] != golden).sum())
    wall = medians({"run": lambda: run({"x": images})}, time.perf_counter)["run"]
    return [
        Figure("CNV-W2A2, logits that differ from the golden file", wrong, "", 0),
        Figure("CNV-W2A2, two threads", len(images) / wall * 1e3, "images/s", 100, at_least=True),
    ]


def start_figures() -> list[Figure]:
    """Cold and warm start of `imcflow run` on the bundled network."""
    data = Path(imcflow.__file__).parent / "data"
    command = [sys.executable, "-c", "from imcflow.tools.imcflow_main import main; main()"]
    with tempfile.TemporaryDirectory() as folder:
        program, inputs, outputs = (Path(folder) / name for name in ("digits.imcp", "in.npz", "out.npz"))
        np.savez(inputs, image=np.load(data / "digits_test.npz")["image"])
        compile_command = [*command, "compile", str(data / "digits_cnn.onnx"), "-o", str(program)]
        subprocess.run(compile_command, check=True, capture_output=True)
        times: list[float] = []
        for _ in range(REPEATS + 1):
            before = os.times()
            subprocess.run(
                [*command, "run", str(program), "-i", str(inputs), "-o", str(outputs)], check=True, capture_output=True
            )
            after = os.times()
            spent = after.children_user + after.children_system - before.children_user - before.children_system
            times.append(spent * 1e3)
    return [
        Figure("`imcflow run` of the bundled network, first start", times[0], "ms CPU", 1000),
        Figure("`imcflow run` of the bundled network, later starts", statistics.median(times[1:]), "ms CPU", 1000),
    ]


def rate_figures() -> list[Figure]:
    """Literal passes beside a pure vector loop over resident planes."""
    pairs = [(literal_rate(), peak_rate()) for _ in range(REPEATS)]
    literal, peak = (statistics.median(values) for values in zip(*pairs, strict=True))
    return [
        Figure("literal passes", literal / 1e9, "G row-bit operations/s"),
        Figure("pure vector loop over resident planes", peak / 1e9, "G row-bit operations/s"),
        Figure("literal / pure loop", literal / peak, "", 0.4, at_least=True),
    ]


def main() -> int:
    """Measure, print, write, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--program", type=Path)
    arguments = parser.parse_args()
    figures: list[Figure] = []

    def report(new: list[Figure]) -> None:
        figures.extend(new)
        for figure in new:
            relation = "" if figure.bar is None else f"  (at {'least' if figure.at_least else 'most'} {figure.bar:g})"
            mark = "" if figure.holds else "  MISSED"
            print(f"{figure.name:58} {figure.value:10.4g} {figure.unit}{relation} {figure.note}{mark}", flush=True)

    report(rate_figures())
    report(start_figures())
    program = compiled_resnet18(arguments.program)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "resnet18.imcp"
        write_program(program, file)
        report(resnet18_figures(program))
        report(memory_figures(file))
    report(cnv_figures())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")
    missed = [figure.name for figure in figures if not figure.holds]
    if arguments.check and missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
