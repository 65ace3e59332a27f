"""Convolutions and matrix products that stay in the digital unit."""

from __future__ import annotations

import numpy as np

from imcflow.runtime.digital.exact import dot
from imcflow.runtime.digital.registry import Array, Call, is_float, operation


def _product(left: Array, right: Array) -> Array:
    return left @ right if is_float(left) else dot(left, right)


@operation("conv2d")
def conv2d(call: Call) -> Array:
    """Cross-correlation of [N, C, H, W] with [M, C/groups, KH, KW], plus a bias [M].

    Window positions are added up row by row; each is one matrix product per image, so float32 results do not depend on
    how a batch is split.
    """
    image, weights = call.operands[:2]
    (stride_y, stride_x), (dilate_y, dilate_x) = call.integers("strides"), call.integers("dilations")
    top, left, bottom, right = call.integers("pads")
    groups = call.integer("groups")
    _, channels_out, out_height, out_width = call.shape
    batch = image.shape[0]
    if not is_float(image):
        image = image.astype(np.int64)
    border = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(image, border, constant_values=call.integer("pad_value"))
    by_group = weights.reshape(groups, channels_out // groups, *weights.shape[1:])
    total = np.zeros((batch, groups, channels_out // groups, out_height * out_width), image.dtype)
    for y in range(weights.shape[2]):
        for x in range(weights.shape[3]):
            rows = slice(y * dilate_y, y * dilate_y + (out_height - 1) * stride_y + 1, stride_y)
            columns = slice(x * dilate_x, x * dilate_x + (out_width - 1) * stride_x + 1, stride_x)
            seen = padded[:, :, rows, columns].reshape(batch, groups, weights.shape[1], out_height * out_width)
            total += _product(by_group[:, :, :, y, x], seen)
    result = total.reshape(call.shape)
    return result if len(call.operands) == 2 else result + call.operands[2][:, None, None]


@operation("gemm")
def gemm(call: Call) -> Array:
    """[N, K] times the transpose of [M, K], plus a bias [M]."""
    features, weights = call.operands[:2]
    # float32 row by row: a result must not depend on the other images of the batch.
    result = (features[:, None, :] @ weights.T)[:, 0] if is_float(features) else dot(features, weights.T)
    return result if len(call.operands) == 2 else result + call.operands[2]


@operation("matmul")
def matmul(call: Call) -> Array:
    """Batched product of two activations."""
    return _product(*call.operands)


@operation("batch_norm")
def batch_norm(call: Call) -> Array:
    """Per channel `x * a + b`, a = 1 / sqrt(variance + epsilon) * scale, b = shift - mean * a, each op in float32."""
    values, scale, shift, mean, variance = call.operands
    slope = np.float32(1) / np.sqrt(variance + call.number("epsilon")) * scale
    intercept = shift - mean * slope
    per_channel = (-1, *[1] * (values.ndim - 2))
    return values * slope.reshape(per_channel) + intercept.reshape(per_channel)
