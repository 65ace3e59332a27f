"""Which step of a producer a consumer's step waits for, and which consumer step frees a producer's slot.

Steps are numbered in raster order over the patches of a map; with single pixels (sheet 2.2)

    need(y, x) = min(H-1, y s + K-1 - p) W + min(W-1, x s + K-1 - p)

Both tables are monotone, so a ring buffer of B slots works when, for every step j of the consumer, need(j) and the
oldest step that j or a later one still reads are less than B apart: (K-1) W + K pixels for a K x K window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.pipelining.crossbars import Patch
from imcflow.passes.pipelining.layers import Axis, Edge, Stage
from imcflow.runtime.pipeline.dataflow import Handshake

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EdgeTables:
    """Dependences of one edge within one image.

    Args:
        need: per consumer step, the last producer step that it or an earlier one reads.
        last_reader: per producer step, the last consumer step that reads it or an earlier one; -1 if none does.
    """

    need: Ints
    last_reader: Ints

    @property
    def first_fill(self) -> int:
        """Producer steps before the consumer's first step, need(0) + 1."""
        return int(self.need[0]) + 1

    @property
    def ring_minimum(self) -> int:
        """Fewest slots, in producer steps, with which a ring released in order does not deadlock on this edge."""
        consumer = np.arange(len(self.need))
        oldest = np.asarray(np.searchsorted(self.last_reader, consumer, side="left"), dtype=np.int64)
        return int((self.need - oldest).max()) + 1


@lru_cache(maxsize=1024)
def edge_tables(
    producer: Stage, consumer: Stage, edge: Edge, patches: tuple[Patch, Patch], handshake: Handshake = Handshake.PIXEL
) -> EdgeTables:
    """Dependences of an edge.

    Args:
        producer: stage that writes.
        consumer: stage that reads.
        edge: the windows.
        patches: output pixels per step of producer and consumer.
        handshake: granularity.
    """
    (producer_height, producer_width), (height, width) = patches
    rows = _last_read(edge.rows, consumer.height, height, producer.height, producer_height)
    columns = _last_read(edge.columns, consumer.width, width, producer.width, producer_width)
    bands = math.ceil(producer.width / producer_width)
    need = np.maximum.accumulate((rows[:, None] * bands + columns[None, :]).ravel())
    row_readers = _last_readers(edge.rows, consumer.height, height, producer.height, producer_height)
    column_readers = _last_readers(edge.columns, consumer.width, width, producer.width, producer_width)
    unread = (row_readers[:, None] < 0) | (column_readers[None, :] < 0)
    readers = np.where(unread, -1, row_readers[:, None] * len(columns) + column_readers[None, :])
    last_reader = np.maximum.accumulate(readers.ravel())
    if handshake is Handshake.ROW:
        need = (need // bands + 1) * bands - 1
        last_reader = np.where(last_reader < 0, -1, (last_reader // len(columns) + 1) * len(columns) - 1)
    elif handshake is Handshake.IMAGE:
        need = np.full_like(need, len(last_reader) - 1)
        last_reader = np.where(last_reader < 0, -1, len(need) - 1)
    return EdgeTables(need, last_reader)


def _last_read(axis: Axis, outputs: int, block: int, inputs: int, producer_block: int) -> Ints:
    """Per block of outputs, the last block of inputs that its windows reach."""
    last = np.minimum(np.arange(block - 1, outputs + block - 1, block, dtype=np.int64), outputs - 1)
    return np.minimum(last * axis.stride + axis.size - 1 - axis.pad, inputs - 1) // producer_block


def _last_readers(axis: Axis, outputs: int, block: int, inputs: int, producer_block: int) -> Ints:
    """Per block of inputs, the last block of outputs whose windows reach it; -1 if none does."""
    first = np.arange(0, inputs, producer_block, dtype=np.int64)
    last = np.minimum(first + producer_block - 1, inputs - 1)
    reader = np.minimum((last + axis.pad) // axis.stride, outputs - 1)
    reached = reader * axis.stride + axis.size - 1 - axis.pad >= first
    return np.where(reached, reader // block, -1)


def line_buffer_pixels(edge: Edge, producer_width: int) -> int:
    """(K-1) W + K: pixels of a line buffer with which a window neither deadlocks nor stalls (sheet 2.3)."""
    return (edge.rows.size - 1) * producer_width + edge.columns.size
