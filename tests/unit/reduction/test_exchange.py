"""Sets of values: every program computes its matrix, and with few inputs most outputs come from other outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import Bounds, evaluate
from imcflow.passes.ap_target import load_ap_target
from imcflow.passes.reduction import reduce
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import COUNT_ONLY, STRICT, BitCycles, reduce_matrix
from imcflow.passes.reduction.scope import emitted_cycles
from imcflow.passes.reduction.value_sets import search_values, units


def nibbles(count: int) -> Bounds:
    return Bounds(np.zeros(count, np.int64), np.full(count, 15, np.int64))


def ternary(seed: object, outputs: int, inputs: int, sparsity: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((outputs, inputs)) >= sparsity) * (rng.integers(0, 2, (outputs, inputs)) * 2 - 1)


def of_the_table(inputs: int, outputs: int, sparsity: float) -> np.ndarray:
    """The random matrices on which peers are compared."""
    rng = np.random.default_rng([2024, inputs, outputs, round(1000 * sparsity)])
    nonzero = rng.random((inputs, outputs)) >= sparsity
    return (nonzero * (rng.integers(0, 2, (inputs, outputs)) * 2 - 1)).T


@given(
    seed=st.integers(0, 2**32 - 1),
    outputs=st.integers(1, 80),
    inputs=st.integers(1, 30),
    group=st.integers(0, 12),
    sparsity=st.sampled_from([0.0, 0.3, 0.5, 0.8]),
    effort=st.sampled_from([0.0, 0.2]),
    cycles=st.sampled_from([COUNT_ONLY, STRICT]),
)
def test_programs_compute_their_matrices(
    seed: int, outputs: int, inputs: int, group: int, sparsity: float, effort: float, cycles: BitCycles
):
    matrix = ternary(seed, outputs, inputs, sparsity)
    bounds = nibbles(inputs)
    program = reduce_matrix(matrix, bounds, group=group, cycles=cycles, repairs_per_term=effort)
    program.verify()
    np.testing.assert_array_equal(program.expand(), matrix)
    values = np.random.default_rng(seed).integers(0, 16, (inputs, 3))
    np.testing.assert_array_equal(evaluate(program, values), matrix @ values)


@pytest.mark.parametrize("seed", range(8))
def test_the_cheaper_program_is_taken(seed: int, monkeypatch: pytest.MonkeyPatch):
    matrix, bounds = ternary(seed, 48 + 16 * seed, 9, 0.2 + 0.08 * seed), nibbles(9)
    searched = [reduce_matrix(matrix, bounds, cycles=cycles) for cycles in (COUNT_ONLY, STRICT)]
    monkeypatch.setattr(reduce, "MOST_INPUTS", 0)
    plain = [reduce_matrix(matrix, bounds, cycles=cycles) for cycles in (COUNT_ONLY, STRICT)]
    assert searched[0].two_input_operations() <= plain[0].two_input_operations()
    assert reduce._cost(searched[1], bounds, STRICT) <= reduce._cost(plain[1], bounds, STRICT)


@pytest.mark.parametrize(
    ("shape", "effort", "most"),
    [
        ((9, 64, 0.8), 0, 42),
        ((9, 64, 0.8), 1, 41),
        ((9, 64, 0.5), 0, 99),
        ((9, 64, 0.5), 1, 92),
        ((9, 512, 0.8), 0, 182),
        ((9, 512, 0.5), 0, 471),
    ],
)
def test_few_inputs_need_fewer_operations_than_any_elimination(shape: tuple[int, int, float], effort: float, most: int):
    matrix = of_the_table(*shape)
    program = reduce_matrix(matrix, nibbles(shape[0]), cycles=COUNT_ONLY, repairs_per_term=effort)
    assert program.two_input_operations() <= most


@pytest.mark.parametrize("seed", range(20))
def test_every_known_value_comes_from_two_known_before(seed: int):
    rng = np.random.default_rng(seed)
    inputs = int(rng.integers(2, 10))
    rows = ternary(seed, 40, inputs, 0.4)
    # Targets, and as further values the sums of their first terms: a program that adds up row by row.
    coefficients = [row * (np.arange(inputs) < end) for row in rows for end in range(2, inputs + 1)]
    codes = {abs(int(row @ units(inputs))) for row in coefficients} - {0} - set(units(inputs).tolist())
    targets = {abs(int(row @ units(inputs))) for row in rows} - {0} - set(units(inputs).tolist())
    values, count = search_values(
        inputs, np.array(sorted(targets), np.int64), np.array(sorted(codes - targets), np.int64), 4, seed
    )
    known: list[int] = []
    for at, value in enumerate(values.known[:count].tolist()):
        code = int(values.codes[value])
        if at >= inputs:
            one, other = (int(values.codes[part[value]]) for part in (values.left, values.right))
            assert one in known
            assert other in known
            assert code in (one + other, abs(one - other))
        known.append(code)
    assert len(set(known)) == count
    assert targets <= set(known)
    assert count <= inputs + len(codes)


def test_a_search_repeats_itself():
    matrix = of_the_table(9, 64, 0.5)
    first, second = (reduce_matrix(matrix, nibbles(9), cycles=COUNT_ONLY, repairs_per_term=0.5) for _ in range(2))
    for column in ("lhs", "rhs", "subtract", "accumulate_output", "accumulate_value", "accumulate_subtract"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))


UNCOMPILED = """
import json, sys
import numpy as np
from imcflow.passes.reduction.scope import emitted_cycles
from imcflow.passes.reduction.value_sets import search_values

inputs, targets, extras, rounds, seed = json.loads(sys.argv[1])
arrays = (np.array(targets, np.int64), np.array(extras, np.int64))
values, count = search_values(inputs, *arrays, rounds, seed)
columns = (values.codes, values.left, values.right)
print(json.dumps([[int(column[value]) for value in values.known[:count]] for column in columns]))
"""


@pytest.mark.parametrize("seed", range(2))
def test_the_compiled_search_makes_the_choices_of_the_plain_one(seed: int):
    rows = ternary(seed, 20, 6, 0.4)
    prefixes = [row * (np.arange(6) < end) for row in rows for end in range(2, 7)]
    codes = {abs(int(row @ units(6))) for row in prefixes} - {0} - set(units(6).tolist())
    targets = {abs(int(row @ units(6))) for row in rows} - {0} - set(units(6).tolist())
    given = [6, sorted(targets), sorted(codes - targets), 3, seed]
    values, count = search_values(6, np.array(given[1], np.int64), np.array(given[2], np.int64), 3, seed)
    command = [sys.executable, "-W", "ignore", "-c", UNCOMPILED, json.dumps(given)]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    plain = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    expected = [[int(column[value]) for value in values.known[:count]] for column in values[:3]]
    assert json.loads(plain.stdout) == expected
    assert count < 6 + len(codes)


@pytest.mark.parametrize(
    ("outputs", "sparsity", "cycles", "plain_cycles"),
    [
        (64, 0.3, 15367, 15367),
        (64, 0.5, 11800, 11800),
        (64, 0.8, 4415, 4415),
        (128, 0.3, 25980, 28127),
        (128, 0.5, 20981, 20981),
        (128, 0.8, 9174, 9174),
        (256, 0.3, 40836, 49519),
        (256, 0.5, 35359, 40173),
        (256, 0.8, 18570, 18570),
    ],
)
def test_emitted_cycles_on_the_array(
    outputs: int, sparsity: float, cycles: int, plain_cycles: int, monkeypatch: pytest.MonkeyPatch
):
    target, matrix = load_ap_target("rtm-ap-256"), of_the_table(9, outputs, sparsity)

    def emitted() -> float:
        program = reduce_matrix(matrix, nibbles(9), cycles=target.cycles)
        return emitted_cycles(infer_bounds(program, nibbles(9)), target, "layer")

    assert emitted() == cycles
    monkeypatch.setattr(reduce, "MOST_INPUTS", 0)
    assert emitted() == plain_cycles
