"""Kernels whose arrays wait for each other are timed under any weights as if their instructions were counted again."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import imcflow
from imcflow.runtime.array_runs import merge_runs
from imcflow.runtime.array_times import array_times
from imcflow.runtime.counters import count_kernel
from imcflow.runtime.counts import UNIT_WEIGHTS

DIGITS = str(files("imcflow") / "data" / "digits_cnn.onnx")


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(0, 60))
def test_runs_end_when_the_instructions_do(seed: int, arrays: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, arrays, count)
    sources = np.where(rng.random(count) < 0.3, rng.integers(0, arrays, count), owners)
    cycles = rng.integers(0, 50, count)
    runs = merge_runs(owners, sources, {"cycles": cycles})
    assert runs.columns["cycles"].sum() == cycles.sum()
    assert (runs.owners != runs.sources).sum() == (owners != sources).sum()
    whole = array_times(owners, sources, cycles.astype(float), arrays)
    merged = array_times(runs.owners, runs.sources, runs.columns["cycles"].astype(float), arrays)
    np.testing.assert_array_equal(merged[1], whole[1])
    np.testing.assert_array_equal(merged[0], whole[0])


def test_runs_of_one_array_are_one_row() -> None:
    owners = np.zeros(5, np.int64)
    assert merge_runs(owners, owners, {"searches": np.arange(5)}).columns["searches"].tolist() == [10]


@pytest.mark.parametrize("partial_sums", [1, 4])
def test_makespans_under_other_weights_need_no_recount(partial_sums: int) -> None:
    program = imcflow.compile(DIGITS, settings={"imc-unroll.arrays-per-layer": partial_sums}).program
    other = replace(UNIT_WEIGHTS, search=1.5, write=3.0, shift=0.25, load=7.0, move=9.0, move_between_tiles=11.0)
    waiting = 0
    for kernel in program.kernels:
        counted = count_kernel(kernel, program.target)
        waiting += counted.crossing_moves > 0
        assert counted.can_estimate(other)
        again = count_kernel(kernel, program.target, other)
        assert counted.estimated_makespan(other) == pytest.approx(again.makespan_cycles, rel=1e-12)
        assert counted.estimated_makespan(UNIT_WEIGHTS) == counted.makespan_cycles
    assert (waiting > 0) == (partial_sums > 1)
