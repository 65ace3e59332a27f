"""Two layers, one after the other: every latency of sheet section 2.5 for a producer that never waits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcflow.passes.overlap.latency import free_order_bound, free_order_end, in_order_end
from imcflow.passes.overlap.layers import Edge, Layer
from imcflow.passes.overlap.nests import Ints, Mapping
from imcflow.passes.overlap.ready import ready_steps


@dataclass(frozen=True, slots=True)
class PairLatency:
    """Latencies of a pair, in ticks.

    Args:
        sequential: the consumer waits for the whole producer.
        lock_step: all banks of the consumer take the same step together.
        independent: each bank waits for its own data only.
        transformed: tiles in the order of their ready times, on any bank.
        lower_bound: no schedule of the consumer's tiles ends earlier.
        min_ready: earliest time a tile is ready.
        max_ready: latest.
    """

    sequential: int
    lock_step: int
    independent: int
    transformed: int
    lower_bound: int
    min_ready: int
    max_ready: int


def by_bank(values: Ints, mapping: Mapping) -> Ints:
    """An array over the loops as int64[steps, banks]."""
    full = np.broadcast_to(values, mapping.shape)
    order = (*mapping.temporal_axes(), *mapping.spatial_axes())
    return full.transpose(order).reshape(mapping.steps, mapping.banks)


def pair_latency(
    producer: Layer, producer_mapping: Mapping, consumer: Layer, mapping: Mapping, edge: Edge, *, digits: bool = False
) -> PairLatency:
    """Latencies of a pair whose producer starts at 0 and never waits.

    Args:
        producer: the layer that is read.
        producer_mapping: its loops.
        consumer: the reading layer.
        mapping: its loops.
        edge: how they are connected.
        digits: answer range queries from digits instead of from tables.
    """
    steps = by_bank(ready_steps(producer, producer_mapping, consumer, mapping, edge, digits=digits), mapping)
    ready = np.where(steps < 0, 0, (steps + 1) * producer_mapping.step_ticks + producer_mapping.tail_ticks)
    p, tail = mapping.step_ticks, mapping.tail_ticks
    return PairLatency(
        sequential=producer_mapping.latency_ticks + mapping.latency_ticks,
        lock_step=in_order_end(ready.max(axis=1), p) + tail,
        independent=in_order_end(ready, p) + tail,
        transformed=free_order_end(ready, p, mapping.banks) + tail,
        lower_bound=free_order_bound(ready, p, mapping.banks) + tail,
        min_ready=int(ready.min()),
        max_ready=int(ready.max()),
    )
