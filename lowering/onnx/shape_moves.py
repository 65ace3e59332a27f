"""Ops that move elements: Transpose, Concat, Pad, Slice, Split, Gather, DepthToSpace, TopK, ArgMax."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import CastOp
from imcflow.dialect.ops_shape import ConcatOp, DepthToSpaceOp, PadOp, SliceOp, TopKOp, TransposeOp
from imcflow.dialect.types import is_float, shape_of, with_element
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import normalised_axis, rank_of
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.shape_constants import shape_tensor
from imcflow.lowering.onnx.tensors import Activation, Constant, ShapeVector, Tensor, Unavailable

MAX_GATHERED_RUNS = 64
"""A Gather becomes one slice per run of consecutive indices; more runs are refused."""


@onnx_op("Transpose", attributes=("perm",), limits="axis 0 of an activation stays the batch; weights in any order")
def import_transpose(node: Node, build: NetworkBuilder) -> Tensor:
    """Axes in another order."""
    data = node.tensor(0)
    order = node.integers("perm")
    if isinstance(data, Constant):
        return data.moved(lambda array: array.transpose(order), keeps_axes=True)
    data = node.activation(0)
    rank = rank_of(data.value)
    order = list(range(rank))[::-1] if order is None else order
    if sorted(order) != list(range(rank)):
        raise node.error(f"attribute 'perm' {order} is no permutation of {rank} axes")
    if order[0] != 0:
        raise node.error(f"attribute 'perm' {order} would move the batch away from axis 0")
    if order == list(range(rank)):
        return data
    return Activation(build.emit(TransposeOp(data.value, order), build.same_interval(data.value)), data.dtype)


@onnx_op("Concat", attributes=("axis",), limits="activations along any axis but the batch; constants; shapes")
def import_concat(node: Node, build: NetworkBuilder) -> Tensor:
    """Tensors joined along an axis."""
    tensors = node.tensors()
    if not any(isinstance(tensor, Activation) for tensor in tensors):
        if any(isinstance(tensor, ShapeVector) for tensor in tensors):
            return shape_tensor([entry for tensor in tensors for entry in node.entries(tensor)])
        arrays = [tensor.array for tensor in tensors if isinstance(tensor, Constant)]
        return Constant(np.concatenate(arrays, axis=node.integer("axis", 1)))
    data = [node.activation(index) for index in range(len(tensors))]
    axis = normalised_axis(node, node.integer("axis", 1), rank_of(data[0].value))
    return Activation(concatenated(build, data, axis), data[0].dtype)


def concatenated(build: NetworkBuilder, data: Sequence[Activation], axis: int) -> SSAValue:
    """Emit `imc.concat` after giving all inputs one element type."""
    if len(data) == 1:
        return data[0].value
    if any(is_float(item.value) for item in data):
        return build.emit(ConcatOp([build.floats(item) for item in data], axis=axis))
    interval = build.interval(data[0].value)
    for item in data[1:]:
        interval = interval.union(build.interval(item.value))
    element = build.element(interval)
    values = [
        item.value
        if item.value.type == with_element(item.value, element)
        else build.emit(CastOp(item.value, element), build.interval(item.value))
        for item in data
    ]
    return build.emit(ConcatOp(values, axis=axis), interval)


@onnx_op(
    "Pad",
    attributes=("mode", "pads", "value", "paddings"),
    limits="constant mode, not negative, not on the batch; an integral value",
)
def import_pad(node: Node, build: NetworkBuilder) -> Tensor:
    """Constant border."""
    if node.text("mode", "constant") != "constant":
        raise node.error(f"mode '{node.text('mode', '')}' is not supported, only 'constant'")
    pads = node.integers("pads") if node.has("pads") else node.integer_list(1, "pads")
    filling = node.optional_constant(2, "constant_value") if node.opset >= 11 else None
    value = node.number("value", 0.0) if filling is None else float(filling.array.ravel()[0])
    data = node.activation(0)
    rank = rank_of(data.value)
    axes = node.integer_list(3, "axes")
    pads = _full_pads(node, pads or [], list(range(rank)) if axes is None else axes, rank)
    if value != int(value):
        raise node.error(f"pads with {value}; only integral values are supported")
    if not any(pads):
        return data
    inside = build.same_interval(data.value)
    source = data.value
    if inside is not None:
        inside = inside.union(Interval(int(value), int(value)))
        element = build.element(inside)
        if source.type != with_element(source, element):
            source = build.emit(CastOp(source, element), build.interval(source))
    return Activation(build.emit(PadOp(source, pads, value=int(value)), inside), data.dtype)


def _full_pads(node: Node, pads: list[int], axes: list[int], rank: int) -> list[int]:
    if len(pads) != 2 * len(axes):
        raise node.error(f"has {len(pads)} pads for {len(axes)} axes")
    if min(pads, default=0) < 0:
        raise node.error(f"pads {pads} remove elements; use Slice")
    full = [0] * (2 * rank)
    for position, axis in enumerate(axes):
        place = normalised_axis(node, axis, rank, batch_allowed=True)
        full[place], full[place + rank] = pads[position], pads[position + len(axes)]
    if full[0] or full[rank]:
        raise node.error("pads the batch")
    return full


def sliced(build: NetworkBuilder, value: SSAValue, axis: int, start: int, stop: int, step: int = 1) -> SSAValue:
    """Emit `imc.slice` unless it takes the whole axis."""
    if (start, stop, step) == (0, shape_of(value)[axis], 1):
        return value
    return build.emit(SliceOp(value, axis=axis, start=start, stop=stop, step=step), build.same_interval(value))


@onnx_op("Slice", attributes=("axes", "starts", "ends"), limits="constant limits, forward steps, the whole batch")
def import_slice(node: Node, build: NetworkBuilder) -> Tensor:
    """Ranges of some axes."""
    old = node.has("starts")
    starts = node.integers("starts") if old else node.integer_list(1, "starts")
    ends = node.integers("ends") if old else node.integer_list(2, "ends")
    axes = node.integers("axes") if old else node.integer_list(3, "axes")
    steps = node.integer_list(4, "steps")
    if starts is None or ends is None:
        raise node.error("starts or ends are missing")
    axes = list(range(len(starts))) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    ranges = list(zip(axes, starts, ends, steps, strict=True))
    data = node.tensor(0)
    if isinstance(data, ShapeVector):
        _, start, end, step = ranges[0]
        return shape_tensor(list(data.entries)[start:end:step])
    if isinstance(data, Constant):
        index = [slice(None)] * data.array.ndim
        for axis, start, end, step in ranges:
            index[axis] = slice(start, None if step < 0 and end < -data.array.shape[axis] else end, step)
        return Constant(data.array[tuple(index)])
    data = node.activation(0)
    value = data.value
    for axis, start, end, step in ranges:
        value = _sliced_axis(node, build, value, axis, slice(start, end, step))
    return Activation(value, data.dtype)


def _sliced_axis(node: Node, build: NetworkBuilder, value: SSAValue, axis: int, part: slice) -> SSAValue:
    axis = normalised_axis(node, axis, rank_of(value), batch_allowed=True)
    if axis == 0:
        if part.start == 0 and part.step == 1 and part.stop >= (build.file_batch or np.iinfo(np.int32).max):
            return value
        raise node.error("takes a part of the batch")
    if part.step < 1:
        raise node.error(f"step {part.step} runs backwards")
    start, stop, step = part.indices(shape_of(value)[axis])
    if start >= stop:
        raise node.error(f"range {part.start}:{part.stop} of axis {axis} is empty")
    return sliced(build, value, axis, start, stop, step)


@onnx_op("Split", attributes=("axis", "split", "num_outputs"), limits="along any axis but the batch")
def import_split(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """Consecutive ranges of one axis."""
    data = node.activation(0)
    axis = normalised_axis(node, node.integer("axis", 0), rank_of(data.value))
    size = shape_of(data.value)[axis]
    sizes = node.integers("split") if node.has("split") else node.integer_list(1, "split")
    if sizes is None:
        chunk = -(-size // len(node.outputs))
        sizes = [min(chunk, size - begin) for begin in range(0, size, chunk)]
    if sum(sizes) != size or len(sizes) != len(node.outputs) or min(sizes) < 1:
        raise node.error(f"parts of {sizes} do not make up axis {axis} of size {size} in {len(node.outputs)} outputs")
    borders = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [Activation(sliced(build, data.value, axis, *part), data.dtype) for part in pairwise(borders)]


@onnx_op(
    "Gather", attributes=("axis",), limits="constant indices along any axis but the batch; on shapes and constants"
)
def import_gather(node: Node, build: NetworkBuilder) -> Tensor:
    """Elements picked along an axis."""
    data = node.tensor(0)
    indices = node.constant(1, "indices").array
    if isinstance(data, ShapeVector):
        picked = [data.entries[int(index)] for index in indices.ravel().tolist()]
        return shape_tensor(picked, scalar=indices.ndim == 0)
    if isinstance(data, Constant):
        return Constant(np.take(data.array, indices, axis=node.integer("axis", 0)))
    data = node.activation(0)
    shape = shape_of(data.value)
    axis = normalised_axis(node, node.integer("axis", 0), len(shape))
    picked = [int(index) + (shape[axis] if index < 0 else 0) for index in indices.ravel().tolist()]
    if not picked or min(picked) < 0 or max(picked) >= shape[axis]:
        raise node.error(f"indices {picked} lie outside axis {axis} of size {shape[axis]}")
    runs = _runs(picked)
    if len(runs) > MAX_GATHERED_RUNS:
        raise node.error(f"picks {len(runs)} separate runs of elements, more than {MAX_GATHERED_RUNS}")
    parts = [Activation(sliced(build, data.value, axis, begin, end), data.dtype) for begin, end in runs]
    value = concatenated(build, parts, axis)
    result = [*shape[1:axis], *indices.shape, *shape[axis + 1 :]]
    return Activation(build.reshaped(value, result), data.dtype)


def _runs(indices: Sequence[int]) -> list[tuple[int, int]]:
    """Return ranges begin ... end of consecutive indices, in order."""
    runs: list[tuple[int, int]] = []
    for index in indices:
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


@onnx_op("DepthToSpace", attributes=("blocksize", "mode"))
def import_depth_to_space(node: Node, build: NetworkBuilder) -> Tensor:
    """Channels to blocks of pixels."""
    data = node.activation(0)
    mode = node.text("mode", "DCR")
    if mode not in ("DCR", "CRD"):
        raise node.error(f"attribute 'mode' is '{mode}', expected DCR or CRD")
    op = DepthToSpaceOp(data.value, block=node.integer("blocksize"), column_row_depth=mode == "CRD")
    return Activation(build.emit(op, build.same_interval(data.value)), data.dtype)


@onnx_op(
    "TopK",
    attributes=("axis", "k", "largest", "sorted"),
    limits="the largest, sorted; only the indices are an output; not along the batch",
)
def import_top_k(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """Indices of the largest elements."""
    node.expect_attribute("largest", 1, (1,), "the smallest elements are not supported")
    count = node.integer("k") if node.has("k") else int(node.constant(1, "k").array.ravel()[0])
    data = node.activation(0)
    axis = normalised_axis(node, node.integer("axis", -1), rank_of(data.value))
    return [Unavailable("the values of a TopK, which are not computed"), _top(build, data, axis, count)]


def _top(build: NetworkBuilder, data: Activation, axis: int, count: int) -> Activation:
    indices = Interval(0, shape_of(data.value)[axis] - 1)
    return Activation(build.emit(TopKOp(data.value, axis=axis, count=count), indices), "int64")


@onnx_op(
    "ArgMax",
    attributes=("axis", "keepdims", "select_last_index"),
    limits="the first of equals; not along the batch",
)
def import_arg_max(node: Node, build: NetworkBuilder) -> Tensor:
    """Index of the largest element."""
    node.expect_attribute("select_last_index", 0, (0,), "only the first of equal elements can be chosen")
    data = node.activation(0)
    axis = normalised_axis(node, node.integer("axis", 0), rank_of(data.value))
    result = _top(build, data, axis, 1)
    if node.integer("keepdims", 1):
        return result
    shape = shape_of(result.value)
    kept = [size for place, size in enumerate(shape) if place and place != axis]
    return Activation(build.reshaped(result.value, kept), "int64")
