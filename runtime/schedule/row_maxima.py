"""Maxima over rows that ranges of rows have written, whatever the number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Ints = np.ndarray[Any, np.dtype[np.int64]]


class RowMaxima:
    """Largest value among the ranges that touch some rows.

    Rows between two neighbouring ends of ranges are one segment; ranges are entered into, and answered from, sparse
    tables over the segments, so time and memory are O(n log n) for n ranges.
    """

    def __init__(self, low: Ints, high: Ints, values: Ints) -> None:
        """Enter `values` for rows low..high inclusive; values are at least 0."""
        self._starts = np.unique(np.concatenate([low, high + 1]))
        first, last = self._segments(low, high)
        count = len(self._starts)
        level = _levels(first, last)
        tables: list[Ints] = []
        for depth in reversed(range(count.bit_length())):
            width = 1 << depth
            layer = np.zeros(count - width + 1, np.int64)
            chosen = np.flatnonzero(level == depth)
            np.maximum.at(layer, first[chosen], values[chosen])
            np.maximum.at(layer, last[chosen] - width + 1, values[chosen])
            if tables:
                wider = tables[-1]
                np.maximum(layer[: len(wider)], wider, out=layer[: len(wider)])
                np.maximum(layer[width : width + len(wider)], wider, out=layer[width : width + len(wider)])
            tables.append(layer)
        self._levels = [tables[-1]]
        while 2 << (len(self._levels) - 1) <= count:
            width, last_level = 1 << (len(self._levels) - 1), self._levels[-1]
            self._levels.append(np.maximum(last_level[:-width], last_level[width:]))

    def _segments(self, low: Ints, high: Ints) -> tuple[Ints, Ints]:
        last = np.searchsorted(self._starts, high, side="right") - 1
        return np.maximum(np.searchsorted(self._starts, low, side="right") - 1, 0), last

    def query(self, low: Ints, high: Ints) -> Ints:
        """Return the largest value entered for any of the rows low..high inclusive, low <= high."""
        first, last = self._segments(low, high)
        level = _levels(first, last)
        result = np.zeros(len(low), np.int64)
        for depth, values in enumerate(self._levels):
            chosen = np.flatnonzero(level == depth)
            result[chosen] = np.maximum(values[first[chosen]], values[last[chosen] - (1 << depth) + 1])
        return result


def _levels(first: Ints, last: Ints) -> Ints:
    """floor(log2) of the lengths of ranges."""
    return np.frexp((last - first + 1).astype(np.float64))[1].astype(np.int64) - 1
