"""Meaning of the poolings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.ops_network import AvgPoolOp, MaxPoolOp, PoolOp, SumPoolOp, window_properties
from imcflow.dialect.types import shape_of


def _taps(op: PoolOp, feature_map: Array, padding: float, *, padded: bool = False) -> Iterator[Array]:
    """Yield, for each position in the window, the elements that the windows see there: `[N, C, OH, OW]`.

    `padded` says that the feature map already contains the padding.
    """
    kernel = [int(size) for size in op.kernel.iter_values()]
    strides, pads, dilations = window_properties(op.strides, op.pads, op.dilations)
    if padded:
        pads = [0, 0, 0, 0]
    out_size = shape_of(op.result)[2:]
    spans = [(out_size[axis] - 1) * strides[axis] + 1 for axis in range(2)]
    # With ceil_mode, the last window may reach beyond the end padding: pad as far as the windows go.
    reach = [(kernel[axis] - 1) * dilations[axis] + spans[axis] for axis in range(2)]
    ends = [max(pads[axis + 2], reach[axis] - pads[axis] - feature_map.shape[axis + 2]) for axis in range(2)]
    border = ((0, 0), (0, 0), (pads[0], ends[0]), (pads[1], ends[1]))
    bordered = np.pad(feature_map, border, constant_values=padding)
    for row in range(kernel[0]):
        for column in range(kernel[1]):
            top, left = row * dilations[0], column * dilations[1]
            yield bordered[:, :, top : top + spans[0] : strides[0], left : left + spans[1] : strides[1]]


@meaning(MaxPoolOp)
def max_pool(op: MaxPoolOp, feature_map: Array) -> Array:
    """Keep the largest element of each window."""
    least = -np.inf if feature_map.dtype.kind == "f" else np.iinfo(np.int64).min
    taps = _taps(op, feature_map, least)
    result = next(taps)
    for tap in taps:
        result = np.maximum(result, tap)
    return result


def _sum(taps: Iterator[Array]) -> Array:
    result = next(taps)
    for tap in taps:
        result = result + tap
    return result


@meaning(SumPoolOp)
def sum_pool(op: SumPoolOp, feature_map: Array) -> Array:
    """Add up each window, row by row."""
    return _sum(_taps(op, feature_map, 0))


@meaning(AvgPoolOp)
def avg_pool(op: AvgPoolOp, feature_map: Array) -> Array:
    """Divide the sum of each window by the number of its elements inside the image, or inside the padded image."""
    inside = np.ones((1, 1, *feature_map.shape[2:]), np.float32)
    with_padding = op.count_include_pad is not None
    if with_padding:
        _, pads, _ = window_properties(op.strides, op.pads, op.dilations)
        inside = np.pad(inside, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=1)
    count = _sum(_taps(op, inside, 0, padded=with_padding))
    return _sum(_taps(op, feature_map, 0)) / np.maximum(count, np.float32(1))
