"""Independent check of a schedule by comparing all pairs of tiles; shares nothing with how schedules are made."""

from __future__ import annotations

import numpy as np

from imcflow.passes.overlap.nests import OverlapError
from imcflow.passes.overlap.oracle import consumer_boxes, pairwise_ready_steps, producer_boxes
from imcflow.passes.overlap.ready import has_outputs
from imcflow.passes.overlap.schedule import Schedule


def check_schedule(schedule: Schedule) -> None:
    """Check that no bank does two tiles at once and that no tile starts before everything it reads is final.

    Costs O(tiles of the producer * tiles of the consumer) per edge.

    Raises:
        OverlapError: names the first layer that breaks a rule.
    """
    graph = schedule.graph
    for index, (layer, mapping, run) in enumerate(zip(graph.layers, schedule.mappings, schedule.runs, strict=True)):
        start, bank = run.start.ravel(), run.bank.ravel()
        if start.size != mapping.steps * mapping.banks:
            raise OverlapError(
                f"layer {layer.name}: {start.size} of {mapping.steps * mapping.banks} tiles have a start"
            )
        runs = np.broadcast_to(has_outputs(layer, mapping), mapping.shape).ravel() | (start >= 0)
        if start[runs].min() < 0 or bank.min() < 0 or bank.max() >= mapping.banks:
            raise OverlapError(f"layer {layer.name}: a tile starts before 0 or outside the {mapping.banks} banks")
        order = np.lexsort((start, bank))
        order = order[runs[order]]
        same_bank = bank[order][1:] == bank[order][:-1]
        if (same_bank & (np.diff(start[order]) < mapping.step_ticks)).any():
            raise OverlapError(f"layer {layer.name}: a bank has two tiles at once")
        for edge in layer.edges:
            producer, own = graph.layers[edge.producer], schedule.mappings[edge.producer]
            first, last, _ = producer_boxes(producer, own)
            final = schedule.runs[edge.producer].start.ravel() + (own.step_ticks + own.tail_ticks)
            needed = pairwise_ready_steps(consumer_boxes(producer, layer, mapping, edge), (first, last, final))
            if (start < needed)[runs].any():
                raise OverlapError(f"layer {layer.name}: a tile starts before its part of {producer.name} is final")
        if run.end < int(start.max()) + mapping.step_ticks + mapping.tail_ticks:
            raise OverlapError(f"layer {graph.layers[index].name}: ends before its last tile")
