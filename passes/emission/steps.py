"""Step tables of kernels: thresholds as STORE_STEP reads them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class StepTable:
    """Row k maps x to `low[k] + #{j: x >= thresholds[k, j]}`; a descending row counts the other way.

    Attributes:
        thresholds: int64 [rows, levels], ascending.
        low: int64 [rows].
        descending: bool [rows].
    """

    thresholds: NDArray[np.int64]
    low: NDArray[np.int64]
    descending: NDArray[np.bool_]

    def negated(self, rows: NDArray[np.bool_]) -> StepTable:
        """Return the table for channels of which minus the sum is stored: -x >= T is not (x >= 1 - T).

        Args:
            rows: which rows see the negated sum.
        """
        turned = 1 - np.maximum(self.thresholds[:, ::-1], np.iinfo(np.int64).min + 2)
        thresholds = np.where(rows[:, None], turned, self.thresholds)
        return StepTable(thresholds, self.low, self.descending ^ rows)


def step_table(
    thresholds: NDArray[np.integer], descending: NDArray[np.integer] | None, low: int, channels: int
) -> StepTable:
    """Return the table with one row per channel.

    Args:
        thresholds: [channels, levels] or [1, levels], ascending.
        descending: [channels] or None.
        low: smallest result.
        channels: number of rows.
    """
    rows = np.ascontiguousarray(np.broadcast_to(thresholds.astype(np.int64), (channels, thresholds.shape[1])))
    falling = np.zeros(channels, dtype=np.bool_) if descending is None else descending.astype(np.bool_)
    return StepTable(rows, np.full(channels, low, dtype=np.int64), falling)
