"""What no schedule of the same tiles beats, whatever its order and whichever bank of its layer a tile takes.

Sheet 4.1: the larger of a resource and a dependency bound, here computed together. Per layer, `head` is a lower bound
on when a tile can start and `tail` on what must follow after the layer's last tile:

    bound = max over layers of C_T(heads) + tail

Heads alone let every tile have its own best order of the producer. So the i-th tile to start, of any choice of i tiles,
also waits for the fewest producer tiles that i tiles read together (`counting`), and these for the time they take.

A tile that reads V blocks of a producer on m banks of block time p starts no earlier than the last of these blocks
ends at the earliest, and no earlier than (earliest start of any of them) + ceil(V / m) p.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.counting import fewest_read, fewest_rows
from imcflow.passes.overlap.grid import box_maxima, box_tiles, output_grid
from imcflow.passes.overlap.latency import step_ends
from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer
from imcflow.passes.overlap.maxima import NOTHING
from imcflow.passes.overlap.nests import REDUCTION_DIMS, Dim, Ints, Mapping
from imcflow.passes.overlap.ready import Intervals, has_outputs, own_intervals, tile_size

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Bounds:
    """Lower bounds on the end of a network, in ticks.

    Args:
        dependency: longest chain of tiles, with a bank for every tile.
        resource: the banks of the busiest layer with the best heads and tails known.
        bottleneck: the busiest layer alone.
    """

    dependency: int
    resource: int
    bottleneck: int

    @property
    def best(self) -> int:
        """The largest."""
        return max(self.dependency, self.resource, self.bottleneck)


def network_bounds(graph: Graph, mappings: Sequence[Mapping]) -> Bounds:
    """Lower bounds on the end of a network whose layers have banks of their own.

    Holds for all orders in which the reduction steps of a block stay on one bank.
    """
    tails = _tails(graph, mappings)
    starts: list[Ints] = []
    ends: list[Ints] = []
    chains: list[Ints] = []
    ranked: list[Ints | None] = []
    resource = dependency = bottleneck = 0
    for index, (layer, mapping) in enumerate(zip(graph.layers, mappings, strict=True)):
        head: Ints = np.zeros((1,) * len(mapping.loops), dtype=np.int64)
        chain = head
        inside = np.broadcast_to(has_outputs(layer, mapping), mapping.shape)
        ranks = np.zeros(int(inside.sum()), dtype=np.int64)
        for edge in layer.edges:
            producer, own = graph.layers[edge.producer], mappings[edge.producer]
            box = box_tiles(producer, own, layer, mapping, edge)
            chain = np.maximum(chain, box_maxima(chains[edge.producer], box))
            head = np.maximum(head, box_maxima(ends[edge.producer], box))
            head = np.maximum(head, _shared_head(own, starts[edge.producer], box))
            done = ranked[edge.producer]
            if done is not None:
                ranks = np.maximum(ranks, _ranked_ready(done, layer, mapping, edge, box, len(ranks)))
        p, tail = mapping.step_ticks, mapping.tail_ticks
        full = np.broadcast_to(head, mapping.shape)
        ranks = np.maximum(ranks, np.sort(full[inside]))
        last = _ranked_ends(ranks, p, mapping.banks)
        resource = max(resource, int(last[-1]) + tail + tails[index])
        simple = mapping.reduction_steps == mapping.reduction_banks == 1
        ranked.append(last + tail if simple else None)
        starts.append(_block_starts(mapping, full))
        ends.append(_block_ends(mapping, full))
        chains.append(_block_ends(mapping, np.broadcast_to(chain, mapping.shape)))
        dependency = max(dependency, int(chains[-1][output_grid(mapping, inside.astype(np.int64)) > 0].max()))
        bottleneck = max(bottleneck, -(-int(inside.sum()) // mapping.banks) * p + tail)
    return Bounds(dependency, resource, bottleneck)


def _ranked_ends(ready: Ints, step_ticks: int, banks: int) -> Ints:
    """Earliest end of the i-th tile to end, given the earliest start of the i-th to start, both for any choice.

    end_i = max(ready_i, end_{i - banks}) + p; for sorted ready times the last one is C_T.
    """
    padding = -len(ready) % banks
    padded = np.concatenate([ready, np.full(padding, ready[-1])])
    return step_ends(padded.reshape(-1, banks), step_ticks).ravel()[: len(ready)]


def _ranked_ready(
    done: Ints, layer: Layer, mapping: Mapping, edge: Edge, box: tuple[Intervals, Intervals, Intervals], tiles: int
) -> Ints:
    """Earliest start of the i-th tile of a consumer, from when how many producer tiles can be done at the earliest."""
    nothing = np.zeros(tiles, dtype=np.int64)
    channels, rows, columns = box
    reduced = any(mapping.loops[axis].dim in REDUCTION_DIMS for axis in range(len(mapping.loops)))
    if reduced or channels.low.size > 1 or channels.low.max() > channels.high.min():
        return nothing
    read: list[Ints] = []
    for dim, ranges in ((Dim.P, rows), (Dim.Q, columns)):
        own = own_intervals(layer, mapping, dim)
        low, high = (np.broadcast_to(part, own.low.shape).ravel() for part in (ranges.low, ranges.high))
        used = (own.low <= own.high).ravel()
        order = np.argsort(own.low.ravel()[used], kind="stable")
        low, high = low[used][order], high[used][order]
        if (low > high).any() or (np.diff(low) < 0).any() or (np.diff(high) < 0).any():
            return nothing
        read.append(fewest_rows(low, high))
    fewest = fewest_read(read[0], read[1])
    if fewest is None:
        return nothing
    positions = (len(read[0]) - 1) * (len(read[1]) - 1)
    per_position = tiles // positions
    channel_tiles = int(channels.high.min() - channels.low.max()) + 1
    needed = fewest[1 + np.arange(tiles) // per_position] * channel_tiles
    return done[needed - 1]


def _block_starts(mapping: Mapping, head: Ints) -> Ints:
    """Earliest start of any step of each output tile."""
    return -output_grid(mapping, -head)


def _block_ends(mapping: Mapping, head: Ints) -> Ints:
    """Earliest end of each output tile: its steps follow each other, and its last one waits for its own data."""
    serial = _block_starts(mapping, head) + mapping.reduction_steps * mapping.step_ticks
    return np.maximum(serial, output_grid(mapping, head) + mapping.step_ticks) + mapping.tail_ticks


def _shared_head(mapping: Mapping, starts: Ints, box: tuple[Intervals, Intervals, Intervals]) -> Ints:
    """Earliest end of all blocks of a box together on the producer's banks; NOTHING where the box is empty."""
    earliest = -box_maxima(-starts, box)
    blocks: Ints = np.ones((1,) * len(box[0].low.shape), dtype=np.int64)
    for ranges in box:
        blocks = blocks * np.maximum(ranges.high - ranges.low + 1, 0)
    rounds = -(-blocks * mapping.reduction_banks // mapping.banks)
    ticks = rounds * (mapping.reduction_steps * mapping.step_ticks) + mapping.tail_ticks
    return np.where(blocks == 0, NOTHING, earliest + ticks)


def _tails(graph: Graph, mappings: Sequence[Mapping]) -> list[int]:
    """Least time from the end of a layer's last tile to the end of the network, by layer.

    Counted over consumers that read every output of the layer: the last tile to end still feeds them.
    """
    tails = [0] * len(mappings)
    for producer in reversed(range(len(mappings))):
        layer = graph.layers[producer]
        for index, edge in graph.consumers(producer):
            if _reads_everything(layer, graph.layers[index], edge):
                after = _remaining(graph.layers[index], mappings[index], edge) + tails[index]
                tails[producer] = max(tails[producer], after)
    return tails


def _reads_everything(producer: Layer, consumer: Layer, edge: Edge) -> bool:
    """Whether a consumer leaves no output of the producer unread."""
    channels = consumer.K if consumer.channelwise or edge.at_output else consumer.C
    if not edge.all_channels and (edge.channel_offset or channels < producer.K):
        return False
    row_pools = [(pool.rows, pool.height) for pool in edge.pools]
    column_pools = [(pool.columns, pool.width) for pool in edge.pools]
    rows, columns = (Axis(), Axis()) if edge.at_output else (consumer.rows, consumer.columns)
    return (edge.all_rows or _covers(rows, consumer.P, row_pools, producer.P)) and (
        edge.all_columns or _covers(columns, consumer.Q, column_pools, producer.Q)
    )


def _covers(window: Axis, outputs: int, pools: list[tuple[Axis, int]], size: int) -> bool:
    """Whether windows, seen through poolings, read all of 0..size-1."""
    read = np.arange(outputs)
    sizes = [pooled for _, pooled in pools] + [size]
    for axis, extent in zip([window, *(pool for pool, _ in pools)], sizes, strict=True):
        taps = read[:, None] * axis.stride - axis.pad + np.arange(axis.size) * axis.dilation
        read = np.unique(taps[(taps >= 0) & (taps < extent)])
    return len(read) == size


def _remaining(consumer: Layer, mapping: Mapping, edge: Edge) -> int:
    """Least time of the tiles of a consumer that read one given tile of its producer."""
    dims: list[Dim] = []
    if edge.all_channels or not (consumer.channelwise or edge.at_output):
        dims.append(Dim.K)
    if edge.all_rows:
        dims.append(Dim.P)
    if edge.all_columns:
        dims.append(Dim.Q)
    tiles = math.prod(math.ceil(consumer.size(dim) / tile_size(consumer, mapping, dim)) for dim in dims)
    return math.ceil(tiles / mapping.banks) * mapping.step_ticks + mapping.tail_ticks
