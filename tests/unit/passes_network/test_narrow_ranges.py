"""Narrowing keeps every value, and types hold exactly what can occur."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import apply, parsed, run
from xdsl.dialects.builtin import IntegerType

from imcflow.dialect.ops_network import Conv2dOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import integer_element_of, parse_element_type, shape_of, smallest_integer_type, value_range

TYPES = ("si3", "ui3", "si5", "ui2")


@given(
    element=st.sampled_from(TYPES),
    rows=st.lists(st.lists(st.integers(-40, 40), min_size=3, max_size=3).map(sorted), min_size=2, max_size=2),
    turned=st.lists(st.integers(0, 1), min_size=2, max_size=2),
    low=st.integers(-3, 2),
)
def test_dropped_levels_were_out_of_reach(element: str, rows: list[list[int]], turned: list[int], low: int) -> None:
    text = f"""
      func.func @main(%x: tensor<?x2x{element}>) -> tensor<?x2xsi8> {{
        %t = imc.constant dense<{rows}> : tensor<2x3xi8> as tensor<2x3xsi8>
        %d = imc.constant dense<{turned}> : tensor<2xi8> as tensor<2xui1>
        %y = imc.threshold %x, %t descending %d {{low = {low} : i64}}
          : (tensor<?x2x{element}>, tensor<2x3xsi8>, tensor<2xui1>) -> tensor<?x2xsi8>
        func.return %y : tensor<?x2xsi8>
      }}"""
    module = parsed(text)
    least, greatest = bounds(element)
    x = np.repeat(np.arange(least, greatest + 1)[:, None], 2, axis=1)
    (expected,) = run(module, x)
    apply(module, "imc-narrow-ranges")
    (actual,) = run(module, x)
    np.testing.assert_array_equal(actual, expected)
    (threshold,) = [op for op in module.walk() if isinstance(op, ThresholdOp)]
    levels = shape_of(threshold.thresholds)[1]
    assert levels == max(1, int(expected.max() - expected.min()))


def bounds(element: str) -> tuple[int, int]:
    kind = parse_element_type(element)
    assert isinstance(kind, IntegerType)
    return value_range(kind)


@given(
    element=st.sampled_from(TYPES),
    weights=st.lists(st.integers(-3, 3), min_size=8, max_size=8),
    bias=st.integers(-20, 20),
    pad=st.booleans(),
)
def test_accumulators_get_the_type_of_their_extremes(element: str, weights: list[int], bias: int, pad: bool) -> None:
    kernel = np.asarray(weights).reshape(1, 2, 2, 2).tolist()
    size = 4 if pad else 2
    pads = [1, 1, 1, 1] if pad else [0, 0, 0, 0]
    text = f"""
      func.func @main(%x: tensor<?x2x3x3x{element}>) -> tensor<?x1x{size}x{size}xsi32> {{
        %w = imc.constant dense<{kernel}> : tensor<1x2x2x2xi8> as tensor<1x2x2x2xsi3>
        %b = imc.constant dense<[{bias}]> : tensor<1xi8> as tensor<1xsi6>
        %y = imc.conv2d %x, %w bias %b {{pads = array<i64: {", ".join(map(str, pads))}>}}
          : (tensor<?x2x3x3x{element}>, tensor<1x2x2x2xsi3>, tensor<1xsi6>) -> tensor<?x1x{size}x{size}xsi32>
        func.return %y : tensor<?x1x{size}x{size}xsi32>
      }}"""
    module = parsed(text)
    apply(module, "imc-narrow-ranges")
    least, greatest = bounds(element)
    ends = [least, greatest, *([0] if pad else [])]
    low = bias + sum(min(weight * end for end in ends) for weight in weights)
    high = bias + sum(max(weight * end for end in ends) for weight in weights)
    (conv,) = [op for op in module.walk() if isinstance(op, Conv2dOp)]
    assert integer_element_of(conv.result) == smallest_integer_type(low, high)
    x = np.random.default_rng(0).choice([least, greatest], (16, 2, 3, 3))
    run(module, x)  # raises if a value leaves the narrowed type
