"""Inputs of the graph: names, types, and the declared integer types of `--input`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import IntegerType, TensorType, f32

from imcflow.dialect.types import ElementType, batched, integer_type, parse_element_type, value_range
from imcflow.errors import ModelError
from imcflow.lowering.onnx.casts import integer_limits
from imcflow.lowering.onnx.source import Source, real_inputs, type_name

if TYPE_CHECKING:
    from onnx import ValueInfoProto


@dataclass(frozen=True)
class GraphInput:
    """An input of the network.

    Attributes:
        name: ONNX name.
        dtype: numpy name of the ONNX type.
        type: tensor type with dynamic batch.
        batch: size of axis 0 if the file fixes it, else None.
    """

    name: str
    dtype: str
    type: TensorType[ElementType]
    batch: int | None


def graph_inputs(source: Source, input_types: Mapping[str, str]) -> list[GraphInput]:
    """Return the inputs of the network.

    Raises:
        ModelError: if an input has no fixed shape beyond the batch, or a declared type names no input or does not fit.
    """
    graph = source.model.graph
    names = real_inputs(graph)
    for name in input_types:
        if name not in names:
            listed = ", ".join(f"'{known}'" for known in names)
            raise ModelError(f"{source.name}: --input names '{name}', but the inputs of the model are {listed}")
    values = {value.name: value for value in graph.input}
    return [_graph_input(source, values[name], input_types.get(name)) for name in names]


def _graph_input(source: Source, value: ValueInfoProto, declared: str | None) -> GraphInput:
    where = f"{source.name}: input '{value.name}'"
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.elem_type:
        raise ModelError(f"{where} is no tensor of a known type")
    if not kind.HasField("shape") or not kind.shape.dim:
        raise ModelError(f"{where} has no axes; axis 0 must be the batch")
    sizes: list[int] = []
    for axis, dimension in enumerate(kind.shape.dim):
        fixed = dimension.HasField("dim_value") and dimension.dim_value > 0
        if axis and not fixed:
            what = f"'{dimension.dim_param}'" if dimension.dim_param else "unknown"
            raise ModelError(f"{where}: axis {axis} has dynamic size {what}; only axis 0, the batch, may be dynamic")
        sizes.append(dimension.dim_value if fixed else 0)
    try:
        dtype = type_name(kind.elem_type)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None
    element = _element(where, dtype, declared)
    return GraphInput(value.name, dtype, batched(sizes[1:], element), sizes[0] or None)


def _element(where: str, dtype: str, declared: str | None) -> ElementType:
    limits = integer_limits(dtype)
    if limits is None and dtype != "float32":
        raise ModelError(f"{where} has type {dtype}; float32 and integers are supported")
    if declared is None:
        if limits is None:
            return f32
        bits = max(limits.high.bit_length() + (1 if limits.low < 0 else 0), 1)
        return integer_type(bits, signed=limits.low < 0)
    try:
        element = parse_element_type(declared)
    except ValueError as error:
        raise ModelError(f"{where}: {error}") from None
    if not isinstance(element, IntegerType):
        if limits is not None:
            raise ModelError(f"{where} has type {dtype}, which --input cannot turn into {declared}")
        return element
    low, high = value_range(element)
    if limits is not None and (low < limits.low or high > limits.high):
        raise ModelError(f"{where} has type {dtype}, which does not hold every integer of {declared}")
    return element


def file_batch(source: Source, inputs: Sequence[GraphInput]) -> int | None:
    """Return the batch size that the file fixes, or None.

    Raises:
        ModelError: if inputs fix different ones.
    """
    sizes = {port.batch for port in inputs if port.batch is not None}
    if len(sizes) > 1:
        raise ModelError(f"{source.name}: the inputs have different sizes {sorted(sizes)} of axis 0, the batch")
    return next(iter(sizes), None)
