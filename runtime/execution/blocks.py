"""Blocks on all cores: workers take ranges of blocks from one queue; results do not depend on who runs what."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

RangeRunner = Callable[[int, int], None]
"""Runs blocks first <= block < last."""


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

    def __init__(self, threads: int) -> None:
        """Take `threads` >= 1 workers."""
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __enter__(self) -> BlockPool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, block_count: int, blocks_per_call: int, runners: Sequence[RangeRunner]) -> None:
        """Run all blocks.

        Args:
            block_count: number of blocks.
            blocks_per_call: blocks of one range; a range is not interruptible.
            runners: one per worker, each with its own state memory.
        """
        starts = iter(range(0, block_count, blocks_per_call))
        if self._pool is None or len(runners) == 1 or block_count <= blocks_per_call:
            for start in starts:
                runners[0](start, min(start + blocks_per_call, block_count))
            return
        lock, stopped = threading.Lock(), threading.Event()

        def work(runner: RangeRunner) -> None:
            while not stopped.is_set():
                with lock:
                    taken = list(itertools.islice(starts, 1))
                if not taken:
                    return
                runner(taken[0], min(taken[0] + blocks_per_call, block_count))

        futures = [self._pool.submit(work, runner) for runner in runners]
        try:
            for future in futures:
                future.result()
        finally:
            stopped.set()
            for future in futures:
                future.exception()
