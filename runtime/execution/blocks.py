"""Blocks on all cores: workers take ranges of blocks from one queue; results do not depend on who runs what."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

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
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

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
            futures += [self._pool.submit(work.run, runner) for runner in runners[1:]]
            work.help(runners[0])
            for future in futures:
                _finish(future)
        finally:
            work.stop()


def _finish(future: Future[None]) -> None:
    """Wait for a worker that has begun, raise what it raised."""
    if future.cancel():
        return
    while True:
        try:
            return future.result(_SIGNAL_CHECK_S)
        except TimeoutError:
            if future.done():
                raise


class _Work:
    """The ranges that workers take, and how many workers other than the caller are inside one."""

    def __init__(self, starts: Iterator[int], blocks_per_call: int, block_count: int) -> None:
        self._starts = starts
        self._blocks_per_call = blocks_per_call
        self._block_count = block_count
        self._taking = threading.Lock()
        self._condition = threading.Condition()
        self._running = 0
        self._stopped = False

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
        """Take and run ranges until there are none, or until told to stop."""
        while True:
            with self._condition:
                if self._stopped:
                    return
                self._running += 1
            try:
                taken = self._take()
                if taken is None:
                    return
                runner(*taken)
            except BaseException:
                self._stopped = True
                raise
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
