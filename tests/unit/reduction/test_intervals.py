"""Intervals are exact: every bound is reached by some input, and none is left."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import AddSubError, Bounds
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import COUNT_ONLY, output_bounds, reduce_matrix


@given(st.integers(0, 2**32 - 1))
def test_intervals_are_those_of_all_inputs(seed):
    rng = np.random.default_rng(seed)
    outputs, inputs = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    matrix = rng.integers(-7, 8, (outputs, inputs))
    bias = rng.integers(-9, 10, outputs)
    low = rng.integers(-3, 1, inputs)
    bounds = Bounds(low, low + rng.integers(0, 4, inputs))
    program = infer_bounds(reduce_matrix(matrix, bounds, bias=bias, cycles=COUNT_ONLY), bounds)
    corners = np.array(list(product(*zip(bounds.low, bounds.high, strict=True)))).T
    values = np.zeros((inputs + program.operation_count, corners.shape[1]), np.int64)
    values[:inputs] = corners
    for row, (lhs, rhs, left, right, subtract) in enumerate(program.operation_rows(), start=inputs):
        term = values[rhs] << right
        values[row] = (values[lhs] << left) + (-term if subtract else term)
    assert program.values is not None
    assert program.outputs is not None
    assert program.values.pairs() == list(zip(values.min(axis=1), values.max(axis=1), strict=True))
    sums = matrix @ corners + bias[:, None]
    assert program.outputs.pairs() == list(zip(sums.min(axis=1), sums.max(axis=1), strict=True))
    assert output_bounds(matrix, bounds, bias).pairs() == program.outputs.pairs()


def test_words_are_as_short_as_their_interval_allows():
    bounds = Bounds(np.array([0, 0, -1, -8, -9, 0, -(1 << 40)]), np.array([0, 15, 0, 7, 0, 16, (1 << 40) - 1]))
    assert bounds.bits.tolist() == [1, 4, 1, 4, 5, 5, 41]
    assert bounds.signed.tolist() == [False, False, True, True, True, False, True]


def test_a_value_beyond_62_bits_is_refused():
    wide = Bounds(np.zeros(1, np.int64), np.full(1, 1 << 58))
    program = reduce_matrix(np.array([[127], [101]]), wide, cycles=COUNT_ONLY)
    with pytest.raises(AddSubError, match="may leave the range of 62 bits"):
        infer_bounds(program, wide)
