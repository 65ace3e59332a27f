"""Networks of integers stored in float32 (DORY, NEMO, Deeploy), FINN and QONNX: exact, by each dialect's definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx_text import imported_outputs, onnxruntime_outputs, text_model
from xdsl.dialects.builtin import ModuleOp

from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.ops_quantise import DequantizeOp, QuantizeOp, RequantizeOp
from imcflow.dialect.types import element_type_of, is_float
from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_model

Arrays = dict[str, NDArray[Any]]


def integers(low: int, high: int, *shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(low, high + 1, size=shape)


def op_names(module: ModuleOp) -> list[str]:
    return [op.name for op in module.walk() if op.name.startswith("imc.") and op.name != "imc.constant"]


def only(module: ModuleOp, kind: type[Any]) -> Any:
    (op,) = [op for op in module.walk() if isinstance(op, kind)]
    return op


QUANTLAB = """net (float[N,2] x) => (float[N,3] y) <float d = {524288}> {
    [linear] a = MatMul(x, w)
    [kappa] m = Mul(a, k)
    [lambda] s = Add(m, l)
    [shift] v = Div(s, d)
    [floor] f = Floor(v)
    [clip] y = Clip<min=0.0, max=255.0>(f) }"""


def test_a_quantlab_chain_is_one_exact_requantisation() -> None:
    weights: Arrays = {
        "w": integers(-128, 127, 2, 3).astype(np.float32),
        "k": np.array([900001, -33333, 77], np.float32),
        "l": np.array([262144, -5000000, 3], np.float32),
    }
    model = text_model(QUANTLAB, weights, opset=10)
    module = import_model(model, input_types={"x": "ui8"})
    assert op_names(module) == ["imc.gemm", "imc.requantize"]
    requantize = only(module, RequantizeOp)
    assert node_names(requantize) == ("kappa", "lambda", "shift", "floor", "clip")
    assert str(element_type_of(requantize.result)) == "ui8"
    x = integers(0, 255, 50, 2, seed=1)
    accumulators = x @ weights["w"].astype(np.int64)
    expected = np.clip((accumulators * weights["k"].astype(np.int64) + weights["l"].astype(np.int64)) >> 19, 0, 255)
    np.testing.assert_array_equal(imported_outputs(model, {"x": x}, {"x": "ui8"})["y"], expected)


def test_products_beyond_float32_stay_exact() -> None:
    graph = "net (float[N,1] x) => (float[N,1] y) <float d = {1024}> { m = Mul(x, k)  v = Div(m, d)  y = Floor(v) }"
    model = text_model(graph, {"k": np.float32(16777213)})
    x = np.array([[16777215], [3], [-16777216]])
    outputs = imported_outputs(model, {"x": x}, {"x": "si26"})["y"]
    np.testing.assert_array_equal(outputs, x * 16777213 // 1024)


def test_nemo_divides_integers_towards_zero_by_any_divisor() -> None:
    graph = """net (float[N,4] x) => (float[N,4] y) <int64[1] m = {55}, int64[1] d = {16777215}> {
        s = Mul(k, x)
        i = Cast<to=7>(s)
        p = Mul(i, m)
        q = Div(p, d)
        y = Cast<to=1>(q) }"""
    model = text_model(graph, {"k": np.float32(70001)})
    x = integers(-128, 127, 60, 4)
    product = x * 70001 * 55
    expected = np.sign(product) * (np.abs(product) // 16777215)
    module = import_model(model, input_types={"x": "si8"})
    assert op_names(module) == ["imc.requantize"]
    np.testing.assert_array_equal(imported_outputs(model, {"x": x}, {"x": "si8"})["y"], expected)


def test_a_shared_intermediate_value_keeps_its_own_op() -> None:
    graph = """net (float[N,4] x) => (float[N,4] y, float[N,4] s) <float k = {3}, float d = {4}> {
        s = Mul(x, k)
        v = Div(s, d)
        y = Floor(v) }"""
    model = text_model(graph)
    x = integers(-8, 7, 9, 4)
    outputs = imported_outputs(model, {"x": x}, {"x": "si4"})
    np.testing.assert_array_equal(outputs["s"], 3 * x)
    np.testing.assert_array_equal(outputs["y"], 3 * x // 4)


def test_without_a_declared_type_a_float_chain_stays_float() -> None:
    weights: Arrays = {name: np.full(size, 3, np.float32) for name, size in (("w", (2, 3)), ("k", (3,)), ("l", (3,)))}
    model = text_model(QUANTLAB, weights, opset=10)
    module = import_model(model)
    assert all(is_float(op.results[0]) for op in module.walk() if op.name.startswith("imc."))
    x = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    np.testing.assert_array_equal(imported_outputs(model, {"x": x})["y"], onnxruntime_outputs(model, {"x": x})["y"])


def dory_add(**changes: int) -> Any:
    attributes = {"in1_rq": 1, "in1_mul": 245015, "in1_add": 262144, "in1_shift": 19, "in1_n_levels": 256}
    attributes |= {name.replace("in1", "in2"): value for name, value in attributes.items()}
    attributes |= {"in2_mul": 265342, "out_rq": 0, "out_mul": 1, "out_add": 0, "out_shift": 0, **changes}
    model = text_model("net (float[N,4] x) => (float[N,4] y) { z = Relu(x)  y = Add(x, z) }")
    model.graph.node[1].attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
    return model


def test_dory_add_requantises_both_inputs() -> None:
    x = integers(-128, 127, 50, 4)
    expected = ((x * 245015 + 262144) >> 19) + ((np.maximum(x, 0) * 265342 + 262144) >> 19)
    np.testing.assert_array_equal(imported_outputs(dory_add(), {"x": x}, {"x": "si8"})["y"], expected)


def test_dory_add_that_requantises_the_sum_is_refused() -> None:
    with pytest.raises(ModelError, match=r"node 'y' \(Add\): attribute 'out_rq' is 1"):
        import_model(dory_add(out_rq=1), input_types={"x": "si8"})


def test_dory_add_of_floats_is_refused() -> None:
    with pytest.raises(ModelError, match=r"must be integers; .*--input"):
        import_model(dory_add())


def requant_shift(domain: str, levels: str, shape: str, signed: int) -> Any:
    prefix = f"{domain}." if domain else ""
    model = text_model(f"net (float[N,{shape}] x) => (float[N,{shape}] y) {{ y = {prefix}RequantShift(x, mul, add) }}")
    numbers = {"div": 1000.0, levels: 16.0, "signed": float(signed)}
    for name, value in numbers.items():
        tensor = numpy_helper.from_array(np.array([value], np.float32), name)
        model.graph.node[0].attribute.append(helper.make_attribute(name, tensor))
    return model


@pytest.mark.parametrize("domain", ["", "PACTOps"])
@pytest.mark.parametrize("levels", ["n_levels", "n_levels_out"])
@pytest.mark.parametrize("signed", [0, 1])
def test_requant_shift_rounds_half_up(domain: str, levels: str, signed: int) -> None:
    model = requant_shift(domain, levels, "3,4", signed)
    # [C, 1, 1] behind [N, C, W]: numpy would pair the channels with the batch.
    mul, add = np.array([41.0, -7.0, 500.0]), np.array([0.0, 12.0, -500.0])
    for name, values in (("mul", mul), ("add", add)):
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32).reshape(3, 1, 1), name))
    x = integers(-128, 127, 20, 3, 4)
    exact = np.floor((x * mul[:, None] + add[:, None]) / 1000 + 0.5)
    low, high = (-8, 7) if signed else (0, 15)
    outputs = imported_outputs(model, {"x": x}, {"x": "si8"})["y"]
    np.testing.assert_array_equal(outputs, np.clip(exact, low, high))


def test_integer_mean_of_deeploy_rounds_half_up() -> None:
    graph = "net (float[N,6,3,5] x) => (float[N,3,5] y) { y = ReduceMean<axes=[1], keepdims=0>(x) }"
    model = text_model(graph, opset=11)
    x = integers(-128, 127, 4, 6, 3, 5)
    outputs = imported_outputs(model, {"x": x}, {"x": "si8"})["y"]
    np.testing.assert_array_equal(outputs, np.floor(x.mean(axis=1) + 0.5))


@pytest.mark.parametrize(("scale", "bias"), [(1.0, -3.0), (2.0, -1.0), (0.25, 0.5)])
@pytest.mark.parametrize("rows", [1, 4])
def test_multi_threshold(scale: float, bias: float, rows: int) -> None:
    node = f"finn.custom_op.general.MultiThreshold<out_scale={scale}, out_bias={bias}>(x, t)"
    model = text_model(f"net (float[N,4,2] x) => (float[N,4,2] y) {{ y = {node} }}")
    table = np.sort(np.random.default_rng(0).normal(size=(rows, 5)), axis=1).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(table, "t"))
    x = np.random.default_rng(1).normal(size=(30, 4, 2)).astype(np.float32)
    x[0] = table[0, 2]
    expected = scale * (x[..., None] >= table[:, None, :]).sum(axis=-1) + bias
    np.testing.assert_array_equal(imported_outputs(model, {"x": x})["y"], expected.astype(np.float32))


ROUNDINGS = {
    "ROUND": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5),
}


@pytest.mark.parametrize("mode", ROUNDINGS)
@pytest.mark.parametrize("domain", ["", "onnx.brevitas.", "qonnx.custom_op.general."])
@pytest.mark.parametrize(
    ("signed", "narrow", "low", "high"), [(1, 0, -4, 3), (1, 1, -3, 3), (0, 0, 0, 7), (0, 1, 0, 6)]
)
@pytest.mark.parametrize("on_weights", [False, True])
def test_quant(mode: str, domain: str, signed: int, narrow: int, low: int, high: int, on_weights: bool) -> None:
    quant = f'{domain}Quant<signed={signed}, narrow={narrow}, rounding_mode="{mode}">'
    values = np.concatenate([np.arange(-24, 25) * 0.125, [0.3, -0.3]]).astype(np.float32).reshape(1, -1)
    body = f"q = {quant}(v, s, z, b)  y = Add(x, q)" if on_weights else f"y = {quant}(x, s, z, b)"
    model = text_model(f"net (float[N,51] x) => (float[N,51] y) {{ {body} }}")
    constants: Arrays = {"s": np.float32(0.25), "z": np.float32(1), "b": np.float32(3), "v": values}
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(a), name) for name, a in constants.items())
    expected = (np.clip(ROUNDINGS[mode](values / 0.25 + 1), low, high) - 1) * 0.25
    inputs = np.zeros_like(values) if on_weights else values
    np.testing.assert_array_equal(imported_outputs(model, {"x": inputs})["y"], expected)


def test_quant_without_rounding_mode_and_opset_import_is_accepted() -> None:
    model = text_model(
        "net (float[N,2] x) => (float[N,2] y) { y = onnx.brevitas.Quant<signed=1, narrow=1>(x, o, z, t) }"
    )
    constants = {"o": 1.0, "z": 0.0, "t": 2.0}
    model.graph.initializer.extend(numpy_helper.from_array(np.float32(v), name) for name, v in constants.items())
    del model.opset_import[1:]
    module = import_model(model)
    quantize = only(module, QuantizeOp)
    assert (quantize.low.value.data, quantize.high.value.data) == (-1, 1)
    assert quantize.zero_point_inside is not None


def test_signed_one_bit_quant_and_bipolar_quant_are_signs() -> None:
    graph = """net (float[N,3] x) => (float[N,3] y, float[N,3] z) <float s = {0.5}, float o = {0}, float b = {1}> {
        y = qonnx.custom_op.general.Quant<signed=1, narrow=0>(x, s, o, b)
        z = qonnx.custom_op.general.BipolarQuant(x, s) }"""
    x = np.array([[-2.0, 0.0, 0.1]], np.float32)
    outputs = imported_outputs(text_model(graph), {"x": x})
    for name in ("y", "z"):
        np.testing.assert_array_equal(outputs[name], [[-0.5, 0.5, 0.5]])


def test_trunc_drops_low_bits() -> None:
    graph = """net (float[N,40] x) => (float[N,40] y)
    <float s = {0.5}, float o = {0}, float i = {8}, float t = {2}, float b = {4}> {
        y = qonnx.custom_op.general.Trunc<signed=1, narrow=0, rounding_mode="FLOOR">(x, s, o, i, t, b) }"""
    x = (np.arange(-20, 20) * 0.5 * 3).astype(np.float32).reshape(1, -1)
    expected = np.clip(np.floor(np.rint(x / 0.5) / 4), -8, 7) * 2
    np.testing.assert_array_equal(imported_outputs(text_model(graph), {"x": x})["y"], expected)


def test_weights_behind_a_quantiser_keep_integers_and_scale() -> None:
    graph = """net (float[N,3] x) => (float[N,2] y) <float o = {0}, float b = {2}> {
        q = onnx.brevitas.Quant<signed=1, narrow=1>(w, s, o, b)
        t = Transpose<perm=[1,0]>(q)
        y = MatMul(x, t) }"""
    scales = np.array([[0.3], [27.76845359802246]], np.float32)
    ternary = np.array([[1, 0, -1], [-1, -1, 0]])
    weights = (ternary * scales).astype(np.float32)
    weights[0, 1] = -0.0
    gemm = only(import_model(text_model(graph, {"w": weights, "s": scales})), GemmOp)
    dequantize = gemm.weights.owner
    assert isinstance(dequantize, DequantizeOp)
    np.testing.assert_array_equal(constant_array(dequantize.input), ternary)
    np.testing.assert_array_equal(constant_array(dequantize.scale), scales)


@pytest.mark.parametrize(("kind", "low", "high"), [("INT4", -8, 7), ("UINT4", 0, 15)])
def test_weights_of_four_bits_keep_integers_and_scale(kind: str, low: int, high: int) -> None:
    values = np.resize(np.arange(low, high + 1), (8, 3))
    graph = """net (float[N,3] x) => (float[N,8] y) <float[8] s = {1, 2, 0.5, 1, 0.25, 4, 1, 1}> {
        [dq] d = DequantizeLinear<axis=0>(w, s)
        [fc] y = Gemm<transB=1>(x, d)
    }"""
    model = text_model(graph, opset=21)
    model.graph.initializer.append(
        helper.make_tensor("w", getattr(TensorProto, kind), values.shape, values.ravel().tolist())
    )
    inputs = {"x": integers(0, 3, 5, 3).astype(np.float32)}
    expected = onnxruntime_outputs(model, inputs)
    np.testing.assert_array_equal(imported_outputs(model, inputs)["y"], expected["y"])
    dequantize = only(import_model(model, input_types={"x": "ui2"}), GemmOp).weights.owner
    assert isinstance(dequantize, DequantizeOp)
    np.testing.assert_array_equal(constant_array(dequantize.input), values)


def test_negative_zero_weights_become_zero() -> None:
    graph = "net (float[N,3] x) => (float[N,1] y) { y = Gemm<transB=1>(x, w) }"
    gemm = only(import_model(text_model(graph, {"w": np.array([[-0.0, 0.5, -0.5]], np.float32)})), GemmOp)
    weights = constant_array(gemm.weights)
    assert weights is not None
    assert not np.signbit(weights[0, 0])


def test_integer_convolution_has_the_narrowest_exact_type() -> None:
    graph = "net (float[N,2,4,4] x) => (float[N,1,4,4] y) { y = Conv<pads=[1,1,1,1]>(x, w) }"
    weights = np.ones((1, 2, 3, 3), np.float32)
    conv = only(import_model(text_model(graph, {"w": weights}), input_types={"x": "ui8"}), Conv2dOp)
    assert str(element_type_of(conv.result)) == "ui13"  # 18 * 255 = 4590
    assert str(element_type_of(conv.weights)) == "ui1"


def test_comparisons_casts_and_signs_of_integers_stay_integers() -> None:
    graph = """net (float[N,4] x) => (float[N,4] y, float[N,4] s) <float zero = {0}, float two = {2}, float one = {1}> {
        g = GreaterOrEqual(x, zero)
        c = Cast<to=1>(g)
        m = Mul(c, two)
        y = Sub(m, one)
        s = Sign(x) }"""
    model = text_model(graph)
    module = import_model(model, input_types={"x": "si4"})
    assert "imc.cast" not in op_names(module)
    x = integers(-8, 7, 9, 4)
    outputs = imported_outputs(model, {"x": x}, {"x": "si4"})
    np.testing.assert_array_equal(outputs["y"], np.where(x >= 0, 1, -1))
    np.testing.assert_array_equal(outputs["s"], np.sign(x))
