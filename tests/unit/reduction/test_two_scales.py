"""Outputs with two scales: one elimination between signs, every sum scaled once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import Bounds, evaluate
from imcflow.passes.ap_target import load_ap_target
from imcflow.passes.reduction import reduce
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import COUNT_ONLY, OR_LATCH, STRICT, reduce_matrix
from imcflow.passes.reduction.scope import emitted_cycles
from imcflow.passes.reduction.two_scales import scaled_rows


def nibbles(count: int) -> Bounds:
    return Bounds(np.zeros(count, np.int64), np.full(count, 15, np.int64))


def two_scales(rows: int, columns: int, density: float, largest: int, seed: int) -> np.ndarray:
    """Every row: 0, one positive and one negative weight, of which some are equal or missing."""
    rng = np.random.default_rng(seed)
    signs = (rng.random((rows, columns)) < density) * rng.choice([-1, 1], (rows, columns))
    positive, negative = rng.integers(0, largest + 1, (2, rows, 1))
    negative = np.where(rng.random((rows, 1)) < 0.3, positive, negative)
    return np.where(signs > 0, positive, np.where(signs < 0, -negative, 0))


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(1, 10)), draw(st.integers(1, 30))
    largest, seed = draw(st.sampled_from((1, 3, 13, 127))), draw(st.integers(0, 2**32 - 1))
    return two_scales(rows, columns, draw(st.floats(0.0, 1.0)), largest, seed)


@given(matrices())
def test_scaled_rows_add_up_to_the_matrix(matrix):
    scaled = scaled_rows(matrix)
    if scaled is None:
        # No scale has two signed digits: all weights are powers of two.
        assert not np.any(np.abs(matrix) & (np.abs(matrix) - 1))
        return
    codes = scaled.digit_code
    values = np.where(codes & 1, -1, 1) << (codes >> 1)
    scales = [values[begin:end].sum() for begin, end in zip(scaled.digit_start, scaled.digit_start[1:], strict=False)]
    total = np.zeros_like(matrix)
    np.add.at(total, scaled.output, np.array(scales)[:, None] * scaled.signs)
    assert np.array_equal(total, matrix)


@pytest.mark.parametrize("row", [[1, 0, -1], [3, 5, 0], [-3, -5, 7], [4, -8, 4], [0, 0, 0]])
def test_other_matrices_have_no_scaled_rows(row):
    assert scaled_rows(np.array([row])) is None


@given(
    matrices(),
    st.integers(0, 9),
    st.sampled_from((STRICT, OR_LATCH, COUNT_ONLY)),
    st.sampled_from((0.0, 1.0)),
    st.booleans(),
)
def test_a_program_between_signs_computes_its_matrix(matrix, group, cycles, repairs, exchange):
    bias = np.arange(len(matrix), dtype=np.int64) - 3
    inputs = nibbles(matrix.shape[1])
    scaled = scaled_rows(matrix)
    program = reduce._reduce(matrix, reduce._Options(inputs, group, bias, cycles, True, repairs, exchange), scaled)
    program.verify()
    assert np.array_equal(program.expand(), matrix)
    lanes = np.random.default_rng(0).integers(0, 16, (matrix.shape[1], 5))
    assert np.array_equal(evaluate(program, lanes), matrix @ lanes + bias[:, None])


@pytest.mark.parametrize(("scales", "share"), [((5, 3), 0.75), ((13, 9), 0.75), ((107, 83), 0.75)])
def test_scaling_sums_once_takes_fewer_cycles(scales, share):
    rng = np.random.default_rng(5)
    signs = (rng.random((64, 144)) < 0.2) * rng.choice([-1, 1], (64, 144))
    matrix = np.where(signs > 0, scales[0], np.where(signs < 0, -scales[1], 0))
    inputs, target = nibbles(144), load_ap_target("rtm-ap-256")
    digits = infer_bounds(reduce_matrix(matrix, inputs, group=72, scale_sums=False), inputs)
    chosen = infer_bounds(reduce_matrix(matrix, inputs, group=72), inputs)
    assert emitted_cycles(chosen, target, "layer") <= share * emitted_cycles(digits, target, "layer")
