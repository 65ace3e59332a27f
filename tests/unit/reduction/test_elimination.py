"""Pair elimination: the compiled loop against the plain one, known counts, the tables of trained networks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import Bounds, evaluate
from imcflow.passes.reduction import reduce
from imcflow.passes.reduction.digits import signed_digits
from imcflow.passes.reduction.plain import plain_program
from imcflow.passes.reduction.reduce import COUNT_ONLY, OR_LATCH, STRICT, reduce_matrix
from imcflow.passes.reduction.reference import PairElimination


def nibbles(count: int) -> Bounds:
    return Bounds(np.zeros(count, np.int64), np.full(count, 15, np.int64))


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 16))
    bits, density = draw(st.sampled_from((1, 2, 4, 8))), draw(st.floats(0.0, 1.0))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) + (bits == 1), (rows, columns))
    return weights * (rng.random((rows, columns)) < density)


def random_ternary(inputs: int, outputs: int, sparsity: float) -> np.ndarray:
    """The matrices of the published comparison: seeded by their shape."""
    rng = np.random.default_rng([2024, inputs, outputs, round(1000 * sparsity)])
    nonzero = rng.random((inputs, outputs)) >= sparsity
    sign = rng.integers(0, 2, (inputs, outputs)) * 2 - 1
    return (nonzero * sign).T


@given(matrices(), st.integers(0, 9), st.sampled_from((STRICT, OR_LATCH, COUNT_ONLY)), st.booleans())
def test_a_reduced_program_computes_its_matrix(matrix, group, cycles, share):
    bias = np.arange(len(matrix), dtype=np.int64) - 3
    program = reduce_matrix(matrix, nibbles(matrix.shape[1]), group=group, bias=bias, cycles=cycles, share=share)
    program.verify()
    assert np.array_equal(program.expand(), matrix)
    inputs = np.random.default_rng(0).integers(0, 16, (matrix.shape[1], 5))
    assert np.array_equal(evaluate(program, inputs), matrix @ inputs + bias[:, None])


@pytest.fixture
def one_start(monkeypatch):
    """The plain elimination knows one order of the inputs, and no exchange of values after it."""
    monkeypatch.setattr(reduce, "SMALL_STARTS", 1)
    monkeypatch.setattr(reduce, "MOST_INPUTS", 0)


@pytest.mark.usefixtures("one_start")
@given(matrices())
def test_the_compiled_elimination_makes_the_choices_of_the_plain_one(matrix):
    program = reduce_matrix(matrix, nibbles(matrix.shape[1]), cycles=COUNT_ONLY)
    plain = PairElimination.of(matrix).run()
    expected = [(sum_.lhs, sum_.rhs, sum_.lhs_shift, sum_.rhs_shift, int(sum_.subtract)) for sum_ in plain.operations]
    columns = (program.lhs, program.rhs, program.lhs_shift, program.rhs_shift, program.subtract)
    assert list(zip(*(column.tolist() for column in columns), strict=True))[: len(expected)] == expected
    assert program.operation_count == len(expected) + int(np.maximum(plain.terms_left() - 1, 0).sum())


@pytest.mark.usefixtures("one_start")
@pytest.mark.parametrize(("inputs", "outputs", "sparsity"), [(9, 64, 0.5), (72, 64, 0.8), (27, 64, 0.5)])
def test_the_two_eliminations_count_alike_on_larger_matrices(inputs, outputs, sparsity):
    matrix = random_ternary(inputs, outputs, sparsity)
    plain = PairElimination.of(matrix).run()
    program = reduce_matrix(matrix, nibbles(inputs), cycles=COUNT_ONLY)
    assert program.operation_count == len(plain.operations) + int(np.maximum(plain.terms_left() - 1, 0).sum())


@given(matrices())
def test_signed_digits_are_not_adjacent_and_sum_to_the_weights(matrix):
    planes = signed_digits(matrix)
    total = np.zeros(matrix.shape, dtype=np.int64)
    weight = np.where(planes.negative, -1, 1) << planes.shift.astype(np.int64)
    np.add.at(total, (planes.output, planes.input), weight)
    assert np.array_equal(total, matrix)
    taken = {(o, i, s) for o, i, s in zip(planes.output, planes.input, planes.shift.astype(int), strict=True)}
    assert not any((o, i, s + 1) in taken for o, i, s in taken)
    assert np.array_equal(plain_program(matrix, group=3).expand(), matrix)


def test_equal_negated_and_shifted_rows_share_one_sum():
    row = np.array([1, -1, 0, 1])
    matrix = np.stack([row, row, -row, 2 * row, 0 * row])
    program = reduce_matrix(matrix, nibbles(4), cycles=COUNT_ONLY)
    assert program.operation_count == 2
    assert program.accumulate_output.tolist() == [0, 1, 2, 3]
    assert len(set(program.accumulate_value.tolist())) == 1
    assert program.accumulate_subtract.tolist() != [0, 0, 0, 0]
    assert program.accumulate_shift.tolist() == [0, 0, 0, 1]


def test_slices_are_independent():
    matrix = np.tile(random_ternary(9, 16, 0.5), (1, 4))
    program = reduce_matrix(matrix, nibbles(36), group=9, cycles=COUNT_ONLY)
    sizes = np.diff(program.slice_operations)
    assert program.slice_count == 4
    assert len(set(sizes.tolist())) == 1
    assert program.operation_count == 4 * reduce_matrix(matrix[:, :9], nibbles(9), cycles=COUNT_ONLY).operation_count


@pytest.mark.parametrize(
    ("inputs", "outputs", "sparsity", "best_peer"),
    [(9, 64, 0.5, 111), (9, 64, 0.8, 44), (9, 512, 0.8, 184), (72, 64, 0.8, 571), (144, 32, 0.8, 597)],
)
def test_random_matrices_stay_within_one_per_cent_of_the_best_peer(inputs, outputs, sparsity, best_peer):
    matrix = random_ternary(inputs, outputs, sparsity)
    found = reduce_matrix(matrix, nibbles(inputs), cycles=COUNT_ONLY).two_input_operations()
    assert found <= best_peer * 1.01


def test_the_trained_vgg7_takes_fewer_operations_than_the_published_lists(models_dir):
    published = {"conv1": 295, "conv2": 3686, "conv3": 8492, "conv4": 17309, "conv5": 33026, "conv6": 63832}
    weights = np.load(models_dir / "ternary" / "vgg7_twn" / "weights.npz")
    total = 0
    for layer, operations in published.items():
        matrix = weights[layer].T.astype(np.int64)
        program = reduce_matrix(matrix, nibbles(matrix.shape[1]), cycles=COUNT_ONLY)
        assert program.two_input_operations() < operations
        total += program.two_input_operations()
    assert total <= 120_800
