"""What arrays do between MOVEs, added up: enough to time a kernel under any cycle weights without its instructions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.port_shifts import stable_order

if TYPE_CHECKING:
    Column = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class ArrayRuns:
    """A row per crossing MOVE and per run of instructions that an array executes from one to the next, in stream order.

    Attributes:
        owners: array of each row, the destination of a MOVE.
        sources: where a MOVE comes from; else the owner.
        columns: counts of each row, int64 [rows] by name.
    """

    owners: Column
    sources: Column
    columns: Mapping[str, Column]


def merge_runs(owners: Column, sources: Column, columns: Mapping[str, Column]) -> ArrayRuns:
    """Add up what each array does between two crossing MOVEs.

    Args:
        owners: array of each instruction, the destination of a MOVE.
        sources: where a MOVE comes from; else the owner.
        columns: counts of each instruction, int64 by name.
    """
    crossing = np.flatnonzero(owners != sources)
    # A crossing MOVE ends a run of both of its arrays.
    positions = np.concatenate([np.arange(len(owners)), crossing])
    arrays = np.concatenate([owners, sources[crossing]])
    ends = np.zeros(len(positions), np.int64)
    ends[crossing] = ends[len(owners) :] = 1
    order = np.lexsort((positions, arrays))
    runs = np.empty(len(positions), np.int64)
    runs[order] = np.cumsum(ends[order])
    span = len(positions) + 1
    labels = owners * span + runs[: len(owners)]
    # MOVEs are rows of their own, behind all labels of runs.
    labels[crossing] = (int(owners.max(initial=0)) + 1) * span + np.arange(len(crossing))
    _, first, row = np.unique(labels, return_index=True, return_inverse=True)
    order = stable_order(first)
    merged = {
        # Sums stay far below 2**53, up to which float64 is exact.
        name: np.bincount(row, weights=column, minlength=len(first)).astype(np.int64)[order]
        for name, column in columns.items()
    }
    return ArrayRuns(owners[first[order]], sources[first[order]], merged)
