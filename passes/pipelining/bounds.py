"""What no schedule of the same copies beats.

    latency >= head_l + ceil(n_l / d_l) t_l + tail_l     for every stage l                       (sheet 4)
    head_l   = over the paths to l, the largest sum of t_link + ceil(first fill / d_m) t_m
    tail_l   = over the paths from l, the largest sum of t_link + ceil(drain / d_m) t_m

Steps after the last one that the end of the image depends on do not count. The dependency bound is the schedule
itself with a core for every step. With private cores and unbounded memory the earliest times of `replay` are optimal,
so the bounds say how much of a latency is due to the number of copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from imcflow.passes.pipelining.plan import PipelinePlan
from imcflow.passes.pipelining.replay import replay_unbounded


@dataclass(frozen=True, slots=True)
class LatencyBounds:
    """Lower bounds on the end of one image, and what pipelining is compared with; all in ticks.

    Args:
        bottleneck: the largest head + work + tail.
        stage: name of the stage that gives it.
        dependency: latency with a core for every step.
        input_ticks: until the last input pixel is there.
        layer_by_layer: sum of all work, each layer after the one before; without input and dense layers of one step.
    """

    bottleneck: int
    stage: str
    dependency: int
    input_ticks: int
    layer_by_layer: int

    @property
    def best(self) -> int:
        """The largest lower bound."""
        return max(self.bottleneck, self.dependency)


def latency_bounds(plan: PipelinePlan) -> LatencyBounds:
    """Bounds on the latency of one image, for any buffers and any order."""
    stages = plan.network.stages
    count = len(stages)
    needed = _needed_steps(plan)
    work = [_rounds(plan, index, steps) for index, steps in enumerate(needed)]
    heads, tails = [0] * count, [0] * count
    for key in plan.edges():
        producer = plan.producer(key)
        filled = heads[producer] + _rounds(plan, producer, plan.tables(key).first_fill)
        heads[key[0]] = max(heads[key[0]], filled + plan.link_ticks.get(key, 0))
    for key in reversed(plan.edges()):
        producer, need = plan.producer(key), plan.tables(key).need[: needed[key[0]]]
        if int(need[-1]) + 1 < needed[producer]:
            continue  # this reader is done before the producer is; another one decides
        drained = _rounds(plan, key[0], int((need == need[-1]).sum())) + tails[key[0]]
        tails[producer] = max(tails[producer], drained + plan.link_ticks.get(key, 0))
    totals = [head + ticks + tail for head, ticks, tail in zip(heads, work, tails, strict=True)]
    worst = max(range(count), key=totals.__getitem__)
    widest = tuple(plan.stage_steps(index) if index else plan.copies[0] for index in range(count))
    dependency = replay_unbounded(replace(plan, copies=widest, lock_step=False)).latency_ticks
    by_layer = sum(
        _rounds(plan, index, plan.stage_steps(index)) for index in range(1, count) if stages[index].pixels > 1
    )
    return LatencyBounds(totals[worst], stages[worst].name, dependency, work[0], by_layer)


def _needed_steps(plan: PipelinePlan) -> list[int]:
    """Per stage, its steps up to the last one on which the end of the image depends."""
    needed = [0] * len(plan.network.stages)
    needed[-1] = plan.stage_steps(len(needed) - 1)
    for key in reversed(plan.edges()):
        if needed[key[0]]:
            producer = plan.producer(key)
            needed[producer] = max(needed[producer], int(plan.tables(key).need[needed[key[0]] - 1]) + 1)
    return needed


def _rounds(plan: PipelinePlan, stage: int, count: int) -> int:
    if stage == 0 and plan.input_rate is None:
        return 0
    return math.ceil(count / plan.copies[stage]) * plan.step_ticks[stage]


def interval_bound(plan: PipelinePlan) -> float:
    """Ticks per image of a long stream below which these copies and this input rate cannot go."""
    first = 1 if plan.input_rate is None else 0
    return max(
        plan.stage_steps(index) * plan.step_ticks[index] / plan.copies[index]
        for index in range(first, len(plan.network.stages))
    )
