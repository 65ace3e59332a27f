"""Exhaustive references: every consumer tile against every producer tile, and elements one by one.

They share with the closed form only what a tile and a window are, and cost O(M N). Use them to check and to measure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.overlap.layers import Edge, Layer
from imcflow.passes.overlap.nests import OUTPUT_DIMS, Ints, Mapping
from imcflow.passes.overlap.ready import own_intervals, read_box, tile_size

_PAIRS_AT_ONCE = 1 << 22


def producer_boxes(layer: Layer, mapping: Mapping) -> tuple[Ints, Ints, Ints]:
    """First and last output coordinates of every tile of work, and its step.

    Returns:
        int64[M, 3] first K, P, Q; int64[M, 3] last; int64[M] step.
    """
    shape = mapping.shape
    starts = [mapping.tile_indices(dim) * tile_size(layer, mapping, dim) for dim in OUTPUT_DIMS]
    first = np.stack([np.broadcast_to(start, shape).ravel() for start in starts], axis=1)
    last = first + np.array([tile_size(layer, mapping, dim) - 1 for dim in OUTPUT_DIMS])
    return first, last, np.broadcast_to(mapping.step_indices(), shape).ravel()


def consumer_boxes(producer: Layer, consumer: Layer, mapping: Mapping, edge: Edge) -> tuple[Ints, Ints]:
    """First and last producer coordinates that every consumer tile reads; empty where first > last.

    Returns:
        int64[N, 3] first K, P, Q; int64[N, 3] last.
    """
    box = read_box(producer, consumer, mapping, edge)
    first = [np.broadcast_to(ranges.low, mapping.shape).ravel() for ranges in box]
    last = [np.broadcast_to(ranges.high, mapping.shape).ravel() for ranges in box]
    return np.stack(first, axis=1), np.stack(last, axis=1)


def pairwise_ready_steps(boxes: tuple[Ints, Ints], tiles: tuple[Ints, Ints, Ints]) -> Ints:
    """The last step of any producer tile that overlaps each box, by comparing all pairs.

    Args:
        boxes: first and last coordinates, int64[N, 3] each.
        tiles: first and last coordinates, int64[M, 3] each, and steps int64[M].

    Returns:
        int64[N]; -1 where a box is empty.
    """
    first, last = boxes
    tile_first, tile_last, steps = tiles
    result = np.full(len(first), -1, dtype=np.int64)
    chunk = max(1, _PAIRS_AT_ONCE // max(1, len(steps)))
    for begin in range(0, len(first), chunk):
        low, high = first[begin : begin + chunk, None, :], last[begin : begin + chunk, None, :]
        meets: NDArray[np.bool_] = (tile_first[None] <= high) & (tile_last[None] >= low) & (low <= high)
        result[begin : begin + chunk] = np.where(meets.all(axis=2), steps, -1).max(axis=1)
    return result


def element_ready_steps(layer: Layer, mapping: Mapping) -> Ints:
    """Last step that touches each output element, by walking all tiles of work.

    Returns:
        int64[K, P, Q].
    """
    final = np.full((layer.K, layer.P, layer.Q), -1, dtype=np.int64)
    for first, last, step in zip(*producer_boxes(layer, mapping), strict=True):
        cells = tuple(slice(int(low), int(high) + 1) for low, high in zip(first, last, strict=True))
        final[cells] = np.maximum(final[cells], step)
    return final


def element_reads(layer: Layer, mapping: Mapping, tile: int) -> tuple[list[int], list[int], list[int]]:
    """Input coordinates one tile of a layer without pools reads, listed one by one: channels, rows, columns."""
    from imcflow.passes.overlap.nests import Dim

    def own(dim: Dim) -> range:
        ranges = own_intervals(layer, mapping, dim)
        low = int(np.broadcast_to(ranges.low, mapping.shape).ravel()[tile])
        return range(low, int(np.broadcast_to(ranges.high, mapping.shape).ravel()[tile]) + 1)

    rows, columns = layer.rows, layer.columns
    return (
        list(own(Dim.K if layer.channelwise else Dim.C)),
        sorted({p * rows.stride + r * rows.dilation - rows.pad for p in own(Dim.P) for r in own(Dim.R)}),
        sorted({q * columns.stride + s * columns.dilation - columns.pad for q in own(Dim.Q) for s in own(Dim.S)}),
    )
