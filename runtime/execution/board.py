"""Ranges of compiled work that threads share: what is to be run, and the board in memory on which helpers see it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.kernels.sharing import TICKET_BITS, TICKET_MASK, BoardSlot, CallSlot, sharing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINE_WORDS = 8
_YIELDS = 16  # times that a caller looks on and lets others run, before it naps
_NAP_S = 50e-6  # while helpers are in long ranges
_yield = getattr(os, "sched_yield", lambda: time.sleep(0))


def call_table(rows: int) -> NDArray[np.int64]:
    """Return a table for `rows` calls, int64 [rows, CallSlot.SIZE], to be filled by `write_call`."""
    return Workspace().fresh(8 * CallSlot.SIZE * rows).view(np.int64).reshape(rows, CallSlot.SIZE)


def write_call(row: NDArray[np.int64], function: int, base: int, *arguments: int) -> None:
    """Fill a row of a table.

    Args:
        row: int64 [CallSlot.SIZE].
        function: address of a function with the parameters of `imcflow.runtime.kernels.interpreter`.
        base: added to the items of the range.
        arguments: its further arguments: integers and addresses.
    """
    row[CallSlot.FUNCTION], row[CallSlot.BASE] = function, base
    row[CallSlot.ARGUMENTS : CallSlot.ARGUMENTS + len(arguments)] = arguments


@dataclass(frozen=True, slots=True)
class CompiledRanges:
    """Items cut into ranges, and the compiled call for each. Whoever keeps it keeps the memory that it points to.

    Attributes:
        items: number of items, such as blocks.
        per_range: items of a range.
        table: a row per worker, each with memory of its own; or per range, with `by_range`.
        by_range: whether a range has its own row, whoever runs it; it then has one item.
        at_once: ranges that a worker may run before it looks for an interrupt.
    """

    items: int
    per_range: int
    table: NDArray[np.int64]
    by_range: bool = False
    at_once: int = 1

    @property
    def ranges(self) -> int:
        """How many ranges there are."""
        return -(-self.items // self.per_range)

    @property
    def workers(self) -> int:
        """How many workers can take part."""
        return self.ranges if self.by_range else min(len(self.table), self.ranges)

    def run_here(self) -> None:
        """Run all ranges in the calling thread, which looks for an interrupt in between."""
        step = self.per_range * self.at_once
        for first in range(0, self.items, step):
            self._run(0, first, min(first + step, self.items))

    def runners(self, workers: int) -> list[Callable[[int, int], None]]:
        """Return one function per worker that runs items first <= item < last in the calling thread."""
        return [partial(self._run, worker) for worker in range(max(1, workers))]

    def _run(self, worker: int, first: int, last: int) -> None:
        run_range, table = sharing().run_range, address(self.table)
        if not self.by_range:
            run_range(table, worker, first, last)
            return
        for item in range(first, last):
            run_range(table, item, item, item + 1)


class Board:
    """Where helpers find the ranges of one `CompiledRanges` at a time."""

    def __init__(self, workers: int) -> None:
        """Start closed, for at most so many workers."""
        lines = -(-BoardSlot.TICKETS // _LINE_WORDS) + workers
        self._lines: NDArray[np.int64] = Workspace().fresh(64 * lines).view(np.int64).reshape(lines, _LINE_WORDS)
        self._tickets = self._lines[-workers:, 0]
        self._slots = self._lines.reshape(-1)
        self.address = address(self._slots)

    @staticmethod
    def holds(ranges: CompiledRanges, workers: int) -> bool:
        """Whether a ticket has bits enough for so many ranges and workers."""
        return ranges.ranges <= TICKET_MASK and workers < 1 << 64 - 2 * TICKET_BITS

    @property
    def has_ranges(self) -> bool:
        """Whether there are ranges that nobody has taken."""
        following, behind = self._tickets >> TICKET_BITS & TICKET_MASK, self._tickets & TICKET_MASK
        return bool((following < behind).any())

    @property
    def finished(self) -> bool:
        """Whether all ranges have run, or were withdrawn."""
        return bool(self._slots[BoardSlot.DONE] == self._slots[BoardSlot.RANGES])

    def open(self, ranges: CompiledRanges, workers: int) -> None:
        """Show ranges to workers 0 <= worker < `workers`; all earlier ones must be finished."""
        table, by_range = address(ranges.table), int(ranges.by_range)
        sharing().open(self.address, workers, ranges.ranges, ranges.items, ranges.per_range, by_range, table)

    def work(self, at_once: int, looks: int) -> None:
        """Run ranges in the calling thread until all have run; an interrupt arrives between two calls of machine code.

        Args:
            at_once: ranges that one such call runs at most.
            looks: how often to look whether the helpers have finished before other threads get the core; 0: at once.
        """
        work, patience = sharing().work, _YIELDS if looks else 0
        while True:
            work(self.address, at_once, max(1, looks))
            if self.finished:
                return
            if self.has_ranges:
                continue
            if patience:  # a nap takes longer than most last ranges
                patience -= 1
                _yield()
            else:
                time.sleep(_NAP_S)

    def withdraw(self) -> None:
        """Hand out no more ranges and wait for those that run: their memory may be freed only after that."""
        sharing().withdraw(self.address)
        while not self.finished:
            try:
                time.sleep(_NAP_S)
            except KeyboardInterrupt:
                continue  # the caller is being interrupted already
