"""Step functions of a crossbar kernel, arranged so that a sum finds its level with a shift and few comparisons.

Thresholds of a requantisation are nearly equidistant. Cut into buckets of a power of two, about one threshold apart,
the line of sums tells by its bucket how many thresholds are reached for certain; the one or two left are compared. The
result is exact for any thresholds: where they crowd, buckets need more comparisons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.isa import EXACT_SUM
from imcflow.runtime.execution.workspace import address
from imcflow.runtime.kernels.step_lookup import FEWEST_COMPARISONS, StepRecord, lookup_function
from imcflow.runtime.program import ElementType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel

    Integers = NDArray[np.int64]

MAX_BUCKETS = 2048
"""Per channel: 8 KiB."""


@dataclass(frozen=True)
class _Channel:
    """One step function: distinct thresholds, and the result by number of them reached."""

    thresholds: Integers
    values: Integers

    def buckets(self) -> tuple[int, int, int, Integers, int]:
        """Return low and high sum, shift, per bucket the thresholds that all its sums reach, and most comparisons."""
        reachable = self.thresholds[np.abs(self.thresholds) < EXACT_SUM]
        low, high = (int(reachable[0]) - 1, int(reachable[-1])) if len(reachable) else (0, 0)
        shift = max(0, ((high - low) // MAX_BUCKETS).bit_length())
        starts = low + (np.arange(((high - low) >> shift) + 1, dtype=np.int64) << shift)
        # Sums below `low` choose the first bucket, those above `high` the last.
        starts[0] = -EXACT_SUM
        base = np.searchsorted(self.thresholds, starts, side="right")
        most = np.append(np.searchsorted(self.thresholds, starts[1:], side="left"), len(self.thresholds))
        return low, high, shift, base, int((most - base).max())


class StepTables:
    """The stores of a checked kernel whose channels all go through step functions."""

    def __init__(self, kernel: CrossbarKernel, sums: np.dtype[Any], result: np.dtype[Any]) -> None:
        """Arrange the step table and the bias of a kernel.

        Args:
            kernel: the kernel.
            sums: float32 or float64.
            result: an integer type.
        """
        self._dtypes = (sums, result)
        self._function = lookup_function(wide=sums.itemsize == 8, result_bytes=result.itemsize)
        channels = [_channel(kernel, number) for number in range(kernel.output.channels)]
        found = [channel.buckets() for channel in channels]
        self._comparisons = max(FEWEST_COMPARISONS, *(comparisons for *_, comparisons in found))
        unreached = np.full(self._comparisons, np.iinfo(np.int64).max)
        self._records = np.zeros((len(channels), StepRecord.SIZE), np.int64)
        self._kept: list[NDArray[Any]] = []  # memory that the records point to
        for record, channel, bias, (low, high, shift, base, _) in zip(
            self._records, channels, kernel.bias.tolist(), found, strict=True
        ):
            tables = (
                np.ascontiguousarray(base, np.int32),
                np.concatenate([channel.thresholds, unreached]),
                np.ascontiguousarray(channel.values, np.int32),
            )
            self._kept += tables
            record[: StepRecord.BUCKETS] = (bias, low, high, shift)
            record[StepRecord.BUCKETS : StepRecord.VALUES + 1] = [address(table) for table in tables]

    def store(self, sums: NDArray[Any], result: NDArray[Any]) -> None:
        """Fill `result` [images, channels, positions] from sums without bias.

        Args:
            sums: integers [channels, images * positions].
            result: of the type given before.
        """
        images, channels, positions = result.shape
        if sums.shape != (channels, images * positions) or channels != len(self._records):
            raise ValueError(f"sums of shape {sums.shape} for a result of shape {result.shape}")
        if not (sums.flags.c_contiguous and result.flags.c_contiguous):
            raise ValueError("sums and result must be contiguous")
        if (sums.dtype, result.dtype) != self._dtypes:
            raise ValueError(f"sums of {sums.dtype} for a result of {result.dtype}")
        self._function(
            address(sums), address(result), address(self._records), channels, images, positions, self._comparisons
        )


def _channel(kernel: CrossbarKernel, number: int) -> _Channel:
    row = np.clip(kernel.step_thresholds[number].astype(np.int64), -EXACT_SUM, EXACT_SUM)
    if not len(row):
        distinct, reached = row, np.zeros(1, np.int64)
    else:
        last = np.append(row[1:] != row[:-1], True)
        distinct, reached = row[last], np.concatenate([[0], np.flatnonzero(last) + 1])
    if kernel.step_descending[number]:
        reached = len(row) - reached
    element = ElementType(kernel.output.bits, kernel.output.signed)
    values = np.clip(int(kernel.step_low[number]) + reached, element.minimum, element.maximum)
    return _Channel(distinct, values)
