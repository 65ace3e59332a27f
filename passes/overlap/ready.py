"""Ready steps: the producer step after which everything a consumer tile reads is final (sheet 2.2 and 2.3).

    T*(box) = RED + max over channels of f_K + max over rows of f_P + max over columns of f_Q

An element is final when the last reduction step that touches it has ended. Boxes separate over the consumer's loops, so
only one-dimensional queries are made: one per channel tile, per row tile and kernel row, per column tile and kernel
column. All arrays here have one axis per loop of the consumer and size 1 along loops they do not depend on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.overlap.layers import Axis, Edge, Layer
from imcflow.passes.overlap.maxima import NOTHING, step_maxima
from imcflow.passes.overlap.nests import OUTPUT_DIMS, Dim, Ints, Mapping


@dataclass(frozen=True, slots=True)
class Intervals:
    """Ranges along one dimension of a tensor, ends inclusive; empty where low > high.

    Args:
        low: first coordinates, broadcasting over the consumer's loops.
        high: last coordinates, same shape.
    """

    low: Ints
    high: Ints

    def clipped(self, size: int) -> Intervals:
        """The ranges within 0..size-1."""
        return Intervals(np.maximum(self.low, 0), np.minimum(self.high, size - 1))

    def through(self, axis: Axis) -> Intervals:
        """The input ranges of a window whose outputs are these ranges; empty ranges stay empty."""
        reach = (axis.size - 1) * axis.dilation - axis.pad
        high = np.where(self.low > self.high, NOTHING, self.high * axis.stride + reach)
        return Intervals(self.low * axis.stride - axis.pad, high)

    def in_tiles(self, tile: int) -> Intervals:
        """Indices of the tiles that hold the ranges; empty ranges stay empty."""
        empty = self.low > self.high
        return Intervals(self.low // tile, np.where(empty, NOTHING, self.high // tile))


def tile_size(layer: Layer, mapping: Mapping, dim: Dim) -> int:
    """Extent of a tile along a dimension; the last tile may reach beyond the layer."""
    return -(-layer.size(dim) // mapping.tiles(dim))


def own_intervals(layer: Layer, mapping: Mapping, dim: Dim) -> Intervals:
    """Coordinates of every tile along one of its own dimensions, without what reaches beyond the layer."""
    tile = tile_size(layer, mapping, dim)
    start = mapping.tile_indices(dim) * tile
    return Intervals(start, np.minimum(start + tile, layer.size(dim)) - 1)


def has_outputs(layer: Layer, mapping: Mapping) -> NDArray[np.bool_]:
    """Which tiles lie at least partly inside the layer; tiles that only pad have no reader to wait for them."""
    channels, rows, columns = (own_intervals(layer, mapping, dim) for dim in OUTPUT_DIMS)
    return (channels.low <= channels.high) & (rows.low <= rows.high) & (columns.low <= columns.high)


def working_ticks(layer: Layer, mapping: Mapping) -> int:
    """Time of the tiles that have outputs, evenly on the banks: what a layer takes if tiles may change banks."""
    inside = np.broadcast_to(has_outputs(layer, mapping), mapping.shape)
    return -(-int(inside.sum()) // mapping.banks) * mapping.step_ticks + mapping.tail_ticks


def read_box(producer: Layer, consumer: Layer, mapping: Mapping, edge: Edge) -> tuple[Intervals, Intervals, Intervals]:
    """What every tile of the consumer reads: channels, rows and columns of the producer's output.

    Args:
        producer: the layer that is read.
        consumer: the reading layer.
        mapping: the consumer's loops.
        edge: how they are connected.
    """
    everything = (1,) * len(mapping.loops)

    def whole(size: int) -> Intervals:
        return Intervals(np.zeros(everything, dtype=np.int64), np.full(everything, size - 1, dtype=np.int64))

    channels = whole(producer.K)
    if not edge.all_channels:
        own = own_intervals(consumer, mapping, Dim.K if consumer.channelwise or edge.at_output else Dim.C)
        channels = Intervals(own.low - edge.channel_offset, own.high - edge.channel_offset).clipped(producer.K)
    rows, columns = whole(producer.P), whole(producer.Q)
    if not edge.all_rows:
        pools = [(pool.rows, pool.height) for pool in edge.pools]
        taps = None if edge.at_output else (Dim.R, consumer.rows)
        rows = _read_range(consumer, mapping, Dim.P, taps, pools).clipped(producer.P)
    if not edge.all_columns:
        pools = [(pool.columns, pool.width) for pool in edge.pools]
        taps = None if edge.at_output else (Dim.S, consumer.columns)
        columns = _read_range(consumer, mapping, Dim.Q, taps, pools).clipped(producer.Q)
    return channels, rows, columns


def _read_range(
    layer: Layer, mapping: Mapping, output: Dim, taps: tuple[Dim, Axis] | None, pools: list[tuple[Axis, int]]
) -> Intervals:
    """Rows or columns read through the layer's window (kernel dimension and axis in `taps`) and through poolings."""
    ranges = own_intervals(layer, mapping, output)
    if taps is not None:
        kernel, axis = taps
        tap = own_intervals(layer, mapping, kernel)
        empty = (ranges.low > ranges.high) | (tap.low > tap.high)
        low = ranges.low * axis.stride + tap.low * axis.dilation - axis.pad
        high = ranges.high * axis.stride + tap.high * axis.dilation - axis.pad
        ranges = Intervals(low, np.where(empty, NOTHING, high))
    for pool, size in pools:
        ranges = ranges.clipped(size).through(pool)
    return ranges


def ready_parts(
    producer: Layer,
    producer_mapping: Mapping,
    consumer: Layer,
    mapping: Mapping,
    edge: Edge,
    *,
    digits: bool = False,
) -> tuple[Ints, Ints, Ints]:
    """The three one-dimensional maxima of T* for every tile of the consumer; NOTHING marks an empty range.

    Args:
        producer: the layer that is read.
        producer_mapping: its loops.
        consumer: the reading layer.
        mapping: its loops.
        edge: how they are connected.
        digits: answer queries from digits instead of from tables.
    """
    box = read_box(producer, consumer, mapping, edge)
    parts: list[Ints] = []
    for dim, ranges in zip(OUTPUT_DIMS, box, strict=True):
        tiles = ranges.in_tiles(tile_size(producer, producer_mapping, dim))
        low, high = np.broadcast_arrays(tiles.low, tiles.high)
        parts.append(step_maxima(producer_mapping, dim, low, high, digits=digits))
    return parts[0], parts[1], parts[2]


def ready_steps(
    producer: Layer,
    producer_mapping: Mapping,
    consumer: Layer,
    mapping: Mapping,
    edge: Edge,
    *,
    digits: bool = False,
) -> Ints:
    """T* of every tile of the consumer, broadcasting over `mapping.shape`; -1 where it reads padding only."""
    parts = ready_parts(producer, producer_mapping, consumer, mapping, edge, digits=digits)
    return _steps_from(producer_mapping, parts)


def lock_step_ready(producer: Layer, producer_mapping: Mapping, consumer: Layer, mapping: Mapping, edge: Edge) -> Ints:
    """T* of every step of the consumer: the largest of its banks, int64 with size 1 along spatial loops.

    The three parts depend on different loops, so the largest sum is the sum of the largest parts.
    """
    spatial = mapping.spatial_axes()
    first, second, third = (
        part.max(axis=spatial, keepdims=True)
        for part in ready_parts(producer, producer_mapping, consumer, mapping, edge)
    )
    return _steps_from(producer_mapping, (first, second, third))


def _steps_from(producer_mapping: Mapping, parts: tuple[Ints, Ints, Ints]) -> Ints:
    total = parts[0] + parts[1] + parts[2]
    return np.where(total < 0, -1, total + producer_mapping.reduction_step)
