"""The search for fewer operations (`imc-reduce-arithmetic{effort=max}`) beside greedy elimination and recorded peers.

    python benchmarks/search.py                 the random matrices and the trained VGG-7 (several CPU minutes)
    python benchmarks/search.py --layers 4      of the VGG-7 only the first four layers
    python benchmarks/search.py --json FILE     also write the figures as JSON
    python benchmarks/search.py --check         exit with 1 and name every figure that misses its bar

Counts are two-input additions and subtractions. Every program is evaluated on random inputs against its matrix.
Effort is counted in repairs, so counts are the same on every machine; times are CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from reduction import BEST_PEER, MODELS, PUBLISHED_VGG7, Figure, nibbles, random_ternary

from imcflow.dialect.add_sub_program import evaluate
from imcflow.passes.reduction.reduce import COUNT_ONLY, reduce_matrix

VGG7_BAR = 116_500
"""Operations of all six layers; the published lists have 126,640, plain unrolling 278,662."""
LARGEST_RANDOM = 40_000


def searched(matrix: np.ndarray, repairs: float) -> tuple[int, int, float]:
    """Return operations without and with search, and the CPU seconds of the latter; the program is checked."""
    bounds = nibbles(matrix.shape[1])
    greedy = reduce_matrix(matrix, bounds, cycles=COUNT_ONLY).two_input_operations()
    start = time.process_time()
    program = reduce_matrix(matrix, bounds, cycles=COUNT_ONLY, repairs_per_term=repairs)
    seconds = time.process_time() - start
    program.verify()
    lanes = np.random.default_rng(7).integers(0, 16, (matrix.shape[1], 16))
    if not np.array_equal(evaluate(program, lanes), matrix @ lanes):
        raise AssertionError("the program does not compute its matrix")
    return greedy, program.two_input_operations(), seconds


def random_tables() -> Iterator[Figure]:
    """Seeded random matrices: never more than the best peer."""
    for (inputs, outputs, sparsity), peer in BEST_PEER.items():
        if inputs * outputs > LARGEST_RANDOM:
            continue
        greedy, operations, seconds = searched(random_ternary(inputs, outputs, sparsity), 1.0)
        note = f"greedy {greedy}, best peer {peer}, {seconds:.2f} s"
        yield Figure(f"random {inputs}x{outputs} s={sparsity}", operations, peer, note)


def trained_tables(layers: int) -> Iterator[Figure]:
    """The trained VGG-7, layer by layer, and their sum."""
    path = MODELS / "ternary" / "vgg7_twn" / "weights.npz"
    if not path.is_file():
        return
    weights = np.load(path)
    total, cpu = 0, 0.0
    for name in list(PUBLISHED_VGG7)[:layers]:
        greedy, operations, seconds = searched(weights[name].T.astype(np.int64), 1.0)
        total, cpu = total + operations, cpu + seconds
        note = f"greedy {greedy}, published {PUBLISHED_VGG7[name]}, {seconds:.1f} s"
        yield Figure(f"vgg7 {name}", operations, greedy, note)
    if layers >= len(PUBLISHED_VGG7):
        yield Figure("vgg7 sum", total, VGG7_BAR, f"published {sum(PUBLISHED_VGG7.values())}, {cpu:.0f} s")


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="The search for fewer operations.")
    parser.add_argument("--layers", type=int, default=len(PUBLISHED_VGG7), help="layers of the VGG-7")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    arguments = parser.parse_args()
    searched(random_ternary(9, 8, 0.5), 1.0)  # loads the compiled loops
    figures: list[Figure] = []
    for table in (random_tables(), trained_tables(arguments.layers)):
        for figure in table:
            figures.append(figure)
            limit = "" if figure.bar is None else f"<= {figure.bar:<8g} {'ok' if figure.holds else 'MISSED'}"
            print(f"{figure.name:28} {figure.value:>8g} {limit:20} {figure.note}", flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n", encoding="utf-8")
    missed = [figure.name for figure in figures if not figure.holds]
    if arguments.check and missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
