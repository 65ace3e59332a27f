"""Cast, and the ops that pass a tensor through."""

from __future__ import annotations

from collections.abc import Sequence

from imcflow.dialect.ops_elementwise import CastOp
from imcflow.dialect.types import MAX_INTEGER_BITS, is_float
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import requantised_quotient
from imcflow.lowering.onnx.source import type_name
from imcflow.lowering.onnx.tensors import Activation, Constant, ShapeVector, Tensor, Unavailable


def integer_limits(dtype: str) -> Interval | None:
    """Return the integers of an ONNX integer type ("int8", "uint4", "bool", ...), cut to 62 bits; None for others."""
    if dtype == "bool":
        return Interval(0, 1)
    signed = dtype.startswith("int")
    digits = dtype.removeprefix("int") if signed else dtype.removeprefix("uint")
    if not digits.isdigit():
        return None
    bits = min(int(digits), MAX_INTEGER_BITS)
    return Interval(-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else Interval(0, (1 << bits) - 1)


@onnx_op(
    "Cast",
    attributes=("to", "saturate", "round_mode"),
    limits="between float32 and integers; a cast that would wrap is refused; a float tensor of integers stays integers",
)
def import_cast(node: Node, build: NetworkBuilder) -> Tensor:
    """Another ONNX type."""
    dtype = type_name(node.integer("to"))
    data = node.tensor(0)
    if isinstance(data, ShapeVector):
        return data
    if isinstance(data, Constant):
        return Constant(data.array.astype(dtype), data.quantisation if dtype == "float32" else None)
    data = node.activation(0)
    if dtype == "float32":
        return Activation(data.value, dtype)
    limits = integer_limits(dtype)
    if limits is None or dtype == "bool":
        raise node.error(f"a cast to {dtype} is not supported")
    if not is_float(data.value):
        inside = build.interval(data.value)
        if inside.low < limits.low or inside.high > limits.high:
            raise node.error(f"casting integers of {inside.low} ... {inside.high} to {dtype} would wrap")
        return Activation(data.value, dtype)
    quotient = build.quotients.get(data.value)
    if quotient is not None:
        return Activation(requantised_quotient(build, quotient, "Cast"), dtype)
    return Activation(build.emit(CastOp(build.floats(data), build.element(limits)), limits), dtype)


@onnx_op("Identity", limits="also on weights and shapes")
def import_identity(node: Node, build: NetworkBuilder) -> Tensor:
    """The input."""
    return node.tensor(0)


@onnx_op("Dropout", attributes=("ratio", "is_test", "seed", "consumed_inputs"), limits="the mask is not computed")
def import_dropout(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """The input."""
    training = node.optional_constant(2, "training_mode")
    if training is not None and bool(training.array.any()):
        raise node.error("training_mode is true; export the model for inference")
    return [node.tensor(0), Unavailable("the mask of a Dropout, which inference does not compute")]
