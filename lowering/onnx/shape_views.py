"""Ops that change the axes but move no element: Reshape, Flatten, Squeeze, Unsqueeze."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.ir import SSAValue

from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import normalised_axis, rank_of, shape_text
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import BATCH, Activation, Constant, ShapeVector, Tensor

BATCH_LIMIT = "the batch stays axis 0 and is mixed with no other axis"


@onnx_op("Reshape", attributes=("shape", "allowzero", "consumed_inputs"), limits=BATCH_LIMIT)
def import_reshape(node: Node, build: NetworkBuilder) -> Tensor:
    """Other axes for the same elements."""
    declared = node.integers("shape") if node.has("shape") else None
    shape_input = None if declared is not None else node.tensor(1)
    target = declared if shape_input is None else node.entries(shape_input)
    zero_copies = not node.integer("allowzero", 0)
    data = node.tensor(0)
    if isinstance(data, ShapeVector):
        return ShapeVector(data.entries, scalar=not target)
    if isinstance(data, Constant):
        sizes = data.array.shape
        shape = [sizes[axis] if size == 0 and zero_copies else size for axis, size in enumerate(target or [])]
        return data.moved(lambda array: array.reshape(shape), keeps_axes=False)
    data = node.activation(0)
    shape = _per_image(node, build, data.value, target or [], zero_copies=zero_copies)
    return Activation(build.reshaped(data.value, shape), data.dtype)


def _per_image(
    node: Node, build: NetworkBuilder, value: SSAValue, target: Sequence[int], *, zero_copies: bool
) -> list[int]:
    """Return the shape of each image after a Reshape to `target`.

    The batch may be written as the size that the file fixes, as 0, as the batch entry of a Shape, or as -1.

    Raises:
        ModelError: if the batch would not stay axis 0.
    """
    sizes = shape_of(value)
    before = math.prod(sizes[1:])
    if not target:
        raise node.error("a reshape to no axes would drop the batch")
    first = target[0]
    copied = range(1, len(sizes)) if zero_copies else ()
    rest = [sizes[axis] if size == 0 and axis in copied else size for axis, size in enumerate(target)][1:]
    if first == BATCH or (first == 0 and zero_copies):
        return _resolved(node, rest, before, target)
    if first == -1:
        return rest if math.prod(rest) == before else _refuse(node, target)
    if build.file_batch is not None and first == build.file_batch:
        return _resolved(node, rest, before, target)
    return _refuse(node, target)


def _resolved(node: Node, rest: Sequence[int], before: int, target: Sequence[int]) -> list[int]:
    """Return the sizes with -1 replaced, if they hold as many elements as one image."""
    known = math.prod(size for size in rest if size != -1)
    if -1 not in rest:
        return list(rest) if known == before else _refuse(node, target)
    if rest.count(-1) > 1 or known <= 0 or before % known:
        return _refuse(node, target)
    return [before // known if size == -1 else size for size in rest]


def _refuse(node: Node, target: Sequence[int]) -> list[int]:
    sizes = ["batch" if size == BATCH else size for size in target]
    raise node.error(f"a reshape to {sizes} would mix the batch (axis 0) with other axes")


@onnx_op("Flatten", attributes=("axis",), limits="axis 1, or any axis of a constant; " + BATCH_LIMIT)
def import_flatten(node: Node, build: NetworkBuilder) -> Tensor:
    """All axes but the batch become one."""
    data = node.tensor(0)
    axis = node.integer("axis", 1)
    if isinstance(data, Constant):
        rows = math.prod(data.array.shape[:axis])
        return data.moved(lambda array: array.reshape(rows, -1), keeps_axes=False)
    data = node.activation(0)
    rank = rank_of(data.value)
    if axis not in (1, 1 - rank):
        raise node.error(f"axis {axis} would mix the batch with other axes; only axis 1 is supported")
    return Activation(build.reshaped(data.value, [math.prod(shape_of(data.value)[1:])]), data.dtype)


def _axes(node: Node) -> list[int] | None:
    return node.integers("axes") if node.has("axes") else node.integer_list(1, "axes")


@onnx_op("Squeeze", attributes=("axes",), limits="the batch axis stays")
def import_squeeze(node: Node, build: NetworkBuilder) -> Tensor:
    """Axes of size 1 removed."""
    data = node.tensor(0)
    axes = _axes(node)
    if isinstance(data, ShapeVector):
        return ShapeVector(data.entries, scalar=len(data.entries) == 1)
    if isinstance(data, Constant):
        chosen = None if axes is None else tuple(axes)
        return data.moved(lambda array: array.squeeze(chosen), keeps_axes=True)
    data = node.activation(0)
    shape = shape_of(data.value)
    if axes is None and build.file_batch == 1:
        raise node.error("without axes it would remove the batch, whose size is 1 in the file")
    if axes is None:
        axes = [axis for axis in range(1, len(shape)) if shape[axis] == 1]
    dropped = {normalised_axis(node, axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in dropped):
        raise node.error(f"axes {sorted(dropped)} of shape {shape_text(data.value)} do not all have size 1")
    kept = [size for axis, size in enumerate(shape) if axis and axis not in dropped]
    return Activation(build.reshaped(data.value, kept), data.dtype)


@onnx_op("Unsqueeze", attributes=("axes",), limits="no axis before the batch")
def import_unsqueeze(node: Node, build: NetworkBuilder) -> Tensor:
    """Axes of size 1 inserted."""
    data = node.tensor(0)
    axes = _axes(node)
    if axes is None:
        raise node.error("axes are missing")
    if isinstance(data, ShapeVector):
        return ShapeVector(data.entries, scalar=False)
    rank = (data.array.ndim if isinstance(data, Constant) else rank_of(node.activation(0).value)) + len(axes)
    is_constant = isinstance(data, Constant)
    places = {normalised_axis(node, axis, rank, batch_allowed=is_constant) for axis in axes}
    if len(places) != len(axes):
        raise node.error(f"axes {axes} name an axis twice")
    sizes = iter(data.array.shape if isinstance(data, Constant) else shape_of(node.activation(0).value))
    shape = [1 if axis in places else next(sizes) for axis in range(rank)]
    if isinstance(data, Constant):
        return data.moved(lambda array: array.reshape(shape), keeps_axes=False)
    data = node.activation(0)
    return Activation(build.reshaped(data.value, shape[1:]), data.dtype)
