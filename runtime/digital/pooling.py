"""Poolings over windows of [N, C, H, W]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital.registry import Array, Call, is_float, operation
from imcflow.runtime.kernels.largest import ROW_SLACK_BYTES, LargestShape, largest_function

BYTES_WORTH_MACHINE_CODE = 1 << 18  # of maps: combining them takes longer than making it once, some 10 ms, pays for


def _padded(call: Call, image: Array, fill: float) -> Array:
    """Pad as declared, and further where the last window of ceil_mode reaches beyond that."""
    kernel, strides, dilations = (call.integers(name) for name in ("kernel", "strides", "dilations"))
    top, left, bottom, right = call.integers("pads")
    border = [(0, 0), (0, 0)]
    for axis, (before, after) in enumerate(((top, bottom), (left, right))):
        covered = (call.shape[2 + axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1
        border.append((before, max(after, covered - before - image.shape[2 + axis])))
    if not any(sum(sides) for sides in border):
        return image
    return np.pad(image, border, constant_values=fill)


def _reduce_windows(call: Call, padded: Array, combine: np.ufunc) -> Array:
    """Combine each window of the padded map, first down its columns, then along its rows.

    Along a row all positions are combined before the stride picks some: neighbours in memory take one instruction.
    """
    (kernel_y, kernel_x), (stride_y, stride_x) = call.integers("kernel"), call.integers("strides")
    dilate_y, dilate_x = call.integers("dilations")
    out_height, out_width = call.shape[2:]
    rows = (out_height - 1) * stride_y + 1
    columns = (out_width - 1) * stride_x + 1
    tall = _combine((padded[:, :, y * dilate_y :][:, :, :rows:stride_y] for y in range(kernel_y)), combine)
    wide = _combine((tall[..., x * dilate_x :][..., :columns] for x in range(kernel_x)), combine)
    return wide[..., ::stride_x]


def _combine(parts: Iterator[Array], combine: np.ufunc) -> Array:
    """Combine arrays of one shape elementwise; there is at least one."""
    result: Array | None = None
    for part in parts:
        result = part.copy() if result is None else combine(result, part, out=result)
    if result is None:
        raise ProgramError("a pooling window has no elements")
    return result


@operation("max_pool")
def max_pool(call: Call) -> Array:
    """Largest element of each window; padding never wins."""
    image = call.first
    if image.nbytes >= BYTES_WORTH_MACHINE_CODE and image.dtype.itemsize == image.strides[3] == 1:
        return _largest(call, image)
    least = -np.inf if is_float(image) else int(np.iinfo(image.dtype).min)
    return _reduce_windows(call, _padded(call, image, least), np.maximum)


def _largest(call: Call, image: Array) -> Array:
    """The same for integers of one byte, in one pass."""
    slots = LargestShape
    images, channels, out_height, out_width = call.shape
    (kernel_y, kernel_x), (stride_y, stride_x) = call.integers("kernel"), call.integers("strides")
    dilation_y, dilation_x = call.integers("dilations")
    top, left, *_ = call.integers("pads")
    shape = np.zeros(slots.SIZE, np.int64)
    shape[: slots.KERNEL_ROWS] = (images, channels, *image.shape[2:], *image.strides[:3])
    shape[slots.KERNEL_ROWS : slots.ROW_BYTES] = (
        *(kernel_y, kernel_x, stride_y, stride_x, dilation_y, dilation_x),
        *(top, left, out_height, out_width),
    )
    row_bytes = max(left + image.shape[3], (out_width - 1) * stride_x + (kernel_x - 1) * dilation_x + 1)
    shape[slots.ROW_BYTES], shape[slots.LEAST] = row_bytes, np.iinfo(image.dtype).min
    row, result = np.empty(row_bytes + ROW_SLACK_BYTES, np.uint8), np.empty(call.shape, image.dtype)
    function = largest_function(signed=image.dtype.kind == "i")
    function(*(array.ctypes.data for array in (image, result, row, shape)))
    return result


@operation("sum_pool")
def sum_pool(call: Call) -> Array:
    """Sum of each window; padding counts 0. The result type holds it, so its width is enough to add in."""
    padded = _padded(call, call.first, 0).astype(call.dtype, copy=False)
    return _float_sums(call, padded) if is_float(padded) else _reduce_windows(call, padded, np.add)


def _float_sums(call: Call, padded: Array) -> Array:
    """Add up each window row by row: the order in which float32 sums are defined here."""
    (kernel_y, kernel_x), (stride_y, stride_x) = call.integers("kernel"), call.integers("strides")
    dilate_y, dilate_x = call.integers("dilations")
    rows = (call.shape[2] - 1) * stride_y + 1
    columns = (call.shape[3] - 1) * stride_x + 1
    parts = (
        padded[:, :, y * dilate_y :, x * dilate_x :][:, :, :rows:stride_y, :columns:stride_x]
        for y in range(kernel_y)
        for x in range(kernel_x)
    )
    return _combine(parts, np.add)


@operation("avg_pool")
def avg_pool(call: Call) -> Array:
    """Mean of each window over the elements inside the map, or also over the declared padding."""
    height, width = call.first.shape[2:]
    top, left, bottom, right = call.integers("pads")
    padded = _padded(call, call.first, 0)
    counted = np.zeros((1, 1, *padded.shape[2:]), np.float32)
    if call.flag("count_include_pad"):
        counted[:, :, : top + height + bottom, : left + width + right] = 1
    else:
        counted[:, :, top : top + height, left : left + width] = 1
    counts = np.maximum(_float_sums(call, counted), np.float32(1))
    return _float_sums(call, padded) / counts
