"""Overlap-driven mapping: exactness, speed of the analysis, network latencies beside bounds, search, shared cores.

    python benchmarks/overlap.py                      every table
    python benchmarks/overlap.py queries networks     some of them
    python benchmarks/overlap.py --check              exit status 1 and one line for every figure that misses its bar
    python benchmarks/overlap.py --json FILE          the same figures as JSON
    python benchmarks/overlap.py search --seconds 60  end time against time, up to this long for each strategy

The machine is the preset dram-pim-hbm2; every layer has banks of its own, transfers cost nothing unless a table says
so, and requantisation, pooling and additions run with the tiles that read or write. Times of the machine in ms, times
of this process in wall seconds unless marked CPU.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random

import numpy as np
from report import Report, Row, run_tables

from imcflow.passes.overlap.bounds import network_bounds
from imcflow.passes.overlap.candidates import CandidateLimits, candidates
from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.instances import as_tasks, random_graph, random_pair
from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer
from imcflow.passes.overlap.lifetimes import lifetimes
from imcflow.passes.overlap.machine import Machine
from imcflow.passes.overlap.nests import Dim, Loop, Mapping
from imcflow.passes.overlap.networks import reference_network
from imcflow.passes.overlap.oracle import consumer_boxes, pairwise_ready_steps, producer_boxes
from imcflow.passes.overlap.pair import pair_latency
from imcflow.passes.overlap.ready import ready_steps
from imcflow.passes.overlap.refine import refine
from imcflow.passes.overlap.runs import Order
from imcflow.passes.overlap.schedule import LockStepPlan, schedule
from imcflow.passes.overlap.search import Budget, Strategy, search, search_space
from imcflow.passes.overlap.shared import schedule_tasks
from imcflow.passes.overlap.tasks import random_tasks
from imcflow.passes.overlap.transform import move_costs, overlap_layers
from imcflow.targets import load_target
from imcflow.targets.dram_pim import DramPimTarget

LEAST_QUERIES = 10_000
LEAST_EXACT_CASES = 100
LEAST_ANALYSIS_RATIO = 323.0
LEAST_TILES_PER_SECOND = 100e6
MOST_OVER_BOUND = 1.10
MOST_MEAN_GAP = 0.01
SHARED_GRAPHS = 30
REFINING_ROUNDS = 2
SAMPLED_BOXES = 64
NETWORKS = ("resnet18", "vgg16", "resnet50", "bert-layer")
CNNS = ("resnet18", "vgg16", "resnet50")
TICKS_PER_MS = 1e9
LIMITS = CandidateLimits(most_steps=4096, slowest=1.25, count=128)

# Loops, step ticks; then producer, consumer, sequential, in order, transformed = lower bound.
VECTOR_MAPPINGS = {
    "P_row": ("P8 Q8 C4 K4s", 18),
    "P_col": ("Q8 P8 C4 K4s", 18),
    "P_kout": ("K8 P4s Q8 C4", 18),
    "P_cout": ("C4 P8 Q8 K4s", 18),
    "C_row": ("P8 Q8 C4 K4s", 36),
    "C_sp": ("P4s P2 Q8 C4 K4", 18),
    "C_k": ("K4 P4s P2 Q8 C4", 18),
}
VECTORS = [
    ("P_row", "C_row", 13824, 9936, 9936),
    ("P_row", "C_sp", 9216, 8784, 5328),
    ("P_row", "C_k", 9216, 8784, 5328),
    ("P_col", "C_row", 13824, 12528, 9936),
    ("P_col", "C_sp", 9216, 7488, 5328),
    ("P_col", "C_k", 9216, 8784, 5328),
    ("P_kout", "C_row", 13824, 13284, 9936),
    ("P_kout", "C_sp", 9216, 8568, 5328),
    ("P_kout", "C_k", 9216, 8730, 5328),
    ("P_cout", "C_row", 13824, 12852, 12852),
    ("P_cout", "C_sp", 9216, 9108, 8244),
    ("P_cout", "C_k", 9216, 9108, 8244),
]


def machine() -> DramPimTarget:
    """The DRAM of all tables."""
    target = load_target("dram-pim-hbm2")
    if not isinstance(target, DramPimTarget):
        raise TypeError("preset dram-pim-hbm2 is of another kind")
    return target


def best_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Shortest wall time of a call."""
    times: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def vectors(report: Report) -> None:
    """The twelve two-layer test vectors."""
    window = Axis(3, pad=1)
    producer = Layer("producer", K=8, C=4, P=8, Q=8, rows=Axis(3), columns=Axis(3))
    consumer = Layer("consumer", K=8, C=8, P=8, Q=8, rows=window, columns=window, edges=(Edge(0),))
    mappings = {name: Mapping.parse(*entry) for name, entry in VECTOR_MAPPINGS.items()}
    rows: list[Row] = []
    equal = 0
    for first, second, *expected in VECTORS:
        found = pair_latency(producer, mappings[first], consumer, mappings[second], consumer.edges[0])
        got = [found.sequential, found.lock_step, found.transformed]
        same = got == expected and found.independent == found.lock_step and found.lower_bound == found.transformed
        equal += same
        rows.append(
            {
                "producer": first,
                "consumer": second,
                "sequential": found.sequential,
                "lock step": found.lock_step,
                "independent": found.independent,
                "transformed": found.transformed,
                "bound": found.lower_bound,
                "as recorded": "yes" if same else "NO",
            }
        )
    report.add("test vectors", rows)
    report.note("vectors_equal", equal, f"vectors as recorded: {equal} of {len(VECTORS)}")
    report.require(equal == len(VECTORS), f"{len(VECTORS) - equal} test vectors differ")


def queries(report: Report) -> None:
    """Random boxes: both closed forms against every producer tile."""
    random = Random(7)
    counts = {"table": 0, "digits": 0}
    total = pairs = 0
    seconds = {"table": 0.0, "digits": 0.0, "pairwise": 0.0}
    while total < LEAST_QUERIES:
        producer, producer_mapping, consumer, mapping = random_pair(random)
        edge = consumer.edges[0]
        start = time.perf_counter()
        boxes = consumer_boxes(producer, consumer, mapping, edge)
        expected = pairwise_ready_steps(boxes, producer_boxes(producer, producer_mapping))
        seconds["pairwise"] += time.perf_counter() - start
        for kind in counts:
            start = time.perf_counter()
            found = ready_steps(producer, producer_mapping, consumer, mapping, edge, digits=kind == "digits")
            seconds[kind] += time.perf_counter() - start
            counts[kind] += int((np.broadcast_to(found, mapping.shape).ravel() != expected).sum())
        total += len(expected)
        pairs += 1
    report.add("random queries against exhaustive comparison", [{"queries": total, "pairs": pairs, **counts}])
    report.note("query_mismatches", counts, f"mismatches: {counts}")
    report.require(not any(counts.values()), f"ready steps differ from exhaustive comparison: {counts}")


def exact(report: Report) -> None:
    """Small cases beside CP-SAT: re-ordered consumers, and bounds of whole networks."""
    rows: list[Row] = []
    for kind in ("re-ordered consumer", "network"):
        proved = equal = below = cases = 0
        ratios: list[float] = []
        seed = 0
        while cases < LEAST_EXACT_CASES:
            random = Random(seed)
            seed += 1
            layers = 2 if kind == "re-ordered consumer" else random.randint(2, 3)
            graph, mappings = random_graph(random, layers, reductions=False)
            mappings = [replace(mapping, tail_ticks=0) for mapping in mappings]
            if not 6 <= sum(mapping.steps * mapping.banks for mapping in mappings) <= 60:
                continue
            first = Order.INDEPENDENT if layers == 2 else Order.REPLACED
            found = schedule(graph, mappings, [first] + [Order.REPLACED] * (layers - 1))
            tasks = as_tasks(graph, mappings, in_order=[0] if kind == "re-ordered consumer" else [])
            bound = network_bounds(graph, mappings).best
            optimum = exact_makespan(tasks, known=found.end, bound=bound, seconds=10)
            cases += 1
            proved += optimum.proved
            if optimum.proved:
                equal += found.end == optimum.makespan
                below += bound > optimum.makespan
                ratios.append(optimum.makespan / bound)
        rows.append(
            {
                "case": kind,
                "cases": cases,
                "proved": proved,
                "schedule optimal": equal,
                "bound above optimum": below,
                "optimum/bound mean": statistics.mean(ratios),
            }
        )
        report.require(below == 0, f"{kind}: {below} bounds above the optimum")
        report.require(proved >= 0.95 * cases, f"{kind}: CP-SAT proves {proved} of {cases}")
    report.add("small cases beside CP-SAT", rows)
    reordered = rows[0]
    report.require(
        reordered["schedule optimal"] == reordered["proved"],
        f"re-ordered consumers: {reordered['schedule optimal']} of {reordered['proved']} optimal",
    )


def square_cuts(layer: Layer, tiles: int) -> Mapping:
    """About `tiles` tiles: single rows and columns as far as they go, then channels."""
    loops: list[Loop] = []
    for dim in (Dim.P, Dim.Q, Dim.K, Dim.C, Dim.R, Dim.S):
        bound = min(layer.size(dim), tiles)
        if bound > 1:
            loops.append(Loop(dim, bound))
            tiles = max(1, round(tiles / bound))
    return Mapping(tuple(loops))


def all_ready_steps(producer: Layer, own: Mapping, consumer: Layer, mapping: Mapping) -> object:
    """Ready step of every tile of the consumer, written out."""
    edge = next(edge for edge in consumer.edges if not edge.at_output)
    return np.ascontiguousarray(np.broadcast_to(ready_steps(producer, own, consumer, mapping, edge), mapping.shape))


def analysis(report: Report) -> None:
    """Time to find all ready steps of a layer pair: closed form against all pairs of tiles."""
    rows: list[Row] = []
    pairs = {"resnet18": "layer1.0.conv2", "vgg16": "conv1_2", "resnet50": "layer1.0.conv3"}
    largest = 0.0
    for network, name in pairs.items():
        graph = reference_network(network)
        consumer = next(layer for layer in graph.layers if layer.name == name)
        edge = next(edge for edge in consumer.edges if not edge.at_output)
        producer = graph.layers[edge.producer]
        for exponent in range(3, 8):
            own, mapping = square_cuts(producer, 10**exponent), square_cuts(consumer, 10**exponent)
            tiles, count = own.steps * own.banks, mapping.steps * mapping.banks
            closed_s = best_seconds(partial(all_ready_steps, producer, own, consumer, mapping), 3)
            boxes = consumer_boxes(producer, consumer, mapping, edge)
            sample = np.linspace(0, count - 1, min(count, SAMPLED_BOXES if exponent > 3 else count)).astype(np.int64)
            drawn = boxes[0][sample], boxes[1][sample]
            against = producer_boxes(producer, own)
            start = time.perf_counter()
            expected = pairwise_ready_steps(drawn, against)
            pairwise_s = (time.perf_counter() - start) * count / len(sample)
            found = np.broadcast_to(ready_steps(producer, own, consumer, mapping, edge), mapping.shape).ravel()[sample]
            report.require(bool((found == expected).all()), f"{network} with {tiles} tiles: ready steps differ")
            largest = pairwise_s / closed_s
            rows.append(
                {
                    "network": network,
                    "pair": f"{producer.name} -> {consumer.name}",
                    "producer tiles": tiles,
                    "consumer tiles": count,
                    "closed form s": closed_s,
                    "ns per tile": 1e9 * closed_s / count,
                    "pairwise s": pairwise_s,
                    "pairwise boxes": len(sample),
                    "ratio": largest,
                }
            )
        report.require(
            largest >= LEAST_ANALYSIS_RATIO,
            f"{network}: analysis {largest:.0f}x faster, {LEAST_ANALYSIS_RATIO:g}x asked",
        )
    report.add("analysis of layer pairs (pairwise time scaled from the boxes compared)", rows)
    report.note("analysis_ratio_largest", largest, f"closed form against all pairs, largest case: {largest:.3g}x")


def all_banks_ms(graph: Graph, target: Machine) -> float:
    """Layers one after another, each on all banks of the machine, best mapping each."""
    shapes = [replace(layer, name="", edges=()) for layer in graph.layers]
    latency = {shape: candidates(shape, target, target.banks, LIMITS)[0].latency_ticks for shape in set(shapes)}
    return sum(latency[shape] for shape in shapes) / TICKS_PER_MS


def networks(report: Report) -> None:
    """End times of whole networks on one machine, beside lower bounds."""
    rows: list[Row] = []
    target = machine()
    for name in NETWORKS:
        graph = reference_network(name)
        started = time.process_time()
        space = search_space(graph, target, LIMITS)
        sequential = sum(choices[0].latency_ticks for choices in space.choices)
        found = search(space, Strategy.FORWARD, Budget(rounds=4))
        search_s = time.process_time() - started
        started = time.process_time()
        free = refine(overlap_layers(graph, found.mappings), space, rounds=REFINING_ROUNDS)
        transform_s = time.process_time() - started
        paid = overlap_layers(graph, free.mappings, move_costs(graph, free.mappings, target))
        bounds = network_bounds(graph, free.mappings)
        ratio = free.end / bounds.best
        rows.append(
            {
                "network": name,
                "layers": len(graph.layers),
                "tiles": free.tiles,
                "sequential ms": sequential / TICKS_PER_MS,
                "overlap ms": found.end / TICKS_PER_MS,
                "transformed ms": free.end / TICKS_PER_MS,
                "with moves ms": paid.end / TICKS_PER_MS,
                "bound ms": bounds.best / TICKS_PER_MS,
                "end/bound": ratio,
                "bottleneck ms": bounds.bottleneck / TICKS_PER_MS,
                "speed-up": sequential / free.end,
                "sequential/bound": sequential / bounds.best,
                "all banks in turn ms": all_banks_ms(graph, target),
                "peak MiB": lifetimes(free).peak_bytes / (1 << 20),
                "search CPU s": search_s,
                "transform CPU s": transform_s,
            }
        )
        if name in CNNS:
            report.require(
                ratio <= MOST_OVER_BOUND, f"{name}: end {ratio:.3f} x lower bound, {MOST_OVER_BOUND:g} asked"
            )
    report.add(f"networks on {target.name}, {target.banks} banks shared out among the layers", rows)
    faster = [row["network"] for row in rows if row["all banks in turn ms"] < row["transformed ms"]]
    report.note(
        "all_banks_in_turn_faster",
        faster,
        "The bound holds for any order of the chosen tiles on the banks of their layers, not for other tiles or banks. "
        "Sequential: every layer on the same banks as in the overlapped schedule, its best mapping, one after another. "
        "All banks in turn: every layer spread over the whole machine, which needs the weights of all layers in all "
        "banks and every activation moved to all banks at no cost; then a single image is faster without overlap for "
        f"{', '.join(faster) or 'none'}.",
    )


def evaluation(report: Report) -> None:
    """Evaluation of a prepared schedule of ResNet-18 with one tile per pixel, additions and pools as layers."""
    graph = reference_network("resnet18", separate=True)
    random = Random(1)
    mappings: list[Mapping] = []
    for layer in graph.layers:
        loops = [Loop(dim, layer.size(dim)) for dim in (Dim.P, Dim.Q) if layer.size(dim) > 1]
        mappings.append(Mapping(tuple(loops), step_ticks=random.randint(1, 9)))
    plan = LockStepPlan(graph, mappings)
    if plan.end() != schedule(graph, mappings, [Order.LOCK_STEP] * len(mappings)).end:
        raise AssertionError("the plan and the grid differ")
    seconds = best_seconds(plan.end, 500)
    rate = plan.tiles / seconds
    prepare = best_seconds(lambda: LockStepPlan(graph, mappings), 3)
    report.add(
        "evaluation of a schedule at pixel granularity",
        [
            {
                "layers": len(graph.layers),
                "tiles": plan.tiles,
                "us": 1e6 * seconds,
                "M tiles/s": rate / 1e6,
                "with preparation us": 1e6 * (prepare + seconds),
            }
        ],
    )
    report.note("tiles_per_second", rate, f"evaluation: {rate / 1e6:.0f} M tiles/s in numpy")
    report.require(rate >= LEAST_TILES_PER_SECOND, f"evaluation: {rate / 1e6:.0f} M tiles/s of 100 M")


def shared(report: Report) -> None:
    """Shared cores: heuristic beside the Jackson bound and CP-SAT on random graphs."""
    rows: list[Row] = []
    for seed in range(SHARED_GRAPHS):
        graph = random_tasks(Random(seed))
        start = time.process_time()
        found = schedule_tasks(graph)
        seconds = time.process_time() - start
        optimum = exact_makespan(graph, known=found.makespan, bound=found.bound, seconds=30)
        rows.append(
            {
                "seed": seed,
                "tasks": len(graph.ticks),
                "cores": graph.cores,
                "makespan": found.makespan,
                "Jackson bound": found.bound,
                "CP-SAT": optimum.makespan if optimum.proved else f"{optimum.bound}..{optimum.makespan}",
                "gap": found.makespan / optimum.bound - 1,
                "certified": "yes" if found.makespan == found.bound else "no",
                "CPU s": seconds,
            }
        )
    report.add("30 random graphs on shared cores", rows)
    gaps = [row["gap"] for row in rows]
    certified = sum(row["certified"] == "yes" for row in rows)
    mean = statistics.mean(gaps)
    report.note(
        "shared_gap_mean",
        mean,
        f"gap to CP-SAT: mean {mean:.3%}, largest {max(gaps):.2%}; equal to the Jackson bound, so proved without a "
        f"solver: {certified} of {len(rows)}; slowest {max(row['CPU s'] for row in rows):.1f} s CPU",
    )
    report.require(mean <= MOST_MEAN_GAP, f"shared cores: mean gap {mean:.2%}")


def end_after(progress: Sequence[tuple[float, int]], seconds: float) -> float | None:
    """Best end time known after some seconds, in ms."""
    known = [end for moment, end in progress if moment <= seconds]
    return known[-1] / TICKS_PER_MS if known else None


def search_quality(report: Report) -> None:
    """End time of ResNet-18 after 1, 10 and 60 s for each strategy, with single layers chosen again afterwards."""
    space = search_space(reference_network("resnet18"), machine(), LIMITS)
    rows: list[Row] = []
    for strategy in Strategy:
        found = search(space, strategy, Budget(rounds=100, seconds=report.options.seconds))
        rows.append(
            {
                "strategy": strategy.value,
                "strategy done s": found.progress[0][0],
                "then ms": found.progress[0][1] / TICKS_PER_MS,
                **{f"after {limit} s": end_after(found.progress, limit) for limit in (1, 10, 60)},
                "at the end": found.end / TICKS_PER_MS,
                "at the end s": found.progress[-1][0],
                "evaluations": found.evaluations,
            }
        )
    report.add(f"search of ResNet-18, at most {report.options.seconds:g} s each: end of the network in ms", rows)


TABLES: dict[str, Callable[[Report], None]] = {
    "vectors": vectors,
    "queries": queries,
    "exact": exact,
    "analysis": analysis,
    "networks": networks,
    "evaluation": evaluation,
    "shared": shared,
    "search": search_quality,
}


def more_options(parser: argparse.ArgumentParser) -> None:
    """Adds what this benchmark needs to know."""
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of each timed search (default 60)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    return run_tables(__doc__, TABLES, arguments, more_options)


if __name__ == "__main__":
    sys.exit(main())
