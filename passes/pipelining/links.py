"""Links of limited bandwidth in the schedule of a placed network.

Every flow has a fixed share of each link on its way, in proportion to its bits per image (time division). A step then
takes at least as long as its results need on the busiest link of their way,

    t_l >= load(link) / (bandwidth steps_l)        link bound: II >= max load / bandwidth       (sheet 2.3 and 4)

so no link ever carries more than it can. A result is visible after the hops of its way and of the chain of row blocks
that adds it up.
"""

from __future__ import annotations

import math
from dataclasses import replace

from imcflow.passes.pipelining.layers import PipelineError
from imcflow.passes.pipelining.placement import Placement, Router
from imcflow.passes.pipelining.plan import PipelinePlan


def placed_plan(
    plan: PipelinePlan, router: Router, placement: Placement, *, bits_per_tick: float, hop_ticks: int = 1
) -> PipelinePlan:
    """The plan with the step and link times that a placement gives it.

    Args:
        plan: one copy per stage.
        router: fabric and core graph of the plan's network.
        placement: of the same graph.
        bits_per_tick: bandwidth of one direction of a link.
        hop_ticks: from one core to its neighbour.

    Raises:
        PipelineError: a stage has copies, or the bandwidth is not positive.
    """
    if any(copies > 1 for copies in plan.copies[1:]):
        raise PipelineError("placed plan: needs one copy per stage, as the graph of its cores has")
    if bits_per_tick <= 0:
        raise PipelineError(f"link bandwidth of {bits_per_tick} bits per tick: needs more than 0")
    graph, cores = router.graph, placement.cores
    loads = router.loads(cores)
    step_ticks = list(plan.step_ticks)
    delays: dict[tuple[int, int], int] = {}
    arrival = [0] * len(graph.names)
    for flow in sorted(graph.flows, key=lambda flow: (graph.stages[flow.source], flow.source)):
        route = router.routes[cores[flow.source], cores[flow.target]]
        stage, reader = graph.stages[flow.source], graph.stages[flow.target]
        busiest = max((int(loads[link]) for link in route), default=0)
        step_ticks[stage] = max(step_ticks[stage], math.ceil(busiest / (bits_per_tick * plan.stage_steps(stage))))
        if stage == reader:
            arrival[flow.target] = arrival[flow.source] + len(route) * hop_ticks
    for flow in graph.flows:
        pair = graph.stages[flow.source], graph.stages[flow.target]
        if pair[0] != pair[1]:
            hops = len(router.routes[cores[flow.source], cores[flow.target]]) * hop_ticks
            delays[pair] = max(delays.get(pair, 0), arrival[flow.source] + hops)
    links = {key: delays.get((plan.producer(key), key[0]), 0) for key in plan.edges()}
    return replace(plan, step_ticks=tuple(step_ticks), link_ticks=links)
