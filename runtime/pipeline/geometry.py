"""Which pixels a window covers, until when a core must wait, and what it frees: tables of one channel and image.

Pixels are numbered in the order in which cores compute them: raster order, or column after column. All tables are
filled by walking the windows one by one, not by the closed forms that the compiler uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.pipeline.dataflow import Handshake

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.pipeline.dataflow import Channel

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ChannelTables:
    """Dependences of the consumer's pixels on the producer's.

    Attributes:
        pixels: of one image of the producer.
        need: int64 [consumer pixels]: the last producer pixel that this or an earlier pixel waits for.
        freed: int64 [consumer pixels + 1]: producer pixels of the image that are free after so many consumer pixels.
    """

    pixels: int
    need: Ints
    freed: Ints


def numbers(height: int, width: int, *, columns_first: bool) -> Ints:
    """Return the number of every position, int64 [height, width]."""
    if columns_first:
        return np.arange(height * width, dtype=np.int64).reshape(width, height).T
    return np.arange(height * width, dtype=np.int64).reshape(height, width)


def channel_tables(
    channel: Channel, source: tuple[int, int], target: tuple[int, int], *, columns_first: bool
) -> ChannelTables:
    """Walk all windows of a channel.

    Args:
        channel: its window.
        source: height and width of the producer's map.
        target: of the consumer's map.
        columns_first: order of the pixels.
    """
    axes = [
        _axis_windows(*fields)
        for fields in zip(channel.size, channel.strides, channel.pads, source, target, strict=True)
    ]
    slow, fast = (1, 0) if columns_first else (0, 1)
    (_, slow_last, slow_reader), (_, fast_last, fast_reader) = axes[slow], axes[fast]
    need = np.maximum.accumulate((slow_last[:, None] * source[fast] + fast_last[None, :]).ravel())
    unread = (slow_reader[:, None] < 0) | (fast_reader[None, :] < 0)
    reader = np.where(unread, -1, slow_reader[:, None] * target[fast] + fast_reader[None, :])
    reader = np.maximum.accumulate(reader.ravel())
    if channel.handshake is Handshake.ROW:
        need = need // source[fast] * source[fast] + source[fast] - 1
        reader = np.where(reader < 0, -1, reader // target[fast] * target[fast] + target[fast] - 1)
    elif channel.handshake is Handshake.IMAGE:
        need = np.full_like(need, source[0] * source[1] - 1)
        reader = np.where(reader < 0, -1, target[0] * target[1] - 1)
    freed = np.searchsorted(reader, np.arange(-1, target[0] * target[1], dtype=np.int64), side="right")
    return ChannelTables(source[0] * source[1], need, freed.astype(np.int64))


def _axis_windows(size: int, stride: int, pad: int, inputs: int, outputs: int) -> tuple[Ints, Ints, Ints]:
    """First and last input of every output's window, and the last output that reads each input (-1: none)."""
    first = np.zeros(outputs, np.int64)
    last = np.zeros(outputs, np.int64)
    reader = np.full(inputs, -1, np.int64)
    for output in range(outputs):
        start = output * stride - pad
        first[output], last[output] = max(start, 0), min(start + size, inputs) - 1
        reader[first[output] : last[output] + 1] = output
    return first, last, reader


def window_pixels(
    kernel: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int],
    dilations: tuple[int, int],
    source: tuple[int, int],
    target: tuple[int, int],
    *,
    columns_first: bool,
) -> NDArray[np.int64]:
    """Return the producer pixel under every window element, int64 [consumer pixels, KH * KW]; -1 outside of the map.

    Args:
        kernel: KH, KW elements of the window.
        strides: from one window to the next.
        pads: (top, left).
        dilations: from one element to the next.
        source: height and width of the producer's map.
        target: of the consumer's map.
        columns_first: order of the pixels.
    """
    places = numbers(*source, columns_first=columns_first)
    rows, columns = (
        np.arange(count)[:, None] * stride - pad + np.arange(taps) * dilation
        for count, stride, pad, taps, dilation in zip(target, strides, pads, kernel, dilations, strict=True)
    )
    inside_rows, inside_columns = (rows >= 0) & (rows < source[0]), (columns >= 0) & (columns < source[1])
    table = places[
        np.clip(rows, 0, source[0] - 1)[:, None, :, None], np.clip(columns, 0, source[1] - 1)[None, :, None, :]
    ]
    table = np.where(inside_rows[:, None, :, None] & inside_columns[None, :, None, :], table, -1)
    flat = table.reshape(target[0] * target[1], kernel[0] * kernel[1])
    order = numbers(*target, columns_first=columns_first).ravel()
    result = np.empty_like(flat)
    result[order] = flat
    return result
