"""Exact integer thresholds of a chain: the integers at which its sink steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ModelError
from imcflow.passes.network.forms import range_of
from imcflow.passes.thresholds.chain import Chain

EXHAUSTIVE_POINTS = 1 << 16
"""Chains that are not provably monotone are evaluated at all integers of their source, if they are at most so many."""

LONG_TABLE = 1 << 16
"""From so many integers times channels on, monotone chains are bisected: some hundred evaluations per channel."""

BLOCK = 1 << 22
"""Elements evaluated at a time, to bound memory."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Steps:
    """A step function per channel, as `imc.threshold` defines it.

    Attributes:
        low: the least level.
        thresholds: int64 [channels or 1, levels], ascending.
        descending: bool [channels or 1].
    """

    low: int
    thresholds: IntArray
    descending: NDArray[np.bool_]


def find_steps(chain: Chain, max_levels: int, type_range: tuple[int, int]) -> Steps | None:
    """Return the step function that the chain computes, or None if it is none.

    Args:
        chain: what to replace.
        max_levels: most thresholds per channel.
        type_range: least and greatest integer of the result type.

    Returns:
        None if the chain is not monotone (in some channel), has more levels than allowed, or overflows one of its
        own types somewhere in the range of the source.
    """
    low, high = range_of(chain.source)
    try:
        # A table of few points is soon made and needs no proof; of many points it takes most of a compilation.
        if (high - low) * chain.channels >= LONG_TABLE and chain.is_monotone(low, high):
            return _bisect(chain, low, high, max_levels, type_range)
        if high - low < EXHAUSTIVE_POINTS:
            return _tabulate(chain, low, high, max_levels, type_range)
        return None
    except ModelError:
        return None


def _levels(first: IntArray, last: IntArray, max_levels: int, type_range: tuple[int, int]) -> tuple[int, int] | None:
    """Return the least level and the number of thresholds, at least one, for monotone rows with these ends."""
    low = int(min(first.min(), last.min()))
    levels = int(max(first.max(), last.max())) - low
    if levels > max_levels:
        return None
    if levels == 0:
        return (low, 1) if low < type_range[1] else (low - 1, 1)
    return low, levels


def _tabulate(chain: Chain, low: int, high: int, max_levels: int, type_range: tuple[int, int]) -> Steps | None:
    points = np.arange(low, high + 1)
    rows = max(1, BLOCK // chain.channels)
    table = np.concatenate(
        [
            chain.evaluate(np.repeat(part[:, None], chain.channels, axis=1))
            for part in np.split(points, range(rows, len(points), rows))
        ]
    )
    rising = np.diff(table, axis=0)
    descending = table[0] > table[-1]
    if not np.all(np.all(rising >= 0, axis=0) | np.all(rising <= 0, axis=0)):
        return None
    found = _levels(table[0], table[-1], max_levels, type_range)
    if found is None:
        return None
    least, levels = found
    thresholds = np.empty((chain.channels, levels), np.int64)
    steps = np.arange(1, levels + 1)
    for channel in range(chain.channels):
        column = table[:, channel]
        if descending[channel]:
            # Level least + levels - k is left at the first integer whose level is lower: count from the other end.
            reached = np.searchsorted(-column, steps - least - levels, side="left")
        else:
            reached = np.searchsorted(column, least + steps, side="left")
        thresholds[channel] = low + reached
    return Steps(least, thresholds, descending)


def _bisect(chain: Chain, low: int, high: int, max_levels: int, type_range: tuple[int, int]) -> Steps | None:
    ends = chain.evaluate(np.repeat(np.asarray([[low], [high]]), chain.channels, axis=1))
    found = _levels(ends[0], ends[1], max_levels, type_range)
    if found is None:
        return None
    least, levels = found
    descending = ends[0] > ends[1]
    steps = np.arange(1, levels + 1)[:, None]
    below = np.full((levels, chain.channels), low, np.int64)
    above = np.full((levels, chain.channels), high + 1, np.int64)
    while np.any(below < above):
        middle = below + (above - below) // 2
        level = chain.evaluate(np.minimum(middle, high))
        reached = np.where(descending, level <= least + levels - steps, level >= least + steps) | (middle > high)
        above = np.where(reached, middle, above)
        below = np.where(reached, below, np.minimum(middle + 1, above))
    return Steps(least, np.ascontiguousarray(below.T), descending)
