"""Poolings over windows and over whole images."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import UnitAttr, f32
from xdsl.ir import SSAValue

from imcflow.dialect.ops_network import AvgPoolOp, MaxPoolOp
from imcflow.dialect.types import integer_element_of, is_float, shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import rank_of
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import Activation, Tensor, Unavailable
from imcflow.lowering.onnx.windows import WINDOW_ATTRIBUTES, Window, from_image, image_of, window_of


def pool_window(node: Node, value: SSAValue) -> Window:
    """Return the window of a pooling node.

    Raises:
        ModelError: if the kernel's shape is missing, or has another number of axes than the input.
    """
    kernel = node.integers("kernel_shape")
    if kernel is None:
        raise node.error("attribute 'kernel_shape' is missing")
    spatial = rank_of(value) - 2
    if len(kernel) != spatial:
        raise node.error(f"attribute 'kernel_shape' is {kernel}, but the input has {spatial} spatial axes")
    return window_of(node, (1, *shape_of(value)[2:])[-2:], kernel)


@onnx_op(
    "MaxPool",
    attributes=(*WINDOW_ATTRIBUTES, "ceil_mode", "storage_order"),
    limits="one or two spatial axes; the output of indices is not computed",
)
def import_max_pool(node: Node, build: NetworkBuilder) -> Sequence[Tensor]:
    """Largest element of each window; of integers too."""
    data = node.activation(0)
    window = pool_window(node, data.value)
    return [_max_pool(node, build, data, window), Unavailable("the indices of a MaxPool, which are not computed")]


def _max_pool(node: Node, build: NetworkBuilder, data: Activation, window: Window) -> Activation:
    image = image_of(node, build, data.value)
    op = MaxPoolOp(
        image,
        f32 if is_float(image) else integer_element_of(image),
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
    )
    result = build.emit(op, build.same_interval(image))
    return Activation(from_image(build, result, rank_of(data.value)), data.dtype)


@onnx_op("GlobalMaxPool", limits="one or two spatial axes")
def import_global_max_pool(node: Node, build: NetworkBuilder) -> Tensor:
    """Largest element of each channel."""
    data = node.activation(0)
    return _max_pool(node, build, data, _whole_image(data.value))


@onnx_op(
    "AveragePool",
    attributes=(*WINDOW_ATTRIBUTES, "ceil_mode", "count_include_pad"),
    limits="one or two spatial axes; integers are converted to f32 first",
)
def import_average_pool(node: Node, build: NetworkBuilder) -> Tensor:
    """Mean of each window."""
    data = node.activation(0)
    value = average(node, build, build.floats(data), pool_window(node, data.value))
    return Activation(value, data.dtype)


@onnx_op("GlobalAveragePool", limits="one or two spatial axes; integers are converted to f32 first")
def import_global_average_pool(node: Node, build: NetworkBuilder) -> Tensor:
    """Mean of each channel."""
    data = node.activation(0)
    return Activation(average(node, build, build.floats(data), _whole_image(data.value)), data.dtype)


def _whole_image(value: SSAValue) -> Window:
    height, width = (1, *shape_of(value)[2:])[-2:]
    return Window((height, width), (1, 1), (0, 0, 0, 0), (1, 1))


def average(node: Node, build: NetworkBuilder, value: SSAValue, window: Window) -> SSAValue:
    """Emit the average pooling of an `f32` value with the node's ceil_mode and count_include_pad."""
    op = AvgPoolOp(
        image_of(node, build, value),
        f32,
        kernel=window.kernel,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        ceil_mode=bool(node.integer("ceil_mode", 0)),
        properties={"count_include_pad": UnitAttr() if node.integer("count_include_pad", 0) else None},
    )
    return from_image(build, build.emit(op), rank_of(value))
