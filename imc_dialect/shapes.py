"""Output sizes of windows, as ONNX defines them."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.utils.exceptions import VerifyException


def window_output_size(size: int, kernel: int, stride: int, pad_begin: int, pad_end: int, dilation: int) -> int:
    """Return the number of window positions along one axis.

    Raises:
        VerifyException: if the window is larger than the padded input.
    """
    span = (kernel - 1) * dilation + 1
    room = size + pad_begin + pad_end - span
    if room < 0:
        raise VerifyException(f"a window of {span} is larger than the padded input of {size + pad_begin + pad_end}")
    return room // stride + 1


def pool_output_size(
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    *,
    ceil_mode: bool,
) -> tuple[int, int]:
    """Return the output height and width of a pooling.

    With `ceil_mode` the count is rounded up, but no window starts in the end padding or beyond it.
    """
    result: list[int] = []
    for axis in range(2):
        floor_size = window_output_size(
            size[axis], kernel[axis], strides[axis], pads[axis], pads[axis + 2], dilations[axis]
        )
        span = (kernel[axis] - 1) * dilations[axis] + 1
        room = size[axis] + pads[axis] + pads[axis + 2] - span
        if ceil_mode and room % strides[axis] and floor_size * strides[axis] < size[axis] + pads[axis]:
            floor_size += 1
        result.append(floor_size)
    return result[0], result[1]
