"""Boxes in a column of planes: greedy placement into maximal empty spaces, lowest top first.

Boxes are kept apart by columns, rows and planes and are not turned. The empty space is the set of its maximal empty
boxes, as in container loading (Parreño, Alvarez-Valdes, Oliveira, Tamarit, INFORMS J. Comput. 20, 2008), without the
support from below that freight needs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple


class BoxSize(NamedTuple):
    """Extent of a box in columns, rows and planes."""

    columns: int
    rows: int
    planes: int


class Space(NamedTuple):
    """An empty box: first and one past the last column, row and plane."""

    column: int
    row: int
    plane: int
    column_end: int
    row_end: int
    plane_end: int


class Corner(NamedTuple):
    """First column, row and plane of a placed box."""

    column: int
    row: int
    plane: int


class PackedColumn(NamedTuple):
    """Height in planes and the corner of each box, in the order of the argument."""

    planes: int
    corners: tuple[Corner, ...]


def _by_height(box: BoxSize) -> tuple[int, ...]:
    return (-box.planes, -box.columns * box.rows, -box.rows)


def _by_footprint(box: BoxSize) -> tuple[int, ...]:
    return (-box.columns * box.rows, -box.planes, -box.rows)


def _by_volume(box: BoxSize) -> tuple[int, ...]:
    return (-box.columns * box.rows * box.planes, -box.planes, -box.rows)


def _by_rows(box: BoxSize) -> tuple[int, ...]:
    return (-box.rows, -box.columns, -box.planes)


def _by_columns(box: BoxSize) -> tuple[int, ...]:
    return (-box.columns, -box.rows, -box.planes)


_ORDERS: tuple[Callable[[BoxSize], tuple[int, ...]], ...] = (
    _by_height,
    _by_footprint,
    _by_volume,
    _by_rows,
    _by_columns,
)


def least_planes(boxes: Sequence[BoxSize], columns: int, rows: int) -> int:
    """Planes that any packing of the boxes needs: volume, the tallest box, and boxes that cannot share a plane."""
    volume = sum(box.columns * box.rows * box.planes for box in boxes)
    stacked = sum(box.planes for box in boxes if 2 * box.columns > columns and 2 * box.rows > rows)
    tallest = max((box.planes for box in boxes), default=0)
    return max(-(-volume // (columns * rows)), stacked, tallest)


def pack_column(boxes: Sequence[BoxSize], columns: int, rows: int, enough: int = 0) -> PackedColumn:
    """Packs boxes into as few planes as the greedy orders find.

    Args:
        boxes: boxes no wider than `columns` and no deeper than `rows`.
        columns: width of the macro.
        rows: depth of the macro.
        enough: a height that is good enough to stop at.
    """
    target = max(enough, least_planes(boxes, columns, rows))
    best: PackedColumn | None = None
    for order in _ORDERS:
        keys = [order(box) for box in boxes]
        sequence = sorted(range(len(boxes)), key=keys.__getitem__)
        packed = place_in_order(boxes, sequence, columns, rows, best.planes if best else None)
        if packed is not None and (best is None or packed.planes < best.planes):
            best = packed
        if best is not None and best.planes <= target:
            break
    return best or PackedColumn(0, ())


def place_in_order(
    boxes: Sequence[BoxSize], sequence: Iterable[int], columns: int, rows: int, below: int | None = None
) -> PackedColumn | None:
    """Places boxes one by one where their top is lowest; None once that is not below the given height."""
    limit = sum(box.planes for box in boxes) + 1
    spaces = [Space(0, 0, 0, columns, rows, limit)]
    corners: list[Corner] = [Corner(0, 0, 0)] * len(boxes)
    top = 0
    for index in sequence:
        box = boxes[index]
        place = _lowest_place(spaces, box)
        top = max(top, place.plane + box.planes)
        if below is not None and top >= below:
            return None
        corners[index] = place
        used = Space(*place, place.column + box.columns, place.row + box.rows, place.plane + box.planes)
        spaces = _without(spaces, used)
    return PackedColumn(top, tuple(corners))


def _lowest_place(spaces: Sequence[Space], box: BoxSize) -> Corner:
    width, depth, height = box
    best: Space | None = None
    best_score: tuple[int, int] | None = None
    for space in spaces:
        column, row, plane, column_end, row_end, plane_end = space
        spare_width, spare_depth = column_end - column - width, row_end - row - depth
        if spare_width < 0 or spare_depth < 0 or plane_end - plane < height:
            continue
        score = (plane, (column_end - column) * (row_end - row))
        if best_score is None or score < best_score:
            best, best_score = space, score
    if best is None:
        raise AssertionError("the space above all boxes is as large as the macro")
    return Corner(best.column, best.row, best.plane)


def _without(spaces: Sequence[Space], used: Space) -> list[Space]:
    kept: list[Space] = []
    cut: list[Space] = []
    c0, r0, p0, c1, r1, p1 = used
    for space in spaces:
        if c1 <= space[0] or c0 >= space[3] or r1 <= space[1] or r0 >= space[4] or p1 <= space[2] or p0 >= space[5]:
            kept.append(space)
        else:
            cut.extend(_pieces(space, used))
    unique = list(dict.fromkeys(cut))
    for piece in unique:
        if not any(_inside(piece, other) for other in kept) and not any(
            other is not piece and _inside(piece, other) for other in unique
        ):
            kept.append(piece)
    return kept


def _pieces(space: Space, used: Space) -> Iterator[Space]:
    c0, r0, p0, c1, r1, p1 = space
    if used[0] > c0:
        yield Space(c0, r0, p0, used[0], r1, p1)
    if used[3] < c1:
        yield Space(used[3], r0, p0, c1, r1, p1)
    if used[1] > r0:
        yield Space(c0, r0, p0, c1, used[1], p1)
    if used[4] < r1:
        yield Space(c0, used[4], p0, c1, r1, p1)
    if used[2] > p0:
        yield Space(c0, r0, p0, c1, r1, used[2])
    if used[5] < p1:
        yield Space(c0, r0, used[5], c1, r1, p1)


def _inside(inner: Space, outer: Space) -> bool:
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and outer[2] <= inner[2]
        and outer[3] >= inner[3]
        and outer[4] >= inner[4]
        and outer[5] >= inner[5]
    )
