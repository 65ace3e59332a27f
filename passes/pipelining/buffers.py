"""Memory of the edges: how much a schedule needs, how much a rule gives, and schedules within given memory.

    full map      H W                  any order of reading
    line buffer   (K-1) W + K          pixel handshake, ring released in order
    exact         max over time of steps written and still to be read                      (sheet 2.3)

A slot counts from the end of the producer's step to the end of its last reader's; a slot freed in the instant in which
the next result lands counts once. Skip edges are sized by that maximum: an average deadlocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from imcflow.passes.pipelining.plan import EdgeKey, PipelinePlan
from imcflow.passes.pipelining.replay import Replay, free_times, replay_unbounded
from imcflow.runtime.pipeline.dataflow import Handshake


class BufferScheme(Enum):
    """How much memory an edge gets."""

    FULL_MAP = "full map"
    LINES = "lines"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class EdgeMemory:
    """Memory of one edge.

    Args:
        key: the edge.
        producer: name of the stage that writes.
        consumer: name of the stage that reads.
        slots: ring slots, each for the result of one producer step.
        values: the same in values: slots times pixels of a step times channels.
    """

    key: EdgeKey
    producer: str
    consumer: str
    slots: int
    values: int


def peak_slots(result: Replay, key: EdgeKey) -> int:
    """Most results of a producer alive at once on an edge, released in order: the FIFO depth that never stalls it."""
    written = result.ends[result.plan.producer(key)]
    free = free_times(result, key)
    freed = np.searchsorted(free, written, side="right")
    return int((np.arange(1, len(written) + 1) - np.minimum(freed, np.arange(1, len(written) + 1))).max())


def occupancy(result: Replay, key: EdgeKey) -> tuple[list[int], list[int]]:
    """Ticks at which the number of live results on an edge changes, and the number from then on."""
    written = result.ends[result.plan.producer(key)]
    events = np.concatenate([written, free_times(result, key)])
    changes = np.concatenate([np.ones(len(written), dtype=np.int64), -np.ones(len(written), dtype=np.int64)])
    ticks, where = np.unique(events, return_inverse=True)
    levels = np.zeros(len(ticks), dtype=np.int64)
    np.add.at(levels, where, changes)
    return ticks.tolist(), np.cumsum(levels).tolist()


def size_buffers(plan: PipelinePlan, scheme: BufferScheme, images: int = 2) -> dict[EdgeKey, int]:
    """Ring slots by edge.

    Args:
        plan: its buffers, if any, are ignored.
        scheme: `FULL_MAP` is one map per edge; `EXACT` the peak of the schedule with unbounded memory, which it
            therefore keeps; `LINES` the ring minimum where the producer has no second reader and the stage no second
            input, else the peak: what is enough there depends on the other branch. With a handshake by images the first
            and the last are one map, `EXACT` as many as the images between writing and reading.
        images: length of the stream whose peak counts.
    """
    if plan.handshake is Handshake.IMAGE:
        return _whole_maps(plan, scheme)
    free = replay_unbounded(plan, images)
    slots: dict[EdgeKey, int] = {}
    for key in plan.edges():
        producer = plan.producer(key)
        if scheme is BufferScheme.FULL_MAP:
            slots[key] = plan.stage_steps(producer)
        elif scheme is BufferScheme.EXACT or _has_branches(plan, key):
            slots[key] = max(peak_slots(free, key), plan.tables(key).ring_minimum)
        else:
            slots[key] = plan.tables(key).ring_minimum
    return slots


def _whole_maps(plan: PipelinePlan, scheme: BufferScheme) -> dict[EdgeKey, int]:
    """Buffers for a handshake by images: one map, or as many as there are images between writing and reading.

    In a turn of one interval every stage works on an image, a stage at depth D on image i in turn i + D. A map from
    depth D to depth E is written in turn i + D and read in turn i + E, so E - D + 1 maps are alive and nothing waits.
    """
    depths: list[int] = []
    for stage in plan.network.stages:
        depths.append(max((depths[edge.producer] + 1 for edge in stage.edges), default=0))
    return {
        key: plan.stage_steps(producer) * (depths[key[0]] - depths[producer] + 1 if scheme is BufferScheme.EXACT else 1)
        for key in plan.edges()
        for producer in [plan.producer(key)]
    }


def _has_branches(plan: PipelinePlan, key: EdgeKey) -> bool:
    stages = plan.network.stages
    return len(stages[key[0]].edges) > 1 and key[1] > 0


def memory(plan: PipelinePlan) -> list[EdgeMemory]:
    """Memory of every edge that has a capacity."""
    stages = plan.network.stages
    found: list[EdgeMemory] = []
    for key, slots in sorted(plan.capacities.items()):
        producer = plan.producer(key)
        height, width = plan.patches[producer]
        values = min(slots * height * width, stages[producer].pixels) * stages[producer].channels
        found.append(EdgeMemory(key, stages[producer].name, stages[key[0]].name, slots, values))
    return found


def memory_values(plan: PipelinePlan) -> int:
    """Values held by all buffers together."""
    return sum(entry.values for entry in memory(plan))
