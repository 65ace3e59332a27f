"""Blocks on all cores: workers take ranges of blocks from one queue; results do not depend on who runs what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from imcflow.runtime.execution.board import Board, CompiledRanges
from imcflow.runtime.execution.helpers import LOOKS, Helper, Number
from imcflow.runtime.execution.watch import Watch
from imcflow.runtime.execution.workspace import Workspace

RangeRunner = Callable[[int, int], None]
"""Runs blocks first <= block < last."""

# A signal that arrives just before the thread blocks does not wake it: Python sees it only when the wait returns.
_SIGNAL_CHECK_S = 0.05


def default_threads() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class BlockPool:
    """Runs ranges of blocks on a fixed number of threads. Use as a context manager.

    The calling thread is the first worker: nobody waits for others to wake up, and one worker needs no thread at all.
    An interrupt arrives between two of its ranges, and makes every worker stop after its current one.
    """

    def __init__(self, threads: int, memories: Sequence[Workspace] | None = None) -> None:
        """Take `threads` >= 1 workers.

        Args:
            threads: number of workers.
            memories: scratch memory of each worker, to be used again by the next pool; None: new ones.
        """
        self.threads = threads
        self.watch: Watch | None = None
        self.memories = [Workspace() for _ in range(threads)] if memories is None else list(memories)
        self._looks = LOOKS if threads <= default_threads() else 0
        self._board = Board(threads)
        self._helpers = [Helper(self._looks, self._board, worker) for worker in range(1, threads)]

    def __enter__(self) -> BlockPool:
        return self

    def __exit__(self, *_: object) -> None:
        for helper in self._helpers:
            helper.post(None)
        for helper in self._helpers:
            helper.join()

    def run(self, block_count: int, blocks_per_call: int, runners: Sequence[RangeRunner], kernel: str = "") -> None:
        """Run all blocks.

        Args:
            block_count: number of blocks.
            blocks_per_call: blocks of one range; a range is not interruptible.
            runners: one per worker, each with its own state memory.
            kernel: what runs, for a trace.
        """
        watch = self.watch
        if watch is not None:
            runners = [watch.watched(runner, worker, kernel) for worker, runner in enumerate(runners)]
        starts = iter(range(0, block_count, blocks_per_call))
        if len(runners) == 1 or block_count <= blocks_per_call:
            for start in starts:
                runners[0](start, min(start + blocks_per_call, block_count))
            return
        work = _Work(starts, blocks_per_call, block_count, self._looks)
        try:
            for helper, runner in zip(self._helpers, runners[1:], strict=False):
                helper.post(partial(work.run, runner))
            work.help(runners[0])
            work.finish()
        finally:
            work.stop()
        if work.error is not None:
            raise work.error

    def share(self, ranges: CompiledRanges, kernel: str = "") -> None:
        """Run compiled ranges, which need no interpreter between them.

        Args:
            ranges: what to run.
            kernel: what runs, for a trace.
        """
        workers = min(ranges.workers, self.threads)
        if self.watch is not None or not Board.holds(ranges, workers):
            self.run(ranges.items, ranges.per_range, ranges.runners(workers), kernel)
            return
        if workers <= 1:
            ranges.run_here()
            return
        board = self._board
        try:
            board.open(ranges, workers)
            for helper in self._helpers[: workers - 1]:
                helper.look_at_board()
            board.work(ranges.at_once, self._looks)
        finally:
            if not board.finished:
                board.withdraw()


class _Work:
    """The ranges that workers take, and how many workers other than the caller are inside one."""

    def __init__(self, starts: Iterator[int], blocks_per_call: int, block_count: int, looks: int) -> None:
        self._starts = starts
        self._blocks_per_call = blocks_per_call
        self._block_count = block_count
        self._looks = looks
        self._taking = threading.Lock()
        self._condition = threading.Condition()
        self._running = Number()
        self._stopped = False
        self.error: BaseException | None = None

    def _take(self) -> tuple[int, int] | None:
        with self._taking:
            start = next(self._starts, None)
        return None if start is None else (start, min(start + self._blocks_per_call, self._block_count))

    def help(self, runner: RangeRunner) -> None:
        """Take and run ranges in the calling thread, which an interrupt may end anywhere."""
        while not self._stopped:
            taken = self._take()
            if taken is None:
                return
            runner(*taken)

    def run(self, runner: RangeRunner) -> None:
        """Take and run ranges until there are none, or until told to stop; keep what a range raises."""
        while True:
            with self._condition:
                if self._stopped:
                    return
                self._running.value += 1
            try:
                taken = self._take()
                if taken is None:
                    return
                runner(*taken)
            except BaseException as error:
                self._stopped = True
                self.error = error
            finally:
                with self._condition:
                    self._running.value -= 1
                    self._condition.notify_all()

    def finish(self) -> None:
        """Wait for the ranges that run; an interrupt ends the wait."""
        running = self._running.value
        while running and not self._stopped:
            self._running.wait_for_change(running, self._looks)
            with self._condition:
                if self._running.value == running:
                    self._condition.wait(_SIGNAL_CHECK_S)
                running = self._running.value

    def stop(self) -> None:
        """Hand out no more ranges and wait for those that run: their memory may be freed only after that."""
        self._stopped = True
        while True:
            try:
                with self._condition:
                    while self._running.value:
                        self._condition.wait()
                return
            except KeyboardInterrupt:
                continue  # the caller is being interrupted already
