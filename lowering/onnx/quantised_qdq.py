"""QuantizeLinear and DequantizeLinear, per tensor and per axis."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import SubOp
from imcflow.dialect.ops_quantise import QuantizeOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.casts import integer_limits
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import per_axis, rank_of
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.source import type_name
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Quantisation, Tensor


def scale_and_zero_point(
    node: Node, first: int, shape: tuple[int, ...], axis: int, zero_dtype: str = "uint8"
) -> tuple[Array, Array, str]:
    """Return scale (float32), zero point (int64), both scalar or with as many axes as the tensor, and its ONNX type.

    Args:
        node: its inputs `first` and `first + 1` are scale and zero point; the zero point may be missing.
        first: index of the scale.
        shape: of the quantised tensor.
        axis: of the scale, where it has more than one element.
        zero_dtype: type without a zero point.
    """
    scale = node.constant(first, "scale").array.astype(np.float32)
    zero = node.optional_constant(first + 1, "zero point")
    if zero is not None:
        zero_dtype = zero.array.dtype.name
    if np.any(scale <= 0) or not np.all(np.isfinite(scale)):
        raise node.error("a scale is not a positive number")
    rank = len(shape)
    size = shape[axis] if -rank <= axis < rank else 0
    zeros = np.zeros((), np.int64) if zero is None else zero.array.astype(np.int64)
    scale = per_axis(node, scale, rank, axis, size, "scale")
    return scale, per_axis(node, zeros, rank, axis, size, "zero point"), zero_dtype


def limits_of(node: Node, dtype: str) -> Interval:
    """Return the integers of a quantised type.

    Raises:
        ModelError: if it is no integer type (float8, ...).
    """
    limits = integer_limits(dtype)
    if limits is None:
        raise node.error(f"quantisation to {dtype} is not supported")
    return limits


@onnx_op(
    "QuantizeLinear",
    attributes=("axis", "saturate", "output_dtype", "block_size", "precision"),
    limits="to integer types; scale and zero point are constants, per tensor or per axis, not blocked",
    domains=("", "ai.onnx", "com.microsoft"),
)
def import_quantize_linear(node: Node, build: NetworkBuilder) -> Tensor:
    """Real numbers to integers, ties to even."""
    node.expect_attribute("block_size", 0, (0,), "blocked quantisation is not supported")
    node.expect_attribute("precision", 0, (0, 1), "the quotient is computed in float32")
    data = node.tensor(0)
    shape = data.array.shape if isinstance(data, Constant) else shape_of(node.activation(0).value)
    declared = node.integer("output_dtype", 0)
    default = type_name(declared) if declared else "uint8"
    scale, zero, dtype = scale_and_zero_point(node, 1, shape, node.integer("axis", 1), default)
    limits = limits_of(node, dtype)
    if isinstance(data, Constant):
        rounded = np.rint(data.array.astype(np.float32) / scale).astype(np.float64) + zero
        return Constant(np.clip(rounded, limits.low, limits.high).astype(dtype))
    return Activation(quantised(build, build.floats(node.activation(0)), scale, zero, limits), dtype)


def quantised(
    build: NetworkBuilder,
    value: SSAValue,
    scale: Array,
    zero: Array,
    limits: Interval,
    *,
    zero_point_inside: bool = False,
) -> SSAValue:
    """Emit `imc.quantize` as QuantizeLinear defines it, or with the zero point added before rounding."""
    op = QuantizeOp(
        value,
        build.constant(scale),
        build.constant(zero),
        low=limits.low,
        high=limits.high,
        zero_point_inside=zero_point_inside,
    )
    return build.emit(op, limits)


@onnx_op(
    "DequantizeLinear",
    attributes=("axis", "block_size", "output_dtype"),
    limits="of integer types; scale and zero point are constants, per tensor or per axis, not blocked",
    domains=("", "ai.onnx", "com.microsoft"),
)
def import_dequantize_linear(node: Node, build: NetworkBuilder) -> Tensor:
    """Integers to real numbers; weights keep their integers and scales."""
    node.expect_attribute("block_size", 0, (0,), "blocked quantisation is not supported")
    node.expect_attribute("output_dtype", 0, (0, 1), "the result is float32")
    data = node.tensor(0)
    axis = node.integer("axis", 1)
    if isinstance(data, Constant):
        integers = data.integers()
        if integers is None:
            raise node.error("dequantises a constant that holds no integers")
        scale, zero, _ = scale_and_zero_point(node, 1, integers.shape, axis)
        hidden = Quantisation(integers, scale, zero)
        return Constant(hidden.real(), hidden)
    data = node.activation(0)
    if is_float(data.value):
        raise node.error("dequantises a tensor of floating-point numbers")
    scale, zero, _ = scale_and_zero_point(node, 1, shape_of(data.value), axis)
    return Activation(build.dequantised(data.value, scale, zero), "float32")


def dequantised_input(node: Node, build: NetworkBuilder, first: int) -> Activation:
    """Return the real numbers of a quantised activation given as inputs `first` (data, scale, zero point)."""
    data = node.activation(first)
    scale, zero, _ = scale_and_zero_point(node, first + 1, shape_of(data.value), 1)
    return Activation(build.dequantised(_integers(node, build, data), scale, zero), "float32")


def _integers(node: Node, build: NetworkBuilder, data: Activation) -> SSAValue:
    value = build.integers(data)
    if value is None:
        raise node.error("expects a quantised input, but it holds floating-point numbers")
    return value


def without_zero_point(node: Node, build: NetworkBuilder, data: Activation, zero: Array) -> Activation:
    """Return `x - zero_point` as exact integers."""
    value = _integers(node, build, data)
    if not zero.any():
        return data
    constant = build.constant(zero.reshape((1,) * rank_of(value)) if zero.size == 1 else zero)
    interval = build.interval(value) - build.interval(constant)
    return Activation(build.emit(SubOp(value, constant, build.element(interval)), interval), data.dtype)
