"""Three-dimensional range maxima over the output tiles of a layer, for tiles that do not end in loop-nest order.

A box is a product of three ranges, and the boxes of a consumer are products of three short lists of ranges. So the
grid is reduced along one dimension after the other: O(tiles log tiles) for all boxes of a consumer together.
"""

from __future__ import annotations

import numpy as np

from imcflow.passes.overlap.layers import Edge, Layer
from imcflow.passes.overlap.maxima import NOTHING, RangeMaxima
from imcflow.passes.overlap.nests import OUTPUT_DIMS, Ints, Mapping
from imcflow.passes.overlap.ready import Intervals, read_box, tile_size


def output_grid(mapping: Mapping, values: Ints) -> Ints:
    """The largest value of each output tile over its reduction loops.

    Args:
        mapping: the loops.
        values: int64, broadcasting over `mapping.shape`.

    Returns:
        int64[K tiles, P tiles, Q tiles].
    """
    full = np.broadcast_to(values, mapping.shape)
    outer = [mapping.axes(dim) for dim in OUTPUT_DIMS]
    order = [axis for axes in outer for axis in axes]
    rest = tuple(axis for axis in range(full.ndim) if axis not in order)
    arranged = full.max(axis=rest, keepdims=True).transpose((*order, *rest))
    return arranged.reshape([mapping.tiles(dim) for dim in OUTPUT_DIMS])


def box_tiles(
    producer: Layer, producer_mapping: Mapping, consumer: Layer, mapping: Mapping, edge: Edge
) -> tuple[Intervals, Intervals, Intervals]:
    """Which output tiles of the producer every consumer tile reads, as index ranges along K, P and Q."""
    channels, rows, columns = (
        ranges.in_tiles(tile_size(producer, producer_mapping, dim))
        for dim, ranges in zip(OUTPUT_DIMS, read_box(producer, consumer, mapping, edge), strict=True)
    )
    return channels, rows, columns


def box_maxima(grid: Ints, box: tuple[Intervals, Intervals, Intervals]) -> Ints:
    """Maxima of the grid over the boxes of a consumer; NOTHING where a box is empty.

    Args:
        grid: int64[K tiles, P tiles, Q tiles].
        box: ranges per dimension; each broadcasts over the consumer's loops, and no two depend on the same loop.

    Returns:
        int64, one axis per loop of the consumer.
    """
    result = grid
    order: list[int] = []
    bounds: list[int] = []
    count = 0
    for ranges in box:
        low, high = np.broadcast_arrays(ranges.low, ranges.high)
        count = low.ndim
        order += [axis for axis, size in enumerate(low.shape) if size > 1]
        bounds += [size for size in low.shape if size > 1]
        reduced = _reduced(result, low.ravel(), high.ravel())
        # The next dimension comes to the front, the reduced one goes to the end.
        result = reduced.transpose(1, 2, 0)
    positions = np.argsort(order)
    final_shape = [1] * count
    for axis, bound in zip(order, bounds, strict=True):
        final_shape[axis] = bound
    return result.reshape(bounds).transpose(positions).reshape(final_shape)


def _reduced(values: Ints, low: Ints, high: Ints) -> Ints:
    if len(low) > 1:
        return RangeMaxima(np.ascontiguousarray(values)).query(low, high)
    first, last = int(low[0]), int(high[0])
    if first > last:
        return np.full((1, *values.shape[1:]), NOTHING, dtype=np.int64)
    return values[first : last + 1].max(axis=0, keepdims=True)
