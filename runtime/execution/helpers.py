"""Threads that help with the ranges of blocks, and wait for them a moment without sleeping.

A thread that sleeps needs some 50 us to begin; a layer has several such beginnings. Waiting takes no interpreter lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from functools import cache
from typing import TYPE_CHECKING, cast

import numpy as np

from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.native_code import NativeCode

if TYPE_CHECKING:
    from numpy.typing import NDArray

Job = Callable[[], None]

SPINS = 100_000
"""Looks at a number before a thread goes to sleep: some 100 us."""

_WAIT = """
define void @wait_for_change(ptr %cell, i64 %old, i64 %spins) nounwind {
entry:
  br label %look
look:
  %count = phi i64 [ 0, %entry ], [ %more, %again ]
  %now = load volatile i64, ptr %cell, align 8
  %same = icmp eq i64 %now, %old
  br i1 %same, label %again, label %out
again:
  %more = add i64 %count, 1
  %left = icmp slt i64 %more, %spins
  br i1 %left, label %look, label %out
out:
  ret void
}
"""


@cache
def _wait_function() -> Callable[[int, int, int], None]:
    code = NativeCode(_WAIT)
    _modules.append(code)
    function = CFUNCTYPE(None, c_void_p, c_int64, c_int64)(code.address("wait_for_change"))
    return cast("Callable[[int, int, int], None]", function)


_modules: list[NativeCode] = []


class Number:
    """A number on a cache line of its own that one thread changes and another one watches."""

    def __init__(self) -> None:
        """Start at 0."""
        self._cell: NDArray[np.int64] = Workspace().fresh(64).view(np.int64)
        self._address = address(self._cell)

    @property
    def value(self) -> int:
        """The number."""
        return int(self._cell[0])

    @value.setter
    def value(self, number: int) -> None:
        self._cell[0] = number

    def wait_for_change(self, old: int, spins: int) -> None:
        """Return when the number is no longer `old`, or after so many looks."""
        if spins:
            _wait_function()(self._address, old, spins)


class Helper(threading.Thread):
    """A thread that does the job which was posted last. Jobs must not raise."""

    def __init__(self, spins: int) -> None:
        """Start it.

        Args:
            spins: looks for a job before it sleeps; 0 where there are more threads than cores.
        """
        super().__init__(name="imcflow helper", daemon=True)
        self._spins = spins
        self._posted = Number()
        self._job: Job | None = None
        self._wake = threading.Event()
        self.start()

    def post(self, job: Job | None) -> None:
        """Hand over a job, in place of one that has not begun; None ends the thread."""
        self._job = job
        self._posted.value += 1
        self._wake.set()

    def run(self) -> None:
        """Wait for jobs and do them."""
        seen = 0
        while True:
            self._posted.wait_for_change(seen, self._spins)
            self._wake.clear()
            while self._posted.value == seen:
                self._wake.wait()
                self._wake.clear()
            seen = self._posted.value
            job = self._job
            if job is None:
                return
            job()
