"""Constants, shapes of activations, and what is computed from them."""

from __future__ import annotations

import numpy as np

from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import BATCH, Activation, Constant, ShapeVector, Tensor


def shape_tensor(entries: list[int], *, scalar: bool = False) -> Constant | ShapeVector:
    """Return a constant if the entries do not depend on the batch, else a `ShapeVector`."""
    if BATCH in entries:
        return ShapeVector(tuple(entries), scalar)
    array = np.asarray(entries, np.int64)
    return Constant(array.reshape(()) if scalar else array)


@onnx_op(
    "Constant",
    attributes=("value", "value_float", "value_floats", "value_int", "value_ints"),
    limits="dense numeric tensors",
)
def import_constant(node: Node, build: NetworkBuilder) -> Tensor:
    """A constant."""
    array = node.array("value")
    if array is not None:
        return Constant(array)
    if node.has("value_float"):
        return Constant(np.asarray(node.number("value_float"), np.float32))
    if node.has("value_int"):
        return Constant(np.asarray(node.integer("value_int"), np.int64))
    if node.has("value_ints"):
        return Constant(np.asarray(node.integers("value_ints"), np.int64))
    floats = node.attribute_proto("value_floats")
    if floats is None:
        raise node.error("has no value")
    return Constant(np.asarray(list(floats.floats), np.float32))


@onnx_op("ConstantOfShape", attributes=("value",), limits="of a constant shape")
def import_constant_of_shape(node: Node, build: NetworkBuilder) -> Tensor:
    """One value in every element."""
    value = node.array("value")
    fill = np.zeros(1, np.float32) if value is None else value
    shape = [int(size) for size in node.constant(0, "shape").array.tolist()]
    return Constant(np.full(shape, fill.ravel()[0], fill.dtype))


@onnx_op("Shape", attributes=("start", "end"), limits="the batch size may be picked from it and passed to Reshape")
def import_shape(node: Node, build: NetworkBuilder) -> Tensor:
    """The sizes of the axes."""
    data = node.tensor(0)
    if isinstance(data, Activation):
        sizes = [BATCH, *shape_of(data.value)[1:]]
    elif isinstance(data, Constant):
        sizes = list(data.array.shape)
    else:
        raise node.error("the shape of a shape is not supported")
    end = node.integer("end", len(sizes))
    return shape_tensor(sizes[node.integer("start", 0) : end])
