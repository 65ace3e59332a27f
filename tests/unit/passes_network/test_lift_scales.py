"""Lifted layers compute the same real numbers; scales are powers of two, so float32 is exact before and after."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import apply, op_names, parsed, run
from xdsl.dialects.builtin import StringAttr

from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import is_float
from imcflow.passes.scales.lifter import FLOAT_REASON

POWERS = st.integers(-6, 3).map(lambda n: 2.0**n)


def reasons(text: str) -> list[str]:
    module = parsed(text)
    apply(module, "imc-lift-scales")
    found = [op.attributes.get(FLOAT_REASON) for op in module.walk() if isinstance(op, Conv2dOp | GemmOp)]
    return [reason.data for reason in found if isinstance(reason, StringAttr)]


@given(
    groups=st.sampled_from([1, 2, 4]),
    pads=st.sampled_from(["0, 0, 0, 0", "1, 0, 2, 1"]),
    scale=POWERS,
    weight_scales=st.lists(POWERS, min_size=4, max_size=4),
    zero=st.integers(-9, 9),
    bias=st.none() | st.lists(st.floats(-4, 4, width=16), min_size=4, max_size=4),
    seed=st.integers(0, 2**32 - 1),
)
def test_convolutions(
    groups: int,
    pads: str,
    scale: float,
    weight_scales: list[float],
    zero: int,
    bias: list[float] | None,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    kernel = (rng.integers(-1, 2, (4, 4 // groups, 3, 2)) * np.asarray(weight_scales).reshape(-1, 1, 1, 1)).tolist()
    size = "2x3" if pads == "0, 0, 0, 0" else "5x4"
    weights = f"tensor<4x{4 // groups}x3x2xf32>"
    use_bias = "bias %b" if bias else ""
    bias_type = ", tensor<4xf32>" if bias else ""
    text = f"""
      func.func @main(%x: tensor<?x4x4x4xsi4>) -> tensor<?x4x{size}xf32> {{
        %s = imc.constant dense<{scale}> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<{zero}> : tensor<i8> as tensor<si8>
        %w = imc.constant dense<{kernel}> : {weights} as {weights}
        %b = imc.constant dense<{bias or [0.0] * 4}> : tensor<4xf32> as tensor<4xf32>
        %d = imc.dequantize %x, %s, %z : (tensor<?x4x4x4xsi4>, tensor<f32>, tensor<si8>) -> tensor<?x4x4x4xf32>
        %y = imc.conv2d %d, %w {use_bias} {{pads = array<i64: {pads}>, groups = {groups} : i64}}
          : (tensor<?x4x4x4xf32>, {weights}{bias_type}) -> tensor<?x4x{size}xf32>
        func.return %y : tensor<?x4x{size}xf32>
      }}"""
    x = rng.integers(-8, 8, (3, 4, 4, 4))
    module = parsed(text)
    (expected,) = run(module, x)
    apply(module, "imc-lift-scales")
    assert [is_float(op.result) for op in module.walk() if isinstance(op, Conv2dOp)] == [False]
    (actual,) = run(module, x)
    np.testing.assert_array_equal(actual, expected)


CHANNELS = """
      func.func @main(%x: tensor<?x2x1x1xui4>) -> tensor<?x2x1x1xf32> {{
        %s = imc.constant dense<[[[{0}]], [[{1}]]]> : tensor<2x1x1xf32> as tensor<2x1x1xf32>
        %z = imc.constant dense<3> : tensor<i8> as tensor<ui2>
        %w = imc.constant dense<[[[[1.0]], [[1.0]]], [[[-1.0]], [[0.0]]]]> : tensor<2x2x1x1xf32> as tensor<2x2x1x1xf32>
        %d = imc.dequantize %x, %s, %z : (tensor<?x2x1x1xui4>, tensor<2x1x1xf32>, tensor<ui2>) -> tensor<?x2x1x1xf32>
        %y = imc.conv2d %d, %w : (tensor<?x2x1x1xf32>, tensor<2x2x1x1xf32>) -> tensor<?x2x1x1xf32>
        func.return %y : tensor<?x2x1x1xf32>
      }}"""


def test_scales_of_input_channels_enter_the_weights_if_commensurate() -> None:
    text = CHANNELS.format(0.5, 1.5)
    x = np.arange(16).reshape(8, 2, 1, 1)
    (expected,) = run(text, x)
    module = parsed(text)
    apply(module, "imc-lift-scales")
    assert op_names(module) == ["conv2d", "dequantize"]
    np.testing.assert_array_equal(run(module, x)[0], expected)


def test_incommensurate_scales_of_input_channels_are_a_reason() -> None:
    assert reasons(CHANNELS.format(0.5, 0.77)) == ["the channels of its input have different scales"]


def test_joined_tensors_with_different_zero_points_are_centred_before_padding() -> None:
    text = """
      func.func @main(%x: tensor<?x1x2x2xui4>, %y: tensor<?x1x2x2xui4>) -> tensor<?x1x4x4xf32> {
        %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<3> : tensor<i8> as tensor<ui2>
        %n = imc.constant dense<-7> : tensor<i8> as tensor<si4>
        %w = imc.constant dense<[[[[1.0]], [[-1.0]]]]> : tensor<1x2x1x1xf32> as tensor<1x2x1x1xf32>
        %a = imc.dequantize %x, %s, %z : (tensor<?x1x2x2xui4>, tensor<f32>, tensor<ui2>) -> tensor<?x1x2x2xf32>
        %b = imc.dequantize %y, %s, %n : (tensor<?x1x2x2xui4>, tensor<f32>, tensor<si4>) -> tensor<?x1x2x2xf32>
        %c = imc.concat %a, %b : (tensor<?x1x2x2xf32>, tensor<?x1x2x2xf32>) -> tensor<?x2x2x2xf32>
        %d = imc.conv2d %c, %w {pads = array<i64: 1, 1, 1, 1>}
          : (tensor<?x2x2x2xf32>, tensor<1x2x1x1xf32>) -> tensor<?x1x4x4xf32>
        func.return %d : tensor<?x1x4x4xf32>
      }"""
    arrays = np.arange(4).reshape(1, 1, 2, 2), np.arange(12, 16).reshape(1, 1, 2, 2)
    (expected,) = run(text, *arrays)
    module = parsed(text)
    apply(module, "imc-lift-scales")
    assert op_names(module) == ["concat", "sub", "conv2d", "dequantize"]
    np.testing.assert_array_equal(run(module, *arrays)[0], expected)


AFFINE_INPUTS = {
    "(x + 1) / 2": ("imc.add %f, %one", "imc.div %a, %two"),
    "(x * 2 - 1)": ("imc.mul %f, %two", "imc.sub %a, %one"),
    "2 * (1 - x)": ("imc.sub %one, %f", "imc.mul %two, %a"),
    "limited": ("imc.clip %f {low = -2.0 : f32, high = 3.0 : f32}", "imc.relu %a"),
    "negative": ("imc.neg %f", "imc.add %one, %a"),
}


@pytest.mark.parametrize("form", AFFINE_INPUTS)
def test_affine_inputs_are_integers(form: str) -> None:
    lines = AFFINE_INPUTS[form]
    kinds = [
        "(tensor<?x2xf32>)"
        if line.startswith(("imc.neg", "imc.clip", "imc.relu"))
        else "(tensor<f32>, tensor<?x2xf32>)"
        if "%one, " in line or "%two, " in line
        else "(tensor<?x2xf32>, tensor<f32>)"
        for line in lines
    ]
    text = f"""
      func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x1xf32> {{
        %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
        %two = imc.constant dense<2.0> : tensor<f32> as tensor<f32>
        %w = imc.constant dense<[[1.0, -1.0]]> : tensor<1x2xf32> as tensor<1x2xf32>
        %f = imc.cast %x : (tensor<?x2xsi4>) -> tensor<?x2xf32>
        %a = {lines[0]} : {kinds[0]} -> tensor<?x2xf32>
        %b = {lines[1]} : {kinds[1]} -> tensor<?x2xf32>
        %y = imc.gemm %b, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
        func.return %y : tensor<?x1xf32>
      }}"""
    x = np.stack(np.meshgrid(np.arange(-8, 8), np.arange(-8, 8)), axis=-1).reshape(-1, 2)
    (expected,) = run(text, x)
    module = parsed(text)
    apply(module, "imc-lift-scales")
    assert [is_float(op.input) for op in module.walk() if isinstance(op, GemmOp)] == [False]
    np.testing.assert_array_equal(run(module, x)[0], expected)


def test_half_steps_refine_the_integers() -> None:
    """Bipolar activations written as 2 * (x >= 0) - 1 are -1 and 1, not 0 and 1 with a zero point of 1/2."""
    text = """
      func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x1xf32> {
        %one = imc.constant dense<1.0> : tensor<f32> as tensor<f32>
        %two = imc.constant dense<2.0> : tensor<f32> as tensor<f32>
        %zero = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %w = imc.constant dense<[[1.0, -1.0]]> : tensor<1x2xf32> as tensor<1x2xf32>
        %g = imc.greater_equal %x, %zero : (tensor<?x2xsi4>, tensor<ui1>) -> tensor<?x2xui1>
        %f = imc.cast %g : (tensor<?x2xui1>) -> tensor<?x2xf32>
        %a = imc.mul %f, %two : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
        %b = imc.sub %a, %one : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
        %y = imc.gemm %b, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
        func.return %y : tensor<?x1xf32>
      }"""
    x = np.asarray([[-1, 0], [3, -8], [0, 0]])
    (expected,) = run(text, x)
    module = parsed(text)
    apply(module, "imc-lift-scales,imc-fold-thresholds")
    assert op_names(module) == ["threshold", "gemm", "dequantize"]
    np.testing.assert_array_equal(run(module, x)[0], expected)


def test_a_cast_of_integral_reals_is_integer_arithmetic() -> None:
    text = """
      func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x2xsi8> {
        %s = imc.constant dense<3.0> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<-2> : tensor<i8> as tensor<si2>
        %d = imc.dequantize %x, %s, %z : (tensor<?x2xsi4>, tensor<f32>, tensor<si2>) -> tensor<?x2xf32>
        %y = imc.cast %d : (tensor<?x2xf32>) -> tensor<?x2xsi8>
        func.return %y : tensor<?x2xsi8>
      }"""
    module = parsed(text)
    apply(module, "imc-lift-scales")
    assert op_names(module) == ["sub", "mul", "cast"]
    assert run(module, np.asarray([[-8, 7]]))[0].tolist() == [[-18, 27]]


def test_quantising_again_with_the_same_scale_only_limits() -> None:
    text = """
      func.func @main(%x: tensor<?x2xsi4>) -> tensor<?x2xsi3> {
        %s = imc.constant dense<0.3> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<1> : tensor<i8> as tensor<ui1>
        %d = imc.dequantize %x, %s, %z : (tensor<?x2xsi4>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
        %y = imc.quantize %d, %s, %z {low = -4 : i64, high = 3 : i64}
          : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xsi3>
        func.return %y : tensor<?x2xsi3>
      }"""
    module = parsed(text)
    apply(module, "imc-lift-scales")
    assert op_names(module) == ["clamp"]
    assert run(module, np.asarray([[-8, 7]]))[0].tolist() == [[-4, 3]]


REASONS = {
    "weights that are an input": (
        "%w",
        "the weights are not constant",
    ),
    "weights without a common scale": (
        "%r",
        "the 2 different weights of output channel 0 are no multiples, up to 128, of one scale",
    ),
}


@pytest.mark.parametrize("case", REASONS)
def test_why_a_layer_stays_real(case: str) -> None:
    weights, reason = REASONS[case]
    text = f"""
      func.func @main(%x: tensor<?x2xui4>, %w: tensor<1x2xf32>) -> tensor<?x1xf32> {{
        %r = imc.constant dense<[[0.7312, -0.2911]]> : tensor<1x2xf32> as tensor<1x2xf32>
        %d = imc.cast %x : (tensor<?x2xui4>) -> tensor<?x2xf32>
        %y = imc.gemm %d, {weights} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
        func.return %y : tensor<?x1xf32>
      }}"""
    assert reasons(text) == [reason]
