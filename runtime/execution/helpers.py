"""Threads that help with ranges of work, and look on for a moment before they sleep.

A thread that sleeps needs some 50 us to begin; a layer has several such beginnings. Looking takes no interpreter lock,
and neither does running compiled ranges.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.execution.board import Board
from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.kernels.sharing import sharing

if TYPE_CHECKING:
    from numpy.typing import NDArray

Job = Callable[[], None]

LOOKS = 4_000
"""How often a thread looks before it goes to sleep: some 100 us."""


class Number:
    """A number on a cache line of its own that one thread changes and another one watches."""

    def __init__(self) -> None:
        """Start at 0."""
        self._cell: NDArray[np.int64] = Workspace().fresh(64).view(np.int64)
        self.address = address(self._cell)

    @property
    def value(self) -> int:
        """The number."""
        return int(self._cell[0])

    @value.setter
    def value(self, number: int) -> None:
        self._cell[0] = number

    def wait_for_change(self, old: int, looks: int) -> None:
        """Return when the number is no longer `old`, or after so many looks."""
        sharing().serve(_EMPTY.address, 0, self.address, old, looks)


_EMPTY = Board(1)
"""Where there is never anything to do."""


class Helper(threading.Thread):
    """A thread that takes ranges from a board and does the job which was posted last. Jobs must not raise."""

    def __init__(self, looks: int, board: Board | None = None, worker: int = 1) -> None:
        """Start it.

        Args:
            looks: how often it looks for something to do before it sleeps; 0 where there are more threads than cores.
            board: where ranges of compiled work appear; None: nowhere.
            worker: its number there; 0 is who opens the board.
        """
        super().__init__(name="imcflow helper", daemon=True)
        self._looks = looks
        self._board = _EMPTY if board is None else board
        self._worker = worker
        self._posted = Number()
        self._job: Job | None = None
        self._asleep = False
        self._wake = threading.Event()
        self._serve = sharing().serve  # loaded here, once, rather than by several threads at a time
        self.start()

    def post(self, job: Job | None) -> None:
        """Hand over a job, in place of one that has not begun; None ends the thread."""
        self._job = job
        self._posted.value += 1
        self._wake.set()

    def look_at_board(self) -> None:
        """Wake the thread if it sleeps: the board is open."""
        if self._asleep:
            self._wake.set()

    def run(self) -> None:
        """Wait for ranges and jobs and do them."""
        seen = 0
        while True:
            self._serve(self._board.address, self._worker, self._posted.address, seen, self._looks)
            if self._posted.value == seen:
                self._sleep(seen)
                continue
            seen = self._posted.value
            job = self._job
            if job is None:
                return
            job()

    def _sleep(self, seen: int) -> None:
        """Sleep until there is something to do.

        Whoever opens the board looks at `_asleep` after that: either it sees True, or this thread sees the board open.
        """
        self._wake.clear()
        self._asleep = True
        if self._posted.value == seen and not self._board.has_ranges:
            self._wake.wait()
        self._asleep = False
