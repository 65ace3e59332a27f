"""One ONNX node with its inputs looked up: typed access to attributes, and errors that name the node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np

from imcflow.errors import ModelError
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, ShapeVector, Tensor, Unavailable

if TYPE_CHECKING:
    from onnx import AttributeProto, NodeProto


def node_name(proto: NodeProto) -> str:
    """Return the name of a node: its own, else its first output's."""
    return proto.name or next((name for name in proto.output if name), proto.op_type)


class Node:
    """A node whose inputs are known.

    Attributes:
        name: for messages and locations.
        op: ONNX op type.
        domain: "" for the standard domain.
        opset: version of the domain that the model declares, 1 if it declares none.
        outputs: names; "" for an unused optional output.
    """

    def __init__(self, proto: NodeProto, inputs: Sequence[Tensor | None], opset: int) -> None:
        self.name = node_name(proto)
        self.op = proto.op_type
        self.domain = proto.domain
        self.opset = opset
        self.outputs = list(proto.output)
        self._inputs = list(inputs)
        self._input_names = list(proto.input)
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}

    def error(self, reason: str) -> ModelError:
        """Return the error that this node raises."""
        op = f"{self.domain}::{self.op}" if self.domain else self.op
        return ModelError(f"node '{self.name}' ({op}): {reason}")

    # ------------------------------------------------------------------------------------------------------ inputs

    @property
    def input_count(self) -> int:
        """Number of inputs, trailing omitted ones not counted."""
        count = len(self._inputs)
        while count and self._inputs[count - 1] is None:
            count -= 1
        return count

    def optional(self, index: int) -> Tensor | None:
        """Return an input, or None if it is omitted."""
        tensor = self._inputs[index] if index < len(self._inputs) else None
        if isinstance(tensor, Unavailable):
            raise self.error(f"reads '{self._input_names[index]}', {tensor.reason}")
        return tensor

    def tensor(self, index: int) -> Tensor:
        """Return an input that must be present.

        Raises:
            ModelError: if it is omitted.
        """
        tensor = self.optional(index)
        if tensor is None:
            raise self.error(f"input {index} is missing")
        return tensor

    def tensors(self) -> list[Tensor]:
        """Return all inputs."""
        return [self.tensor(index) for index in range(self.input_count)]

    def activation(self, index: int, what: str = "input") -> Activation:
        """Return an input that is computed at run time.

        Raises:
            ModelError: if it is a constant or a shape.
        """
        tensor = self.tensor(index)
        if not isinstance(tensor, Activation):
            raise self.error(f"{what} '{self._input_names[index]}' must be an activation, not a constant or a shape")
        return tensor

    def constant(self, index: int, what: str) -> Constant:
        """Return an input that must be known at compile time.

        Raises:
            ModelError: if it is computed at run time.
        """
        tensor = self.tensor(index)
        if isinstance(tensor, Constant):
            return tensor
        raise self.error(f"{what} '{self._input_names[index]}' must be a constant, but is computed at run time")

    def optional_constant(self, index: int, what: str) -> Constant | None:
        """Return an input known at compile time, or None if it is omitted."""
        return None if self.optional(index) is None else self.constant(index, what)

    def integer_list(self, index: int, what: str) -> list[int] | None:
        """Return a constant one-dimensional integer input (axes, pads, ...), or None if it is omitted."""
        constant = self.optional_constant(index, what)
        return None if constant is None else [int(value) for value in constant.array.ravel().tolist()]

    def entries(self, tensor: Tensor) -> list[int]:
        """Return the entries of a shape; `BATCH` stands for the batch.

        Raises:
            ModelError: if the tensor is computed at run time.
        """
        if isinstance(tensor, ShapeVector):
            return list(tensor.entries)
        if isinstance(tensor, Constant):
            return [int(value) for value in tensor.array.ravel().tolist()]
        raise self.error("a shape computed from the values of an activation is not supported")

    # -------------------------------------------------------------------------------------------------- attributes

    @property
    def attribute_names(self) -> list[str]:
        """Names of the attributes that the node carries."""
        return list(self._attributes)

    def has(self, name: str) -> bool:
        """Return whether the node carries an attribute."""
        return name in self._attributes

    def _value(self, name: str) -> Array | int | float | bytes | list[int] | list[float] | None:
        proto = self._attributes.get(name)
        if proto is None:
            return None
        from onnx import AttributeProto, helper, numpy_helper

        if proto.type == AttributeProto.TENSOR:
            return numpy_helper.to_array(proto.t)
        return cast("int | float | bytes | list[int] | list[float]", helper.get_attribute_value(proto))

    def number(self, name: str, default: float | None = None) -> float:
        """Return a numeric attribute, given as a number or as a tensor of one element.

        Raises:
            ModelError: if it is missing without default, or not one number.
        """
        value = self._value(name)
        if value is None:
            if default is None:
                raise self.error(f"attribute '{name}' is missing")
            return default
        if isinstance(value, np.ndarray):
            if value.size != 1:
                raise self.error(f"attribute '{name}' holds {value.size} numbers, expected one")
            return float(value.ravel()[0])
        if not isinstance(value, int | float):
            raise self.error(f"attribute '{name}' must be a number")
        return float(value)

    def integer(self, name: str, default: int | None = None) -> int:
        """Return an integer attribute, given as a number or as a tensor of one element.

        Raises:
            ModelError: if it is missing without default, or not one integer.
        """
        value = self.number(name, None if default is None else float(default))
        if value != int(value):
            raise self.error(f"attribute '{name}' is {value}, expected an integer")
        return int(value)

    def integers(self, name: str) -> list[int] | None:
        """Return an attribute that is a list of integers, or None if it is missing."""
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise self.error(f"attribute '{name}' must be a list of integers")
        return [int(item) for item in value]

    def text(self, name: str, default: str) -> str:
        """Return a text attribute."""
        value = self._value(name)
        if value is None:
            return default
        if not isinstance(value, bytes):
            raise self.error(f"attribute '{name}' must be text")
        return value.decode("utf-8", "replace")

    def array(self, name: str) -> Array | None:
        """Return a tensor attribute, or None if it is missing."""
        value = self._value(name)
        if value is not None and not isinstance(value, np.ndarray):
            raise self.error(f"attribute '{name}' must be a tensor")
        return value

    def attribute_proto(self, name: str) -> AttributeProto | None:
        """Return the raw attribute, or None if it is missing."""
        return self._attributes.get(name)

    def expect_attribute(self, name: str, default: int, allowed: Sequence[int], why: str) -> int:
        """Return an integer attribute that may only take some values.

        Raises:
            ModelError: naming attribute, value and reason.
        """
        value = self.integer(name, default)
        if value not in allowed:
            raise self.error(f"attribute '{name}' is {value}: {why}")
        return value
