"""Conv, Gemm and MatMul."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import AddOp, MulOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MatMulOp
from imcflow.dialect.types import ElementType, broadcast_shapes, is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned_constant, shape_text
from imcflow.lowering.onnx.ranges import linear_interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor
from imcflow.lowering.onnx.windows import WINDOW_ATTRIBUTES, Window, from_image, image_of, window_of


@onnx_op(
    "Conv",
    attributes=(*WINDOW_ATTRIBUTES, "group"),
    limits="one or two spatial axes; weights and bias are constants; every pad, stride, dilation and group",
)
def import_conv(node: Node, build: NetworkBuilder) -> Tensor:
    """Convolution with constant weights."""
    data = node.activation(0)
    value = convolve(node, build, data, node.constant(1, "weight"), node.optional_constant(2, "bias"))
    return Activation(value, data.dtype)


def convolve(node: Node, build: NetworkBuilder, data: Activation, weights: Constant, bias: Constant | None) -> SSAValue:
    """Emit the convolution of a node: in integers where input, weights and bias are integers, else in `f32`."""
    rank = len(shape_of(data.value))
    if weights.array.ndim != rank:
        raise node.error(f"the weights have {weights.array.ndim} axes, the input has {rank}")
    _require_weights(node, weights)
    outputs = weights.array.shape[0]
    if bias is not None and bias.array.shape != (outputs,):
        raise node.error(f"the bias has shape {list(bias.array.shape)}, expected [{outputs}]")
    shape = shape_of(data.value)
    window = window_of(node, (1, *shape[2:])[-2:], weights.array.shape[2:])
    if rank == 3:
        weights = weights.moved(lambda array: np.expand_dims(array, 2), keeps_axes=True)
    integers = _linear_integers(data, weights, bias)
    if integers is None:
        operands = _Operands(build.floats(data), build.floats(weights), None if bias is None else build.floats(bias))
        return from_image(build, build.emit(_conv_op(node, build, operands, window, f32)), rank)
    matrix, offsets = integers
    inside = build.interval(data.value)
    interval = linear_interval(matrix, inside.with_zero() if any(window.pads) else inside, offsets)
    operands = _Operands(data.value, build.constant(matrix), None if offsets is None else build.constant(offsets))
    op = _conv_op(node, build, operands, window, build.element(interval))
    return from_image(build, build.emit(op, interval), rank)


def _require_weights(node: Node, weights: Constant) -> None:
    if not weights.array.size:
        raise node.error(f"the weights have shape {list(weights.array.shape)}, expected at least 1 along every axis")


@dataclass(frozen=True)
class _Operands:
    """Values of one kind, integers or `f32`."""

    data: SSAValue
    weights: SSAValue
    bias: SSAValue | None


def _conv_op(node: Node, build: NetworkBuilder, operands: _Operands, window: Window, element: ElementType) -> Conv2dOp:
    return Conv2dOp(
        image_of(node, build, operands.data),
        operands.weights,
        element,
        bias=operands.bias,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        groups=node.integer("group", 1),
    )


def _linear_integers(data: Activation, weights: Constant, bias: Constant | None) -> tuple[Array, Array | None] | None:
    """Return weights and bias as int64 if the whole layer is exact in integers."""
    if is_float(data.value):
        return None
    matrix = weights.integers()
    offsets = None if bias is None else bias.integers()
    if matrix is None or (bias is not None and offsets is None):
        return None
    return matrix, offsets


def multiply(build: NetworkBuilder, data: Activation, weights: Constant, bias: Constant | None) -> SSAValue:
    """Emit `imc.gemm`, in integers where input, weights and bias are integers.

    Args:
        build: the function under construction.
        data: `[N, K]`.
        weights: `[M, K]`.
        bias: `[M]` or None.
    """
    integers = _linear_integers(data, weights, bias)
    if integers is None:
        operand = None if bias is None else build.floats(bias)
        return build.emit(GemmOp(build.floats(data), build.floats(weights), f32, bias=operand))
    matrix, offsets = integers
    interval = linear_interval(matrix, build.interval(data.value), offsets)
    operand = None if offsets is None else build.constant(offsets)
    return build.emit(GemmOp(data.value, build.constant(matrix), build.element(interval), bias=operand), interval)


@onnx_op(
    "Gemm",
    attributes=("alpha", "beta", "transA", "transB"),
    limits="A is the activation, not transposed; B and C are constants, C the same for every image",
)
def import_gemm(node: Node, build: NetworkBuilder) -> Tensor:
    """Matrix product with constant weights, normalised to weights [M, K]."""
    node.expect_attribute("transA", 0, (0,), "a transposed input would move the batch")
    data = node.activation(0)
    if len(shape_of(data.value)) != 2:
        raise node.error(f"input has {len(shape_of(data.value))} axes, expected 2")
    weights = node.constant(1, "B")
    _require_weights(node, weights)
    if not node.integer("transB", 0):
        weights = weights.moved(np.transpose, keeps_axes=True)
    bias = node.optional_constant(2, "C")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    outputs = weights.array.shape[0]
    offsets = None if bias is None or beta == 0 else _row(node, _scaled(bias, beta), outputs)
    if alpha == 1 or _exactly_scalable(weights, alpha):
        return Activation(multiply(build, data, _scaled(weights, alpha), offsets), data.dtype)
    product = build.emit(GemmOp(build.floats(data), build.floats(weights), f32))
    product = build.emit(MulOp(product, build.scalar(alpha), f32))
    if offsets is not None:
        product = build.emit(AddOp(product, build.floats(offsets), f32))
    return Activation(product, data.dtype)


def _scaled(constant: Constant, factor: float) -> Constant:
    if factor == 1:
        return constant
    return Constant((constant.array * np.asarray(factor, constant.array.dtype)).astype(constant.array.dtype))


def _exactly_scalable(constant: Constant, factor: float) -> bool:
    """Return whether the scaled weights round nowhere: integers, or a power of two."""
    integers = constant.integers()
    if integers is not None and float(factor).is_integer():
        return bool(np.abs(integers).max(initial=0) * abs(factor) < 1 << 24)
    return float(np.frexp(abs(factor))[0]) == 0.5


def _row(node: Node, bias: Constant, outputs: int) -> Constant:
    """Return C as `[M]`."""
    array = bias.array
    if array.ndim == 2 and array.shape[0] > 1:
        if np.any(array != array[:1]):
            raise node.error(f"C has different rows {list(array.shape)}: it would differ between the images of a batch")
        array = array[:1]
    if array.size not in (1, outputs):
        raise node.error(f"C has shape {list(bias.array.shape)}, expected [{outputs}]")
    if array.size == 1:
        return Constant(np.broadcast_to(array.reshape(()), (outputs,)).copy())
    if array.shape == bias.array.shape:
        return bias.moved(lambda part: part.reshape(outputs), keeps_axes=array.ndim == 1)
    return Constant(array.reshape(outputs))


@onnx_op("MatMul", limits="with constant weights on the right, or of activations with at least three axes")
def import_matmul(node: Node, build: NetworkBuilder) -> Tensor:
    """Matrix product of an activation with weights, or of two activations."""
    lhs, rhs = node.tensor(0), node.tensor(1)
    if isinstance(lhs, Constant) and isinstance(rhs, Constant):
        return Constant(lhs.array @ rhs.array)
    dtype = lhs.dtype if isinstance(lhs, Activation) else node.activation(1).dtype
    return Activation(matrix_product(node, build, lhs, rhs), dtype)


def matrix_product(node: Node, build: NetworkBuilder, lhs: Tensor, rhs: Tensor) -> SSAValue:
    """Emit `imc.gemm` for weights `[K, M]` or `[K]`, `imc.matmul` otherwise."""
    for factor in (lhs, rhs):
        if isinstance(factor, Constant):
            _require_weights(node, factor)
    if isinstance(lhs, Activation) and isinstance(rhs, Constant) and len(shape_of(lhs.value)) == 2:
        if rhs.array.ndim == 1:
            weights = rhs.moved(lambda array: array[None], keeps_axes=True)
            return build.reshaped(multiply(build, lhs, weights, None), [])
        if rhs.array.ndim == 2:
            return multiply(build, lhs, rhs.moved(np.transpose, keeps_axes=True), None)
    left, right = (_factor(node, tensor) for tensor in (lhs, rhs))
    shape = [*broadcast_shapes(left[:-2], right[:-2]), left[-2], right[-1]]
    integers = [build.integers(tensor) for tensor in (lhs, rhs)]
    if integers[0] is not None and integers[1] is not None:
        depth = left[-1]
        interval = (build.interval(integers[0]) * build.interval(integers[1])).scaled(depth)
        if isinstance(rhs, Constant):
            columns = np.moveaxis(np.asarray(rhs.integers()), -2, -1).reshape(-1, depth)
            interval = linear_interval(columns, build.interval(integers[0]), None)
        kind = TensorType(build.element(interval), shape)
        return build.emit(MatMulOp(integers[0], integers[1], kind), interval)
    return build.emit(MatMulOp(build.floats(lhs), build.floats(rhs), TensorType(f32, shape)))


def _factor(node: Node, tensor: Tensor) -> tuple[int, ...]:
    if isinstance(tensor, Activation):
        shape = shape_of(tensor.value)
        if len(shape) < 3:
            raise node.error(
                f"an activation of shape {shape_text(tensor.value)} would be multiplied along its batch axis"
            )
        return shape
    if not isinstance(tensor, Constant):
        raise node.error("a shape cannot be a factor")
    if tensor.array.ndim < 2:
        raise node.error(f"a constant of {tensor.array.ndim} axes cannot be a factor here")
    return (
        tensor.array.shape if tensor.array.ndim < 3 else aligned_constant(node, tensor, tensor.array.ndim).array.shape
    )
