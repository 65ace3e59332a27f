"""Folded thresholds equal the chain that they replace at every integer, however they were found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import apply, op_names, parsed, run
from numpy.typing import NDArray

from imcflow.dialect.constants import constant_array
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.passes.thresholds import search

CHANNELS = 3


def dense(values: NDArray[np.float32]) -> str:
    kind = f"tensor<{values.size}xf32>"
    return f'dense<"0x{values.astype("<f4").tobytes().hex().upper()}"> : {kind} as {kind}'


def chain(
    gamma: NDArray[np.float32], shift: NDArray[np.float32], scale: float, low: int, high: int, middle: str
) -> str:
    zeros, ones = np.zeros(CHANNELS, np.float32), np.ones(CHANNELS, np.float32)
    tensor = f"tensor<?x{CHANNELS}x1x1xf32>"
    parameters = ", ".join([f"tensor<{CHANNELS}xf32>"] * 4)
    return f"""
      func.func @main(%x: tensor<?x{CHANNELS}x1x1xsi10>) -> tensor<?x{CHANNELS}x1x1xsi6> {{
        %s = imc.constant dense<{scale}> : tensor<f32> as tensor<f32>
        %t = imc.constant dense<0.0078125> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %g = imc.constant {dense(gamma)}
        %h = imc.constant {dense(shift)}
        %m = imc.constant {dense(zeros)}
        %v = imc.constant {dense(ones)}
        %d = imc.dequantize %x, %t, %z : (tensor<?x{CHANNELS}x1x1xsi10>, tensor<f32>, tensor<ui1>) -> {tensor}
        %b = imc.batch_norm %d, %g, %h, %m, %v : ({tensor}, {parameters}) -> {tensor}
        %a = {middle.format(tensor=tensor)}
        %q = imc.quantize %a, %s, %z {{low = {low} : i64, high = {high} : i64}}
          : ({tensor}, tensor<f32>, tensor<ui1>) -> tensor<?x{CHANNELS}x1x1xsi6>
        func.return %q : tensor<?x{CHANNELS}x1x1xsi6>
      }}"""


MIDDLES = (
    "imc.relu %b : ({tensor}) -> {tensor}",
    "imc.neg %b : ({tensor}) -> {tensor}",
    "imc.sigmoid %b : ({tensor}) -> {tensor}",
    "imc.add %b, %s : ({tensor}, tensor<f32>) -> {tensor}",
    "imc.div %b, %s : ({tensor}, tensor<f32>) -> {tensor}",
    "imc.clip %b {{low = -0.7 : f32, high = 1.3 : f32}} : ({tensor}) -> {tensor}",
)
GAMMAS = st.lists(st.floats(-4, 4, width=32), min_size=CHANNELS, max_size=CHANNELS)
EVERY_INTEGER = np.repeat(np.arange(-512, 512)[:, None], CHANNELS, axis=1).reshape(-1, CHANNELS, 1, 1)


@pytest.mark.parametrize("bisect", [False, True])
@given(
    gamma=GAMMAS,
    shift=GAMMAS,
    scale=st.sampled_from([0.1, 0.25, 1.0]),
    levels=st.sampled_from([(-1, 1), (0, 3), (-8, 7), (-32, 31), (5, 5)]),
    middle=st.sampled_from(MIDDLES),
)
def test_batch_norm_and_activation(
    bisect: bool, gamma: list[float], shift: list[float], scale: float, levels: tuple[int, int], middle: str
) -> None:
    text = chain(np.asarray(gamma, np.float32), np.asarray(shift, np.float32), scale, *levels, middle)
    module = parsed(text)
    (expected,) = run(module, EVERY_INTEGER)
    with pytest.MonkeyPatch.context() as patch:
        if bisect:
            patch.setattr(search, "LONG_TABLE", 0)
        apply(module, "imc-fold-thresholds")
    assert op_names(module) == ["threshold"]
    (actual,) = run(module, EVERY_INTEGER)
    np.testing.assert_array_equal(actual, expected)
    (threshold,) = [op for op in module.walk() if isinstance(op, ThresholdOp)]
    rows = constant_array(threshold.thresholds)
    assert rows is not None
    assert np.all(np.diff(rows, axis=1) >= 0)


KEPT: dict[str, str] = {
    "two tensors vary": """
      func.func @main(%x: tensor<?x2xsi6>, %y: tensor<?x2xsi6>) -> tensor<?x2xsi2> {
        %s = imc.constant dense<1.5> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %a = imc.dequantize %x, %s, %z : (tensor<?x2xsi6>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
        %b = imc.cast %y : (tensor<?x2xsi6>) -> tensor<?x2xf32>
        %c = imc.add %a, %b : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
        %q = imc.bipolar %c : (tensor<?x2xf32>) -> tensor<?x2xsi2>
        func.return %q : tensor<?x2xsi2>
      }""",
    "parameters change from pixel to pixel": """
      func.func @main(%x: tensor<?x1x1x2xsi6>) -> tensor<?x1x1x2xsi2> {
        %s = imc.constant dense<[1.5, -0.5]> : tensor<2xf32> as tensor<2xf32>
        %b = imc.cast %x : (tensor<?x1x1x2xsi6>) -> tensor<?x1x1x2xf32>
        %c = imc.mul %b, %s : (tensor<?x1x1x2xf32>, tensor<2xf32>) -> tensor<?x1x1x2xf32>
        %q = imc.bipolar %c : (tensor<?x1x1x2xf32>) -> tensor<?x1x1x2xsi2>
        func.return %q : tensor<?x1x1x2xsi2>
      }""",
    "too many levels": """
      func.func @main(%x: tensor<?x2xsi12>) -> tensor<?x2xsi12> {
        %s = imc.constant dense<1.5> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %b = imc.cast %x : (tensor<?x2xsi12>) -> tensor<?x2xf32>
        %q = imc.quantize %b, %s, %z {low = -2048 : i64, high = 2047 : i64}
          : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xsi12>
        func.return %q : tensor<?x2xsi12>
      }""",
    "wide and not provably monotone": """
      func.func @main(%x: tensor<?x2xsi24>) -> tensor<?x2xui2> {
        %s = imc.constant dense<9.5> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %b = imc.cast %x : (tensor<?x2xsi24>) -> tensor<?x2xf32>
        %c = imc.abs %b : (tensor<?x2xf32>) -> tensor<?x2xf32>
        %q = imc.quantize %c, %s, %z {low = 0 : i64, high = 3 : i64}
          : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xui2>
        func.return %q : tensor<?x2xui2>
      }""",
    "only cheap integer ops": """
      func.func @main(%x: tensor<?x2xsi6>) -> tensor<?x2xui2> {
        %q = imc.clamp %x {low = 0 : i64, high = 3 : i64} : (tensor<?x2xsi6>) -> tensor<?x2xui2>
        func.return %q : tensor<?x2xui2>
      }""",
}


@pytest.mark.parametrize("reason", KEPT)
def test_left_alone(reason: str) -> None:
    module = parsed(KEPT[reason])
    before = op_names(module)
    apply(module, "imc-fold-thresholds")
    assert op_names(module) == before


def test_a_shared_integer_is_the_source_and_a_shared_real_is_not() -> None:
    """The low-bit tensor stays because a layer reads it; each reader of the scaled accumulator gets thresholds."""
    text = """
      func.func @main(%x: tensor<?x2xsi8>) -> (tensor<?x2xsi2>, tensor<?x2xui3>, tensor<?x2xsi2>) {
        %s = imc.constant dense<0.5> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<0> : tensor<i8> as tensor<ui1>
        %d = imc.dequantize %x, %s, %z : (tensor<?x2xsi8>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
        %a = imc.bipolar %d : (tensor<?x2xf32>) -> tensor<?x2xsi2>
        %b = imc.quantize %d, %s, %z {low = 0 : i64, high = 7 : i64}
          : (tensor<?x2xf32>, tensor<f32>, tensor<ui1>) -> tensor<?x2xui3>
        %e = imc.dequantize %b, %s, %z : (tensor<?x2xui3>, tensor<f32>, tensor<ui1>) -> tensor<?x2xf32>
        %f = imc.sub %e, %s : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
        %c = imc.bipolar %f : (tensor<?x2xf32>) -> tensor<?x2xsi2>
        func.return %a, %b, %c : tensor<?x2xsi2>, tensor<?x2xui3>, tensor<?x2xsi2>
      }"""
    module = parsed(text)
    x = np.repeat(np.arange(-128, 128)[:, None], 2, axis=1)
    expected: list[NDArray[Any]] = run(module, x)
    apply(module, "imc-fold-thresholds")
    assert op_names(module) == ["threshold"] * 3
    sources = [op.input.type for op in module.walk() if isinstance(op, ThresholdOp)]
    assert [str(kind) for kind in sources] == ["tensor<?x2xsi8>", "tensor<?x2xsi8>", "tensor<?x2xui3>"]
    for actual, value in zip(run(module, x), expected, strict=True):
        np.testing.assert_array_equal(actual, value)
