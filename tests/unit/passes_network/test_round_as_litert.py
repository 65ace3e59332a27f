"""The integer arithmetic of LiteRT's reference kernels, against the same steps in plain Python integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import after, op_names, parsed, run

from imcflow.errors import ImcflowError
from imcflow.passes.litert.fixed_point import fixed_point
from imcflow.passes.pipelines import quantising_passes

SCALES = st.floats(2**-7, 2.0, width=32)
ZEROS = st.integers(-128, 127)
INTEGERS = np.arange(-128, 128).reshape(-1, 1)


def stored(factor: float) -> tuple[int, int]:
    """Return multiplier and exponent as the C library's frexp and round give them."""
    mantissa, exponent = math.frexp(factor)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    return (multiplier // 2, exponent + 1) if multiplier == 2**31 else (multiplier, exponent)


def doubling_high_product(value: int, multiplier: int) -> int:
    """Return the upper half of the doubled product: C's division truncates."""
    product = value * multiplier
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return nudged // 2**31 if nudged >= 0 else -(-nudged // 2**31)


def divided_by_power(value: int, exponent: int) -> int:
    """Return the rounded quotient the way the kernel finds it: from the bits that are shifted out."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if value < 0 else 0)
    return (value >> exponent) + (1 if value & mask > threshold else 0)


def scaled(value: int, factor: float) -> int:
    multiplier, exponent = stored(factor)
    high = doubling_high_product(value << max(exponent, 0), multiplier)
    return divided_by_power(high, max(-exponent, 0))


@given(st.floats(2.0**-30, 2.0**20))
def test_factors_are_stored_as_litert_stores_them(factor: float) -> None:
    found = fixed_point(np.asarray(factor))
    assert found is not None
    assert (int(found.multiplier), int(found.exponent)) == stored(factor)


def test_factors_out_of_range() -> None:
    assert fixed_point(np.asarray([1.0, 0.0])) is None
    assert fixed_point(np.asarray(float(1 << 40))) is None
    tiny = fixed_point(np.asarray(2.0**-40))
    assert tiny is not None
    assert int(tiny.multiplier) == 0


LAYER = """
func.func @main(%x: tensor<?x1x1x1xsi8> {{imc.name = "x"}}) -> (tensor<?x1x1x1xsi8> {{imc.name = "k"}}) {{
  %s = imc.constant dense<{scale:.9e}> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<{weight_scale:.9e}> : tensor<f32> as tensor<f32>
  %u = imc.constant dense<{output:.9e}> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<{zero}> : tensor<i8> as tensor<si8>
  %o = imc.constant dense<{output_zero}> : tensor<i8> as tensor<si8>
  %none = imc.constant dense<0> : tensor<i8> as tensor<ui1>
  %w = imc.constant dense<[[[[{weight}]]]]> : tensor<1x1x1x1xi8> as tensor<1x1x1x1xsi8>
  %c = imc.constant dense<[{bias}]> : tensor<1xi32> as tensor<1xsi32>
  %v = imc.constant dense<{bias_scale:.9e}> : tensor<f32> as tensor<f32>
  %p = imc.dequantize %x, %s, %z : (tensor<?x1x1x1xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x1x1x1xf32>
  %q = imc.dequantize %w, %t, %none : (tensor<1x1x1x1xsi8>, tensor<f32>, tensor<ui1>) -> tensor<1x1x1x1xf32>
  %b = imc.dequantize %c, %v, %none : (tensor<1xsi32>, tensor<f32>, tensor<ui1>) -> tensor<1xf32>
  %y = imc.conv2d %p, %q bias %b
      : (tensor<?x1x1x1xf32>, tensor<1x1x1x1xf32>, tensor<1xf32>) -> tensor<?x1x1x1xf32>
  %r = imc.relu %y : (tensor<?x1x1x1xf32>) -> tensor<?x1x1x1xf32>
  %k = imc.quantize %r, %u, %o {{low = -128 : i64, high = 127 : i64}}
      : (tensor<?x1x1x1xf32>, tensor<f32>, tensor<si8>) -> tensor<?x1x1x1xsi8>
  func.return %k : tensor<?x1x1x1xsi8>
}}
"""


@given(SCALES, SCALES, SCALES, ZEROS, ZEROS, st.integers(-127, 127), st.integers(-(2**30), 2**30) | ZEROS)
def test_a_convolution_rounds_twice(
    scale: float, weight_scale: float, output: float, zero: int, output_zero: int, weight: int, bias: int
) -> None:
    text = LAYER.format(
        scale=scale,
        weight_scale=weight_scale,
        output=output,
        zero=zero,
        output_zero=output_zero,
        weight=weight,
        bias=bias,
        bias_scale=float(np.float32(scale) * np.float32(weight_scale)),
    )
    module = after(text, "imc-round-as-litert,imc-lift-scales,imc-fold-thresholds")
    assert "requantize" not in op_names(module)
    (actual,) = run(module, INTEGERS.reshape(-1, 1, 1, 1))
    factor = scale * weight_scale / output
    sums = [(int(x) - zero) * weight + bias for x in INTEGERS[:, 0]]
    expected = [min(max(scaled(value, factor) + output_zero, output_zero), 127) for value in sums]
    np.testing.assert_array_equal(actual.reshape(-1), expected)


SUM = """
func.func @main(%x: tensor<?x1xsi8> {{imc.name = "x"}}, %y: tensor<?x1xsi8> {{imc.name = "y"}})
    -> (tensor<?x1xsi8> {{imc.name = "k"}}) {{
  %s = imc.constant dense<{first:.9e}> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<{second:.9e}> : tensor<f32> as tensor<f32>
  %u = imc.constant dense<{output:.9e}> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<{zero}> : tensor<i8> as tensor<si8>
  %p = imc.dequantize %x, %s, %z : (tensor<?x1xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x1xf32>
  %q = imc.dequantize %y, %t, %z : (tensor<?x1xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x1xf32>
  %a = imc.add %p, %q : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
  %k = imc.quantize %a, %u, %z {{low = -128 : i64, high = 127 : i64}}
      : (tensor<?x1xf32>, tensor<f32>, tensor<si8>) -> tensor<?x1xsi8>
  func.return %k : tensor<?x1xsi8>
}}
"""


@given(SCALES, SCALES, SCALES, ZEROS, st.lists(st.tuples(ZEROS, ZEROS), min_size=1, max_size=200))
def test_a_sum_scales_each_operand_and_then_the_sum(
    first: float, second: float, output: float, zero: int, pairs: list[tuple[int, int]]
) -> None:
    text = SUM.format(first=first, second=second, output=output, zero=zero)
    widest = 2 * max(first, second)
    expected: list[int] = []
    for x, y in pairs:
        total = sum(scaled((value - zero) << 20, scale / widest) for value, scale in ((x, first), (y, second)))
        expected.append(min(max(scaled(total, widest / ((1 << 20) * output)) + zero, -128), 127))
    left, right = (np.asarray(part).reshape(-1, 1) for part in zip(*pairs, strict=True))
    (actual,) = run(after(text, "imc-round-as-litert"), left, right)
    np.testing.assert_array_equal(actual.reshape(-1), expected)


def test_other_layers_keep_their_meaning() -> None:
    text = SUM.format(first=0.5, second=0.25, output=0.5, zero=1).replace("imc.add", "imc.mul")
    module = after(text, "imc-round-as-litert")
    assert op_names(module) == op_names(parsed(text))


def test_an_unknown_arithmetic_is_refused() -> None:
    with pytest.raises(ImcflowError, match="arithmetic 'tflite' is unknown; choose onnx or litert"):
        quantising_passes(arithmetic="tflite")
