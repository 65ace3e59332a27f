"""Which LOADs share cells: what overwrites what, in one kernel or in a whole program."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class SharedCells(NamedTuple):
    """What a sequence of LOADs does to each other's cells; both arrays have an entry per LOAD.

    Attributes:
        overwritten_by: int64, number of the first later LOAD that overwrites one of its cells, -1 if none does.
        overwrites: bool, whether it overwrites a cell of an earlier LOAD.
    """

    overwritten_by: NDArray[np.int64]
    overwrites: NDArray[np.bool_]

    @property
    def alone(self) -> NDArray[np.bool_]:
        """Bool per LOAD: no other one of the sequence touches its cells."""
        return (self.overwritten_by < 0) & ~self.overwrites


def shared_cells(loads: NDArray[np.void]) -> SharedCells:
    """Find the LOADs that share cells, by painting each into its plane.

    Takes O(cells loaded) time and the memory of one plane.

    Args:
        loads: rows with the fields `macro`, `slot`, `row`, `column`, `rows` and `columns`, inside their macros.
    """
    count = len(loads)
    found = SharedCells(np.full(count, -1, np.int64), np.zeros(count, np.bool_))
    planes = loads["macro"].astype(np.int64) << 32 | loads["slot"].astype(np.int64)
    order = np.argsort(planes, kind="stable")
    starts = np.flatnonzero(np.diff(planes[order], prepend=-1))
    crowded = [part for part in np.split(order, starts[1:]) if len(part) > 1]
    if not crowded:
        return found
    top, left = loads["row"].astype(np.int64), loads["column"].astype(np.int64)
    bottom, right = top + loads["rows"], left + loads["columns"]
    # Owner of each cell: 0 nobody, else number of the LOAD + 1.
    owners = np.zeros((int(bottom.max()), int(right.max())), np.int32)
    for plane in crowded:
        for number in plane.tolist():
            cells = owners[top[number] : bottom[number], left[number] : right[number]]
            if cells.any():
                earlier = np.unique(cells)
                earlier = earlier[earlier > 0].astype(np.int64) - 1
                found.overwrites[number] = True
                found.overwritten_by[earlier[found.overwritten_by[earlier] < 0]] = number
            cells[...] = number + 1
        for number in plane.tolist():
            owners[top[number] : bottom[number], left[number] : right[number]] = 0
    return found
