"""Meaning of constants, linear layers and batch normalisation."""

from __future__ import annotations

import numpy as np

from imcflow.dialect.constants import array_of
from imcflow.dialect.interpreter.exact import dot
from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.ops_network import BatchNormOp, ConstantOp, Conv2dOp, GemmOp, MatMulOp, window_properties
from imcflow.dialect.types import shape_of


@meaning(ConstantOp)
def constant(op: ConstantOp) -> Array:
    """Return the stored values."""
    array = array_of(op.value)
    return array if array.dtype.kind == "f" else array.astype(np.int64)


def _dot(lhs: Array, rhs: Array) -> Array:
    return lhs @ rhs if lhs.dtype.kind == "f" else dot(lhs, rhs)


@meaning(Conv2dOp)
def conv2d(op: Conv2dOp, feature_map: Array, weights: Array, bias: Array | None = None) -> Array:
    """Add up, kernel tap by kernel tap, the products of weights `[M, C/g]` with shifted images `[N, C/g, OH * OW]`."""
    strides, pads, dilations = window_properties(op.strides, op.pads, op.dilations)
    padded = np.pad(
        feature_map,
        ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])),
        constant_values=op.pad_value.value.data,
    )
    batch = feature_map.shape[0]
    out_height, out_width = shape_of(op.result)[2:]
    groups = op.groups.value.data
    channels_out, channels_in, kernel_height, kernel_width = weights.shape
    result = np.zeros((batch, groups, channels_out // groups, out_height * out_width), feature_map.dtype)
    for row in range(kernel_height):
        for column in range(kernel_width):
            top, left = row * dilations[0], column * dilations[1]
            tap = padded[
                :,
                :,
                top : top + (out_height - 1) * strides[0] + 1 : strides[0],
                left : left + (out_width - 1) * strides[1] + 1 : strides[1],
            ]
            images = tap.reshape(batch, groups, channels_in, out_height * out_width)
            matrix = weights[:, :, row, column].reshape(groups, channels_out // groups, channels_in)
            result += _dot(matrix, images)
    result = result.reshape(batch, channels_out, out_height, out_width)
    return result if bias is None else result + bias[:, None, None]


@meaning(GemmOp)
def gemm(op: GemmOp, features: Array, weights: Array, bias: Array | None = None) -> Array:
    """Multiply `[N, K]` with the transpose of `[M, K]` and add the bias `[M]`."""
    product = _dot(features, weights.T)
    return product if bias is None else product + bias


@meaning(MatMulOp)
def matmul(op: MatMulOp, lhs: Array, rhs: Array) -> Array:
    """Multiply the last two axes of two activations."""
    return _dot(lhs, rhs)


@meaning(BatchNormOp)
def batch_norm(op: BatchNormOp, values: Array, scale: Array, shift: Array, mean: Array, variance: Array) -> Array:
    """Normalise each channel with the stored statistics, in the order of operations of onnxruntime."""
    epsilon = np.float32(op.epsilon.value.data)
    factor = np.float32(1) / np.sqrt(variance + epsilon) * scale
    offset = shift - mean * factor
    per_channel = (-1,) + (1,) * (values.ndim - 2)
    return values * factor.reshape(per_channel) + offset.reshape(per_channel)
