"""Pipelined dataflow on crossbars: ticks, buffers, copies and latencies beside closed forms, bounds and optima.

    python benchmarks/pipeline.py                    every table
    python benchmarks/pipeline.py ticks budgets      some of them
    python benchmarks/pipeline.py --check            exit status 1 and one line for every figure that misses its bar
    python benchmarks/pipeline.py --json FILE        the same figures as JSON

The bars are the figures of the pipelined-dataflow sheet (cmnnc ticks, buffer minima, budgets, latencies of ResNet-32).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from statistics import mean

from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.shared import schedule_tasks
from imcflow.passes.pipelining.bounds import interval_bound, latency_bounds
from imcflow.passes.pipelining.crossbars import Crossbar
from imcflow.passes.pipelining.exact import exact_latency
from imcflow.passes.pipelining.exact_placement import has_homomorphism, least_link_bits
from imcflow.passes.pipelining.fabrics import mesh, parallel_prism, ring
from imcflow.passes.pipelining.instances import small_pipeline
from imcflow.passes.pipelining.links import placed_plan
from imcflow.passes.pipelining.networks import NETWORKS, NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.placement import Router, obstruction, place
from imcflow.passes.pipelining.plan import PipelinePlan, WriteRule, plan_pipeline, simple_plan
from imcflow.passes.pipelining.replay import replay, replay_bounded
from imcflow.passes.pipelining.replication import replicate_for_budget, single_copies, work_bound
from imcflow.passes.pipelining.sharing import shared_tasks
from imcflow.passes.pipelining.tradeoffs import memory_points, next_growth, pareto_front
from imcflow.passes.pipelining.traffic import core_graph
from imcflow.runtime.pipeline.deadlock import DeadlockError

STEP_NS = 100.0
TICKS = {
    (8, 2, 3, 1): 74,
    (8, 3, 3, 1): 84,
    (16, 2, 3, 1): 274,
    (16, 11, 3, 1): 436,
    (16, 3, 5, 2): 326,
    (16, 2, 1, 0): 257,
    (32, 2, 3, 1): 1058,
    (32, 5, 3, 1): 1160,
}
RINGS = {
    (8, 3, 1, 1): (19, 74, 109),
    (16, 3, 1, 1): (35, 274, 469),
    (16, 5, 1, 2): (69, 291, 434),
    (16, 3, 2, 1): (35, 257, 305),
    (32, 3, 2, 1): (67, 1025, 1249),
    (16, 3, 1, 0): (35, 257, 452),
}
BUDGETS = {60: (1024, 60), 100: (256, 93), 128: (205, 123), 256: (79, 249), 512: (37, 500), 1024: (19, 977)}
LATENCIES: dict[tuple[tuple[int, int, int], int | None], int] = {
    ((1, 1, 1), 1): 1653,
    ((4, 1, 1), 1): 1388,
    ((4, 1, 1), None): 611,
    ((4, 4, 4), 1): 1204,
    ((4, 4, 4), None): 428,
    ((16, 4, 1), 1): 1203,
    ((16, 4, 1), None): 240,
}
SMALL_NETWORKS = 36
LINK_BITS_PER_TICK = 512
MOST_SHARED_RATIO = 1.05
IMAGES = 16

Cell = str | int | float | None
Row = dict[str, Cell]


@dataclass
class Report:
    """Rows of every table, and the bars that are missed."""

    tables: dict[str, list[Row]] = field(default_factory=dict[str, list[Row]])
    misses: list[str] = field(default_factory=list[str])

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Keeps a table and prints it as Markdown."""
        self.tables[table] = list(rows)
        print(f"\n## {table}\n")
        columns = list(rows[0])
        cells = [[text(row[column]) for column in columns] for row in rows]
        widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
        for line in [columns, ["-" * width for width in widths], *cells]:
            print("| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |")

    def require(self, holds: bool, complaint: str) -> None:
        """Keeps the complaint if a bar is missed."""
        if not holds:
            self.misses.append(complaint)


def text(cell: Cell) -> str:
    """One cell of a table."""
    return f"{cell:,.2f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else str(cell)


def ticks(report: Report) -> None:
    """Chains of equal convolutions: measured ticks, closed form, figure of the sheet."""
    rows: list[Row] = []
    for (size, layers, kernel, pad), expected in TICKS.items():
        measured = replay(simple_plan(convolution_chain(size, layers, kernel, pad), input_rate=None)).ticks
        closed = size * size + (layers - 1) * (pad * size + pad + 1)
        rows.append({"W": size, "layers": layers, "K": kernel, "ticks": measured, "closed": closed, "sheet": expected})
        report.require(measured == closed == expected, f"ticks of {layers} layers {kernel}x{kernel} at {size}")
    report.add("ticks of convolution chains", rows)


def rings(report: Report) -> None:
    """Ring buffers at the minimum and one pixel below it, under both rules for when a slot must be free."""
    rows: list[Row] = []
    for (size, kernel, stride, pad), (slots, end, early) in RINGS.items():
        plan = simple_plan(convolution_chain(size, 1, kernel, pad, stride))
        strict = replace(plan, write_rule=WriteRule.BEFORE_START)
        minimum = plan.tables((1, 0)).ring_minimum
        at_end = replay_bounded(plan.with_capacities({(1, 0): minimum})).ticks
        before = replay(strict.with_capacities({(1, 0): minimum})).ticks
        below = outcome(plan.with_capacities({(1, 0): minimum - 1}))
        case = f"{size},{kernel},{stride},{pad}"
        rows.append(
            {
                "W,K,s,p": case,
                "B": minimum,
                "sheet B": slots,
                "end": at_end,
                "unbounded": replay(plan).ticks,
                "slot before start": before,
                "sheet": early,
                "B - 1": below,
            }
        )
        report.require((minimum, at_end, before) == (slots, end, early), f"ring of {case}")
        report.require(below.startswith("deadlock"), f"ring of {case} one pixel below the minimum: {below}")
    report.add("ring buffers", rows)


def outcome(plan: PipelinePlan) -> str:
    """End of a plan as text, or its deadlock."""
    try:
        return str(replay(plan).ticks)
    except DeadlockError as error:
        return error.message


def latencies(report: Report) -> None:
    """ResNet-32 with the copies of the sheet."""
    rows: list[Row] = []
    network = reference_network("resnet32")
    for (copies, rate), expected in LATENCIES.items():
        by_size: dict[int, int] = dict(zip((32, 16, 8, 1), (*copies, 1), strict=True))
        chosen = (1, *(by_size[stage.height] for stage in network.stages[1:]))
        plan = replace(simple_plan(network, input_rate=rate), copies=chosen)
        measured = replay(plan).latency_ticks
        bounds = latency_bounds(plan)
        row: Row = {"copies": "/".join(map(str, copies)), "input": "all at start" if rate is None else "1 per tick"}
        row |= {"latency": measured, "sheet": expected, "bound": bounds.best, "layer by layer": bounds.layer_by_layer}
        rows.append(row | {"ratio": bounds.layer_by_layer / measured})
        report.require(measured == expected, f"latency of ResNet-32 with copies {copies}, rate {rate}: {measured}")
        report.require(bounds.best <= measured, f"bound above the latency of copies {copies}")
    report.add("ResNet-32 on 256x256 crossbars", rows)


def budgets(report: Report) -> None:
    """ResNet-32 under budgets: the sheet's table, then several pixels per step, each beside its bound."""
    network, crossbar = reference_network("resnet32"), Crossbar()
    report.require(single_copies(network, crossbar).crossbars == 60, "ResNet-32 does not take 60 crossbars")
    for patches in (False, True):
        rows: list[Row] = []
        for budget, (interval, used) in BUDGETS.items():
            found = replicate_for_budget(network, crossbar, budget, patches=patches)
            bound = work_bound(network, crossbar, budget, patches=patches)
            slow = replay(plan_pipeline(found), 1)
            fast_plan = plan_pipeline(found, input_rate=None)
            fast = replay(fast_plan, IMAGES)
            rows.append(
                {
                    "N": budget,
                    "II": found.interval_ticks,
                    "sheet": interval,
                    "work bound": bound,
                    "streamed II": found.streamed_interval_ticks,
                    "measured II": fast.interval_ticks,
                    "crossbars": found.crossbars,
                    "devices used %": 100 * found.utilisation,
                    "latency, 1 pixel/tick": slow.latency_ticks,
                    "latency, all at start": fast.latency_ticks,
                    "bound": latency_bounds(fast_plan).best,
                    "images/s": 1e9 / (fast.interval_ticks * STEP_NS),
                }
            )
            if patches:
                report.require(found.interval_ticks < interval, f"several pixels per step do not pay at {budget}")
            else:
                report.require((found.interval_ticks, found.crossbars) == (interval, used), f"budget {budget}")
            report.require(bound <= found.interval_ticks, f"work bound above the interval at {budget}")
            report.require(fast.interval_ticks <= found.interval_ticks, f"stream slower than its interval at {budget}")
        title = "several pixels per step (shifted kernels)" if patches else "one pixel per step"
        report.add(f"ResNet-32 under a budget of crossbars, {title}", rows)


def networks(report: Report) -> None:
    """Streams of 16 images through well-known networks, against layer by layer on the same copies."""
    rows: list[Row] = []
    for name in NETWORKS:
        network, crossbar = reference_network(name), Crossbar()
        least = single_copies(network, crossbar).crossbars
        for budget, patches in [(least, False), (least, True), (2 * least, True)]:
            found = replicate_for_budget(network, crossbar, budget, patches=patches)
            plan = plan_pipeline(found, input_rate=None)
            result, bounds = replay(plan, IMAGES), latency_bounds(plan)
            rows.append(
                {
                    "network": name,
                    "crossbars": found.crossbars,
                    "pixels per step": "several" if patches else "one",
                    "interval": result.interval_ticks,
                    "bound": interval_bound(plan),
                    "latency": result.latency_ticks,
                    "latency bound": bounds.best,
                    "us": result.latency_ticks * STEP_NS / 1e3,
                    "images/s": 1e9 / (result.interval_ticks * STEP_NS),
                    "layer by layer/s": 1e9 / (bounds.layer_by_layer * STEP_NS),
                }
            )
            report.require(bounds.best <= result.latency_ticks, f"bound above the latency of {name}")
            report.require(result.interval_ticks < bounds.layer_by_layer, f"pipelining does not pay on {name}")
    report.add(f"streams of {IMAGES} images, input at hand, {STEP_NS:g} ns per step", rows)


def exact(report: Report) -> None:
    """Small networks against CP-SAT: private cores, then two cores shared by all layers."""
    rows: list[Row] = []
    shared_ratios: list[float] = []
    equal = proved = 0
    for seed in range(SMALL_NETWORKS):
        plan = small_pipeline(Random(seed))
        ours = replay(plan).ticks
        best = exact_latency(plan, known=ours)
        equal += best.proved and best.ticks == ours
        tasks = shared_tasks(plan, [index % 2 for index in range(len(plan.network.stages) - 1)])
        found = schedule_tasks(tasks)
        optimum = exact_makespan(tasks, known=found.makespan, bound=found.bound, seconds=10)
        proved += optimum.proved
        shared_ratios.append(found.makespan / optimum.makespan)
        rows.append(
            {
                "seed": seed,
                "layers": len(plan.network.stages) - 1,
                "private": ours,
                "optimum": best.ticks,
                "two shared cores": found.makespan,
                "best known": optimum.makespan,
                "bound": optimum.bound,
            }
        )
    report.add("small networks against CP-SAT", rows)
    summary: Row = {"private equal": f"{equal} of {SMALL_NETWORKS}", "shared proved": f"{proved} of {SMALL_NETWORKS}"}
    summary |= {"shared mean ratio": mean(shared_ratios), "shared worst ratio": max(shared_ratios)}
    report.add("small networks against CP-SAT, summary", [summary])
    report.require(equal == SMALL_NETWORKS, f"private cores: {equal} of {SMALL_NETWORKS} equal the optimum")
    report.require(max(shared_ratios) <= MOST_SHARED_RATIO, f"shared cores: worst ratio {max(shared_ratios):.3f}")


def placement(report: Report) -> None:
    """ResNet-32 on fabrics, by core and by layer; small blocks with proof by CP-SAT."""
    rows: list[Row] = []
    network = reference_network("resnet32")
    for by_layer, fabrics in [
        (False, {"prism, reach 5": parallel_prism(60), "mesh 8x8": mesh(8, 8), "ring of 60": ring(60)}),
        (True, {"prism, reach 5": parallel_prism(32), "mesh 6x6": mesh(6, 6), "ring of 32": ring(32)}),
    ]:
        graph = core_graph(network, Crossbar(), by_layer=by_layer)
        for name, target in fabrics.items():
            found = place(graph, target)
            router = Router(graph, target)
            plan = placed_plan(simple_plan(network), router, found, bits_per_tick=LINK_BITS_PER_TICK)
            result = replay(plan, 4)
            proof = "found" if found.homomorphism else obstruction(graph, target)
            row: Row = {"nodes": f"{len(graph.names)} {'layers' if by_layer else 'cores'}", "fabric": name}
            row |= {"homomorphism": proof, "max link bits": found.max_link_bits, "bound": found.bound_bits}
            row |= {"in order": int(router.loads(range(len(graph.names))).max()), "most hops": max(found.hops)}
            rows.append(row | {"interval": result.interval_ticks, "latency": result.latency_ticks})
            report.require(found.homomorphism == name.startswith("prism"), f"homomorphism of ResNet-32 on {name}")
            report.require(found.homomorphism or proof is not None, f"no proof against a homomorphism on {name}")
            report.require(found.bound_bits <= found.max_link_bits, f"link load below its bound on {name}")
    report.add(f"placement of ResNet-32, links of {LINK_BITS_PER_TICK} bits per tick", rows)
    rows = []
    builder = NetworkBuilder("block", 8, 8, 8)
    last = builder.convolution("stem", 0, 8, 3, 1, 1)
    for index in range(2):
        last = builder.block(f"block{index}", last, 8, 1)
    graph = core_graph(builder.build(), Crossbar())
    for name, target in {"prism 6": parallel_prism(6), "mesh 2x3": mesh(2, 3), "ring of 6": ring(6)}.items():
        found = place(graph, target)
        exists = has_homomorphism(graph, target)
        best, bound = least_link_bits(graph, target, known=found.max_link_bits)
        row = {"fabric": name, "homomorphism": str(found.homomorphism), "CP-SAT": str(exists)}
        rows.append(row | {"max link bits": found.max_link_bits, "optimum": best, "proved": str(best == bound)})
        report.require(found.homomorphism == exists, f"CP-SAT on the homomorphism to {name}: {exists}")
        report.require(found.max_link_bits == best == bound, f"link load on {name}: {found.max_link_bits}, not {best}")
    report.add("placement of two residual blocks, with proof", rows)


def memory(report: Report) -> None:
    """Memory against latency, one copy and replicated, input at hand."""
    for name, budget in [("resnet32", 60), ("resnet8", 28)]:
        found = replicate_for_budget(reference_network(name), Crossbar(), budget)
        plan = plan_pipeline(found, input_rate=None)
        points = memory_points(plan, images=2, fractions=(0.5, 0.1))
        front = pareto_front(points)
        rows: list[Row] = [
            {
                "buffers": point.label,
                "values": point.values,
                "latency": point.latency_ticks,
                "interval": point.interval_ticks,
                "Pareto": "yes" if point in front else "",
            }
            for point in sorted(points, key=lambda point: point.values)
        ]
        report.add(f"memory of {name} on {found.crossbars} crossbars", rows)
        by_label = {point.label: point for point in points}
        free = replay(plan, 2)
        exact_point = by_label["exact peaks"]
        report.require(exact_point.latency_ticks == free.latency_ticks, f"exact peaks of {name} cost time")
        report.require(exact_point.values < by_label["full maps"].values, f"exact peaks of {name} save nothing")


def growth(report: Report) -> None:
    """Where the bottleneck of ResNet-32 is at each budget, and what more crossbars buy."""
    rows: list[Row] = []
    for budget in BUDGETS:
        found = replicate_for_budget(reference_network("resnet32"), Crossbar(), budget)
        more = next_growth(found)
        row: Row = {
            "crossbars": found.crossbars,
            "interval": found.interval_ticks,
            "stages at it": len(more.bottlenecks),
        }
        row |= {"first": more.bottlenecks[0], "more for shorter": more.crossbars, "then": more.interval_ticks}
        rows.append(row | {"one more for": str(more.one_more_helps), "latency gain": more.latency_gain_ticks})
        report.require(more.interval_ticks < found.interval_ticks, f"no way to grow from {found.crossbars} crossbars")
    report.add("what more crossbars buy ResNet-32", rows)


TABLES: dict[str, Callable[[Report], None]] = {
    "ticks": ticks,
    "rings": rings,
    "latencies": latencies,
    "budgets": budgets,
    "networks": networks,
    "placement": placement,
    "memory": memory,
    "growth": growth,
    "exact": exact,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], help=f"default: all of {', '.join(TABLES)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    options = parser.parse_args(arguments)
    report = Report()
    for name in options.tables or TABLES:
        TABLES[name](report)
    if options.json:
        figures = {"tables": report.tables, "misses": report.misses}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    for miss in report.misses:
        print(f"misses its bar: {miss}", file=sys.stderr)
    return 1 if options.check and report.misses else 0


if __name__ == "__main__":
    sys.exit(main())
