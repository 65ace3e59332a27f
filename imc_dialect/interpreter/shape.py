"""Meaning of the ops that move elements."""

from __future__ import annotations

import numpy as np

from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.ops_shape import (
    ConcatOp,
    DepthToSpaceOp,
    PadOp,
    ReduceMeanOp,
    ReshapeOp,
    SliceOp,
    TopKOp,
    TransposeOp,
)
from imcflow.dialect.types import shape_of


@meaning(ReshapeOp)
def reshape(op: ReshapeOp, values: Array) -> Array:
    """Give each image another shape."""
    return values.reshape(values.shape[0], *shape_of(op.result)[1:])


@meaning(TransposeOp)
def transpose(op: TransposeOp, values: Array) -> Array:
    """Reorder the axes."""
    return values.transpose([int(axis) for axis in op.permutation.iter_values()])


@meaning(ConcatOp)
def concat(op: ConcatOp, *values: Array) -> Array:
    """Join along the axis."""
    return np.concatenate(values, axis=op.axis.value.data)


@meaning(PadOp)
def pad(op: PadOp, values: Array) -> Array:
    """Surround with a constant."""
    pads = [int(size) for size in op.pads.iter_values()]
    border = list(zip(pads[: values.ndim], pads[values.ndim :], strict=True))
    return np.pad(values, border, constant_values=op.value.value.data)


@meaning(SliceOp)
def slice_(op: SliceOp, values: Array) -> Array:
    """Take a range of one axis."""
    selection = [slice(None)] * values.ndim
    selection[op.axis.value.data] = slice(op.start.value.data, op.stop.value.data, op.step.value.data)
    return values[tuple(selection)]


@meaning(DepthToSpaceOp)
def depth_to_space(op: DepthToSpaceOp, values: Array) -> Array:
    """Spread channels over blocks of pixels, as ONNX defines modes DCR and CRD."""
    batch, channels, height, width = values.shape
    block = op.block.value.data
    depth = channels // (block * block)
    if op.column_row_depth.value.data:
        blocks = values.reshape(batch, depth, block, block, height, width).transpose(0, 1, 4, 2, 5, 3)
    else:
        blocks = values.reshape(batch, block, block, depth, height, width).transpose(0, 3, 4, 1, 5, 2)
    return blocks.reshape(batch, depth, height * block, width * block)


@meaning(ReduceMeanOp)
def reduce_mean(op: ReduceMeanOp, values: Array) -> Array:
    """Return the mean over the axes, which keep size 1."""
    axes = tuple(int(axis) for axis in op.axes.iter_values())
    return values.mean(axis=axes, keepdims=True, dtype=np.float32)


@meaning(TopKOp)
def top_k(op: TopKOp, values: Array) -> Array:
    """Return the indices of the largest elements; the first of equals wins."""
    axis = op.axis.value.data
    order = np.argsort(-values, axis=axis, kind="stable")
    return np.take(order, np.arange(op.count.value.data), axis=axis)
