"""Compiled ranges on several threads: each runs once, by whoever may, and an interrupt leaves nothing running."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.runtime.execution import board as board_module
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.board import Board, CompiledRanges, call_table, write_call
from imcflow.runtime.execution.watch import Trace, Watch
from imcflow.runtime.execution.workspace import address
from imcflow.runtime.kernels.sharing import TICKET_MASK
from imcflow.runtime.native_code import NativeCode

# Adds 1 to seen[item], and to mine[item], for first <= item < last, after `pause` steps each.
CODE = NativeCode.of("""
define void @count(i64 %first, i64 %last, ptr %seen, ptr %mine, ptr %2, i64 %pause, ptr %3, ptr %4) nounwind {
entry:
  %cell = alloca i64
  br label %item
item:
  %at = phi i64 [ %first, %entry ], [ %next, %counted ]
  %inside = icmp slt i64 %at, %last
  br i1 %inside, label %wait, label %out
wait:
  %step = phi i64 [ 0, %item ], [ %more, %wait ]
  store volatile i64 %step, ptr %cell
  %more = add i64 %step, 1
  %left = icmp slt i64 %more, %pause
  br i1 %left, label %wait, label %counted
counted:
  %seen.at = getelementptr i64, ptr %seen, i64 %at
  %before = atomicrmw add ptr %seen.at, i64 1 seq_cst
  %mine.at = getelementptr i64, ptr %mine, i64 %at
  %earlier = atomicrmw add ptr %mine.at, i64 1 seq_cst
  %next = add i64 %at, 1
  br label %item
out:
  ret void
}
""")


TRIES = 300


class Counting:
    """Ranges that count how often each item ran, in all and by row of the table."""

    def __init__(self, items: int, per_range: int, rows: int, *, by_range: bool = False, pause: int = 0) -> None:
        self.seen = np.zeros(items, np.int64)
        self.by_row = np.zeros((rows, items), np.int64)
        table = call_table(rows)
        for row, mine in zip(table, self.by_row, strict=True):
            write_call(row, CODE.address("count"), 0, address(self.seen), address(mine), 0, pause)
        self.ranges = CompiledRanges(items, per_range, table, by_range=by_range)


@settings(max_examples=60, deadline=None)
@given(items=st.integers(1, 300), per_range=st.integers(1, 50), threads=st.integers(1, 5), rows=st.integers(1, 5))
def test_every_item_runs_once_and_every_worker_uses_its_own_row(
    items: int, per_range: int, threads: int, rows: int
) -> None:
    with BlockPool(threads) as pool:
        for pause in (0, 200):  # again and again: helpers look on, or have just begun to sleep
            counting = Counting(items, per_range, rows, pause=pause)
            pool.share(counting.ranges)
            assert (counting.seen == 1).all()
            np.testing.assert_array_equal(counting.by_row.sum(axis=0), counting.seen)
            assert not counting.by_row[threads:].any()


@settings(max_examples=30, deadline=None)
@given(items=st.integers(1, 60), threads=st.integers(1, 5), traced=st.booleans())
def test_a_range_with_a_row_of_its_own_gets_it(items: int, threads: int, traced: bool) -> None:
    counting = Counting(items, 1, items, by_range=True)
    with BlockPool(threads) as pool:
        pool.watch = Watch(Trace(), None) if traced else None
        if pool.watch is not None:
            pool.watch.begin("step")
        pool.share(counting.ranges)
    np.testing.assert_array_equal(counting.by_row, np.eye(items, dtype=np.int64))


def test_all_workers_take_part_and_help_each_other() -> None:
    threads, items = 4, 64
    own = np.arange(items) * threads // items
    took_part, helped = np.zeros(threads, np.bool_), False
    with BlockPool(threads) as pool:
        for _ in range(TRIES):  # a busy machine may run some thread later
            counting = Counting(items, 1, threads, pause=100_000)
            pool.share(counting.ranges)
            took_part |= counting.by_row.any(axis=1)
            helped |= counting.by_row[own, np.arange(items)].sum() < items
            if took_part.all() and helped:
                return
    pytest.fail(f"workers {took_part.tolist()}, helped {helped}")


@pytest.mark.parametrize("pause_s", [0.0, 0.03])
def test_helpers_that_sleep_are_woken(pause_s: float) -> None:
    with BlockPool(2) as pool:
        for _ in range(TRIES):
            time.sleep(pause_s)
            counting = Counting(30, 1, 2, pause=100_000)
            pool.share(counting.ranges)
            assert (counting.seen == 1).all()
            if counting.by_row.any(axis=1).all():
                return
    pytest.fail("no helper took part")


def test_compiled_ranges_and_python_ones_take_turns() -> None:
    done: list[tuple[int, int]] = []
    with BlockPool(3) as pool:
        for _ in range(50):
            counting = Counting(20, 3, 3)
            pool.share(counting.ranges)
            pool.run(20, 3, [lambda first, last: done.append((first, last))] * 3)
            assert (counting.seen == 1).all()
    assert len(done) == 50 * 7


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_stops_the_work_and_nothing_runs_afterwards(threads: int) -> None:
    counting = Counting(100_000, 1, threads, pause=100_000)

    def interrupt() -> None:
        while counting.seen.sum() < 3 * threads:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    # Shells start background jobs with SIGINT ignored, and Python then installs no handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender = threading.Thread(target=interrupt)
        sender.start()
        with BlockPool(threads) as pool:
            with pytest.raises(KeyboardInterrupt):
                pool.share(counting.ranges)
            done = counting.seen.sum()
            time.sleep(0.05)
            assert counting.seen.sum() == done < 100_000
            again = Counting(50, 1, threads)  # the pool goes on working
            pool.share(again.ranges)
            assert (again.seen == 1).all()
        sender.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_a_ticket_does_not_hold_runs_with_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(40, 1, 2)
    assert Board.holds(counting.ranges, 4095)
    assert not Board.holds(counting.ranges, 4096)
    assert not Board.holds(CompiledRanges(TICKET_MASK + 1, 1, call_table(1)), 1)
    monkeypatch.setattr(board_module, "TICKET_MASK", 39)
    opened: list[object] = []
    monkeypatch.setattr(Board, "open", lambda *given: opened.append(given))
    with BlockPool(2) as pool:
        pool.share(counting.ranges)
    assert not opened
    assert (counting.seen == 1).all()
