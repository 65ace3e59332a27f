"""Padded images and gather runs: how a window element of many lanes becomes a few copies of neighbouring bytes.

The tensor under a kernel input is laid out as uint8 [byte, channel, image, row, phase, column]: padding included, a
column stride of s split into s phases. Then lanes that are neighbours in a row are neighbours in memory for every
window element, and the elements of a lane differ from its first only by one offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.kernels.layout import RUN_BYTES
from imcflow.runtime.program import Window


@dataclass(frozen=True)
class ImageLayout:
    """Geometry of the padded image of one kernel input for a number of images.

    Attributes:
        window: the geometry in the program.
        images: images in it.
        byte_planes: bytes per element; an element is loaded with up to 8 * byte_planes bits.
    """

    window: Window
    images: int
    byte_planes: int

    @cached_property
    def rows(self) -> int:
        """Rows with padding."""
        return self.window.height + self.window.pads[0] + self.window.pads[2]

    @cached_property
    def phases(self) -> int:
        """Column phases: the column stride."""
        return self.window.strides[1]

    @cached_property
    def columns(self) -> int:
        """Columns of one phase with padding."""
        return -(-(self.window.width + self.window.pads[1] + self.window.pads[3]) // self.phases)

    @cached_property
    def row_bytes(self) -> int:
        """Bytes from one row to the next."""
        return self.phases * self.columns

    @cached_property
    def plane_bytes(self) -> int:
        """Bytes from one byte plane to the next."""
        return self.window.channels * self.images * self.rows * self.row_bytes

    @cached_property
    def buffer_bytes(self) -> int:
        """Bytes of the whole buffer: a gather step may read one run beyond the last element."""
        return self.byte_planes * self.plane_bytes + RUN_BYTES

    def element_offsets(self) -> NDArray[np.int64]:
        """Return the byte offset of every window element, int64 [elements]."""
        window = self.window
        channel = np.arange(window.channels, dtype=np.int64) * (self.images * self.rows * self.row_bytes)
        row = np.arange(window.kernel[0], dtype=np.int64) * (window.dilations[0] * self.row_bytes)
        shift = np.arange(window.kernel[1], dtype=np.int64) * window.dilations[1]
        column = shift % self.phases * self.columns + shift // self.phases
        return np.ascontiguousarray((channel[:, None, None] + row[:, None] + column).reshape(-1))

    def lane_offsets(self) -> NDArray[np.int64]:
        """Return the byte offset of element 0 of every lane, int64 [images * out_height * out_width]."""
        window = self.window
        image = np.arange(self.images, dtype=np.int64) * (self.rows * self.row_bytes)
        row = np.arange(window.out_height, dtype=np.int64) * (window.strides[0] * self.row_bytes)
        column = np.arange(window.out_width, dtype=np.int64)
        return (image[:, None, None] + row[:, None] + column).reshape(-1)


@dataclass(frozen=True, slots=True)
class Runs:
    """Gather runs of all blocks: int64 [blocks + 1] first run per block, int64 [runs, 2] (source byte, lane)."""

    index: NDArray[np.int64]
    runs: NDArray[np.int64]


def gather_runs(lane_offsets: NDArray[np.int64], lanes_per_block: int) -> Runs:
    """Cut the lanes into runs of neighbouring bytes, none longer than a gather step, none across blocks.

    Args:
        lane_offsets: int64 [lanes].
        lanes_per_block: a multiple of 64.
    """
    lanes = np.arange(len(lane_offsets), dtype=np.int64)
    breaks = np.ones(len(lanes), np.bool_)
    breaks[1:] = (np.diff(lane_offsets) != 1) | (lanes[1:] % lanes_per_block == 0)
    starts = np.flatnonzero(breaks)
    lengths = np.diff(np.append(starts, len(lanes)))
    pieces = -(-lengths // RUN_BYTES)
    first_piece = np.cumsum(pieces) - pieces
    within = np.arange(int(pieces.sum()), dtype=np.int64) - np.repeat(first_piece, pieces)
    lane = np.repeat(starts, pieces) + within * RUN_BYTES
    blocks = -(-len(lanes) // lanes_per_block)
    index = np.searchsorted(lane // lanes_per_block, np.arange(blocks + 1)).astype(np.int64)
    runs = np.stack([lane_offsets[lane], lane % lanes_per_block], axis=1)
    return Runs(index, np.ascontiguousarray(runs))
