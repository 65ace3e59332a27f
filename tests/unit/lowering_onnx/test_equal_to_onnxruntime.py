"""Imported networks give the numbers of onnxruntime: windows, shapes, quantised operators, in float32 and int8."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_text import imported_outputs, onnxruntime_outputs, text_model

Arrays = dict[str, NDArray[Any]]


def floats(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def integers(low: int, high: int, *shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).integers(low, high + 1, size=shape)


def check(graph: str, inputs: Arrays, weights: Arrays | None = None, *, opset: int = 17, exact: bool = False) -> None:
    model = text_model(graph, weights, opset=opset)
    expected = onnxruntime_outputs(model, inputs)
    actual = imported_outputs(model, inputs)
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].shape == array.shape
        if exact:
            np.testing.assert_array_equal(actual[name], array)
        else:
            np.testing.assert_allclose(actual[name], array, rtol=1e-5, atol=1e-5)


WINDOWS = [
    "pads=[1,2,0,1]",
    "strides=[2,1], pads=[0,0,1,1]",
    "dilations=[2,1]",
    'auto_pad="SAME_UPPER", strides=[2,2]',
    'auto_pad="SAME_LOWER", strides=[2,3]',
    'auto_pad="VALID"',
]


@pytest.mark.parametrize("attributes", WINDOWS)
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_2d(attributes: str, groups: int) -> None:
    graph = f"net (float[N,4,9,8] x) => (float[N,a,b,c] y) {{ y = Conv<group={groups}, {attributes}>(x, w, b) }}"
    check(graph, {"x": floats(3, 4, 9, 8)}, {"w": floats(6, 4 // groups, 3, 2, seed=1), "b": floats(6, seed=2)})


@pytest.mark.parametrize("attributes", ["pads=[4,1]", "strides=[3]", "dilations=[4]", 'auto_pad="SAME_UPPER"'])
def test_conv_1d(attributes: str) -> None:
    graph = f"net (float[N,4,30] x) => (float[N,a,b] y) {{ y = Conv<{attributes}>(x, w) }}"
    check(graph, {"x": floats(2, 4, 30)}, {"w": floats(6, 4, 5, seed=1)})


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "AveragePool<count_include_pad=1,"])
@pytest.mark.parametrize("ceil", [0, 1])
@pytest.mark.parametrize(
    "attributes", ["strides=[2,3], pads=[1,1,1,1]", "strides=[2,2]", "strides=[3,2], pads=[0,1,1,0]"]
)
def test_pool_2d(op: str, ceil: int, attributes: str) -> None:
    head = op if op.endswith(",") else op + "<"
    node = f"{head} kernel_shape=[3,2], ceil_mode={ceil}, {attributes}>(x)"
    graph = f"net (float[N,2,9,8] x) => (float[N,a,b,c] y) {{ y = {node} }}"
    check(graph, {"x": floats(2, 2, 9, 8)})


def test_max_pool_1d_of_integers() -> None:
    graph = "net (int8[N,2,9] x) => (int8[N,2,4] y) { y = MaxPool<kernel_shape=[3], strides=[2]>(x) }"
    check(graph, {"x": integers(-128, 127, 2, 2, 9).astype(np.int8)}, exact=True)


@pytest.mark.parametrize(
    "attributes", ["transB=1", "transB=0, alpha=2.0, beta=3.0", "transB=1, alpha=0.3", "transB=1, beta=0.0"]
)
def test_gemm(attributes: str) -> None:
    graph = f"net (float[N,6] x) => (float[N,5] y) {{ y = Gemm<{attributes}>(x, w, c) }}"
    weights = floats(5, 6, seed=1) if "transB=1" in attributes else floats(6, 5, seed=1)
    check(graph, {"x": floats(3, 6)}, {"w": weights, "c": floats(5, seed=2)})


@pytest.mark.parametrize("shape", [(1, 6), (6,), (1,)])
def test_gemm_bias_shapes(shape: tuple[int, ...]) -> None:
    graph = "net (float[N,4] x) => (float[N,6] y) { y = Gemm(x, w, c) }"
    check(graph, {"x": floats(3, 4)}, {"w": floats(4, 6, seed=1), "c": floats(*shape, seed=2)})


def test_matmul_of_a_sequence_with_weights_and_with_itself() -> None:
    graph = """net (float[N,5,6] x) => (float[N,5,5] y) {
        q = MatMul(x, w)
        k = Transpose<perm=[0,2,1]>(q)
        y = MatMul(q, k) }"""
    check(graph, {"x": floats(2, 5, 6)}, {"w": floats(6, 4, seed=1)})


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_batch_normalization_with_negative_scales(rank: int) -> None:
    sizes = ["N", "5", "3", "2"][:rank]
    graph = (
        f"net (float[{','.join(sizes)}] x) => (float[{','.join(sizes)}] y) "
        "{ y = BatchNormalization<epsilon=0.001>(x, s, b, m, v) }"
    )
    weights = {"s": floats(5, seed=1), "b": floats(5, seed=2), "m": floats(5, seed=3), "v": np.abs(floats(5, seed=4))}
    check(graph, {"x": floats(*(400, 5, 3, 2)[:rank])}, weights, exact=True)


def test_shape_chain_that_keeps_the_batch() -> None:
    graph = """net (float[N,3,4] x) => (float[N,12] y) <int64 zero = {0}, int64[1] axis = {0}, int64[1] rest = {-1}> {
        shape = Shape(x)
        batch = Gather<axis=0>(shape, zero)
        first = Unsqueeze(batch, axis)
        target = Concat<axis=0>(first, rest)
        y = Reshape(x, target) }"""
    check(graph, {"x": floats(5, 3, 4)}, exact=True)


def test_slices_splits_gathers_and_pads_of_data() -> None:
    graph = """net (float[N,6,5] x) => (float[N,a,b] y, float[N,c] z)
    <int64[2] starts = {1,0}, int64[2] ends = {9,4}, int64[2] axes = {1,-1}, int64[2] steps = {2,1},
     int64[3] rows = {4,5,1}, int64 row = {-2}, int64[6] pads = {0,1,0,0,0,2}, float filling = {3.0}> {
        part = Slice(x, starts, ends, axes, steps)
        first, second, third = Split<axis=1>(x)
        joined = Concat<axis=1>(third, first)
        picked = Gather<axis=1>(joined, rows_in)
        wide = Pad(part, pads, filling)
        narrow = Slice(wide, zero1, five1, two1)
        y = Concat<axis=1>(narrow, picked)
        z = Gather<axis=1>(x, row) }"""
    weights = {
        "rows_in": np.array([3, 0, 1]),
        "zero1": np.array([0]),
        "five1": np.array([5]),
        "two1": np.array([2]),
    }
    check(graph, {"x": floats(2, 6, 5)}, weights, exact=True)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("opset", "axis"), [(11, 1), (11, 2), (17, 1), (17, -1)])
def test_softmax_before_and_after_opset_13(op: str, opset: int, axis: int) -> None:
    graph = f"net (float[N,3,4] x) => (float[N,3,4] y) {{ y = {op}<axis={axis}>(x) }}"
    check(graph, {"x": floats(2, 3, 4)}, opset=opset)


def test_layer_normalization() -> None:
    graph = "net (float[N,3,8] x) => (float[N,3,8] y) { y = LayerNormalization<axis=-1>(x, s, b) }"
    check(graph, {"x": floats(2, 3, 8)}, {"s": floats(8, seed=1), "b": floats(8, seed=2)})


@pytest.mark.parametrize("opset", [9, 17])
def test_clip_as_attributes_and_as_inputs(opset: int) -> None:
    body = "y = Clip<min=-0.5, max=0.25>(x)" if opset < 11 else "y = Clip(x, lo, hi)"
    weights = {} if opset < 11 else {"lo": np.float32(-0.5), "hi": np.float32(0.25)}
    check(f"net (float[N,3] x) => (float[N,3] y) {{ {body} }}", {"x": floats(9, 3)}, weights, opset=opset, exact=True)


def test_quantize_dequantize_per_tensor_and_per_axis() -> None:
    graph = """net (float[N,3,5] x) => (uint8[N,3,5] q, float[N,3,5] y) {
        q = QuantizeLinear(x, s, z)
        p = QuantizeLinear<axis=1>(x, sc, zc)
        y = DequantizeLinear<axis=1>(p, sc, zc) }"""
    weights = {
        "s": np.float32(0.02),
        "z": np.uint8(120),
        "sc": np.array([0.01, 0.02, 0.04], np.float32),
        "zc": np.array([0, -3, 5], np.int8),
    }
    check(graph, {"x": floats(4, 3, 5)}, weights, exact=True)


@pytest.mark.parametrize("channels", [1, 4])
def test_qlinear_conv_quantises_the_exact_accumulator(channels: int) -> None:
    graph = """net (uint8[N,3,6,6] x) => (uint8[N,4,a,b] y) {
        y = QLinearConv<pads=[0,0,1,1], strides=[2,2]>(x, xs, xz, w, ws, wz, ys, yz, b) }"""
    weights: Arrays = {
        "xs": np.float32(0.02),
        "xz": np.uint8(128),
        # 7 bits: on processors without VNNI onnxruntime saturates the sum of two u8 x s8 products at 16 bits.
        "w": integers(-63, 63, 4, 3, 3, 3).astype(np.int8),
        "ws": np.linspace(0.004, 0.01, channels).astype(np.float32).reshape(() if channels == 1 else -1),
        "wz": np.zeros(() if channels == 1 else channels, np.int8),
        "ys": np.float32(0.05),
        "yz": np.uint8(100),
        "b": integers(-2000, 2000, 4).astype(np.int32),
    }
    check(graph, {"x": integers(0, 255, 3, 3, 6, 6, seed=1).astype(np.uint8)}, weights, exact=True)


def test_matmul_integer_and_conv_integer() -> None:
    graph = """net (uint8[N,6] x, uint8[N,2,4,4] v) => (int32[N,3] y, int32[N,3,3,3] u) {
        y = MatMulInteger(x, w, xz, wz)
        u = ConvInteger(v, k, vz) }"""
    weights: Arrays = {
        "w": integers(-127, 127, 6, 3).astype(np.int8),
        "xz": np.uint8(7),
        "wz": np.array(3, np.int8),
        "k": integers(0, 255, 3, 2, 2, 2, seed=1).astype(np.uint8),
        "vz": np.uint8(3),
    }
    inputs: Arrays = {
        "x": integers(0, 255, 4, 6, seed=2).astype(np.uint8),
        "v": integers(0, 255, 4, 2, 4, 4, seed=3).astype(np.uint8),
    }
    check(graph, inputs, weights, exact=True)


# Powers of two: sums and quotients are exact, so that ties do not depend on the order of operations.
MICROSOFT_WEIGHTS: Arrays = {
    "xs": np.float32(1 / 32), "xz": np.int8(3), "ys": np.float32(1 / 16), "yz": np.int8(-5),
    "ps": np.float32(1 / 32), "pz": np.int8(1), "os": np.float32(0.09), "oz": np.int8(-9),
    "w": integers(-127, 127, 3, 8).astype(np.int8), "ws": np.float32(0.01), "wz": np.int8(0),
    "b": integers(-900, 900, 3).astype(np.int32),
}  # fmt: skip


def test_microsoft_sum_average_and_gemm() -> None:
    graph = """net (int8[N,2,4,4] x) => (int8[N,a,b,c] p, int8[N,d] g) {
        s = com.microsoft.QLinearAdd(x, xs, xz, x, xs, xz, ys, yz)
        p = com.microsoft.QLinearAveragePool<kernel_shape=[2,2], strides=[2,2]>(s, ys, yz, ps, pz)
        f = Flatten(p)
        g = com.microsoft.QGemm<transB=1>(f, ps, pz, w, ws, wz, b, os, oz) }"""
    check(graph, {"x": integers(-128, 127, 2, 2, 4, 4).astype(np.int8)}, MICROSOFT_WEIGHTS, exact=True)


def test_microsoft_softmax_differs_by_at_most_one_step_from_the_tables_of_onnxruntime() -> None:
    graph = """net (int8[N,12] x) => (int8[N,12] y) {
        y = com.microsoft.QLinearSoftmax<axis=-1, opset=13>(x, xs, xz, os, oz) }"""
    weights = {**MICROSOFT_WEIGHTS, "os": np.float32(1 / 256), "oz": np.int8(-128)}
    model = text_model(graph, weights)
    inputs: Arrays = {"x": integers(-128, 127, 50, 12).astype(np.int8)}
    expected = onnxruntime_outputs(model, inputs)["y"].astype(int)
    assert np.abs(imported_outputs(model, inputs)["y"] - expected).max() <= 1


def test_space_indices_and_functions() -> None:
    graph = """net (float[N,8,2,3] x) => (float[N,2,4,6] d, int64[N,2,3] i, float[N,8,2,3] y) {
        d = DepthToSpace<blocksize=2, mode="CRD">(x)
        i = ArgMax<axis=1, keepdims=0>(x)
        a = Abs(x)
        r = Sqrt(a)
        e = Erf(r)
        h = HardSigmoid<alpha=0.3, beta=0.1>(e)
        n = Neg(h)
        y = Max(n, lo) }"""
    check(graph, {"x": floats(2, 8, 2, 3)}, {"lo": np.float32(-0.3)})
