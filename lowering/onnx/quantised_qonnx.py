"""QONNX: Quant, IntQuant, BipolarQuant and Trunc, in every domain that exporters write."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_quantise import BipolarOp, QuantizeOp
from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned_constant
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import requantised
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Quantisation, Tensor, integral

QONNX_DOMAINS = ("onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general", "")
"""The empty domain is met too, where an exporter wrote Quant as if it were a standard op."""

ROUNDING_MODES = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "CEIL": Rounding.CEIL,
    "FLOOR": Rounding.FLOOR,
    "UP": Rounding.AWAY,
    "DOWN": Rounding.TRUNCATE,
    "ROUND_TO_ZERO": Rounding.TRUNCATE,
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_TO_ZERO,
}
"""QONNX's UP, DOWN, HALF_UP and HALF_DOWN round magnitudes: away from zero and towards zero."""


@dataclass(frozen=True, eq=False)
class QuantParameters:
    """Scale, zero point (broadcastable against the input) and integer range of a Quant node."""

    scale: Array
    zero_point: Array
    limits: Interval
    mode: Rounding
    bipolar: bool


def _bit_width(node: Node, index: int, what: str) -> int:
    widths = node.constant(index, what).array.ravel()
    if widths.size == 0 or np.any(widths != widths[0]):
        raise node.error(f"different values of {what} per channel are not supported")
    bits = float(widths[0])
    if bits != int(bits) or not 1 <= bits <= 32:
        raise node.error(f"{what} is {bits:g}, expected an integer in 1 ... 32")
    return int(bits)


def _limits(node: Node, bits: int) -> Interval:
    narrow = bool(node.integer("narrow", 0))
    if node.integer("signed", 1):
        return Interval(-(1 << (bits - 1)) + int(narrow), max((1 << (bits - 1)) - 1, 0))
    return Interval(0, (1 << bits) - 1 - int(narrow))


def _mode(node: Node, default: str) -> Rounding:
    text = node.text("rounding_mode", default).upper()
    if text not in ROUNDING_MODES:
        raise node.error(f"attribute 'rounding_mode' is '{text}', expected one of {', '.join(ROUNDING_MODES)}")
    return ROUNDING_MODES[text]


def _aligned(node: Node, index: int, what: str, data: Tensor) -> Array:
    """Return a scale or zero point that broadcasts against the data; axis 0 of weights is no batch."""
    constant = node.constant(index, what)
    if isinstance(data, Activation):
        constant = aligned_constant(node, constant, len(shape_of(data.value)))
    return constant.array.reshape(()) if constant.array.size == 1 else constant.array


def _scale(node: Node, index: int, data: Tensor) -> Array:
    scale = _aligned(node, index, "scale", data).astype(np.float32)
    if np.any(scale <= 0) or not np.all(np.isfinite(scale)):
        raise node.error("a scale is not a positive number")
    return scale


def _zero_point(node: Node, index: int, data: Tensor) -> Array:
    zero = integral(_aligned(node, index, "zero point", data))
    if zero is None:
        raise node.error("the zero point is not an integer")
    return zero


def _parameters(node: Node, data: Tensor) -> QuantParameters:
    bits = _bit_width(node, 3, "bit width")
    signed = bool(node.integer("signed", 1))
    scale, zero = _scale(node, 1, data), _zero_point(node, 2, data)
    return QuantParameters(scale, zero, _limits(node, bits), _mode(node, "ROUND"), bits == 1 and signed)


def _quantised_constant(data: Constant, parameters: QuantParameters) -> Constant:
    from imcflow.dialect.interpreter.rounding import round_float

    quotient = data.array.astype(np.float32) / parameters.scale + parameters.zero_point.astype(np.float32)
    if parameters.bipolar:
        integers = np.where(quotient >= 0, 1, -1).astype(np.int64)
    else:
        rounded = round_float(quotient, parameters.mode)
        integers = np.clip(rounded, parameters.limits.low, parameters.limits.high).astype(np.int64)
    hidden = Quantisation(integers, parameters.scale, parameters.zero_point)
    return Constant(hidden.real(), hidden)


@onnx_op(
    "Quant",
    attributes=("signed", "narrow", "rounding_mode"),
    limits="one bit width per node, integral zero point; every rounding mode; signed 1 bit is bipolar",
    domains=QONNX_DOMAINS,
)
def import_quant(node: Node, build: NetworkBuilder) -> Tensor:
    """`(clip(round(x / scale + zero_point), low, high) - zero_point) * scale`: quantise and dequantise."""
    data = node.tensor(0)
    if isinstance(data, Constant):
        return _quantised_constant(data, _parameters(node, data))
    data = node.activation(0)
    parameters = _parameters(node, data)
    if parameters.bipolar:
        if parameters.zero_point.any():
            raise node.error("a signed 1-bit Quant with a zero point is not supported")
        signs = build.emit(BipolarOp(build.floats(data)), Interval(-1, 1))
        return Activation(build.dequantised(signs, parameters.scale, parameters.zero_point), "float32")
    op = QuantizeOp(
        build.floats(data),
        build.constant(parameters.scale),
        build.constant(parameters.zero_point),
        low=parameters.limits.low,
        high=parameters.limits.high,
        mode=parameters.mode,
        zero_point_inside=True,
    )
    integers = build.emit(op, parameters.limits)
    return Activation(build.dequantised(integers, parameters.scale, parameters.zero_point), "float32")


@onnx_op(
    "IntQuant",
    attributes=("signed", "narrow", "rounding_mode"),
    limits="as Quant",
    domains=QONNX_DOMAINS,
)
def import_int_quant(node: Node, build: NetworkBuilder) -> Tensor:
    """The newer name of Quant."""
    return import_quant(node, build)


@onnx_op("BipolarQuant", domains=QONNX_DOMAINS)
def import_bipolar_quant(node: Node, build: NetworkBuilder) -> Tensor:
    """`+scale` where `x >= 0`, else `-scale`."""
    data = node.tensor(0)
    zero = np.zeros((), np.int64)
    if isinstance(data, Constant):
        integers = np.where(data.array >= 0, 1, -1).astype(np.int64)
        hidden = Quantisation(integers, _scale(node, 1, data), zero)
        return Constant(hidden.real(), hidden)
    data = node.activation(0)
    value = build.integers(data)
    signs = build.emit(BipolarOp(build.floats(data) if value is None else value), Interval(-1, 1))
    return Activation(build.dequantised(signs, _scale(node, 1, data), zero), "float32")


@onnx_op(
    "Trunc",
    attributes=("signed", "narrow", "rounding_mode"),
    limits="version 1 (5 inputs) and version 2 (6 inputs); the zero point is 0; scales with a power-of-two ratio",
    domains=QONNX_DOMAINS,
)
def import_trunc(node: Node, build: NetworkBuilder) -> Tensor:
    """Low bits dropped: quantise by the input scale, divide by a power of two, dequantise."""
    data = node.activation(0)
    if node.input_count not in (5, 6):
        raise node.error(f"has {node.input_count} inputs, expected 5 (version 1) or 6 (version 2)")
    second = node.input_count == 6
    scale, zero = _scale(node, 1, data), _zero_point(node, 2, data)
    bits_in, bits_out = _bit_width(node, 3, "input bit width"), _bit_width(node, 5 if second else 4, "output bit width")
    if zero.any():
        raise node.error("a zero point is not supported")
    out_scale = _scale(node, 4, data) if second else scale
    shift = np.rint(np.log2(out_scale / scale)) if second else np.asarray(float(bits_in - bits_out))
    if np.any(shift < 0) or np.any(shift != shift.ravel()[0]):
        raise node.error("the ratio of output and input scale must be one power of two of at least 1")
    wide = Interval(-(1 << 40), (1 << 40) - 1)
    op = QuantizeOp(build.floats(data), build.constant(scale), build.constant(zero), low=wide.low, high=wide.high)
    integers = build.emit(op, wide)
    one, none = np.ones((), np.int64), np.zeros((), np.int64)
    divisor = np.asarray(1 << int(shift.ravel()[0]), np.int64)
    limits = _limits(node, bits_out)
    clamp = (limits.low, limits.high) if second else None
    result = requantised(build, integers, one, none, divisor, _mode(node, "FLOOR"), clamp)
    return Activation(build.dequantised(result, out_scale, zero), "float32")
