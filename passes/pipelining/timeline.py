"""Who works when: busy spans, stalls and utilisation of every stage and copy, as plain data for reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcflow.passes.pipelining.buffers import occupancy
from imcflow.passes.pipelining.plan import EdgeKey
from imcflow.passes.pipelining.replay import Replay


@dataclass(frozen=True, slots=True)
class CoreTimeline:
    """One copy of one stage.

    Args:
        stage: name of the stage.
        copy: which copy, from 0.
        spans: (start, end) ticks in which it works without a gap, held results included.
        steps: steps done.
        busy_ticks: sum of the spans.
        held_ticks: part of them in which a result waits for a slot.
    """

    stage: str
    copy: int
    spans: tuple[tuple[int, int], ...]
    steps: int
    busy_ticks: int
    held_ticks: int

    def utilisation(self, ticks: int) -> float:
        """Working part, 0 to 1, of a time: busy without held."""
        return (self.busy_ticks - self.held_ticks) / ticks


@dataclass(frozen=True, slots=True)
class EdgeOccupancy:
    """Live results of one edge over time.

    Args:
        key: the edge.
        producer: name of the stage that writes.
        consumer: name of the stage that reads.
        ticks: at which the number changes.
        slots: live results from then on.
    """

    key: EdgeKey
    producer: str
    consumer: str
    ticks: tuple[int, ...]
    slots: tuple[int, ...]


def core_timelines(result: Replay) -> list[CoreTimeline]:
    """Every copy of every stage but the input."""
    plan = result.plan
    found: list[CoreTimeline] = []
    for index, stage in enumerate(plan.network.stages[1:], start=1):
        for copy in range(plan.copies[index]):
            starts = result.starts[index][copy :: plan.copies[index]]
            ends = result.ends[index][copy :: plan.copies[index]]
            if len(starts) == 0:
                continue
            gaps = np.flatnonzero(starts[1:] > ends[:-1])
            opens: list[int] = starts[np.concatenate([[0], gaps + 1])].tolist()
            closes: list[int] = ends[np.concatenate([gaps, [len(ends) - 1]])].tolist()
            spans = tuple(zip(opens, closes, strict=True))
            busy = sum(end - start for start, end in spans)
            held = busy - len(starts) * plan.step_ticks[index]
            found.append(CoreTimeline(stage.name, copy, spans, len(starts), busy, held))
    return found


def edge_occupancies(result: Replay) -> list[EdgeOccupancy]:
    """Every edge over time."""
    stages = result.plan.network.stages
    found: list[EdgeOccupancy] = []
    for key in result.plan.edges():
        ticks, slots = occupancy(result, key)
        names = stages[result.plan.producer(key)].name, stages[key[0]].name
        found.append(EdgeOccupancy(key, *names, tuple(ticks), tuple(slots)))
    return found
