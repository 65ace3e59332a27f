"""Arithmetic reduction beside public peers, published lists and lower bounds.

    python benchmarks/reduction.py                 print the tables
    python benchmarks/reduction.py --peers         only the random matrices, da4ml on the large ones too
    python benchmarks/reduction.py --json FILE     also write them as JSON
    python benchmarks/reduction.py --check         exit with 1 and name every figure that misses its bar

Counts are two-input additions and subtractions; every program is expanded and compared with its matrix. Peer counts
were measured with da4ml 0.6.0 (`decompose_dc=-1, search_all_decompose_dc=False`) and twn_generator 0.1.5; where da4ml
or twn_generator is installed, it runs again beside us. Times are CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.ap_target import ApTarget, load_ap_target
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.plain import plain_program
from imcflow.passes.reduction.reduce import COUNT_ONLY, reduce_matrix
from imcflow.passes.reduction.scope import emitted_cycles, reduce_in_best_scope

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"

PUBLISHED_VGG7 = {"conv1": 295, "conv2": 3686, "conv3": 8492, "conv4": 17309, "conv5": 33026, "conv6": 63832}
"""Operations of the lists published with "Unrolling Ternary Neural Networks" (TRETS 2019)."""
VGG7_BAR = 120_800

# inputs, outputs, sparsity: best count of da4ml and of a plain greedy elimination.
BEST_PEER = {
    (9, 64, 0.5): 111,
    (9, 64, 0.8): 44,
    (9, 512, 0.5): 584,
    (9, 512, 0.8): 184,
    (27, 64, 0.5): 415,
    (72, 64, 0.5): 1090,
    (72, 64, 0.8): 571,
    (144, 32, 0.8): 598,
    (576, 64, 0.5): 7533,
    (576, 64, 0.8): 4221,
    (144, 512, 0.8): 7787,
    (1152, 128, 0.8): 15182,
}
DA4ML_SECONDS = {
    (576, 64, 0.5): 10.1,
    (576, 64, 0.8): 1.48,
    (144, 512, 0.8): 13.2,
    (1152, 128, 0.8): 84.0,
}
"""CPU seconds of da4ml as recorded on a two-core EPYC; at most a hundredth of them is ours from 576x64 on."""
LARGEST_LIVE_MATRIX = 40_000
"""Peers run beside us up to this many weights: about ten seconds."""
LARGEST_PEER_MATRIX = 150_000
"""With `--peers`, da4ml runs up to this many weights: minutes, and half a gigabyte."""
RESNET18 = [
    (3, 7, 64, 1),
    (64, 3, 64, 4),
    (64, 3, 128, 1),
    (64, 1, 128, 1),
    (128, 3, 128, 3),
    (128, 3, 256, 1),
    (128, 1, 256, 1),
    (256, 3, 256, 3),
    (256, 3, 512, 1),
    (256, 1, 512, 1),
    (512, 3, 512, 3),
]
"""(input channels, kernel, output channels, times) of the 20 convolutions."""
SCOPE_RATIOS = {1: 0.712, 2: 0.673, 4: 0.639, 16: 0.579}
"""Input channels per slice: operations over those of plain unrolling that a good greedy elimination reaches."""


@dataclass(frozen=True)
class Figure:
    """One measured figure with its bar (an upper limit), if it has one."""

    name: str
    value: float
    bar: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its bar."""
        return self.bar is None or self.value <= self.bar


def nibbles(count: int) -> Bounds:
    """Intervals of 4-bit unsigned window elements."""
    return Bounds(np.zeros(count, np.int64), np.full(count, 15, np.int64))


def count(matrix: np.ndarray, group: int = 0) -> tuple[int, float]:
    """Return (operations, CPU seconds) of a matrix [outputs, inputs]; the program is checked against the matrix."""
    start = time.process_time()
    program = reduce_matrix(matrix, nibbles(matrix.shape[1]), group=group, cycles=COUNT_ONLY)
    seconds = time.process_time() - start
    program.verify()
    if program.operation_count * program.input_count < 20_000_000 and not np.array_equal(program.expand(), matrix):
        raise AssertionError("the program does not compute its matrix")
    return program.two_input_operations(), seconds


def plain_count(matrix: np.ndarray) -> int:
    """Additions of plain unrolling: nonzeros less one per output that has any."""
    nonzeros = np.count_nonzero(matrix, axis=1)
    return int(np.maximum(nonzeros - 1, 0).sum())


def random_ternary(inputs: int, outputs: int, sparsity: float) -> np.ndarray:
    """Return a seeded ternary matrix [outputs, inputs]; the seed is the shape."""
    rng = np.random.default_rng([2024, inputs, outputs, round(1000 * sparsity)])
    nonzero = rng.random((inputs, outputs)) >= sparsity
    sign = rng.integers(0, 2, (inputs, outputs)) * 2 - 1
    return (nonzero * sign).T.astype(np.int64)


def trained_tables() -> Iterator[Figure]:
    """The trained VGG-7: whole layers against the published lists."""
    path = MODELS / "ternary" / "vgg7_twn" / "weights.npz"
    if not path.is_file():
        return
    weights = np.load(path)
    total, cpu = 0, 0.0
    for layer, published in PUBLISHED_VGG7.items():
        matrix = weights[layer].T.astype(np.int64)
        operations, seconds = count(matrix)
        total, cpu = total + operations, cpu + seconds
        yield Figure(f"vgg7 {layer}", operations, published, f"plain {plain_count(matrix)}, {seconds:.2f} s")
    yield Figure("vgg7 sum", total, VGG7_BAR, f"published {sum(PUBLISHED_VGG7.values())}, {cpu:.2f} s")


def random_tables(largest_live: int = LARGEST_LIVE_MATRIX) -> Iterator[Figure]:
    """Seeded random matrices against the best peer; at most 1 % more."""
    for (inputs, outputs, sparsity), peer in BEST_PEER.items():
        matrix = random_ternary(inputs, outputs, sparsity)
        runs = [count(matrix) for _ in range(5)]
        operations, seconds = runs[0][0], statistics.median(seconds for _, seconds in runs)
        best, bound = peer, slice_bound(matrix, inputs)
        note = f"bound {bound}, plain {plain_count(matrix)}, {seconds:.3f} s"
        near = inputs * outputs <= LARGEST_LIVE_MATRIX
        recorded = (inputs, outputs, sparsity) in DA4ML_SECONDS and inputs * outputs <= largest_live
        live = da4ml_count(matrix) if near or recorded else None
        if live is not None:
            best, note = min(best, live[0]), f"{note}; da4ml {live[0]} in {live[1]:.2f} s"
        elif near:
            note = f"{note}; da4ml is not installed"
        other = twn_count(matrix) if near else None
        if other is not None:
            best, note = min(best, other[0]), f"{note}; twn_generator {other[0]} in {other[1]:.2f} s"
        elif near:
            note = f"{note}; twn_generator is not installed"
        yield Figure(f"random {inputs}x{outputs} s={sparsity}", operations, best * 1.01, f"peer {best}, {note}")
        peer_seconds, how = DA4ML_SECONDS.get((inputs, outputs, sparsity)), "recorded"
        if peer_seconds is not None and live is not None:
            peer_seconds, how = live[1], "measured now"
        if peer_seconds is not None:
            name = f"random {inputs}x{outputs} s={sparsity}: CPU time over da4ml's"
            yield Figure(name, seconds / peer_seconds, 0.01, f"{seconds:.3f} s, da4ml {peer_seconds:.2f} s {how}")


def da4ml_count(matrix: np.ndarray) -> tuple[int, float] | None:
    """Return da4ml's (operations, CPU seconds), or None if it is not installed."""
    try:
        from da4ml.cmvm import solve  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    start = time.process_time()
    solution = solve(
        matrix.T.astype(np.float32),
        qintervals=[(0.0, 15.0, 1.0)] * matrix.shape[1],
        decompose_dc=-1,
        search_all_decompose_dc=False,
    )
    seconds = time.process_time() - start
    return sum(op.opcode in (0, 1) for stage in solution.solutions for op in stage.ops), seconds


def twn_count(matrix: np.ndarray) -> tuple[int, float] | None:
    """Return (operations, CPU seconds) of twn_generator's top-down elimination, or None if it is not installed."""
    try:
        from twn_generator import td_CSE  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        rows = td_CSE(matrix.astype(np.int16))
    return plain_count(rows), time.process_time() - start


def scope_table() -> Iterator[Figure]:
    """ResNet-18 with random ternary weights: operations over plain unrolling, by input channels per slice."""
    rng = np.random.default_rng(18)
    layers: list[tuple[np.ndarray, int]] = []
    for channels, kernel, outputs, times in RESNET18:
        for _ in range(times):
            shape = (outputs, channels * kernel * kernel)
            layers.append(((rng.random(shape) >= 0.8) * rng.choice([-1, 1], shape), kernel * kernel))
    plain = sum(plain_count(matrix) for matrix, _ in layers)
    for scope, ratio in SCOPE_RATIOS.items():
        results = [count(matrix, scope * elements) for matrix, elements in layers]
        operations, cpu = sum(found for found, _ in results), sum(seconds for _, seconds in results)
        note = f"{operations} of {plain}, {cpu:.1f} s"
        yield Figure(f"resnet18 s=0.8 scope {scope}: ratio to plain", operations / plain, ratio * 1.01, note)
        if scope == 1:
            bound = sum(slice_bound(matrix, elements) for matrix, elements in layers)
            yield Figure(
                "resnet18 s=0.8 scope 1: above the lower bound", operations / bound - 1, 0.03, f"bound {bound}"
            )


def slice_bound(matrix: np.ndarray, elements: int) -> int:
    """Least operations with slices of `elements` window elements: every distinct output of a slice, up to its sign,
    that has two terms costs one, and every output of a slice after an output's first is one accumulation."""
    distinct, touched = 0, 0
    for begin in range(0, matrix.shape[1], elements):
        rows = matrix[:, begin : begin + elements]
        rows = rows[np.count_nonzero(rows, axis=1) > 0]
        touched += len(rows)
        rows = rows[np.count_nonzero(rows, axis=1) > 1]
        leading = np.take_along_axis(rows, (rows != 0).argmax(axis=1)[:, None], axis=1) if len(rows) else rows
        distinct += len(np.unique(rows * leading, axis=0)) if len(rows) else 0
    return distinct + touched - int(np.count_nonzero(np.any(matrix, axis=1)))


def two_scale_table() -> Iterator[Figure]:
    """Layers with two scales, slices of 72 elements: cycles of scaling every sum once over those of adding digits."""
    target = load_ap_target("rtm-ap-256")
    for inputs, outputs in ((144, 64), (576, 64)):
        signs, bounds = random_ternary(inputs, outputs, 0.8), nibbles(inputs)
        for high, low in ((3, 2), (5, 3), (13, 9), (107, 83)):
            matrix = np.where(signs > 0, high, np.where(signs < 0, -low, 0))
            cycles: list[float] = []
            for scale_sums in (False, True):
                program = reduce_matrix(matrix, bounds, group=72, cycles=target.cycles, scale_sums=scale_sums)
                if not np.array_equal(program.expand(), matrix):
                    raise AssertionError("the program does not compute its matrix")
                cycles.append(emitted_cycles(infer_bounds(program, bounds), target, "layer"))
            name = f"two scales {high}, -{low}, {inputs}x{outputs} s=0.8: cycles over digits'"
            yield Figure(name, cycles[1] / cycles[0], 1.0, f"{cycles[1]:.0f} of {cycles[0]:.0f} cycles")


def lever_table(targets: tuple[str, ...] = ("rtm-ap-256", "rtm-ap-256-or")) -> Iterator[Figure]:
    """CNV-W2A2 layers 1 to 7: cycles of the emitted streams, lever by lever, over plain unrolling."""
    path = MODELS / "ternary" / "cnv_bnnpynq" / "cnvW2A2_int.npz"
    if not path.is_file():
        return
    weights = np.load(path)
    layers = [weights[f"W{number}"].astype(np.int64) for number in range(1, 8)]
    plain = sum(cycles_of(layer, load_ap_target(targets[0]), None) for layer in layers)
    yield Figure("cnv plain unrolling: cycles", plain)
    for name in targets:
        target = load_ap_target(name)
        for scope in (1, 4, 8, -1):
            cycles = sum(cycles_of(layer, target, scope) for layer in layers)
            label = "best scope" if scope < 0 else f"scope {scope}"
            bar = 0.5 if scope < 0 else None
            yield Figure(f"cnv {name} {label}: ratio to plain", cycles / plain, bar, f"{cycles:.0f} cycles")


def cycles_of(weights: np.ndarray, target: ApTarget, scope: int | None) -> float:
    """Return the cycles of one layer: plain (None), with slices of `scope` channels, or with the best scope (-1)."""
    matrix = weights.reshape(len(weights), -1)
    channel = int(np.prod(weights.shape[2:], dtype=np.int64))
    inputs = Bounds(np.full(matrix.shape[1], -1, np.int64), np.ones(matrix.shape[1], np.int64))
    bias = np.zeros(len(matrix), np.int64)
    if scope is None:
        program = plain_program(matrix, group=channel)
    elif scope < 0:
        program = reduce_in_best_scope(matrix, inputs, bias, channel, target, "layer")
    else:
        elements = scope * (channel if channel > 1 else 9)
        program = reduce_matrix(matrix, inputs, group=elements, cycles=target.cycles)
    return emitted_cycles(infer_bounds(program, inputs), target, "layer")


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="Arithmetic reduction beside peers and bounds.")
    parser.add_argument("--peers", action="store_true", help="only the random matrices, da4ml on the large ones too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    arguments = parser.parse_args()
    count(random_ternary(9, 4, 0.5))  # loads the compiled loops
    figures: list[Figure] = []
    every = (trained_tables(), random_tables(), scope_table(), two_scale_table(), lever_table())
    for table in (random_tables(LARGEST_PEER_MATRIX),) if arguments.peers else every:
        for figure in table:
            figures.append(figure)
            limit = "" if figure.bar is None else f"<= {figure.bar:<10.6g} {'ok' if figure.holds else 'MISSED'}"
            print(f"{figure.name:46} {figure.value:>12.6g} {limit:22} {figure.note}", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    missed = [figure.name for figure in figures if not figure.holds]
    if arguments.check and missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
