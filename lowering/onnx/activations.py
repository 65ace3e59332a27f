"""Elementwise functions of one tensor, and the softmaxes."""

from __future__ import annotations

import math

import numpy as np
from xdsl.dialects.builtin import f32

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    ClampOp,
    ClipOp,
    DivOp,
    ErfOp,
    LogSoftmaxOp,
    MulOp,
    NegOp,
    ReluOp,
    RoundOp,
    SigmoidOp,
    SignOp,
    SoftmaxOp,
    SqrtOp,
)
from imcflow.dialect.types import is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import normalised_axis, rank_of
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import requantised_quotient
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor

FLOAT_MAX = float(np.finfo(np.float32).max)


@onnx_op("Relu", attributes=("consumed_inputs",))
def import_relu(node: Node, build: NetworkBuilder) -> Tensor:
    """Larger of the input and 0."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant(np.maximum(data.array, data.array.dtype.type(0)))
    data = node.activation(0)
    if is_float(data.value):
        return Activation(build.emit(ReluOp(data.value, f32)), data.dtype)
    inside = build.interval(data.value)
    interval = Interval(max(inside.low, 0), max(inside.high, 0))
    return Activation(build.emit(ReluOp(data.value, build.element(interval)), interval), data.dtype)


def _bound(node: Node, index: int, attribute: str, default: float) -> float:
    if node.opset < 11:
        return node.number(attribute, default)
    constant = node.optional_constant(index, attribute)
    if constant is None:
        return node.number(attribute, default)
    if constant.array.size != 1:
        raise node.error(f"'{attribute}' has {constant.array.size} elements, expected one")
    return float(constant.array.ravel()[0])


@onnx_op(
    "Clip", attributes=("min", "max", "consumed_inputs"), limits="the limits are constants, as attributes or inputs"
)
def import_clip(node: Node, build: NetworkBuilder) -> Tensor:
    """Limit to an interval; integers by integral limits stay integers."""
    low, high = _bound(node, 1, "min", -math.inf), _bound(node, 2, "max", math.inf)
    if math.isnan(low) or math.isnan(high):
        raise node.error("a limit is not a number (NaN)")
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant(np.minimum(np.maximum(data.array, low), high).astype(data.array.dtype))
    data = node.activation(0)
    return clipped(build, data, low, high)


def clipped(build: NetworkBuilder, data: Activation, low: float, high: float) -> Activation:
    """Emit `imc.clamp` for integers with integral limits, `imc.clip` otherwise; infinite limits do nothing."""
    if low == -math.inf and high == math.inf:
        return data
    if not is_float(data.value):
        inside = build.interval(data.value)
        least = min(inside.low, high) if low == -math.inf else low
        greatest = max(inside.high, low) if high == math.inf else high
        if least == int(least) and greatest == int(greatest):
            # ONNX gives the upper limit when the limits cross.
            limits = (min(int(least), int(greatest)), int(greatest))
            interval = inside.clamped(*limits)
            element = build.element(Interval(*limits))
            op = ClampOp(data.value, element, low=limits[0], high=limits[1])
            return Activation(build.emit(op, interval), data.dtype)
    op = ClipOp(build.floats(data), low=max(low, -FLOAT_MAX), high=min(high, FLOAT_MAX))
    return Activation(build.emit(op), data.dtype)


def _rounded(node: Node, build: NetworkBuilder, mode: Rounding) -> Tensor:
    data = node.tensor(0)
    if isinstance(data, Constant):
        functions = {Rounding.FLOOR: np.floor, Rounding.CEIL: np.ceil, Rounding.HALF_EVEN: np.rint}
        return Constant(functions[mode](data.array).astype(data.array.dtype))
    data = node.activation(0)
    if not is_float(data.value):
        return data
    quotient = build.quotients.get(data.value)
    if quotient is not None:
        return Activation(requantised_quotient(build, quotient, node.op), data.dtype)
    return Activation(build.emit(RoundOp(data.value, mode)), data.dtype)


@onnx_op("Round")
def import_round(node: Node, build: NetworkBuilder) -> Tensor:
    """To nearest, ties to even."""
    return _rounded(node, build, Rounding.HALF_EVEN)


@onnx_op("Floor")
def import_floor(node: Node, build: NetworkBuilder) -> Tensor:
    """Towards minus infinity."""
    return _rounded(node, build, Rounding.FLOOR)


@onnx_op("Ceil")
def import_ceil(node: Node, build: NetworkBuilder) -> Tensor:
    """Towards plus infinity."""
    return _rounded(node, build, Rounding.CEIL)


@onnx_op("Sign")
def import_sign(node: Node, build: NetworkBuilder) -> Tensor:
    """-1, 0 or 1."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant(np.sign(data.array))
    data = node.activation(0)
    if is_float(data.value):
        return Activation(build.emit(SignOp(data.value, f32)), data.dtype)
    interval = build.interval(data.value).clamped(-1, 1)
    return Activation(build.emit(SignOp(data.value, build.element(interval)), interval), data.dtype)


@onnx_op("Neg")
def import_neg(node: Node, build: NetworkBuilder) -> Tensor:
    """Negation."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant(-data.array)
    data = node.activation(0)
    if is_float(data.value):
        return Activation(build.emit(NegOp(data.value, f32)), data.dtype)
    interval = Interval(0, 0) - build.interval(data.value)
    return Activation(build.emit(NegOp(data.value, build.element(interval)), interval), data.dtype)


@onnx_op("Abs")
def import_abs(node: Node, build: NetworkBuilder) -> Tensor:
    """Absolute value."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant(np.abs(data.array))
    data = node.activation(0)
    if is_float(data.value):
        return Activation(build.emit(AbsOp(data.value, f32)), data.dtype)
    inside = build.interval(data.value)
    largest = max(abs(inside.low), abs(inside.high))
    smallest = 0 if inside.low <= 0 <= inside.high else min(abs(inside.low), abs(inside.high))
    interval = Interval(smallest, largest)
    return Activation(build.emit(AbsOp(data.value, build.element(interval)), interval), data.dtype)


@onnx_op("Sqrt")
def import_sqrt(node: Node, build: NetworkBuilder) -> Tensor:
    """Square root."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        with np.errstate(invalid="ignore"):
            return Constant(np.sqrt(data.array))
    return Activation(build.emit(SqrtOp(build.floats(data))), node.activation(0).dtype)


@onnx_op("Reciprocal")
def import_reciprocal(node: Node, build: NetworkBuilder) -> Tensor:
    """`1 / x`."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return Constant((1 / data.array).astype(data.array.dtype))
    return Activation(build.emit(DivOp(build.scalar(1.0), build.floats(data), f32)), node.activation(0).dtype)


@onnx_op("Erf")
def import_erf(node: Node, build: NetworkBuilder) -> Tensor:
    """Error function."""
    data = node.activation(0)
    return Activation(build.emit(ErfOp(build.floats(data))), data.dtype)


@onnx_op("Gelu", attributes=("approximate",), limits="approximate=none, by the error function")
def import_gelu(node: Node, build: NetworkBuilder) -> Tensor:
    """`0.5 * x * (1 + erf(x / sqrt(2)))`, in the order of the operator's definition."""
    if node.text("approximate", "none") != "none":
        raise node.error("attribute 'approximate' must be 'none': the tanh form is not supported")
    data = node.activation(0)
    value = build.floats(data)
    inner = build.emit(DivOp(value, build.scalar(math.sqrt(2.0)), f32))
    raised = build.emit(AddOp(build.emit(ErfOp(inner)), build.scalar(1.0), f32))
    product = build.emit(MulOp(value, raised, f32))
    return Activation(build.emit(MulOp(build.scalar(0.5), product, f32)), data.dtype)


@onnx_op("Sigmoid")
def import_sigmoid(node: Node, build: NetworkBuilder) -> Tensor:
    """Logistic function."""
    data = node.activation(0)
    return Activation(build.emit(SigmoidOp(build.floats(data))), data.dtype)


@onnx_op("HardSigmoid", attributes=("alpha", "beta"))
def import_hard_sigmoid(node: Node, build: NetworkBuilder) -> Tensor:
    """`clip(alpha * x + beta, 0, 1)`."""
    data = node.activation(0)
    alpha, beta = node.number("alpha", 0.2), node.number("beta", 0.5)
    scaled = build.emit(MulOp(build.floats(data), build.scalar(alpha), f32))
    moved = build.emit(AddOp(scaled, build.scalar(beta), f32))
    return Activation(build.emit(ClipOp(moved, low=0.0, high=1.0)), data.dtype)


def _softmax(node: Node, build: NetworkBuilder, op: type[SoftmaxOp] | type[LogSoftmaxOp]) -> Tensor:
    data = node.activation(0)
    value = build.floats(data)
    rank = rank_of(value)
    if node.opset >= 13:
        axis = normalised_axis(node, node.integer("axis", -1), rank)
        return Activation(build.emit(op(value, axis=axis)), data.dtype)
    axis = normalised_axis(node, node.integer("axis", 1), rank)
    if axis == rank - 1:
        return Activation(build.emit(op(value, axis=axis)), data.dtype)
    if axis != 1:
        raise node.error(f"before opset 13, axis {axis} would flatten the batch with other axes")
    # Before opset 13 all axes from `axis` on are normalised together.
    shape = shape_of(value)[1:]
    flat = build.reshaped(value, [math.prod(shape)])
    return Activation(build.reshaped(build.emit(op(flat, axis=1)), shape), data.dtype)


@onnx_op("Softmax", attributes=("axis",), limits="along any axis but the batch")
def import_softmax(node: Node, build: NetworkBuilder) -> Tensor:
    """Softmax along one axis."""
    return _softmax(node, build, SoftmaxOp)


@onnx_op("LogSoftmax", attributes=("axis",), limits="along any axis but the batch")
def import_log_softmax(node: Node, build: NetworkBuilder) -> Tensor:
    """Logarithm of the softmax along one axis."""
    return _softmax(node, build, LogSoftmaxOp)


def _limit(node: Node, build: NetworkBuilder, *, largest: bool) -> Tensor:
    data = [tensor for tensor in node.tensors() if isinstance(tensor, Activation)]
    constants = [tensor for tensor in node.tensors() if isinstance(tensor, Constant)]
    if len(data) != 1 or any(constant.array.size != 1 for constant in constants):
        raise node.error("only one activation and constants of one element are supported")
    arrays: list[Array] = [constant.array for constant in constants]
    bounds = [float(array.ravel()[0]) for array in arrays]
    if largest:
        return clipped(build, data[0], max(bounds, default=-math.inf), math.inf)
    return clipped(build, data[0], -math.inf, min(bounds, default=math.inf))


@onnx_op("Max", limits="of one activation and constants of one element")
def import_max(node: Node, build: NetworkBuilder) -> Tensor:
    """Larger of an activation and constants."""
    return _limit(node, build, largest=True)


@onnx_op("Min", limits="of one activation and constants of one element")
def import_min(node: Node, build: NetworkBuilder) -> Tensor:
    """Smaller of an activation and constants."""
    return _limit(node, build, largest=False)
