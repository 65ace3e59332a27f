"""Blocks on all cores: workers take ranges of blocks from one queue; results do not depend on who runs what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait

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

    One worker means the calling thread: no thread is started, an interrupt arrives between two ranges. With more
    workers an interrupt of the waiting thread makes every worker stop after its current range.
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
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> BlockPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

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
        if self._pool is None or len(runners) == 1 or block_count <= blocks_per_call:
            for start in starts:
                runners[0](start, min(start + blocks_per_call, block_count))
            return
        work = _Work(starts, blocks_per_call, block_count)
        futures: list[Future[None]] = []
        try:
            futures += [self._pool.submit(work.run, runner) for runner in runners]
            pending: set[Future[None]] = set(futures)
            while pending:
                done, pending = wait(pending, timeout=_SIGNAL_CHECK_S, return_when=FIRST_EXCEPTION)
                for future in done:
                    future.result()
        finally:
            work.stop()


class _Work:
    """The ranges that workers take, and how many workers are inside one."""

    def __init__(self, starts: Iterator[int], blocks_per_call: int, block_count: int) -> None:
        self._starts = starts
        self._blocks_per_call = blocks_per_call
        self._block_count = block_count
        self._condition = threading.Condition()
        self._running = 0
        self._stopped = False

    def run(self, runner: RangeRunner) -> None:
        """Take and run ranges until there are none, or until told to stop."""
        while True:
            with self._condition:
                start = None if self._stopped else next(self._starts, None)
                if start is None:
                    return
                self._running += 1
            try:
                runner(start, min(start + self._blocks_per_call, self._block_count))
            finally:
                with self._condition:
                    self._running -= 1
                    self._condition.notify_all()

    def stop(self) -> None:
        """Hand out no more ranges and wait for those that run: their memory may be freed only after that."""
        self._stopped = True
        while True:
            try:
                with self._condition:
                    while self._running:
                        self._condition.wait()
                return
            except KeyboardInterrupt:
                continue  # the caller is being interrupted already
