"""The search for fewer operations keeps the matrix, never adds an operation, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import Bounds, evaluate
from imcflow.passes.reduction.reduce import COUNT_ONLY, STRICT, reduce_matrix


def nibbles(count: int) -> Bounds:
    return Bounds(np.zeros(count, np.int64), np.full(count, 15, np.int64))


def random_matrix(seed: int, bits: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 16)), int(rng.integers(1, 20)))
    low = -(2 ** (bits - 1))
    return rng.integers(low, 2 ** (bits - 1) + (bits == 1), shape) * (rng.random(shape) < rng.random())


@given(st.integers(0, 2**32 - 1), st.sampled_from((1, 2, 4, 8)), st.integers(0, 9))
def test_a_searched_program_computes_its_matrix_with_at_most_as_many_operations(seed, bits, group):
    matrix = random_matrix(seed, bits)
    bounds = nibbles(matrix.shape[1])
    greedy = reduce_matrix(matrix, bounds, group=group, cycles=COUNT_ONLY)
    searched = reduce_matrix(matrix, bounds, group=group, cycles=COUNT_ONLY, repairs_per_term=2)
    searched.verify()
    assert np.array_equal(searched.expand(), matrix)
    assert searched.two_input_operations() <= greedy.two_input_operations()
    inputs = np.random.default_rng(seed).integers(0, 16, (matrix.shape[1], 5))
    assert np.array_equal(evaluate(searched, inputs), matrix @ inputs)
    costed = reduce_matrix(matrix, bounds, group=group, cycles=STRICT, repairs_per_term=2)
    costed.verify()
    assert np.array_equal(costed.expand(), matrix)


def test_the_search_repeats_itself():
    matrix = random_matrix(5, 4)
    first, second = (reduce_matrix(matrix, nibbles(matrix.shape[1]), repairs_per_term=4) for _ in range(2))
    for column in ("lhs", "rhs", "lhs_shift", "rhs_shift", "subtract", "accumulate_output", "accumulate_value"):
        assert np.array_equal(getattr(first, column), getattr(second, column))


@pytest.mark.parametrize(
    ("inputs", "outputs", "sparsity", "most"), [(9, 64, 0.5, 105), (27, 64, 0.5, 390), (144, 32, 0.8, 572)]
)
def test_the_search_finds_fewer_operations_than_any_elimination(inputs, outputs, sparsity, most):
    rng = np.random.default_rng([2024, inputs, outputs, round(1000 * sparsity)])
    nonzero = rng.random((inputs, outputs)) >= sparsity
    matrix = (nonzero * (rng.integers(0, 2, (inputs, outputs)) * 2 - 1)).T
    program = reduce_matrix(matrix, nibbles(inputs), cycles=COUNT_ONLY, repairs_per_term=4)
    assert np.array_equal(program.expand(), matrix)
    assert program.two_input_operations() <= most
