"""Poolings over windows of [N, C, H, W]."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from imcflow.runtime.digital.registry import Array, Call, is_float, operation


def _window_slices(call: Call) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of the padded map under each window position."""
    (kernel_y, kernel_x), (stride_y, stride_x) = call.integers("kernel"), call.integers("strides")
    dilate_y, dilate_x = call.integers("dilations")
    out_height, out_width = call.shape[2:]
    for y in range(kernel_y):
        for x in range(kernel_x):
            yield (
                slice(y * dilate_y, y * dilate_y + (out_height - 1) * stride_y + 1, stride_y),
                slice(x * dilate_x, x * dilate_x + (out_width - 1) * stride_x + 1, stride_x),
            )


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


@operation("max_pool")
def max_pool(call: Call) -> Array:
    """Largest element of each window; padding never wins."""
    image = call.first
    least = -np.inf if is_float(image) else int(np.iinfo(image.dtype).min)
    padded = _padded(call, image, least)
    result: Array | None = None
    for rows, columns in _window_slices(call):
        seen = padded[:, :, rows, columns]
        result = seen.copy() if result is None else np.maximum(result, seen, out=result)
    return np.empty(call.shape, image.dtype) if result is None else result


def _sums(call: Call, padded: Array, dtype: np.dtype[np.generic]) -> Array:
    result: Array | None = None
    for rows, columns in _window_slices(call):
        seen = padded[:, :, rows, columns]
        result = seen.astype(dtype) if result is None else np.add(result, seen, out=result, casting="unsafe")
    return np.empty(call.shape, dtype) if result is None else result


@operation("sum_pool")
def sum_pool(call: Call) -> Array:
    """Sum of each window; padding counts 0. The result type holds it, so its width is enough to add in."""
    return _sums(call, _padded(call, call.first, 0), call.dtype)


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
    counts = np.maximum(_sums(call, counted, np.dtype(np.float32)), np.float32(1))
    return _sums(call, padded, np.dtype(np.float32)) / counts
