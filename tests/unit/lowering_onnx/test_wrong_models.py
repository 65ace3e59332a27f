"""Wrong files and unsupported networks: one line that names file or node, and the reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, external_data_helper, helper, numpy_helper
from onnx_text import imported_outputs, text_model

from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_bytes, import_model


@dataclass(frozen=True)
class Case:
    """A graph and the parts of the message that refuses it."""

    name: str
    graph: str
    parts: tuple[str, ...]
    opset: int = 17


NODE_CASES = [
    Case("unknown op", "net (float[N,2] x) => (float[N,2] y) { [odd] y = LRN<size=3>(x) }",
         ("node 'odd' (LRN)", "not supported", "docs/supported-ops.md")),
    Case("unknown domain", "net (float[N,2] x) => (float[N,2] y) { y = my.ops.Relu(x) }", ("node 'y' (my.ops::Relu)",)),
    Case("unknown attribute", "net (float[N,2] x) => (float[N,2] y) { [r] y = Relu<leak=1>(x) }",
         ("node 'r' (Relu)", "attribute 'leak'", "may change the result")),
    Case("transposed batch", "net (float[N,2,3] x) => (float[2,N,3] y) { y = Transpose<perm=[1,0,2]>(x) }",
         ("'perm' [1, 0, 2]", "batch")),
    Case("reshape of the batch",
         "net (float[N,6] x) => (float[a,b] y) <int64[2] s = {3,-1}> { y = Reshape(x, s) }",
         ("reshape to [3, -1]", "batch")),
    Case("reshape to a batch of 1",
         "net (float[N,6] x) => (float[1,b] y) <int64[2] s = {1,-1}> { y = Reshape(x, s) }",
         ("reshape to [1, -1]", "batch")),
    Case("constant along the batch",
         "net (float[2,3] x) => (float[2,3] y) <float[2,1] c = {1,2}> { y = Add(x, c) }",
         ("[2, 1]", "differs along axis 0")),
    Case("concatenated batches", "net (float[N,3] x) => (float[M,3] y) { y = Concat<axis=0>(x, x) }",
         ("axis 0 is the batch",)),
    Case("dynamic axis", "net (float[N,3,H] x) => (float[N,3,H] y) { y = Relu(x) }", ("input 'x'", "axis 2", "'H'")),
    Case("computed weights", "net (float[N,2,4,4] x, float[N,2,3,3] w) => (float[N,N,2,2] y) { y = Conv(x, w) }",
         ("weight 'w'", "constant")),
    Case("undefined tensor", "net (float[N,2] x) => (float[N,2] y) { [r] y = Relu(nothing) }",
         ("node 'r' (Relu)", "'nothing'")),
    Case("tensor defined twice", "net (float[N,2] x) => (float[N,2] y) { y = Relu(x) y = Neg(x) }", ("'y'", "already")),
    Case("constant output", "net (float[N,2] x) => (float[1] y) <float[1] c = {1}> { y = Identity(c) }",
         ("output 'y'", "does not depend")),
    Case("missing output", "net (float[N,2] x) => (float[N,2] z) { y = Relu(x) }", ("output 'z'", "nowhere")),
    Case("three spatial axes",
         "net (float[N,1,4,4,4] x) => (float[N,1,2,2,2] y) { y = MaxPool<kernel_shape=[2,2,2]>(x) }",
         ("3 spatial axes",)),
    Case("window larger than the input",
         "net (float[N,1,2,2] x) => (float[N,1,a,b] y) { y = MaxPool<kernel_shape=[3,3]>(x) }",
         ("node 'y' (MaxPool)", "window")),
    Case("indices of MaxPool",
         "net (float[N,1,4,4] x) => (float[N,1,2,2] y, int64[N,1,2,2] i) { y, i = MaxPool<kernel_shape=[2,2]>(x) }",
         ("output 'i'", "indices")),
    Case("training", "net (float[N,2] x) => (float[N,2] y) { y = BatchNormalization<training_mode=1>(x, c, c, c, c) }",
         ("'c'",)),
    Case("double precision", "net (double[N,2] x) => (double[N,2] y) { y = Relu(x) }", ("float64", "float32")),
    Case("wrapping integers", "net (int8[N,2] x) => (int8[N,2] y) { [sum] y = Add(x, x) }",
         ("node 'sum' (Add)", "wrap in int8", "--input")),
    Case("integers beyond 62 bits",
         "net (int64[N,2] x) => (int64[N,2] y) { [p] y = Mul(x, x) }", ("node 'p' (Mul)", "62", "--input")),
    Case("fractional zero point",
         "net (float[N,2] x) => (float[N,2] y) <float s = {1}, float z = {0.5}, float b = {4}> "
         "{ y = onnx.brevitas.Quant<signed=1, narrow=0>(x, s, z, b) }", ("zero point", "integer")),
    Case("rounding mode",
         'net (float[N,2] x) => (float[N,2] y) <float s = {1}, float z = {0}, float b = {4}> '
         '{ y = onnx.brevitas.Quant<signed=1, narrow=0, rounding_mode="LUCKY">(x, s, z, b) }', ("LUCKY", "HALF_UP")),
    Case("negative scale",
         "net (float[N,2] x) => (uint8[N,2] y) <float s = {-1}, uint8 z = {0}> { y = QuantizeLinear(x, s, z) }",
         ("scale", "positive")),
    Case("requantised floats", "net (float[N,2] x) => (float[N,2] y) <float m = {1}, float a = {0}> "
         "{ y = RequantShift<div=2.0, n_levels=4.0, signed=1.0>(x, m, a) }", ("floating-point", "--input")),
    Case("old opset", "net (float[N,2] x) => (float[N,2] y) { y = Relu(x) }", ("opset 6", "7"), opset=6),
    Case("opset from the future", "net (float[N,2] x) => (float[N,2] y) { y = Relu(x) }", ("opset 99",), opset=99),
]  # fmt: skip


@pytest.mark.parametrize("case", NODE_CASES, ids=lambda case: case.name)
def test_refused_network(case: Case) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(text_model(case.graph, opset=case.opset))
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in case.parts if part not in message] == [], message


RELU = "net (float[N,2] x) => (float[N,2] y) { y = Relu(x) }"
INT8 = "net (int8[N,2] x) => (int8[N,2] y) { y = Relu(x) }"

INPUT_CASES = [
    (RELU, {"z": "si8"}, ("'z'", "'x'")),
    (RELU, {"x": "int8"}, ("input 'x'", "'int8'", "siN")),
    (RELU, {"x": "si99"}, ("input 'x'", "62")),
    (INT8, {"x": "f32"}, ("input 'x'", "int8", "f32")),
    (INT8, {"x": "ui8"}, ("input 'x'", "int8", "ui8")),
    (INT8, {"x": "si9"}, ("input 'x'", "int8", "si9")),
]


@pytest.mark.parametrize(("graph", "types", "parts"), INPUT_CASES)
def test_refused_input_type(graph: str, types: dict[str, str], parts: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(text_model(graph), input_types=types)
    assert [part for part in parts if part not in str(caught.value)] == []


def test_a_narrower_input_type_is_accepted() -> None:
    outputs = imported_outputs(text_model(INT8), {"x": np.array([[-2, 1]])}, {"x": "si2"})
    np.testing.assert_array_equal(outputs["y"], [[0, 1]])


def stored(folder: Path, model: ModelProto) -> Path:
    onnx.save(model, folder / "model.onnx")
    return folder / "model.onnx"


def missing_file(folder: Path) -> Path:
    return folder / "absent.onnx"


def a_folder(folder: Path) -> Path:
    return folder


def truncated(folder: Path) -> Path:
    path = stored(folder, text_model(RELU, {"unused": np.zeros(1000, np.float32)}))
    path.write_bytes(path.read_bytes()[:500])
    return path


def plain_text(folder: Path) -> Path:
    (folder / "model.onnx").write_text("this is no model\n" * 20)
    return folder / "model.onnx"


def empty(folder: Path) -> Path:
    (folder / "model.onnx").write_bytes(b"")
    return folder / "model.onnx"


def bad_text_syntax(folder: Path) -> Path:
    (folder / "model.onnxtxt").write_text("net (float[N] x) =>")
    return folder / "model.onnxtxt"


def without_external_weights(folder: Path) -> Path:
    path = with_external_weights(folder)
    (folder / "weights.bin").unlink()
    return path


def with_external_weights(folder: Path) -> Path:
    model = text_model("net (float[N,2] x) => (float[N,2] y) { y = Add(x, w) }", {"w": np.array([[1, 2]], np.float32)})
    external_data_helper.convert_model_to_external_data(model, location="weights.bin", size_threshold=0)
    return stored(folder, model)


def short_external_weights(folder: Path) -> Path:
    path = with_external_weights(folder)
    (folder / "weights.bin").write_bytes(b"1")
    return path


def wrong_size_of_weights(folder: Path) -> Path:
    model = text_model(RELU, {"w": np.zeros(4, np.float32)})
    model.graph.initializer[0].raw_data = b"123"
    return stored(folder, model)


def weights_elsewhere(location: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = with_external_weights(folder)
        model = onnx.load(path, load_external_data=False)
        model.graph.initializer[0].external_data[0].value = location
        path.write_bytes(model.SerializeToString())
        return path

    make.__name__ = f"weights_at_{location}"
    return make


def complex_weights(folder: Path) -> Path:
    return stored(folder, text_model(RELU, {"w": np.ones(4, np.complex64)}))


def negative_size_of_weights(folder: Path) -> Path:
    model = text_model(RELU, {"w": np.zeros(4, np.float32)})
    model.graph.initializer[0].dims[0] = -4
    return stored(folder, model)


FILES: list[tuple[Callable[[Path], Path], tuple[str, ...]]] = [
    (missing_file, ("absent.onnx", "no such file")),
    (a_folder, ("directory",)),
    (truncated, ("model.onnx", "truncated")),
    (plain_text, ("model.onnx", "not an ONNX")),
    (empty, ("model.onnx", "not an ONNX model")),
    (bad_text_syntax, ("model.onnxtxt", "not ONNX text")),
    (without_external_weights, ("'w'", "'weights.bin'", "missing")),
    (short_external_weights, ("'w'", "cannot be read")),
    (wrong_size_of_weights, ("'w'", "cannot be read")),
    (weights_elsewhere("/etc/passwd"), ("'w'", "/etc/passwd")),
    (weights_elsewhere("../" * 20 + "etc/passwd"), ("'w'", "outside")),
    (complex_weights, ("'w'", "complex64")),
    (negative_size_of_weights, ("'w'", "[-4]")),
]


@pytest.mark.parametrize(("make", "parts"), FILES, ids=[make.__name__ for make, _ in FILES])
def test_refused_file(make: Callable[[Path], Path], parts: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        import_model(make(tmp_path))
    message = str(caught.value)
    assert "\n" not in message
    assert [part for part in parts if part not in message] == [], message


def test_external_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    path = with_external_weights(tmp_path)
    module = import_bytes(path.read_bytes(), str(path))
    assert "dense<[[1.000000e+00, 2.000000e+00]]>" in str(module)


def test_every_truncation_of_a_file_is_refused_or_imported(tmp_path: Path) -> None:
    data = stored(tmp_path, text_model(RELU)).read_bytes()
    messages: list[str] = []
    for size in range(len(data)):
        try:
            import_bytes(data[:size], "cut.onnx")
        except ModelError as error:
            messages.append(str(error))
    assert len(messages) >= len(data) - 30  # what follows the graph, the opsets, may be cut without harm
    assert not any("\n" in message for message in messages)


def test_initialisers_listed_as_inputs_are_weights() -> None:
    model = text_model("net (float[N,2] x) => (float[N,2] y) { y = Add(x, w) }", {"w": np.ones((1, 2), np.float32)})
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [1, 2]))
    module = import_model(model)
    assert str(module).count("imc.name") == 2


def test_local_functions_are_inlined() -> None:
    text = """<ir_version: 8, opset_import: ["": 17, "local": 1]>
    net (float[N,2] x) => (float[N,2] y) { y = local.twice(x) }
    <domain: "local", opset_import: ["": 17]>
    twice (a) => (b) { b = Add(a, a) }"""
    outputs = imported_outputs(onnx.parser.parse_model(text), {"x": np.array([[1.5, -2]], np.float32)})
    np.testing.assert_array_equal(outputs["y"], [[3, -4]])


def test_standard_operators_need_an_opset() -> None:
    model = text_model(RELU)
    del model.opset_import[:]
    with pytest.raises(ModelError, match="no opset"):
        import_model(model)


def test_ports_carry_names_and_types_of_the_model() -> None:
    graph = "net (float[N,2] x, int8[3,2] v) => (float[N,2] y, int64[N,1] i) { y = Relu(x) i = ArgMax<axis=1>(v) }"
    text = str(import_model(text_model(graph), input_types={"x": "si4"}))
    for part in (
        'tensor<?x2xsi4> {imc.name = "x", imc.dtype = "float32"}',
        'tensor<?x2xsi8> {imc.name = "v", imc.dtype = "int8"}',
        'tensor<?x2xui3> {imc.name = "y", imc.dtype = "float32"}',
        'tensor<?x1xui1> {imc.name = "i", imc.dtype = "int64"}',
        'imc.level = "network"',
    ):
        assert part in text


def test_sparse_initialisers_are_refused() -> None:
    model = text_model(RELU)
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "w_indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    with pytest.raises(ModelError, match="sparse"):
        import_model(model)
