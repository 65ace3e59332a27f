"""Free space of one plane as the set of its maximal empty rectangles (the MaxRects heuristic of J. Jylänki, 2010)."""

from __future__ import annotations

from typing import NamedTuple


class Rectangle(NamedTuple):
    """A rectangle of cells: first column, first row, width in columns, height in rows."""

    column: int
    row: int
    width: int
    height: int


class FreePlane:
    """A plane and what is still empty in it.

    Args:
        columns: width of the plane.
        rows: height of the plane.
    """

    __slots__ = ("free",)

    def __init__(self, columns: int, rows: int) -> None:
        self.free: list[Rectangle] = [Rectangle(0, 0, columns, rows)]

    def occupy(self, used: Rectangle) -> None:
        """Takes a rectangle out of the free space, which keeps its maximal rectangles only."""
        left, top, width, height = used
        right, bottom = left + width, top + height
        kept: list[Rectangle] = []
        cut: list[Rectangle] = []
        for rectangle in self.free:
            column, row, free_width, free_height = rectangle
            free_right, free_bottom = column + free_width, row + free_height
            if right <= column or left >= free_right or bottom <= row or top >= free_bottom:
                kept.append(rectangle)
                continue
            if left > column:
                cut.append(Rectangle(column, row, left - column, free_height))
            if right < free_right:
                cut.append(Rectangle(right, row, free_right - right, free_height))
            if top > row:
                cut.append(Rectangle(column, row, free_width, top - row))
            if bottom < free_bottom:
                cut.append(Rectangle(column, bottom, free_width, free_bottom - bottom))
        # An uncut rectangle is maximal already; only the pieces can lie inside another one.
        for index, piece in enumerate(cut):
            others = kept if index == len(cut) - 1 else kept + cut[index + 1 :]
            if not any(_inside(piece, other) for other in others):
                kept.append(piece)
        self.free = kept


def _inside(inner: Rectangle, outer: Rectangle) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and outer[0] + outer[2] >= inner[0] + inner[2]
        and outer[1] + outer[3] >= inner[1] + inner[3]
    )
