"""Lays out the input of a kernel as a padded map, image after image, with the compiled copies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.execution.board import CompiledRanges, call_table, write_call
from imcflow.runtime.execution.workspace import address
from imcflow.runtime.kernels.rows import CopySlot, fill_function

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.execution.blocks import BlockPool
    from imcflow.runtime.execution.storage import Tensor
    from imcflow.runtime.execution.windows import ImageLayout

BYTES_WORTH_A_WORKER = 1 << 17  # of a padded map: copying them takes longer than another thread needs to begin


class PaddedMap:
    """The padded map of one kernel input for a number of images, to be filled again and again.

    Attributes:
        layout: its geometry.
    """

    def __init__(self, layout: ImageLayout) -> None:
        """Prepare nothing yet: what is copied from where depends on the tensor's strides."""
        self.layout = layout
        self._by_image = False
        self._made_for: object = None
        self._at = 0  # of the buffer that the records point to
        self._records: NDArray[np.int64] = np.zeros((0, CopySlot.SIZE), np.int64)
        self._relative = self._records
        self._sources = self._offsets = self._records[:, CopySlot.SOURCE]
        self._ranges = CompiledRanges(0, 1, call_table(1))

    def fill(self, buffer: NDArray[np.uint8], tensor: Tensor, pool: BlockPool) -> None:
        """Write a tensor and its padding into a buffer, on all cores where that is worth it.

        Args:
            buffer: of `layout.buffer_bytes`.
            tensor: [images, channels, height, width], in any strides.
            pool: the workers.
        """
        key = tensor.strides, tensor.dtype, pool.threads
        if self._made_for != key:
            self._make(tensor, pool.threads)
            self._made_for = key
        if self._at != address(buffer):
            self._at = address(buffer)
            self._records[:] = self._relative
            self._records[:, [CopySlot.PLANE, CopySlot.TARGET]] += self._at
        size, planes = tensor.dtype.itemsize, self.layout.byte_planes
        source = tensor
        np.add(self._offsets, address(tensor), out=self._sources)
        if planes > size:  # bytes beyond the storage type extend the sign
            source = (tensor < 0).astype(np.uint8, order="C") * np.uint8(255)
            beyond = slice(size * self.layout.phases, None)
            self._sources[beyond] = self._offsets[beyond] + address(source)
        pool.share(self._ranges, "padded map")

    def _make(self, tensor: Tensor, threads: int) -> None:
        """Write the copies with addresses relative to buffer and tensor, and cut them into ranges.

        Images are what workers share if there are enough: a block of lanes belongs to few of them, so that most of
        what a worker copies was in its own cache.
        """
        layout = self.layout
        self._by_image = layout.images >= threads
        self._relative = np.array(list(self._copies(tensor)), np.int64).reshape(-1, CopySlot.SIZE)
        self._records, self._at = self._relative.copy(), 0
        self._sources, self._offsets = self._records[:, CopySlot.SOURCE], self._relative[:, CopySlot.SOURCE]
        items = layout.images if self._by_image else layout.window.channels
        workers = min(threads, items) if layout.buffer_bytes >= BYTES_WORTH_A_WORKER else 1
        table = call_table(workers)
        for row in table:
            write_call(row, fill_function(), 0, address(self._records), 0, 0, len(self._records))
        self._ranges = CompiledRanges(items, max(1, items // (4 * workers)), table, at_once=items)

    def _copies(self, tensor: Tensor) -> Iterator[tuple[int, ...]]:
        layout, window, size = self.layout, self.layout.window, tensor.dtype.itemsize
        top, left = window.pads[0], window.pads[1]
        padded = any(window.pads) or layout.columns * layout.phases != window.width
        image_bytes = layout.rows * layout.row_bytes
        for plane in range(layout.byte_planes):
            strides = tensor.strides if plane < size else _packed_strides(tensor.shape)
            byte = 0 if plane >= size else plane if sys.byteorder == "little" else size - 1 - plane
            at = plane * layout.plane_bytes
            for phase in range(layout.phases):
                column = (phase - left) % layout.phases
                rows, count = window.height, max(0, -(-(window.width - column) // layout.phases))
                if strides[2] == strides[3] * count and layout.row_bytes == count:
                    rows, count = 1, rows * count  # neighbouring rows make a longer one
                into, out_of = (layout.images * image_bytes, image_bytes), (strides[1], strides[0])
                inner = layout.images
                if self._by_image:
                    into, out_of, inner = into[::-1], out_of[::-1], window.channels
                yield (
                    *(at, image_bytes),
                    (window.pad_value >> 8 * plane & 0xFF) if padded and phase == 0 else -1,
                    at + top * layout.row_bytes + phase * layout.columns + (column + left) // layout.phases,
                    byte + column * strides[3],
                    *(inner, rows, count, layout.phases * strides[3]),
                    *(*into, layout.row_bytes),
                    *(*out_of, strides[2], 0),
                )


def _packed_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Strides of bytes in row-major order."""
    return np.empty(shape, np.uint8).strides
