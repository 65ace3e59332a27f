"""Ops on quantised tensors (QLinearConv, ...): decomposed into exact integer products and one quantisation.

A linear op multiplies `x - zero_x` with `w - zero_w` exactly, adds the int32 bias, and quantises
`accumulator * (scale_x * scale_w / scale_y)` in float32, as onnxruntime does. Other ops are dequantise, op, quantise.
"""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import AddOp, CastOp, MulOp, SoftmaxOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.linear import convolve, matrix_product, multiply
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned, normalised_axis, rank_of
from imcflow.lowering.onnx.pooling import average, pool_window
from imcflow.lowering.onnx.quantised_qdq import (
    dequantised_input,
    limits_of,
    quantised,
    scale_and_zero_point,
    without_zero_point,
)
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor
from imcflow.lowering.onnx.windows import WINDOW_ATTRIBUTES, Window

MICROSOFT = ("com.microsoft",)
ONE = np.ones((), np.float32)


def _centred_input(node: Node, build: NetworkBuilder, index: int, zero_index: int) -> Activation:
    """Return `x - zero_point`; the zero point is one constant."""
    data = node.activation(index)
    zero = node.optional_constant(zero_index, "zero point")
    zeros = np.zeros((), np.int64) if zero is None else zero.array.astype(np.int64)
    if zeros.size != 1:
        raise node.error("the zero point of the input has more than one element")
    return without_zero_point(node, build, data, zeros.reshape(()))


def _centred_weights(node: Node, index: int, zero: Constant | None, channel_axis: int) -> Constant:
    """Return `w - zero_point` as int64."""
    weights = node.constant(index, "weight")
    integers = weights.integers()
    if integers is None:
        raise node.error("the weights hold no integers")
    if zero is None:
        return Constant(integers)
    return Constant(integers - _along(zero.array.astype(np.int64), integers.ndim, channel_axis))


def _along(array: Array, rank: int, axis: int) -> Array:
    """Return one value or one per channel with `rank` axes."""
    return (
        array.reshape(()) if array.size == 1 else array.reshape([-1 if place == axis else 1 for place in range(rank)])
    )


def _quantised_product(
    node: Node, build: NetworkBuilder, accumulator: SSAValue, factor: Array, zero_index: int, channel_axis: int
) -> Activation:
    """Quantise `accumulator * factor` to the type of the zero point at `zero_index`."""
    zero = node.optional_constant(zero_index, "output zero point")
    zeros = np.zeros((), np.uint8) if zero is None else zero.array
    if zeros.size != 1:
        raise node.error("the zero point of the output has more than one element")
    dtype = zeros.dtype.name
    rank = rank_of(accumulator)
    real = build.emit(CastOp(accumulator, f32))
    scaled = build.emit(MulOp(real, build.constant(_along(factor, rank, channel_axis)), f32))
    limits = limits_of(node, dtype)
    return Activation(quantised(build, scaled, ONE, zeros.reshape(()).astype(np.int64), limits), dtype)


def _factor(node: Node, first: int, second: int, output: int) -> Array:
    scales = [node.constant(index, "scale").array.astype(np.float32) for index in (first, second, output)]
    if scales[0].size != 1 or scales[2].size != 1:
        raise node.error("the scales of input and output must have one element")
    if not all(np.all(scale > 0) and np.all(np.isfinite(scale)) for scale in scales):
        raise node.error("a scale is not a positive number")
    return scales[0].reshape(()) * scales[1].reshape(-1) / scales[2].reshape(())


def _exact(node: Node, value: SSAValue) -> SSAValue:
    if is_float(value):
        raise node.error("is not exact in integers")
    return value


@onnx_op(
    "QLinearConv",
    attributes=(*WINDOW_ATTRIBUTES, "group"),
    limits="as Conv; weights per tensor or per output channel; exact accumulation, quantised as onnxruntime does",
)
def import_qlinear_conv(node: Node, build: NetworkBuilder) -> Tensor:
    """Convolution of quantised tensors."""
    data = _centred_input(node, build, 0, 2)
    weights = _centred_weights(node, 3, node.optional_constant(5, "weight zero point"), 0)
    accumulator = _exact(node, convolve(node, build, data, weights, node.optional_constant(8, "bias")))
    return _quantised_product(node, build, accumulator, _factor(node, 1, 4, 6), 7, 1)


@onnx_op("ConvInteger", attributes=(*WINDOW_ATTRIBUTES, "group"), limits="as Conv; exact")
def import_conv_integer(node: Node, build: NetworkBuilder) -> Tensor:
    """Convolution of integers less their zero points."""
    data = _centred_input(node, build, 0, 2)
    weights = _centred_weights(node, 1, node.optional_constant(3, "weight zero point"), 0)
    return Activation(_exact(node, convolve(node, build, data, weights, None)), "int32")


@onnx_op(
    "QLinearMatMul",
    limits="as MatMul with constant weights; exact accumulation, quantised as onnxruntime does",
    domains=("", "ai.onnx", "com.microsoft"),
)
def import_qlinear_matmul(node: Node, build: NetworkBuilder) -> Tensor:
    """Matrix product of quantised tensors."""
    data = _centred_input(node, build, 0, 2)
    axis = node.constant(3, "b").array.ndim - 1
    weights = _centred_weights(node, 3, node.optional_constant(5, "weight zero point"), axis)
    accumulator = _exact(node, matrix_product(node, build, data, weights))
    return _quantised_product(node, build, accumulator, _factor(node, 1, 4, 6), 7, rank_of(accumulator) - 1)


@onnx_op("MatMulInteger", limits="as MatMul with constant weights; exact")
def import_matmul_integer(node: Node, build: NetworkBuilder) -> Tensor:
    """Matrix product of integers less their zero points."""
    data = _centred_input(node, build, 0, 2)
    axis = node.constant(1, "B").array.ndim - 1
    weights = _centred_weights(node, 1, node.optional_constant(3, "weight zero point"), axis)
    return Activation(_exact(node, matrix_product(node, build, data, weights)), "int32")


@onnx_op(
    "QGemm",
    attributes=("alpha", "transA", "transB"),
    limits="as Gemm; int32 bias; exact accumulation, quantised as onnxruntime does; the float output is not supported",
    domains=MICROSOFT,
)
def import_qgemm(node: Node, build: NetworkBuilder) -> Tensor:
    """Quantised Gemm."""
    node.expect_attribute("transA", 0, (0,), "a transposed input would move the batch")
    if node.optional(7) is None:
        raise node.error("has no output scale: the floating-point output is not supported")
    data = _centred_input(node, build, 0, 2)
    transposed = bool(node.integer("transB", 0))
    weights = _centred_weights(node, 3, node.optional_constant(5, "weight zero point"), 0 if transposed else 1)
    weights = weights if transposed else weights.moved(np.transpose, keeps_axes=True)
    bias = node.optional_constant(6, "C")
    offsets = None if bias is None else Constant(bias.array.reshape(-1))
    accumulator = _exact(node, multiply(build, data, weights, offsets))
    factor = np.float32(node.number("alpha", 1.0)) * _factor(node, 1, 4, 7)
    return _quantised_product(node, build, accumulator, factor, 8, 1)


@onnx_op("QLinearAdd", limits="dequantise, add, quantise, in f32", domains=MICROSOFT)
def import_qlinear_add(node: Node, build: NetworkBuilder) -> Tensor:
    """Sum of quantised tensors."""
    operands = aligned(node, [_real_operand(node, build, first) for first in (0, 3)])
    total = build.emit(AddOp(build.floats(operands[0]), build.floats(operands[1]), f32))
    return _requantised(node, build, total, 6)


def _real_operand(node: Node, build: NetworkBuilder, first: int) -> Tensor:
    data = node.tensor(first)
    if not isinstance(data, Constant):
        return dequantised_input(node, build, first)
    scale, zero, _ = scale_and_zero_point(node, first + 1, data.array.shape, 1)
    return Constant((data.array.astype(np.int64) - zero).astype(np.float32) * scale)


def _requantised(
    node: Node, build: NetworkBuilder, value: SSAValue, first: int, *, zero_point_inside: bool = False
) -> Activation:
    scale, zero, dtype = scale_and_zero_point(node, first, shape_of(value), 1)
    limits = limits_of(node, dtype)
    return Activation(quantised(build, value, scale, zero, limits, zero_point_inside=zero_point_inside), dtype)


@onnx_op(
    "QLinearAveragePool",
    attributes=(*WINDOW_ATTRIBUTES, "ceil_mode", "count_include_pad", "channels_last"),
    limits="as AveragePool; dequantise, pool, quantise, in f32; channels first",
    domains=MICROSOFT,
)
def import_qlinear_average_pool(node: Node, build: NetworkBuilder) -> Tensor:
    """Mean of windows of a quantised tensor."""
    node.expect_attribute("channels_last", 0, (0,), "only channels first is supported")
    data = dequantised_input(node, build, 0)
    window = pool_window(node, data.value)
    # onnxruntime adds the zero point before it rounds: ties differ.
    return _requantised(node, build, average(node, build, data.value, window), 3, zero_point_inside=True)


@onnx_op(
    "QLinearGlobalAveragePool",
    attributes=("channels_last",),
    limits="dequantise, pool, quantise, in f32; channels first",
    domains=MICROSOFT,
)
def import_qlinear_global_average_pool(node: Node, build: NetworkBuilder) -> Tensor:
    """Mean of each channel of a quantised tensor."""
    node.expect_attribute("channels_last", 0, (0,), "only channels first is supported")
    data = dequantised_input(node, build, 0)
    height, width = (1, *shape_of(data.value)[2:])[-2:]
    window = Window((height, width), (1, 1), (0, 0, 0, 0), (1, 1))
    return _requantised(node, build, average(node, build, data.value, window), 3)


@onnx_op(
    "QLinearSoftmax",
    attributes=("axis", "opset"),
    limits="dequantise, softmax, quantise, in f32 (onnxruntime is up to one step away); the last axis, or opset 13",
    domains=MICROSOFT,
)
def import_qlinear_softmax(node: Node, build: NetworkBuilder) -> Tensor:
    """Softmax of a quantised tensor."""
    data = dequantised_input(node, build, 0)
    rank = rank_of(data.value)
    axis = normalised_axis(node, node.integer("axis", -1), rank)
    if node.integer("opset", 13) < 13 and axis != rank - 1:
        raise node.error("before opset 13 only the last axis is supported")
    return _requantised(node, build, build.emit(SoftmaxOp(data.value, axis=axis)), 3)
