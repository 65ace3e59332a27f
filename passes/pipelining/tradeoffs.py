"""What memory and crossbars buy: Pareto tables of buffers against time, and the worth of more crossbars.

Buffers shrink from those that never stall (sheet 2.3, exact) to line buffers, enlarged where these deadlock; in between
lie schedules that are slower and smaller. Every point is replayed, so its latency and interval are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from imcflow.passes.pipelining.buffers import BufferScheme, memory_values, size_buffers
from imcflow.passes.pipelining.plan import EdgeKey, PipelinePlan, plan_pipeline
from imcflow.passes.pipelining.replay import replay
from imcflow.passes.pipelining.replication import Replication, replicate_for_interval
from imcflow.runtime.pipeline.dataflow import Handshake
from imcflow.runtime.pipeline.deadlock import DeadlockError


@dataclass(frozen=True, slots=True)
class MemoryPoint:
    """One choice of buffers.

    Args:
        label: how the buffers were sized.
        plan: with these buffers.
        values: memory of all buffers, in values.
        latency_ticks: of the first image.
        interval_ticks: mean distance of the following ones.
    """

    label: str
    plan: PipelinePlan
    values: int
    latency_ticks: int
    interval_ticks: float


def without_deadlock(plan: PipelinePlan, images: int = 2) -> PipelinePlan:
    """The plan with the full rings of every cycle of waits enlarged until none is left, and no further.

    No ring grows beyond the peak of the schedule with unbounded memory; with all rings at their peaks nothing waits, so
    this ends. Rings that grew are then shortened as far as no cycle comes back, the ones with most to win first.
    """
    slots = dict(plan.capacities)
    peaks = size_buffers(plan, BufferScheme.EXACT, images)
    while (waits := _cycle(plan, slots, images)) is not None:
        trial = plan.with_capacities(slots)
        growing = [key for key in _full_rings(trial, waits) if slots[key] < peaks[key]]
        if not growing:
            raise waits
        for key in growing:
            slots[key] = min(peaks[key], slots[key] + max(1, slots[key] // 8))
    growth = {key: count - plan.capacities[key] for key, count in slots.items()}
    values = {key: count * plan.network.stages[plan.producer(key)].channels for key, count in growth.items() if count}
    for key in sorted(values, key=lambda key: -values[key]):
        low, high = plan.capacities[key], slots[key]
        while low < high:
            middle = (low + high) // 2
            if _cycle(plan, slots | {key: middle}, images) is None:
                high = middle
            else:
                low = middle + 1
        slots[key] = high
    return plan.with_capacities(slots)


def _cycle(plan: PipelinePlan, slots: dict[EdgeKey, int], images: int) -> DeadlockError | None:
    """The deadlock of a stream with these rings; None if it ends."""
    try:
        replay(plan.with_capacities(slots), images)
    except DeadlockError as error:
        return error
    return None


def _full_rings(plan: PipelinePlan, error: DeadlockError) -> list[EdgeKey]:
    return [
        key
        for wait in error.waits
        if wait.slots
        for key in plan.network.readers(wait.stage)
        if key[0] == wait.other and plan.capacities.get(key) == wait.slots
    ]


def memory_points(
    plan: PipelinePlan, *, images: int = 4, fractions: Sequence[float] = (0.75, 0.5, 0.25, 0.1)
) -> list[MemoryPoint]:
    """Full maps, rows if the handshake is by pixels, exact peaks, the ring minima, and rings in between, each replayed.

    Args:
        plan: its buffers, if any, are ignored.
        images: length of the stream.
        fractions: of the way from line buffers to the peak; bypasses always have their peak.
    """
    low = size_buffers(plan, BufferScheme.LINES, images)
    high = size_buffers(plan, BufferScheme.EXACT, images)
    candidates = [
        ("full maps", plan.with_capacities(size_buffers(plan, BufferScheme.FULL_MAP, images))),
        ("exact peaks", plan.with_capacities(high)),
    ]
    if plan.handshake is Handshake.PIXEL:
        rows = replace(plan, handshake=Handshake.ROW)
        candidates.insert(1, ("rows", rows.with_capacities(size_buffers(rows, BufferScheme.EXACT, images))))
    for fraction in fractions:
        between = {key: low[key] + round(fraction * (high[key] - low[key])) for key in low}
        candidates.append((f"{fraction:.0%} of the slack", without_deadlock(plan.with_capacities(between), images)))
    candidates.append(("line buffers", without_deadlock(plan.with_capacities(low), images)))
    return [_point(label, candidate, images) for label, candidate in candidates]


def _point(label: str, plan: PipelinePlan, images: int) -> MemoryPoint:
    result = replay(plan, images)
    return MemoryPoint(label, plan, memory_values(plan), result.latency_ticks, result.interval_ticks)


def pareto_front(points: Sequence[MemoryPoint]) -> list[MemoryPoint]:
    """Points that no other one equals or beats in memory, latency and interval; smallest memory first."""

    def figures(point: MemoryPoint) -> tuple[int, int, float]:
        return point.values, point.latency_ticks, point.interval_ticks

    front: list[MemoryPoint] = []
    for point in sorted(points, key=figures):
        if not any(all(a <= b for a, b in zip(figures(other), figures(point), strict=True)) for other in front):
            front.append(point)
    return front


@dataclass(frozen=True, slots=True)
class Growth:
    """What more crossbars buy.

    Args:
        bottlenecks: names of the stages that set the interval now.
        crossbars: more than now, until the interval falls.
        interval_ticks: the next smaller one.
        one_more_helps: the stage, if any, whose copy costs one crossbar and shortens the latency most.
        latency_gain_ticks: by how much, with the whole input at hand.
    """

    bottlenecks: tuple[str, ...]
    crossbars: int
    interval_ticks: int
    one_more_helps: str | None
    latency_gain_ticks: int


def next_growth(replication: Replication, *, patches: bool = False) -> Growth:
    """The smallest step to a shorter interval, and the best use of one more crossbar for the latency.

    Args:
        replication: copies now, as `replicate_for_budget` gives them.
        patches: whether steps may compute several pixels.
    """
    now, ticks = replication.interval_ticks, replication.step_ticks
    stages = replication.network.stages
    slow = tuple(stage.name for stage, busy in zip(stages, replication.busy_ticks, strict=True) if busy == now)
    faster = replication
    for interval in range(now - ticks, 0, -ticks):
        faster = replicate_for_interval(
            replication.network, replication.crossbar, interval, step_ticks=ticks, patches=patches
        )
        if faster.crossbars > replication.crossbars:
            break
    latency = replay(plan_pipeline(replication, input_rate=None)).latency_ticks
    best, gain = None, 0
    for index, price in enumerate(replication.per_copy):
        if price != 1:
            continue
        copies = (*replication.copies[:index], replication.copies[index] + 1, *replication.copies[index + 1 :])
        trial = replay(plan_pipeline(replace(replication, copies=copies), input_rate=None)).latency_ticks
        if latency - trial > gain:
            best, gain = stages[index].name, latency - trial
    return Growth(slow, faster.crossbars - replication.crossbars, faster.interval_ticks, best, gain)
