"""FINN's MultiThreshold."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.tensors import Activation, Array, Tensor, integral


@onnx_op(
    "MultiThreshold",
    attributes=("out_scale", "out_bias", "out_dtype", "data_layout"),
    limits="thresholds are a constant [C, n] or [1, n]; channels on axis 1, or one row for all channels",
    domains=("finn.custom_op.general", "qonnx.custom_op.general", ""),
)
def import_multi_threshold(node: Node, build: NetworkBuilder) -> Tensor:
    """`out_scale * #{k : x >= T[c, k]} + out_bias`."""
    data = node.activation(0)
    table = node.constant(1, "thresholds").array
    shape = shape_of(data.value)
    if table.ndim != 2 or table.shape[0] not in (1, shape[1]) or not table.size:
        raise node.error(f"the thresholds have shape {list(table.shape)}, expected [{shape[1]}, n] or [1, n]")
    layout = node.text("data_layout", "")
    if layout in ("NHWC", "NWC") and table.shape[0] != 1:
        raise node.error(f"data_layout '{layout}' with thresholds per channel is not supported")
    if np.any(np.isnan(table)):
        raise node.error("a threshold is not a number (NaN)")
    levels = table.shape[1]
    scale, bias = node.number("out_scale", 1.0), node.number("out_bias", 0.0)
    # A bias behind a scale of 1 moves into the integers.
    low = int(bias) if scale == 1 and bias == int(bias) else 0
    count = _steps(build, data, np.sort(table, axis=1), low, Interval(low, low + levels))
    result = count
    if scale <= 0:
        raise node.error(f"attribute 'out_scale' is {scale}, expected a positive number")
    result = build.dequantised(count, np.asarray(scale, np.float32), np.zeros((), np.int64))
    if bias != low:
        result = build.emit(AddOp(result, build.scalar(bias), f32))
    return Activation(result, "float32")


def _steps(build: NetworkBuilder, data: Activation, table: Array, low: int, levels: Interval) -> SSAValue:
    value = build.integers(data)
    # For integers x >= T is x >= ceil(T).
    ceiled = integral(np.ceil(table)) if value is not None else None
    if value is not None and ceiled is not None:
        op = ThresholdOp(value, build.constant(ceiled), low=low)
    else:
        op = ThresholdOp(build.floats(data), build.constant(table.astype(np.float32)), low=low)
    return build.emit(op, levels)
