"""Batch and layer normalisation, and means over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_elementwise import AddOp, DivOp, MulOp, SqrtOp, SubOp
from imcflow.dialect.ops_network import BatchNormOp, SumPoolOp
from imcflow.dialect.ops_shape import ReduceMeanOp, TransposeOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned_constant, normalised_axis, rank_of
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import requantised
from imcflow.lowering.onnx.tensors import Activation, Constant, Tensor, Unavailable


@onnx_op(
    "BatchNormalization",
    attributes=("epsilon", "momentum", "training_mode", "spatial", "is_test", "consumed_inputs"),
    limits="inference with the stored statistics; parameters are constants",
)
def import_batch_normalization(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """`(x - mean) * scale / sqrt(variance + epsilon) + shift` per channel."""
    node.expect_attribute("training_mode", 0, (0,), "training is not supported; export the model for inference")
    node.expect_attribute("spatial", 1, (1,), "statistics per pixel are not supported")
    data = node.activation(0)
    if rank_of(data.value) < 2:
        raise node.error("the input has no channel axis")
    channels = shape_of(data.value)[1]
    parameters: list[SSAValue] = []
    for index, what in enumerate(("scale", "shift", "mean", "variance"), start=1):
        constant = node.constant(index, what)
        if constant.array.shape != (channels,):
            raise node.error(f"the {what} has shape {list(constant.array.shape)}, expected [{channels}]")
        parameters.append(build.constant(constant.array.astype(np.float32)))
    scale, shift, mean, variance = parameters
    op = BatchNormOp(build.floats(data), scale, shift, mean, variance, epsilon=node.number("epsilon", 1e-5))
    statistics = Unavailable("a statistic that BatchNormalization computes only in training")
    return [Activation(build.emit(op), data.dtype), *[statistics] * (len(node.outputs) - 1)]


@onnx_op(
    "LayerNormalization",
    attributes=("axis", "epsilon", "stash_type"),
    limits="over axes other than the batch; scale and bias are constants; mean and deviation are no outputs",
)
def import_layer_normalization(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """Mean, difference, variance, root, quotient, scale and bias, as ONNX defines it."""
    node.expect_attribute("stash_type", 1, (1,), "statistics are computed in float32")
    data = node.activation(0)
    value = build.floats(data)
    rank = rank_of(value)
    axis = normalised_axis(node, node.integer("axis", -1), rank)
    axes = list(range(axis, rank))
    difference = build.emit(SubOp(value, build.emit(ReduceMeanOp(value, axes)), f32))
    variance = build.emit(ReduceMeanOp(build.emit(MulOp(difference, difference, f32)), axes))
    raised = build.emit(AddOp(variance, build.scalar(node.number("epsilon", 1e-5)), f32))
    result = build.emit(DivOp(difference, build.emit(SqrtOp(raised)), f32))
    scale = aligned_constant(node, node.constant(1, "scale"), rank)
    result = build.emit(MulOp(result, build.floats(scale), f32))
    bias = node.optional_constant(2, "bias")
    if bias is not None:
        result = build.emit(AddOp(result, build.floats(aligned_constant(node, bias, rank)), f32))
    inner = Unavailable("a statistic inside LayerNormalization, which is no output here")
    return [Activation(result, data.dtype), inner, inner]


@onnx_op(
    "ReduceMean",
    attributes=("axes", "keepdims", "noop_with_empty_axes"),
    limits="over axes other than the batch; of a float tensor that holds integers (networks declared with integer "
    "inputs) it is floor(mean + 1/2), as Deeploy defines it",
)
def import_reduce_mean(node: Node, build: NetworkBuilder) -> Tensor:
    """Mean over some axes."""
    data = node.tensor(0)
    axes = node.integers("axes") if node.has("axes") else node.integer_list(1, "axes")
    keep = bool(node.integer("keepdims", 1))
    if isinstance(data, Constant):
        chosen = None if not axes else tuple(axes)
        return Constant(np.mean(data.array, axis=chosen, keepdims=keep, dtype=data.array.dtype))
    data = node.activation(0)
    if not axes:
        if node.integer("noop_with_empty_axes", 0):
            return data
        raise node.error("a mean over all axes would mix the images of a batch")
    rank = rank_of(data.value)
    axes = sorted({normalised_axis(node, axis, rank) for axis in axes})
    if is_float(data.value):
        result = build.emit(ReduceMeanOp(data.value, axes))
    elif data.source_is_integer:
        raise node.error(f"a mean of {data.dtype} is not supported")
    else:
        result = _rounded_mean(build, data.value, axes)
    if not keep:
        result = build.reshaped(
            result, [size for axis, size in enumerate(shape_of(result)) if axis and axis not in axes]
        )
    return Activation(result, data.dtype)


def _rounded_mean(build: NetworkBuilder, value: SSAValue, axes: list[int]) -> SSAValue:
    """Emit `floor(sum / count + 1/2)` of integers; reduced axes keep size 1."""
    shape = shape_of(value)
    kept = [axis for axis in range(1, len(shape)) if axis not in axes]
    count = math.prod(shape[axis] for axis in axes)
    order = [0, *kept, *axes]
    if order != sorted(order):
        value = build.emit(TransposeOp(value, order), build.interval(value))
    rows = math.prod(shape[axis] for axis in kept)
    image = build.reshaped(value, [1, rows, count])
    interval: Interval = build.interval(image).scaled(count)
    total = build.emit(SumPoolOp(image, build.element(interval), kernel=(1, count), strides=(1, count)), interval)
    one, zero = np.ones((), np.int64), np.zeros((), np.int64)
    mean = requantised(build, total, one, zero, np.asarray(count, np.int64), Rounding.HALF_UP)
    return build.reshaped(mean, [1 if axis in axes else size for axis, size in enumerate(shape) if axis])
