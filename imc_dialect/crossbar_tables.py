"""Tables of the tiles of the mapped level, and their text: the fields that are not 0, then the flags."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.text import field_words, fill_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Table = NDArray[np.void]


class TilePart(IntFlag):
    """Which part of the weights a tile holds: bits `shift` and up, as many as a cell word has; and for how long."""

    SIGNED = 1  # the top bits of two's complement
    POSITIVE = 2  # of max(w, 0): one of two differential columns
    NEGATIVE = 4  # of max(-w, 0): the other one, which is subtracted
    RESIDENT = 8  # not a part: no other tile of the network may lie in these cells, so that they are loaded once


_PLACE = ("macro", "slot", "row", "column")
TILE_FIELDS = ("flags", *_PLACE, "element", "rows", "output", "columns", "shift", "lane", "lanes")


def tile_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one tile: twelve i4 fields.

    Rows `element` ... of the window matrix and output channels `output` ... lie in a slot of a macro, from `row` and
    `column` on. They serve `lanes` output positions from `lane` on, all of them if `lanes` is 0: copies of the same
    weights share the positions.
    """
    return np.dtype([(name, "<i4") for name in TILE_FIELDS])


def tile_lines(table: Table) -> list[str]:
    """Return one line per tile."""
    return [" ".join(field_words(row, TILE_FIELDS[1:], TilePart)) for row in table]


def tiles_from_lines(lines: Sequence[str]) -> Table:
    """Return the table of `tile_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    table = np.zeros(len(lines), tile_dtype())
    for row, line in zip(table, lines, strict=True):
        fill_fields(row, line.split(), TILE_FIELDS[1:], TilePart, line)
    return table
