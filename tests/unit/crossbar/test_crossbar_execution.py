"""Digits, weight columns and converters: hand-computed cases, and the literal path against plain integers."""

from __future__ import annotations

import numpy as np
import pytest
from crossbar_kernels import MACRO, kernel_of, macro_with
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import InputError
from imcflow.runtime.crossbar.columns import digits
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.serial import weight_cells
from imcflow.runtime.crossbar.step import CrossbarStep
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.program import CrossbarKernel, MacroSummary


def run(
    kernel: CrossbarKernel,
    macro: MacroSummary,
    x: np.ndarray,
    *,
    literal: bool,
    noise: AnalogNoise | None = None,
    threads: int = 1,
) -> np.ndarray:
    step = CrossbarStep(kernel, macro, noise or AnalogNoise(), np.dtype(np.int64), literal=literal)
    with BlockPool(threads) as pool:
        return step.run(x[:, :, None, None], 0, pool)[:, :, 0]


@pytest.mark.parametrize(("bits", "signed"), [(8, True), (8, False), (5, True), (3, False), (1, False)])
@pytest.mark.parametrize("per_cycle", [1, 2, 3, 8])
def test_digits_add_up_to_the_value(bits: int, signed: bool, per_cycle: int):
    values = np.arange(1 << bits) - (1 << (bits - 1) if signed else 0)
    parts = digits(values, bits, signed, per_cycle)
    assert len(parts) == -(-bits // per_cycle)
    assert all(part.min() >= 0 and part.max() < 1 << per_cycle for part in parts[:-1])
    np.testing.assert_array_equal(sum(part << (per_cycle * k) for k, part in enumerate(parts)), values)


@pytest.mark.parametrize("cell_bits", [1, 2, 3])
def test_cells_count_their_place_values(cell_bits: int):
    weights = np.array([[-4, 3], [-1, 0]])
    cells = weight_cells(weights, 3, cell_bits, signed=True)
    assert cells.values.shape == (2, -(-3 // cell_bits), 2)
    if cell_bits == 1:
        assert set(np.unique(cells.values)) == {0.0, 1.0}
    np.testing.assert_array_equal(np.tensordot(cells.values, cells.places, ([1], [0])), weights)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 4]), st.booleans())
def test_literal_and_exact_execution_give_plain_integers(seed: int, per_cycle: int, signed: bool):
    rng = np.random.default_rng(seed)
    weights = rng.integers(-8, 8, (5, 11))
    low = -8 if signed else 0
    x = rng.integers(low, low + 16, (3, 11))
    bias = rng.integers(-50, 50, 5)
    expected = x @ weights.T + bias
    macro = macro_with(bits_per_cycle=per_cycle)
    kernel = kernel_of(weights, bias, macro, signed_input=signed)
    for literal in (False, True):
        np.testing.assert_array_equal(run(kernel, macro, x, literal=literal), expected)


def test_an_ideal_converter_is_exact_and_a_coarse_one_is_not():
    rng = np.random.default_rng(1)
    weights, x = rng.integers(-8, 8, (5, 11)), rng.integers(-8, 8, (6, 11))
    for levels, same in ((64, True), (4, False)):
        macro = macro_with(adc_levels=levels)
        kernel = kernel_of(weights, np.zeros(5, np.int64), macro)
        for literal in (False, True):
            got = run(kernel, macro, x, literal=literal)
            assert np.array_equal(got, x @ weights.T) == same


def test_codes_by_hand():
    # One column of four cells that all conduct, one-bit digits: sums 0 ... 4 of unsigned activations of one bit.
    weights, bias = np.ones((1, 4), np.int64), np.zeros(1, np.int64)
    x = np.tril(np.ones((5, 4), np.int64), -1)
    macro = macro_with(adc_levels=3, bits_per_cycle=1)
    # Full scale 4 and three levels: steps of 2; halves round to even codes.
    kernel = kernel_of(weights, bias, macro, signed_input=False, input_bits=1, weight_bits=1, full_scale=4)
    assert run(kernel, macro, x, literal=True)[:, 0].tolist() == [0, 0, 2, 4, 4]
    # Full scale 2: steps of 1, sums above 2 are clipped.
    clipped = kernel_of(weights, bias, macro, signed_input=False, input_bits=1, weight_bits=1, full_scale=2)
    assert run(clipped, macro, x, literal=True)[:, 0].tolist() == [0, 1, 2, 2, 2]
    # The only digit of a signed one-bit activation is 0 or -1: the range lies below zero.
    signed = kernel_of(weights, bias, macro, signed_input=True, input_bits=1, weight_bits=1, full_scale=2)
    assert run(signed, macro, -x, literal=True)[:, 0].tolist() == [0, -1, -2, -2, -2]


def test_noise_depends_on_the_seed_and_not_on_threads():
    rng = np.random.default_rng(2)
    weights, x = rng.integers(-8, 8, (5, 11)), rng.integers(-8, 8, (9, 11))
    macro = macro_with(adc_levels=64)
    kernel = kernel_of(weights, np.zeros(5, np.int64), macro)
    noise = AnalogNoise(read_cells=0.8, conductance=0.05, seed=3)
    first = run(kernel, macro, x, literal=False, noise=noise)
    np.testing.assert_array_equal(run(kernel, macro, x, literal=False, noise=noise, threads=3), first)
    assert not np.array_equal(first, x @ weights.T)
    other = AnalogNoise(read_cells=0.8, conductance=0.05, seed=4)
    assert not np.array_equal(run(kernel, macro, x, literal=False, noise=other), first)


@pytest.mark.parametrize("field", ["read_cells", "conductance", "seed"])
def test_noise_out_of_range_is_refused(field: str):
    with pytest.raises(InputError, match=f"noise: {field} must be"):
        AnalogNoise(**{field: -1})


def test_counters_by_hand():
    from imcflow.runtime.crossbar.counters import count_crossbar_kernel
    from imcflow.runtime.crossbar.residency import kernel_residencies

    kernel = kernel_of(np.ones((5, 11), np.int64), np.zeros(5, np.int64), MACRO)  # 4 x 2 macros: 3 x 3 tiles
    (residency,) = kernel_residencies([kernel])
    counted = count_crossbar_kernel(kernel, MACRO, residency)
    assert (counted.tiles, counted.cycles_per_product, counted.activations) == (9, 2, 18)
    assert (counted.weight_loads, counted.multiplications) == (55, 55)
    assert counted.rows_driven == 2 * 3 * 11
    assert counted.columns_read == 2 * 3 * 5 * kernel.weight_bits
    assert (counted.conversions, counted.accumulations, counted.stores) == (0, 15, 5)
    assert counted.macro_cycles == (10, 8)
    assert counted.makespan_cycles == 10
    assert (counted.resident_weights, counted.reloaded_weights, counted.reloaded_rows) == (55, 0, 0)
