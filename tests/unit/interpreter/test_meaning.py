"""What single ops mean, on cases worked out by hand or computed by onnxruntime."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import run
from numpy.typing import NDArray

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.interpreter import quantise
from imcflow.dialect.interpreter.rounding import round_float, round_fraction
from imcflow.errors import InputError, ModelError


def nearest(value: Fraction, mode: Rounding) -> int:
    """Round an exact number as the documentation of `Rounding` says, case by case."""
    below, above = floor(value), ceil(value)
    directed = {
        Rounding.FLOOR: below,
        Rounding.CEIL: above,
        Rounding.TRUNCATE: above if value < 0 else below,
        Rounding.AWAY: below if value < 0 else above,
    }
    if mode in directed:
        return directed[mode]
    if value - below != Fraction(1, 2):
        return below if value - below < Fraction(1, 2) else above
    ties = {
        Rounding.HALF_EVEN: below if below % 2 == 0 else above,
        Rounding.HALF_UP: above,
        Rounding.HALF_DOWN: below,
        Rounding.HALF_AWAY: below if value < 0 else above,
        Rounding.HALF_TO_ZERO: above if value < 0 else below,
    }
    return ties[mode]


@pytest.mark.parametrize("mode", Rounding)
@given(numerator=st.integers(-(2**40), 2**40), divisor=st.integers(1, 12))
def test_fractions_are_rounded_exactly(mode: Rounding, numerator: int, divisor: int) -> None:
    result = round_fraction(np.asarray([numerator]), np.asarray([divisor]), mode)
    assert int(result[0]) == nearest(Fraction(numerator, divisor), mode)


@pytest.mark.parametrize("mode", Rounding)
@given(value=st.floats(-1000, 1000, width=32) | st.integers(-50, 50).map(lambda n: n / 2))
def test_floats_are_rounded_exactly(mode: Rounding, value: float) -> None:
    result = round_float(np.asarray([value], np.float32), mode)
    assert result.dtype == np.float32
    assert int(result[0]) == nearest(Fraction(value), mode)


@pytest.mark.parametrize("mode", Rounding)
def test_infinities_and_the_number_just_below_one_half(mode: Rounding) -> None:
    below_half = np.nextafter(np.float32(0.5), np.float32(0))
    result = round_float(np.asarray([np.inf, -np.inf, below_half], np.float32), mode)
    assert result[0] == np.inf
    assert result[1] == -np.inf
    assert result[2] == (1 if mode in (Rounding.CEIL, Rounding.AWAY) else 0)


SINGLE_OPS = [
    # op, properties, operand types, result type, operands, expected
    ("add", "", ["si8", "si8"], "si9", [[100, -3], [100, 1]], [200, -2]),
    ("sub", "", ["ui4", "ui4"], "si5", [[0, 9], [15, 1]], [-15, 8]),
    ("mul", "", ["si8", "si8"], "si16", [[-128, 7], [-128, -3]], [16384, -21]),
    ("div", "", ["si8", "si8"], "si8", [[-7, 7], [2, -2]], [-3, -3]),
    ("greater", "", ["f32", "f32"], "ui1", [[1.5, 2.0], [1.5, 1.0]], [0, 1]),
    ("greater_equal", "", ["si4", "si4"], "ui1", [[1, -2], [1, 1]], [1, 0]),
    ("pow", "", ["f32", "f32"], "f32", [[2.0, 9.0], [3.0, 0.5]], [8.0, 3.0]),
    ("relu", "", ["si4"], "ui3", [[-8, 7]], [0, 7]),
    ("neg", "", ["ui3"], "si4", [[7, 0]], [-7, 0]),
    ("abs", "", ["si4"], "ui4", [[-8, 7]], [8, 7]),
    ("sign", "", ["f32"], "f32", [[-0.5, 0.0]], [-1.0, 0.0]),
    ("sign", "", ["si4"], "si2", [[-5, 3]], [-1, 1]),
    ("cast", "", ["f32"], "si4", [[-2.9, 2.9]], [-2, 2]),
    ("cast", "", ["ui8"], "f32", [[255, 3]], [255.0, 3.0]),
    ("clamp", "{low = -1 : i64, high = 1 : i64}", ["si8"], "si2", [[-128, 1]], [-1, 1]),
    ("clip", "{low = 0.5 : f32, high = 2.0 : f32}", ["f32"], "f32", [[-1.0, 9.0]], [0.5, 2.0]),
    ("round", "{mode = #imc<rounding half_up>}", ["f32"], "f32", [[-0.5, 2.5]], [0.0, 3.0]),
    ("sqrt", "", ["f32"], "f32", [[9.0, 2.25]], [3.0, 1.5]),
    ("bipolar", "", ["f32"], "si2", [[0.0, -0.5]], [1, -1]),
    ("softmax", "{axis = 1 : i64}", ["f32"], "f32", [[0.0, 0.0]], [0.5, 0.5]),
    ("sigmoid", "", ["f32"], "f32", [[0.0, -200.0]], [0.5, 0.0]),
    ("erf", "", ["f32"], "f32", [[0.0, 9.0]], [0.0, 1.0]),
]


@pytest.mark.parametrize(("op", "properties", "types", "result", "operands", "expected"), SINGLE_OPS)
def test_elementwise_ops(
    op: str, properties: str, types: list[str], result: str, operands: list[list[float]], expected: list[float]
) -> None:
    tensors = [f"tensor<?x2x{element}>" for element in types]
    names = [f"%x{index}" for index in range(len(types))]
    arguments = ", ".join(f"{name}: {tensor}" for name, tensor in zip(names, tensors, strict=True))
    text = f"""
      func.func @main({arguments}) -> tensor<?x2x{result}> {{
        %y = imc.{op} {", ".join(names)} {properties} : ({", ".join(tensors)}) -> tensor<?x2x{result}>
        func.return %y : tensor<?x2x{result}>
      }}"""
    (actual,) = run(text, *(np.asarray([operand]) for operand in operands))
    assert actual.dtype == (np.float32 if result == "f32" else np.int64)
    np.testing.assert_array_equal(actual, [expected])


def quantised(properties: str, scale: str, zero: int, values: list[float]) -> list[int]:
    text = f"""
      func.func @main(%x: tensor<?x{len(values)}xf32>) -> tensor<?x{len(values)}xsi8> {{
        %s = imc.constant dense<{scale}> : tensor<f32> as tensor<f32>
        %z = imc.constant dense<{zero}> : tensor<i8> as tensor<si8>
        %y = imc.quantize %x, %s, %z {{low = -128 : i64, high = 127 : i64{properties}}}
          : (tensor<?x{len(values)}xf32>, tensor<f32>, tensor<si8>) -> tensor<?x{len(values)}xsi8>
        func.return %y : tensor<?x{len(values)}xsi8>
      }}"""
    (result,) = run(text, np.asarray([values], np.float32))
    return result[0].tolist()


def test_quantise_rounds_before_or_after_the_zero_point() -> None:
    values = [0.25, 0.75, -0.25, 1000.0, float("inf"), float("-inf")]
    assert quantised("", "0.5", 1, values) == [1, 3, 1, 127, 127, -128]  # 0.5 -> 0, 1.5 -> 2, -0.5 -> 0
    assert quantised(", zero_point_inside", "0.5", 1, values)[:3] == [2, 2, 0]  # 1.5 -> 2, 2.5 -> 2, 0.5 -> 0


def test_an_undefined_number_cannot_be_quantised() -> None:
    with pytest.raises(ModelError, match="undefined number"):
        quantised("", "0.5", 0, [float("nan")])


@pytest.mark.parametrize("many", [0, quantise.MANY_COMPARISONS], ids=["searched", "compared"])
def test_thresholds_count_per_channel_and_turn_round_where_marked(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantise, "MANY_COMPARISONS", many)
    text = """
      func.func @main(%x: tensor<?x2x1x4xsi4>) -> tensor<?x2x1x4xsi3> {
        %t = imc.constant dense<[[-1, 2, 2], [-9, 0, 9]]> : tensor<2x3xi8> as tensor<2x3xsi8>
        %d = imc.constant dense<[0, 1]> : tensor<2xi8> as tensor<2xui1>
        %y = imc.threshold %x, %t descending %d {low = -1 : i64}
          : (tensor<?x2x1x4xsi4>, tensor<2x3xsi8>, tensor<2xui1>) -> tensor<?x2x1x4xsi3>
        func.return %y : tensor<?x2x1x4xsi3>
      }"""
    row = [-2, -1, 1, 2]
    (result,) = run(text, np.asarray([[[row], [row]]]))
    assert result[0, :, 0].tolist() == [[-1, 0, 0, 2], [1, 1, 0, 0]]


def test_requantisation_is_exact_beyond_64_bits() -> None:
    text = """
      func.func @main(%x: tensor<?x2xsi40>) -> tensor<?x2xsi62> {
        %m = imc.constant dense<1099511627775> : tensor<i64> as tensor<ui40>
        %a = imc.constant dense<1> : tensor<i8> as tensor<ui1>
        %d = imc.constant dense<[3, 7]> : tensor<2xi8> as tensor<2xui3>
        %y = imc.requantize %x, %m, %a, %d
          {mode = #imc<rounding half_up>, low = -2305843009213693952 : i64, high = 99 : i64}
          : (tensor<?x2xsi40>, tensor<ui40>, tensor<ui1>, tensor<2xui3>) -> tensor<?x2xsi62>
        func.return %y : tensor<?x2xsi62>
      }"""
    value = -(2**39)
    (result,) = run(text, np.asarray([[value, value]]))
    exact = [floor(Fraction(value * (2**40 - 1) + 1, divisor) + Fraction(1, 2)) for divisor in (3, 7)]
    assert result[0].tolist() == [max(number, -(2**61)) for number in exact]


def test_a_convolution_that_float64_could_not_add_exactly() -> None:
    text = """
      func.func @main(%x: tensor<?x2x1x1xsi31>) -> tensor<?x1x1x1xsi62> {
        %w = imc.constant dense<[[[[1073741823]], [[-1073741823]]]]> : tensor<1x2x1x1xi32> as tensor<1x2x1x1xsi31>
        %y = imc.conv2d %x, %w : (tensor<?x2x1x1xsi31>, tensor<1x2x1x1xsi31>) -> tensor<?x1x1x1xsi62>
        func.return %y : tensor<?x1x1x1xsi62>
      }"""
    low, high = 2**30 - 1, 2**30 - 2
    (result,) = run(text, np.asarray([low, high]).reshape(1, 2, 1, 1))
    assert result.item() == 1073741823


def test_movement() -> None:
    text = """
      func.func @main(%x: tensor<?x4x1x2xui4>) -> (tensor<?x1x2x4xui4>, tensor<?x1x2x4xui4>, tensor<?x4x2x2xui4>,
                                                   tensor<?x2x1x2xui4>, tensor<?x1x1x2xui2>) {
        %d = imc.depth_to_space %x {block = 2 : i64} : (tensor<?x4x1x2xui4>) -> tensor<?x1x2x4xui4>
        %c = imc.depth_to_space %x {block = 2 : i64, column_row_depth = 1 : i64}
          : (tensor<?x4x1x2xui4>) -> tensor<?x1x2x4xui4>
        %p = imc.pad %x {pads = array<i64: 0, 0, 1, 0, 0, 0, 0, 0>, value = 9 : i64}
          : (tensor<?x4x1x2xui4>) -> tensor<?x4x2x2xui4>
        %s = imc.slice %x {axis = 1 : i64, start = 1 : i64, stop = 4 : i64, step = 2 : i64}
          : (tensor<?x4x1x2xui4>) -> tensor<?x2x1x2xui4>
        %k = imc.top_k %x {axis = 1 : i64} : (tensor<?x4x1x2xui4>) -> tensor<?x1x1x2xui2>
        func.return %d, %c, %p, %s, %k
          : tensor<?x1x2x4xui4>, tensor<?x1x2x4xui4>, tensor<?x4x2x2xui4>, tensor<?x2x1x2xui4>, tensor<?x1x1x2xui2>
      }"""
    x = np.asarray([0, 1, 2, 3, 4, 5, 4, 5]).reshape(1, 4, 1, 2)
    depth, column, padded, part, top = run(text, x)
    assert depth[0, 0].tolist() == [[0, 2, 1, 3], [4, 4, 5, 5]]
    assert column[0, 0].tolist() == [[0, 2, 1, 3], [4, 4, 5, 5]]  # one channel: both modes agree
    assert padded[0, 0].tolist() == [[9, 9], [0, 1]]
    assert part[0, :, 0].tolist() == [[2, 3], [4, 5]]
    assert top[0, 0, 0].tolist() == [2, 2]  # the first of equals


def test_max_pool_of_negative_integers_ignores_the_padding() -> None:
    text = """
      func.func @main(%x: tensor<?x1x3x3xsi4>) -> tensor<?x1x2x2xsi4> {
        %y = imc.max_pool %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, ceil_mode}
          : (tensor<?x1x3x3xsi4>) -> tensor<?x1x2x2xsi4>
        func.return %y : tensor<?x1x2x2xsi4>
      }"""
    x = -np.arange(0, 9).clip(max=8).reshape(1, 1, 3, 3)
    (result,) = run(text, x)
    assert result[0, 0].tolist() == [[0, -2], [-6, -8]]


OVERFLOWS = [
    ("imc.add %x, %x : (tensor<?x1xsi8>, tensor<?x1xsi8>) -> tensor<?x1xsi8>", "value 200 does not fit si8"),
    ("imc.cast %x : (tensor<?x1xsi8>) -> tensor<?x1xui4>", "value 100 does not fit ui4"),
    ("imc.sub %zero, %x : (tensor<1xui1>, tensor<?x1xsi8>) -> tensor<?x1xsi7>", "value -100 does not fit si7"),
    ("imc.div %x, %zero : (tensor<?x1xsi8>, tensor<1xui1>) -> tensor<?x1xsi8>", "division of an integer by zero"),
]


@pytest.mark.parametrize(("op", "message"), OVERFLOWS)
def test_a_result_that_does_not_fit_names_the_node(op: str, message: str) -> None:
    result = op.rpartition(" -> ")[2]
    text = f"""
      func.func @main(%x: tensor<?x1xsi8>) -> {result} {{
        %zero = imc.constant dense<0> : tensor<1xi8> as tensor<1xui1>
        %y = {op} loc("layer 7")
        func.return %y : {result}
      }}"""
    with pytest.raises(ModelError, match=rf"node 'layer 7' .*{message}"):
        run(text, np.asarray([[100]]))


IDENTITY = """
  func.func @main(%x: tensor<?x2xsi4> {imc.name = "image"}) -> (tensor<?x2xsi4> {imc.name = "same"}) {
    %y = imc.add %x, %x : (tensor<?x2xsi4>, tensor<?x2xsi4>) -> tensor<?x2xsi5> loc("double")
    func.return %x : tensor<?x2xsi4>
  }"""

WRONG_INPUTS: list[tuple[dict[str, NDArray[Any]], str]] = [
    ({}, "input 'image' is missing"),
    ({"picture": np.zeros((1, 2))}, "input 'picture' does not exist; the model takes image"),
    ({"image": np.zeros((1, 3))}, r"input 'image' has shape \[1, 3\], expected \[batch, 2\]"),
    ({"image": np.asarray([[0.5, 1.0]])}, "fractions, expected integers of type si4"),
    ({"image": np.asarray([[8, 0]])}, r"holds 0 \.\.\. 8, but si4 is -8 \.\.\. 7"),
    ({"image": np.asarray([["a", "b"]])}, "expected numbers"),
]


@pytest.mark.parametrize(("inputs", "message"), WRONG_INPUTS)
def test_wrong_inputs_are_refused(inputs: dict[str, NDArray[Any]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(IDENTITY, **inputs)


def test_recording_returns_every_op_by_its_node() -> None:
    from mlir_text import parsed

    from imcflow.dialect.interpreter import interpret

    results = interpret(parsed(IDENTITY), {"image": np.asarray([[3.0, -4.0]])}, record=True)
    assert {name: value.tolist() for name, value in results.items()} == {"0:double": [[6, -8]], "same": [[3, -4]]}
