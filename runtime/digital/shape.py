"""Operations that move elements without computing."""

from __future__ import annotations

import numpy as np

from imcflow.runtime.digital.registry import Array, Call, operation


@operation("reshape")
def reshape(call: Call) -> Array:
    """Another shape for each image, row-major."""
    return call.first.reshape(call.shape)


@operation("transpose")
def transpose(call: Call) -> Array:
    """Axes in another order."""
    return call.first.transpose(call.integers("permutation"))


@operation("concat")
def concat(call: Call) -> Array:
    """Join along an axis."""
    return np.concatenate(call.operands, axis=call.integer("axis"))


@operation("pad")
def pad(call: Call) -> Array:
    """Surround with a constant."""
    pads, rank = call.integers("pads"), call.first.ndim
    inside = tuple(slice(pads[axis], pads[axis] + call.first.shape[axis]) for axis in range(rank))
    result = np.full(call.shape, call.integer("value"), call.dtype)
    result[inside] = call.first
    return result


@operation("slice")
def slice_(call: Call) -> Array:
    """A range of one axis."""
    selection = slice(call.integer("start"), call.integer("stop"), call.integer("step"))
    return call.first[(slice(None),) * call.integer("axis") + (selection,)]


@operation("depth_to_space")
def depth_to_space(call: Call) -> Array:
    """Channels to blocks of pixels, ONNX modes DCR and CRD."""
    batch, channels, height, width = call.first.shape
    block = call.integer("block")
    depth = channels // block**2
    column_row_depth = call.flag("column_row_depth")
    split = (
        (batch, depth, block, block, height, width) if column_row_depth else (batch, block, block, depth, height, width)
    )
    order = (0, 1, 4, 2, 5, 3) if column_row_depth else (0, 3, 4, 1, 5, 2)
    return call.first.reshape(split).transpose(order).reshape(call.shape)


@operation("reduce_mean")
def reduce_mean(call: Call) -> Array:
    """Mean over axes that keep size 1."""
    return np.asarray(np.mean(call.first, axis=tuple(call.integers("axes")), keepdims=True, dtype=np.float32))


@operation("top_k")
def top_k(call: Call) -> Array:
    """Indices of the largest elements along an axis; the first of equals wins."""
    axis = call.integer("axis")
    values = call.first if call.first.dtype.kind == "f" else call.first.astype(np.int64)
    order = np.argsort(-values, axis=axis, kind="stable")
    return order[(slice(None),) * axis + (slice(0, call.integer("count")),)]
