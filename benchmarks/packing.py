"""Weight packing: planes, passes, macros and energy-delay products beside bounds, optima and other ways.

    python benchmarks/packing.py                    every table
    python benchmarks/packing.py cases macros       some of them
    python benchmarks/packing.py --check            exit status 1 and one line for every figure that misses its bar
    python benchmarks/packing.py --json FILE        the same figures as JSON

Times are CPU seconds of this process.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from report import Report, Row, run_tables

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingResult, PackingStyle, pack_weights
from imcflow.passes.packing.baselines import WeightPolicy, policy_cost
from imcflow.passes.packing.checker import check_packing, count_passes
from imcflow.passes.packing.economy import Machine
from imcflow.passes.packing.instances import InstanceKind, small_instance
from imcflow.passes.packing.networks import MLPERF_TINY, reference_network
from imcflow.passes.packing.stacked import stack_planes
from imcflow.passes.packing.sweep import pareto_front, sweep_macros
from imcflow.passes.packing.tile_packer import pack_tiles
from imcflow.targets.crossbar.macro import Macro, MacroKind

ARRAYS = [(16, 256, 4), (16, 256, 1), (32, 32, 4), (64, 64, 1), (64, 256, 1), (16, 64, 8), (32, 128, 8)]

# Released heuristic (github.com/KULeuven-MICAS/zigzag-imc, branch weight_packing, commit 2be9c92) run on the same
# layers: planes and passes without folding, then the fewest planes found and the passes that folding to them costs.
# MobileNetV1 is missing: it does not finish (no result in 40 minutes on 16x256x4).
RELEASED: dict[tuple[str, str], tuple[int, int, int, int]] = {
    ("deep_autoencoder", "16x256x4"): (30, 39, 30, 39),
    ("deep_autoencoder", "16x256x1"): (97, 161, 80, 656),
    ("deep_autoencoder", "32x32x4"): (77, 78, 68, 196),
    ("deep_autoencoder", "64x64x1"): (78, 80, 68, 196),
    ("deep_autoencoder", "64x256x1"): (24, 41, 20, 164),
    ("deep_autoencoder", "16x64x8"): (64, 64, 40, 188),
    ("deep_autoencoder", "32x128x8"): (16, 16, 10, 21),
    ("ds_cnn", "16x256x4"): (2, 8626, 2, 8626),
    ("ds_cnn", "16x256x1"): (8, 34501, 8, 34501),
    ("ds_cnn", "32x32x4"): (6, 8626, 6, 8626),
    ("ds_cnn", "64x64x1"): (7, 32626, 7, 32626),
    ("ds_cnn", "64x256x1"): (2, 32626, 2, 32626),
    ("ds_cnn", "16x64x8"): (6, 4626, 5, 4626),
    ("ds_cnn", "32x128x8"): (3, 4626, 3, 4626),
    ("resnet8", "16x256x4"): (10, 4289, 8, 6658),
    ("resnet8", "16x256x1"): (32, 7425, 28, 7426),
    ("resnet8", "32x32x4"): (27, 9985, 26, 9985),
    ("resnet8", "64x64x1"): (23, 11713, 23, 11713),
    ("resnet8", "64x256x1"): (7, 4801, 6, 7682),
    ("resnet8", "16x64x8"): (17, 4801, 14, 5002),
    ("resnet8", "32x128x8"): (7, 4097, 4, 4097),
}

MOST_SECONDS_ALL_CASES = 10.0
MOST_SECONDS_LARGE = 30.0
LEAST_CASES_AT_BOUND = 20
MOST_MEDIAN_SECONDS_MACROS = 0.02
MACRO_SIZES = [(64, 64), (128, 128), (256, 256), (512, 512), (256, 1152), (1024, 1024)]
SMALL_INSTANCES = 24
EXACT_EFFORT = 30.0
MOST_AREA_MM2 = 2.0
LEAST_PROVED = 40


def timed(function: Callable[[], PackingResult]) -> tuple[PackingResult, float]:
    """A checked placement and the CPU seconds of packing it."""
    start = time.process_time()
    result = function()
    seconds = time.process_time() - start
    check_packing(result)
    if count_passes(result) != result.passes:
        raise AssertionError("the checker counts other passes")
    return result, seconds


def pairs(planes: int, passes: int) -> str:
    """Planes and passes in one cell."""
    return f"{planes} / {passes}"


def cases(report: Report) -> None:
    """The 28 cases: four networks on seven arrays, in both geometries."""
    rows: list[Row] = []
    seconds, at_bound, beyond, better, worse, finished = 0.0, 0, [], 0, [], 0
    for network in MLPERF_TINY:
        layers = reference_network(network)
        for array in ARRAYS:
            geometry = MacroGeometry(*array)
            released = RELEASED.get((network, geometry.label))
            free, free_s = timed(lambda layers=layers, geometry=geometry: pack_weights(layers, geometry))
            tile, tile_s = timed(lambda layers=layers, geometry=geometry: pack_tiles(layers, geometry))
            folded, folded_s = tile, 0.0
            if released is not None and tile.planes > tile.bounds.volume:
                folded, folded_s = timed(
                    lambda layers=layers, geometry=geometry, budget=released[3]: pack_tiles(
                        layers, geometry, most_passes=budget
                    )
                )
            name = f"{network} {geometry.label}"
            bound = free.bounds
            seconds += free_s + tile_s + folded_s
            at_bound += free.planes == bound.volume
            if free.planes > bound.volume + 1:
                beyond.append(name)
            if released is not None:
                finished += 1
                no_fold, no_fold_passes, fewest, fewest_passes = released
                better += folded.planes < fewest
                if tile.planes > no_fold or tile.total_passes > no_fold_passes:
                    worse.append(f"{name} without folding")
                if folded.planes > fewest or folded.total_passes > fewest_passes:
                    worse.append(f"{name} at fewest planes")
            rows.append(
                {
                    "network": network,
                    "array": geometry.label,
                    "volume": bound.volume,
                    "dual": bound.dual_feasible,
                    "conflict": bound.conflict,
                    "slice": pairs(free.planes, free.total_passes),
                    "slice s": free_s,
                    "tile": pairs(tile.planes, tile.total_passes),
                    "tile s": tile_s,
                    "tile folded": pairs(folded.planes, folded.total_passes),
                    "folded s": folded_s,
                    "released": pairs(*released[:2]) if released else None,
                    "released fewest": pairs(*released[2:]) if released else None,
                    "stacked": stack_planes(layers, geometry).planes,
                }
            )
    report.add("28 cases: planes / passes", rows)
    report.note("slice_cases_at_volume_bound", at_bound, f"\nslice geometry at the volume bound: {at_bound} of 28")
    report.note(
        "slice_cases_beyond_bound_plus_1", beyond, f"slice geometry beyond volume bound + 1: {beyond or 'none'}"
    )
    report.note(
        "tile_better_than_released",
        [better, finished],
        f"tile geometry with fewer planes than the released heuristic's fewest, at equal or fewer passes: "
        f"{better} of {finished}; the released one does not finish on the other {28 - finished}",
    )
    report.note("tile_worse_than_released", worse, f"tile geometry worse: {worse or 'none'}")
    report.note("cases_cpu_s", seconds, f"CPU time of all packings of this table: {seconds:.2f} s")
    report.require(at_bound >= LEAST_CASES_AT_BOUND, f"slice geometry meets the volume bound in {at_bound} of 28 cases")
    report.require(not beyond, f"slice geometry beyond volume bound + 1: {beyond}")
    report.require(not worse, f"tile geometry worse than the released heuristic: {worse}")
    report.require(2 * better >= finished, f"tile geometry better in {better} of {finished} cases")
    report.require(seconds < MOST_SECONDS_ALL_CASES, f"28 cases take {seconds:.1f} s of {MOST_SECONDS_ALL_CASES:g}")


def macro_networks() -> Iterator[tuple[str, list[LayerShape]]]:
    """Dense and ungrouped layers of six networks, and those of the four small ones together."""
    names = [*MLPERF_TINY, "vgg9", "resnet18"]
    matrices = {name: [layer for layer in reference_network(name) if layer.groups == 1] for name in names}
    matrices["all four tiny"] = [layer for name in MLPERF_TINY for layer in matrices[name]]
    yield from matrices.items()


def macros(report: Report) -> None:
    """The 84 macro-count instances: fewest macros of one plane that hold a network."""
    rows: list[Row] = []
    times: list[float] = []
    unproved: list[str] = []
    for network, layers in macro_networks():
        for columns_per_weight in (1, 2):
            wide = [replace(layer, output_channels=columns_per_weight * layer.output_channels) for layer in layers]
            for columns, rows_ in MACRO_SIZES:
                geometry = MacroGeometry(columns, rows_)
                result, seconds = timed(lambda wide=wide, geometry=geometry: pack_weights(wide, geometry))
                times.append(seconds)
                bound = result.bounds
                proof = "volume" if result.planes == bound.volume else "bound"
                if result.planes > bound.planes:
                    exact = exact_planes(wide, geometry, PackingStyle.SLICE)
                    proof = exact[2]
                    if not exact[1]:
                        unproved.append(f"{network} x{columns_per_weight} {columns}x{rows_}")
                rows.append(
                    {
                        "network": network,
                        "columns per weight": columns_per_weight,
                        "macro": f"{columns}x{rows_}",
                        "slices": len(result.slices),
                        "volume": bound.volume,
                        "bound": bound.planes,
                        "macros": result.planes,
                        "proof": proof,
                        "ms": 1e3 * seconds,
                    }
                )
    report.add("84 macro-count instances", rows)
    proofs = {proof: sum(row["proof"] == proof for row in rows) for proof in ("volume", "bound", "CP-SAT")}
    median = statistics.median(times)
    report.note("macro_instances_proved", proofs, f"\nproved optimal: {sum(proofs.values())} of {len(rows)} {proofs}")
    report.note(
        "macro_median_s", median, f"CPU per instance: median {1e3 * median:.1f} ms, worst {1e3 * max(times):.1f} ms"
    )
    report.require(not unproved, f"macro count not proved optimal: {unproved}")
    report.require(median < MOST_MEDIAN_SECONDS_MACROS, f"macro count takes {1e3 * median:.0f} ms in the median")


def exact_planes(layers: Sequence[LayerShape], geometry: MacroGeometry, style: PackingStyle) -> tuple[int, bool, str]:
    """Optimum (or best known), whether it is the packer's, and how that is known."""
    from imcflow.passes.packing.exact import exact_slice_planes, exact_tile_planes

    solve = exact_slice_planes if style is PackingStyle.SLICE else exact_tile_planes
    exact = solve(layers, geometry, effort=EXACT_EFFORT)
    optimal = exact.proved and exact.planes == exact.heuristic
    return exact.lower_bound, optimal, "CP-SAT" if exact.proved else "open"


def exact(report: Report) -> None:
    """Small instances beside the exact solver, in both geometries."""
    rows: list[Row] = []
    gaps: dict[str, list[float]] = {style.value: [] for style in PackingStyle}
    proved = dict.fromkeys(gaps, 0)
    for kind in InstanceKind:
        for seed in range(SMALL_INSTANCES):
            layers, geometry = small_instance(Random(seed), kind)
            row: Row = {"kind": kind.name.lower(), "seed": seed, "array": geometry.label, "layers": len(layers)}
            for style in PackingStyle:
                start = time.process_time()
                optimum, _, proof = exact_planes(layers, geometry, style)
                seconds = time.process_time() - start
                planes = pack_weights(layers, geometry, style).planes
                proved[style.value] += proof != "open"
                if proof != "open":
                    gaps[style.value].append((planes - optimum) / optimum)
                known = optimum if proof != "open" else f">= {optimum}"
                row |= {style.value: planes, f"{style.value} optimum": known, f"{style.value} CP-SAT s": seconds}
            rows.append(row)
    report.add("small instances: planes and optimum", rows)
    for style, values in gaps.items():
        summary = {
            "optimal": sum(gap == 0 for gap in values),
            "proved": proved[style],
            "instances": len(rows),
            "mean_gap": statistics.mean(values),
            "worst_gap": max(values),
        }
        report.note(
            f"exact_{style}",
            summary,
            f"{style}: optimum proved in {proved[style]} of {len(rows)}, met in {summary['optimal']}; "
            f"gap mean {summary['mean_gap']:.2%}, worst {summary['worst_gap']:.0%}",
        )
        report.require(proved[style] >= LEAST_PROVED, f"{style}: the optimum of {proved[style]} instances is known")


def patterns(report: Report) -> None:
    """The linear bound for slices of whole planes and rests, on networks too large for the exact solver."""
    from imcflow.passes.packing.patterns import pattern_bound

    rows: list[Row] = []
    for network in ("deep_autoencoder", "resnet8", "vgg9", "resnet18", "resnet50"):
        layers = reference_network(network)
        for array in [*ARRAYS, (256, 256, 8)]:
            geometry = MacroGeometry(*array)
            start = time.process_time()
            bound = pattern_bound(layers, geometry)
            seconds = time.process_time() - start
            packed = pack_weights(layers, geometry)
            rows.append(
                {
                    "network": network,
                    "array": geometry.label,
                    "volume": packed.bounds.volume,
                    "bound, any cut": packed.bounds.planes,
                    "pattern bound, fixed cut": bound.planes,
                    "patterns": bound.patterns,
                    "kinds left out": bound.left_out,
                    "packed, free cut": packed.planes,
                    "LP s": seconds,
                }
            )
    report.add("pattern bounds", rows)
    below = sum(row["packed, free cut"] < row["pattern bound, fixed cut"] for row in rows)
    at = sum(row["packed, free cut"] == row["pattern bound, fixed cut"] for row in rows)
    report.note(
        "pattern_bound",
        {"below": below, "at": at, "of": len(rows)},
        f"\nfree cuts pack below what any packing of fixed cuts needs in {below} of {len(rows)} cases, at it in {at}",
    )


def large(report: Report) -> None:
    """ResNet-18 and ResNet-50 on every array of the 28 cases and on larger ones."""
    rows: list[Row] = []
    arrays = [*ARRAYS, (256, 256, 8), (256, 1152, 4), (512, 512, 8)]
    for network in ("resnet18", "resnet50"):
        layers = reference_network(network)
        for array in arrays:
            geometry = MacroGeometry(*array)
            row: Row = {"network": network, "array": geometry.label}
            for style in PackingStyle:
                result, seconds = timed(lambda layers=layers, g=geometry, style=style: pack_weights(layers, g, style))
                row |= {"bound": result.bounds.planes, style.value: result.planes, f"{style.value} s": seconds}
                report.require(
                    seconds < MOST_SECONDS_LARGE, f"{network} on {geometry.label} ({style.value}) takes {seconds:.0f} s"
                )
            rows.append(row)
    report.add("ResNet-18 and ResNet-50", rows)
    worst = max(row[f"{style.value} s"] for row in rows for style in PackingStyle)
    report.note("large_worst_cpu_s", worst, f"\nlongest packing: {worst:.1f} s CPU")


def machines() -> dict[str, Machine]:
    """Four-bit macros of the study array and others, 28 nm, 0.9 V; analog ones convert b + log2(rows) / 2 bits."""

    def digital(columns: int, rows: int, count: int) -> Machine:
        macro = Macro(MacroKind.DIGITAL, rows, columns, weight_bits=4, activation_bits=4, macro_count=count)
        return Machine(macro, output_bits=4)

    analog = Macro(MacroKind.ANALOG, 256, 16, weight_bits=4, activation_bits=4, adc_bits=5, macro_count=4)
    return {
        "DIMC 16x256x4": digital(16, 256, 4),
        "AIMC 16x256x4": Machine(analog, output_bits=4),
        "DIMC 32x128x8": digital(32, 128, 8),
        "DIMC 16x64x64": digital(16, 64, 64),
    }


def edp(report: Report) -> None:
    """Energy-delay products of the ways to bring weights to the macros, without and with copies of layers."""
    rows: list[Row] = []
    reached: dict[str, list[str]] = {"10x": [], "100x": [], "below 10x": []}
    for name, machine in machines().items():
        for network in MLPERF_TINY:
            layers = reference_network(network)
            for copies in (False, True):
                costs = {policy: policy_cost(layers, machine, policy, copies=copies) for policy in WeightPolicy}
                packed = costs[WeightPolicy.PACKED]
                for dram_pj_per_bit in (50.0, 3.7):
                    priced = replace(machine, dram_pj_per_bit=dram_pj_per_bit)
                    reload = policy_cost(layers, priced, WeightPolicy.RELOAD_DRAM, copies=copies)
                    costs[WeightPolicy.RELOAD_DRAM] = reload
                    gain = reload.edp_uj_us / packed.edp_uj_us
                    case = f"{network} on {name}, {dram_pj_per_bit:g} pJ/bit{', copies' if copies else ''}"
                    reached["100x" if gain >= 100 else "10x" if gain >= 10 else "below 10x"].append(case)
                    report.require(gain > 1, f"packing does not pay: {case}")
                    row: Row = {
                        "machine": name,
                        "network": network,
                        "copies": "yes" if copies else "no",
                        "DRAM pJ/b": dram_pj_per_bit,
                        "array uJ": packed.array_pj / 1e6,
                        "buffer uJ": packed.activations_pj / 1e6,
                        "us": packed.latency_us,
                        "EDP uJ us": packed.edp_uj_us,
                        "mm2": packed.area_mm2,
                    }
                    for policy, cost in costs.items():
                        if policy is not WeightPolicy.PACKED:
                            row[f"{policy.value} /"] = cost.edp_uj_us / packed.edp_uj_us
                    row |= {
                        "reload uJ": reload.weights_pj / 1e6,
                        "reload us": reload.weight_cycles * reload.clock_ns / 1e3,
                        "stacked mm2": costs[WeightPolicy.STACKED].area_mm2,
                        "spread mm2": costs[WeightPolicy.SPREAD].area_mm2,
                    }
                    rows.append(row)
    report.add("energy-delay product of packed weights, and of the others relative to it", rows)
    for bar, found in reached.items():
        report.note(f"edp_gain_{bar}", found, f"\ngain over reloading from DRAM {bar}: " + "; ".join(found))


def sweep(report: Report) -> None:
    """Macro sizes under an area budget: the front of energy-delay product and area for each network."""
    rows: list[Row] = []
    machine = machines()["DIMC 16x256x4"]
    start = time.process_time()
    for network in MLPERF_TINY:
        layers = reference_network(network)
        grid = sweep_macros(
            layers, machine, (8, 16, 32, 64), (32, 64, 128, 256), (1, 4, 16, 64), most_area_mm2=MOST_AREA_MM2
        )
        points = list(grid)
        rows.extend(
            {
                "network": network,
                "columns": point.geometry.columns,
                "rows": point.geometry.rows,
                "macros": point.geometry.macros,
                "planes": point.geometry.planes,
                "mm2": point.cost.area_mm2,
                "uJ": point.cost.energy_uj,
                "us": point.cost.latency_us,
                "EDP uJ us": point.cost.edp_uj_us,
            }
            for point in pareto_front(points)
        )
    seconds = time.process_time() - start
    report.add(f"Pareto fronts of EDP and area up to {MOST_AREA_MM2:g} mm2 of macros, 4b DIMC", rows)
    report.note("sweep_cpu_s", seconds, f"\n64 architectures x 4 networks: {seconds:.1f} s CPU")


TABLES: dict[str, Callable[[Report], None]] = {
    "cases": cases,
    "macros": macros,
    "exact": exact,
    "patterns": patterns,
    "large": large,
    "edp": edp,
    "sweep": sweep,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    return run_tables(__doc__, TABLES, arguments)


if __name__ == "__main__":
    sys.exit(main())
