"""What each lever of the arithmetic reduction saves, alone and together, in what an associative processor pays.

    python benchmarks/levers.py                     all networks
    python benchmarks/levers.py cnv vgg9-0.8        some of them
    python benchmarks/levers.py --scopes resnet18-0.8   instead of levers: the scope chosen per layer beside fixed ones
    python benchmarks/levers.py --json FILE         also write the rows as JSON
    python benchmarks/levers.py --check             exit with 1 and name every figure that misses its bar

Networks: the trained CNV-W2A2 behind its first layer (skipped where its file is missing), and the topologies ResNet-18
(224x224), VGG-9 and VGG-11 (32x32) with seeded ternary weights, sparsity 0.8 and 0.9, 4-bit activations. Layers of
one shape are measured once and counted as often as they occur. Everything is counted on the instruction tables that
the compiler emits; latency and energy are those of one image.

Every scope runs on the same array of 256 tracks: where the slices of a fixed scope do not fit, that layer takes half
the scope, and half again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.allocation.allocate import CapacityError, place_program
from imcflow.passes.ap_target import load_ap_target, split_outputs
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.offsets import lift_values
from imcflow.passes.reduction.plain import plain_program
from imcflow.passes.reduction.reduce import reduce_matrix
from imcflow.passes.reduction.scope import reduce_in_best_scope
from imcflow.runtime.counters import count_kernel
from imcflow.runtime.program import ApKernel, ApOutput
from imcflow.targets import load_target
from imcflow.targets.ap import ApTarget as Description

if TYPE_CHECKING:
    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.passes.ap_target import ApTarget
    from imcflow.runtime.counts import Counts
    from imcflow.runtime.program import InstructionTable, TargetSummary

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"
HALF = 0.5
"""All levers together take at most so much of the cycles of plain unrolling on CNV-W2A2."""


@dataclass(frozen=True)
class Lever:
    """What is switched on: slices of `scope` channels (0: no sharing, -1: chosen by the compiler), latch, offsets.

    With `halves`, slices that do not fit the array are halved until they do.
    """

    name: str
    scope: int = 0
    target: str = "rtm-ap-256"
    offset_binary: bool = False
    halves: bool = False


LEVERS = (
    Lever("plain unroll"),
    Lever("slice CSE", scope=1),
    Lever("scope G", scope=-1),
    Lever("OR-latch", target="rtm-ap-256-or"),
    Lever("offset-binary", offset_binary=True),
    Lever("all", scope=-1, target="rtm-ap-256-or", offset_binary=True),
)


SCOPES = (
    *(Lever(f"G = {scope}", scope=scope, halves=True) for scope in (1, 2, 4, 8, 16, 32)),
    Lever("G per layer", scope=-1),
)


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer: matrix [outputs, window elements], elements per channel, output positions, input range."""

    name: str
    matrix: np.ndarray
    channel: int
    positions: int
    low: int
    high: int
    times: int = 1


@dataclass
class Row:
    """Counts of one network, or of one of its layers, under one lever; per image where a unit says so."""

    network: str
    lever: str
    adds: int = 0
    accumulations: int = 0
    search_cycles: int = 0
    write_cycles: int = 0
    shift_cycles: int = 0
    cycles: float = 0.0
    peak_tracks: int = 0
    arrays: int = 0
    energy_uj: float = 0.0
    latency_us: float = 0.0
    cpu_seconds: float = 0.0
    layers: dict[str, float] = field(default_factory=dict[str, float])


def cnv() -> list[Layer]:
    """The trained layers 1 to 8 of CNV-W2A2; activations -1, 0, 1."""
    path = MODELS / "ternary" / "cnv_bnnpynq" / "cnvW2A2_int.npz"
    if not path.is_file():
        return []
    weights = np.load(path)
    positions = (784, 144, 100, 9, 1, 1, 1, 1)
    layers: list[Layer] = []
    for number, count in enumerate(positions, 1):
        table = weights[f"W{number}"].astype(np.int64)
        matrix = table.reshape(len(table), -1)
        layers.append(Layer(f"layer {number}", matrix, int(np.prod(table.shape[2:], dtype=int)), count, -1, 1))
    return layers


TOPOLOGIES = {
    "resnet18": [
        (3, 7, 64, 112, 1),
        (64, 3, 64, 56, 4),
        (64, 3, 128, 28, 1),
        (64, 1, 128, 28, 1),
        (128, 3, 128, 28, 3),
        (128, 3, 256, 14, 1),
        (128, 1, 256, 14, 1),
        (256, 3, 256, 14, 3),
        (256, 3, 512, 7, 1),
        (256, 1, 512, 7, 1),
        (512, 3, 512, 7, 3),
    ],
    "vgg9": [
        (3, 3, 64, 32, 1),
        (64, 3, 64, 32, 1),
        (64, 3, 128, 16, 1),
        (128, 3, 128, 16, 1),
        (128, 3, 256, 8, 1),
        (256, 3, 256, 8, 1),
        (4096, 1, 512, 1, 1),
        (512, 1, 512, 1, 1),
        (512, 1, 10, 1, 1),
    ],
    "vgg11": [
        (3, 3, 64, 32, 1),
        (64, 3, 128, 16, 1),
        (128, 3, 256, 8, 1),
        (256, 3, 256, 8, 1),
        (256, 3, 512, 4, 1),
        (512, 3, 512, 4, 1),
        (512, 3, 512, 2, 2),
        (512, 1, 512, 1, 2),
        (512, 1, 10, 1, 1),
    ],
}
"""(input channels, kernel, output channels, output size, times)."""


def topology(name: str, sparsity: float) -> list[Layer]:
    """Seeded ternary layers of a topology."""
    layers: list[Layer] = []
    for number, (channels, kernel, outputs, size, times) in enumerate(TOPOLOGIES[name]):
        rng = np.random.default_rng([number, round(100 * sparsity)])
        shape = (outputs, channels * kernel * kernel)
        matrix = (rng.random(shape) >= sparsity) * rng.choice([-1, 1], shape)
        label = f"{channels}x{kernel}x{kernel} to {outputs}"
        layers.append(Layer(label, matrix, kernel * kernel, size * size, 0, 15, times))
    return layers


def networks() -> dict[str, tuple[str, float]]:
    """Name -> topology and sparsity."""
    named = {f"{name}-{sparsity}": (name, sparsity) for name in TOPOLOGIES for sparsity in (0.8, 0.9)}
    return {"cnv": ("", 0.0), **named}


def programs_of(layer: Layer, lever: Lever) -> list[AddSubProgram]:
    """The programs of a layer under a lever, one per part of its outputs, with intervals."""
    target = load_ap_target(lever.target)
    width = layer.matrix.shape[1]
    inputs = Bounds(np.full(width, layer.low), np.full(width, layer.high))
    bias = np.zeros(len(layer.matrix), np.int64)
    programs: list[AddSubProgram] = []
    for part in split_outputs(layer.matrix, inputs, bias, layer.channel, target, layer.name):
        matrix, offset = layer.matrix[part], bias[part]
        if lever.scope == 0:
            program = plain_program(matrix, group=layer.channel)
        elif lever.scope < 0:
            program = reduce_in_best_scope(matrix, inputs, offset, layer.channel, target, layer.name)
        else:
            # Vectors have no windows: nine of their channels are as many elements as one of a 3x3 window.
            group = lever.scope * (layer.channel if layer.channel > 1 else 9)
            program = reduce_matrix(matrix, inputs, group=group, cycles=target.cycles)
            while lever.halves and group > 1 and not fits(program, inputs, target, layer):
                group //= 2
                program = reduce_matrix(matrix, inputs, group=group, cycles=target.cycles)
        program = infer_bounds(program, inputs)
        if lever.offset_binary:
            program, moved = lift_values(program, inputs, movable=True, cycles=target.cycles)
            expected = program.constant()
            if not np.array_equal(moved, expected):
                raise AssertionError("the thresholds are not moved by what the lifts add")
        programs.append(program)
    return programs


def fits(program: AddSubProgram, inputs: Bounds, target: ApTarget, layer: Layer) -> bool:
    """Whether the values of a program fit the array."""
    try:
        place_program(infer_bounds(program, inputs), target.geometry, layer.name, negated_store=True)
    except CapacityError:
        return False
    return True


def totals_of(table: InstructionTable, layer: Layer, target: TargetSummary) -> tuple[Counts, float]:
    """Counts of an instruction table for one row block, and the cells written behind searches in an average row."""
    output = ApOutput(0, len(layer.matrix), layer.positions, 1, target.domains, signed=True)
    empty = np.zeros((0, 1), np.int64)
    kernel = ApKernel(layer.name, (), (), (output,), table, empty, empty[:, 0], empty[:, 0] > 0, 1)
    counters = count_kernel(kernel, target)
    return counters.totals, counters.writes_by_cell.tagged_cells


def measure(network: str, layers: list[Layer], lever: Lever) -> Row:
    """Compile every layer under a lever and count."""
    target = load_ap_target(lever.target)
    description = load_target(lever.target)
    assert isinstance(description, Description)
    energy, rows = description.energy, description.array.rows
    row = Row(network, lever.name)
    start = time.process_time()
    for layer in layers:
        longest = 0.0
        programs = programs_of(layer, lever)
        blocks = -(-layer.positions // rows)
        for program in programs:
            placement = place_program(program, target.geometry, layer.name, negated_store=True)
            table = emit_instructions(program, placement, layer.name, EmissionPoint())
            totals, tagged = totals_of(table, layer, target.summary)
            cycles = totals.weighted_cycles(target.weights)
            longest = max(longest, cycles)
            row.adds += layer.times * program.operation_count
            row.accumulations += layer.times * program.accumulation_count
            row.search_cycles += layer.times * totals.searches
            row.write_cycles += layer.times * totals.writes
            row.shift_cycles += layer.times * totals.shift_cycles
            row.cycles += layer.times * cycles
            used = placement.r[placement.r >= 0] // target.geometry.domains
            row.peak_tracks = max(row.peak_tracks, len(np.unique(used)) + target.geometry.carry_tracks)
            written = totals.cleared_cells + tagged * energy.tagged_rows_factor.value
            joules = totals.searched_cells * energy.search_fj_per_cell.value
            joules += written * energy.write_fj_per_cell.value
            joules += totals.shifts * energy.shift_fj_per_step.value
            moved = totals.load_bits * energy.load_fj_per_bit.value
            row.energy_uj += layer.times * (joules * blocks * rows + moved * layer.positions) * 1e-9
        row.arrays = max(row.arrays, len(programs) * blocks)
        copies = max(1, description.hierarchy.arrays // len(programs))
        rounds = -(-blocks // copies)
        row.latency_us += layer.times * longest * rounds * description.timing.cycle_ns.value * 1e-3
        row.layers[layer.name] = longest
    row.cpu_seconds = time.process_time() - start
    return row


HEADINGS = (
    f"{'network':12} {'lever':14} {'adds':>9} {'accumul.':>9} {'search':>11} {'write':>11} {'shift':>11} "
    f"{'cycles':>12} {'ratio':>6} {'tracks':>6} {'arrays':>6} {'energy uJ':>10} {'latency us':>11} {'CPU s':>6}"
)


def line(row: Row, ratio: float) -> str:
    """One line of the table."""
    return (
        f"{row.network:12} {row.lever:14} {row.adds:9d} {row.accumulations:9d} {row.search_cycles:11d} "
        f"{row.write_cycles:11d} {row.shift_cycles:11d} {row.cycles:12.0f} {ratio:6.3f} {row.peak_tracks:6d} "
        f"{row.arrays:6d} {row.energy_uj:10.1f} {row.latency_us:11.1f} {row.cpu_seconds:6.1f}"
    )


def compare(network: str, layers: list[Layer], missed: list[str]) -> list[Row]:
    """Measure all levers of a network, print them, and note what misses its bar."""
    rows: list[Row] = []
    for lever in LEVERS:
        row = measure(network, layers, lever)
        rows.append(row)
        ratio = row.cycles / rows[0].cycles
        print(line(row, ratio), flush=True)
        bar = HALF if network == "cnv" and lever.name == "all" else 1.0
        if ratio > bar:
            missed.append(f"{network} {lever.name}: {ratio:.3f} of the cycles of plain unrolling, bar {bar}")
    for layer in layers:
        ratio = rows[-1].layers[layer.name] / rows[0].layers[layer.name]
        nonzeros = np.count_nonzero(layer.matrix) / len(layer.matrix)
        why = "" if ratio <= HALF else f"above one half: {nonzeros:.1f} terms in each of {len(layer.matrix)} outputs"
        print(f"{network:12} all: {layer.name:18} {ratio:6.3f} of plain  {why}")
    return rows


def compare_scopes(network: str, layers: list[Layer], missed: list[str]) -> list[Row]:
    """Measure the scope chosen per layer and every fixed one, print them by layer, and note what misses its bar."""
    rows = [measure(network, layers, lever) for lever in SCOPES]
    chosen = rows[-1]
    print(f"{network}: cycles over those of the scope chosen per layer")
    print(f"{'layer':20}" + "".join(f"{lever.name:>12}" for lever in SCOPES))
    for layer in layers:
        own = chosen.layers[layer.name]
        ratios = "".join(f"{row.layers[layer.name] / own:12.3f}" for row in rows[:-1])
        print(f"{layer.name:20}{ratios}{own:12.0f}")
    print(
        f"{'all':20}" + "".join(f"{row.cycles / chosen.cycles:12.3f}" for row in rows[:-1]) + f"{chosen.cycles:12.0f}"
    )
    best = min(row.cycles for row in rows[:-1])
    missed += [f"{network}: the chosen scopes take {chosen.cycles / best:.4f} of the best fixed scope"] * (
        chosen.cycles > best
    )
    return rows


def main() -> int:
    """Measure, print, and return the exit status."""
    parser = argparse.ArgumentParser(description="What each lever of the arithmetic reduction saves.")
    parser.add_argument("networks", nargs="*", choices=[*networks(), []], help="which networks; all if none is named")
    parser.add_argument("--scopes", action="store_true", help="compare scopes instead of levers")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    arguments = parser.parse_args()
    missed: list[str] = []
    rows: list[Row] = []
    if not arguments.scopes:
        print(HEADINGS)
    for name, (kind, sparsity) in networks().items():
        if arguments.networks and name not in arguments.networks:
            continue
        layers = topology(kind, sparsity) if kind else cnv()
        if not layers:
            print(f"{name}: its file is missing")
            continue
        rows += (compare_scopes if arguments.scopes else compare)(name, layers, missed)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")
    if arguments.check and missed:
        print("missed: " + "; ".join(missed), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
