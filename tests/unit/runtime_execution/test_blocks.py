"""Ranges of blocks on several threads: each runs once, and an error in any of them reaches the caller."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooled_program import PROGRAM, images

from imcflow.runtime.execution import run as run_module
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.run import ProgramRun


@settings(max_examples=40, deadline=None)
@given(blocks=st.integers(0, 200), per_call=st.integers(1, 50), threads=st.integers(1, 4), runners=st.integers(1, 4))
def test_every_block_runs_once(blocks: int, per_call: int, threads: int, runners: int) -> None:
    seen: list[tuple[int, int]] = []

    def take(first: int, last: int) -> None:
        seen.append((first, last))

    with BlockPool(threads) as pool:
        pool.run(blocks, per_call, [take] * min(runners, threads))
    assert sorted(block for first, last in seen for block in range(first, last)) == list(range(blocks))
    assert all(0 < last - first <= per_call for first, last in seen)


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
@pytest.mark.parametrize("in_caller", [True, False])
def test_an_error_in_any_worker_ends_the_work(error: type[Exception], in_caller: bool) -> None:
    caller, others = threading.get_ident(), threading.Event()
    ranges: list[int] = []

    def run(first: int, last: int) -> None:
        ranges.append(first)
        here = threading.get_ident() == caller
        if not here:
            others.set()
        if here == in_caller:
            raise error("no")
        if here:
            others.wait(10)  # until the other worker has a range of its own
        threading.Event().wait(0.001)

    with BlockPool(2) as pool, pytest.raises(error, match="no"):
        pool.run(10_000, 1, [run, run])
    assert len(ranges) < 10_000


def test_a_program_that_runs_again_fits_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "ROWS_WORTH_FITTING", 0)
    x = images(500)
    run = ProgramRun(PROGRAM, threads=2)
    first = run({"x": x})
    widths = {bound.words for bound in run._bound.values()}
    assert len(widths) == 1
    again = run({"x": x})
    fitted = [bound.words for bound in run._bound.values()]
    # 10,000 lanes of the convolution and 500 of the dense layer.
    assert fitted == [16, 4]
    assert np.array_equal(first["logits"], again["logits"])
