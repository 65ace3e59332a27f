"""Quantised sums of two tensors as weighted integer sums: equal on every pair of integers, with the least weights."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import after, op_names, parsed, run

from imcflow.passes.thresholds.pairs import find_pair_steps, simplest_between

SUM = """
func.func @main(%x: tensor<?x1xsi{bits}> {{imc.name = "x"}}, %y: tensor<?x1xsi{bits}> {{imc.name = "y"}})
    -> (tensor<?x1xsi8> {{imc.name = "k"}}) {{
  %s = imc.constant dense<{first:.9e}> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<{second:.9e}> : tensor<f32> as tensor<f32>
  %u = imc.constant dense<{output:.9e}> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<{zero}> : tensor<i8> as tensor<si8>
  %p = imc.dequantize %x, %s, %z : (tensor<?x1xsi{bits}>, tensor<f32>, tensor<si8>) -> tensor<?x1xf32>
  %q = imc.dequantize %y, %t, %z : (tensor<?x1xsi{bits}>, tensor<f32>, tensor<si8>) -> tensor<?x1xf32>
  %a = imc.add %p, %q : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  %r = imc.relu %a : (tensor<?x1xf32>) -> tensor<?x1xf32>
  %k = imc.quantize %r, %u, %z {{low = -128 : i64, high = 127 : i64}}
      : (tensor<?x1xf32>, tensor<f32>, tensor<si8>) -> tensor<?x1xsi8>
  func.return %k : tensor<?x1xsi8>
}}
"""
SCALES = st.floats(2**-7, 4.0, width=32)


def pairs(bits: int) -> list[np.ndarray]:
    integers = np.arange(-(1 << bits - 1), 1 << bits - 1)
    return [part.reshape(-1, 1) for part in np.meshgrid(integers, integers, indexing="ij")]


@given(first=SCALES, second=SCALES, output=SCALES, zero=st.integers(-100, 100), bits=st.integers(2, 6))
def test_a_residual_sum_keeps_its_value_on_every_pair(
    first: float, second: float, output: float, zero: int, bits: int
) -> None:
    text = SUM.format(first=first, second=second, output=output, zero=zero, bits=bits)
    expected, actual = run(parsed(text), *pairs(bits)), run(after(text, "imc-fold-sums"), *pairs(bits))
    np.testing.assert_array_equal(actual[0], expected[0])


def test_eight_bit_operands_with_the_scales_of_a_residual_block_leave_floating_point() -> None:
    text = SUM.format(first=0.0384, second=0.0991, output=0.0776, zero=-7, bits=8)
    module = after(text, "imc-fold-sums")
    assert op_names(module) == ["mul", "mul", "add", "threshold"]
    np.testing.assert_array_equal(run(module, *pairs(8))[0], run(parsed(text), *pairs(8))[0])


@given(data=st.data(), first=st.integers(1, 6), second=st.integers(1, 6))
def test_a_function_of_a_weighted_sum_is_found_with_weights_that_are_not_larger(
    data: st.DataObject, first: int, second: int
) -> None:
    signs = data.draw(st.tuples(st.sampled_from([1, -1]), st.sampled_from([1, -1])))
    lows = data.draw(st.tuples(st.integers(-9, 9), st.integers(-9, 9)))
    x, y = np.meshgrid(lows[0] + np.arange(8), lows[1] + np.arange(7), indexing="ij")
    sums = signs[0] * first * x + signs[1] * second * y
    borders = data.draw(st.lists(st.integers(int(sums.min()) + 1, int(sums.max())), min_size=1, max_size=6))
    table = np.searchsorted(np.sort(borders), sums, side="right")
    steps = find_pair_steps(table, lows, 1023)
    assert steps is not None
    found = steps.low + np.searchsorted(steps.thresholds, steps.first * x + steps.second * y, side="right")
    np.testing.assert_array_equal(found, table)
    divisor = np.gcd(first, second)
    assert abs(steps.first) <= first // divisor


def test_a_border_that_no_line_follows_is_refused() -> None:
    corner = np.zeros((4, 4), np.int64)
    corner[2:, 2:] = 1
    assert find_pair_steps(corner, (0, 0), 1023) is None
    saddle = np.asarray([[0, 1], [1, 0]])
    assert find_pair_steps(saddle, (0, 0), 1023) is None


def test_more_levels_than_allowed_are_refused() -> None:
    table = np.arange(4)[:, None] + np.arange(4)
    assert find_pair_steps(table, (0, 0), 5) is None
    assert find_pair_steps(table, (0, 0), 6) is not None


@pytest.mark.parametrize(("low", "high"), [("0", "1/3"), ("1/3", "1/2"), ("2/5", "3/7"), ("1", "2"), ("7/3", "12/5")])
def test_the_simplest_fraction_between(low: str, high: str) -> None:
    least, greatest = Fraction(low), Fraction(high)
    inside = [
        Fraction(numerator, denominator)
        for denominator in range(1, 40)
        for numerator in range(1, 120)
        if least < Fraction(numerator, denominator) < greatest
    ]
    assert simplest_between(least, greatest) == min(inside, key=lambda value: (value.denominator, value))
