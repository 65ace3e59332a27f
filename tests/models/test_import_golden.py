"""Imported networks, run in the reference interpreter, against golden integers and onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx_text import onnxruntime_outputs, onnxruntime_saturates, pixel_or_signed_type, real_inputs

from imcflow.dialect.interpreter import interpret, trace
from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.importer import import_model

Array = NDArray[Any]


def first_input(path: Path) -> str:
    return real_inputs(onnx.load(path, load_external_data=False))[0].name


def outputs_of(path: Path, images: Array, declared: str | None = None) -> Array:
    name = first_input(path)
    module = import_model(path, input_types=None if declared is None else {name: declared})
    return next(iter(interpret(module, {name: images}).values()))


def runtime_outputs(path: Path, images: Array) -> Array:
    """Run a file in onnxruntime, in parts where the file fixes the batch."""
    value = real_inputs(onnx.load(path, load_external_data=False))[0]
    batch = value.type.tensor_type.shape.dim[0]
    fixed = batch.dim_value if batch.HasField("dim_value") and batch.dim_value > 0 else None
    return next(iter(onnxruntime_outputs(str(path), {value.name: images}, batch=fixed).values()))


def cifar(models_dir: Path, count: int) -> Array:
    return np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:count]


def mnist(models_dir: Path, count: int) -> Array:
    return np.load(models_dir / "data" / "mnist_t10k.npz")["X"][:count, None].astype(np.float32)


@pytest.mark.parametrize("declared", [None, "si8"])
@pytest.mark.parametrize(
    ("file", "golden"),
    [
        ("ternary/cnv_bnnpynq/cnvW2A2_affine.onnx", "ternary/cnv_bnnpynq/cnvW2A2"),
        ("ternary/cnv_bnnpynq/cnvW2A2_qonnx.onnx", "ternary/cnv_bnnpynq/cnvW2A2"),
        ("binary_weight/cnv_bnnpynq/cnvW1A2_affine.onnx", "binary_weight/cnv_bnnpynq/cnvW1A2"),
        ("binary_weight/cnv_bnnpynq/cnvW1A1_affine.onnx", "binary_weight/cnv_bnnpynq/cnvW1A1"),
    ],
)
def test_cnv_logits_equal_the_golden_integers(file: str, golden: str, declared: str | None, models_dir: Path) -> None:
    pixels = cifar(models_dir, 10).astype(np.float64)
    images = np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127).transpose(0, 3, 1, 2)
    expected = np.load(models_dir / f"{golden}_golden_cifar10_0_499.npz")["logits"][:10]
    np.testing.assert_array_equal(outputs_of(models_dir / file, images, declared), expected)


@pytest.mark.parametrize(
    "name", ["ternary/tfc_mnist/TFC_2W2A", "binary_weight/tfc_mnist/TFC_1W2A", "binary_weight/tfc_mnist/TFC_1W1A"]
)
def test_tfc_in_both_forms_equals_onnxruntime(name: str, models_dir: Path) -> None:
    images = mnist(models_dir, 500) / np.float32(255)
    expected = runtime_outputs(models_dir / f"{name}.plain.onnx", images)
    for form in ("plain", "qonnx"):
        np.testing.assert_array_equal(outputs_of(models_dir / f"{name}.{form}.onnx", images), expected)


@pytest.mark.parametrize("declared", [None, "si2"])
@pytest.mark.parametrize("form", ["plain", "qonnx"])
def test_unsw_equals_all_64_golden_outputs(form: str, declared: str | None, models_dir: Path) -> None:
    folder = models_dir / "ternary" / "unsw_nb15_mlp"
    golden = np.load(folder / "golden_random64.npz")
    outputs = outputs_of(folder / f"unsw_nb15-mlp-w2a2.{form}.onnx", golden["x_pm1"].astype(np.float32), declared)
    np.testing.assert_array_equal(outputs, golden["y"])


def test_squeezenet_with_two_scales_and_identities(models_dir: Path) -> None:
    folder = models_dir / "ternary" / "ttq_tinyimagenet"
    golden = np.load(folder / "golden_16.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = ((golden["input_u8"][:4] / 255.0 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    np.testing.assert_allclose(outputs_of(folder / "ttq_squeezenet.onnx", images), golden["logits"][:4], atol=1e-3)


def test_keyword_mlp_with_quant_in_the_empty_domain(models_dir: Path) -> None:
    data = np.load(models_dir / "data" / "kws_speechcommands12_1000.npz")
    images = (data["X_int8_kwsmlp"].astype(np.float32) * data["scale_kwsmlp"]).reshape(-1, 1, 10, 49)
    folder = models_dir / "low_bit" / "kws_mlp_w3a3"
    plain = outputs_of(folder / "kws_mlp_w3a3.plain.onnx", images)
    np.testing.assert_allclose(plain, runtime_outputs(folder / "kws_mlp_w3a3.plain.onnx", images), atol=1e-4)
    # One weight of the plain file was rounded in double precision (2.50000005 instead of the float32 tie 2.5).
    qonnx = outputs_of(folder / "QONNX_model.onnx", images)
    np.testing.assert_array_equal(qonnx.argmax(1), plain.argmax(1))
    assert (qonnx.argmax(1) == data["y"]).mean() == pytest.approx(0.825)


def test_finn_network_gives_its_published_indices(models_dir: Path) -> None:
    folder = models_dir / "low_bit" / "finn_tfc_w1a1_multithreshold"
    outputs = outputs_of(folder / "model.onnx", np.load(folder / "input.npy"))
    np.testing.assert_array_equal(outputs.ravel(), np.load(folder / "expected_output.npy"))


def test_super_resolution_network_of_qonnx(models_dir: Path) -> None:
    folder = models_dir / "low_bit" / "espcn_qonnx"
    golden = np.load(folder / "golden_qonnx.npz")
    outputs = outputs_of(folder / "espcn_subpixel_quant.qonnx.onnx", golden["input"])
    # Sums of a float convolution in another order move a few pixels across one step of the output quantiser.
    difference = np.abs(outputs - golden["output"])
    assert (difference != 0).mean() < 1e-4
    assert difference.max() <= 1.001 / 255


@dataclass(frozen=True)
class FloatCase:
    """A float32 network, its inputs, and the largest difference from onnxruntime that summation order explains."""

    file: str
    source: str
    tolerance: float


FLOAT_CASES = [
    FloatCase("float_small/mnist-8.onnx", "mnist", 1e-2),
    FloatCase("mlperf_tiny/ic_resnet8_fp32.onnx", "cifar", 1e-5),
    FloatCase("mlperf_tiny/kws_dscnn_fp32.onnx", "kws", 1e-5),
    FloatCase("mlperf_tiny/vww_mobilenet_fp32.onnx", "vww", 1e-5),
    FloatCase("mlperf_tiny/ad_autoencoder_fp32.onnx", "toycar", 1e-2),
    FloatCase("mlperf_tiny_open_alibaba/model_kws.onnx", "kws", 1e-4),
    FloatCase("mlperf_tiny_open_alibaba/model_ad.onnx", "toycar", 1e-3),
    FloatCase("low_bit/rn07_qkeras_cifar10/rn07_plain.onnx", "cifar256", 1e-5),
]


def float_images(source: str, models_dir: Path) -> Array:
    data = models_dir / "data"
    if source == "mnist":
        return mnist(models_dir, 200)
    if source == "cifar":
        return cifar(models_dir, 30).astype(np.float32)
    if source == "cifar256":
        return (cifar(models_dir, 30) / 256.0).transpose(0, 3, 1, 2).astype(np.float32)
    if source == "kws":
        keywords = np.load(data / "kws_speechcommands12_1000.npz")["X_int8_dscnn"][:100]
        return (keywords.astype(np.float32) - 83) * np.float32(0.5847029)
    if source == "vww":
        return (np.load(data / "vww_coco343218_person.npz")["X"] / 255.0).astype(np.float32)
    logmel = np.load(data / "toycar_normal_id_01_00000000.npz")["logmel"]
    return np.stack([logmel[begin : begin + 5].ravel() for begin in range(196)])


@pytest.mark.parametrize("case", FLOAT_CASES, ids=lambda case: case.file)
def test_float_network_equals_onnxruntime(case: FloatCase, models_dir: Path) -> None:
    images = float_images(case.source, models_dir)
    outputs = outputs_of(models_dir / case.file, images)
    np.testing.assert_allclose(outputs, runtime_outputs(models_dir / case.file, images), atol=case.tolerance, rtol=1e-4)


SOFTMAX_STEP = 1 / 256
"""Scale of the quantised softmax behind the float outputs of `ort_quantized`."""

INT8_CASES = [
    ("mlperf_tiny/ic_resnet8_int8.onnx", "cifar128"),
    ("mlperf_tiny/ic_resnet_large_int8.onnx", "cifar128"),
    ("mlperf_tiny/kws_dscnn_int8.onnx", "kws"),
    ("mlperf_tiny/vww_mobilenet_int8.onnx", "vww"),
    ("mlperf_tiny/sww_int8.onnx", "wake"),
    ("mlperf_tiny/ad_autoencoder_int8.onnx", "noise"),
    ("ort_quantized/resnet8_qdq_perchannel.onnx", "cifar"),
    ("ort_quantized/resnet8_qop_perchannel.onnx", "cifar"),
]


def int8_images(source: str, path: Path, models_dir: Path) -> Array:
    data = models_dir / "data"
    if source == "cifar":
        return cifar(models_dir, 20).astype(np.float32)
    if source == "cifar128":
        return (cifar(models_dir, 10).astype(int) - 128).astype(np.int8)
    if source == "kws":
        return np.load(data / "kws_speechcommands12_1000.npz")["X_int8_dscnn"][:50]
    if source == "vww":
        return (np.load(data / "vww_coco343218_person.npz")["X"].astype(int) - 128).astype(np.int8)
    if source == "wake":
        real = np.load(data / "streaming_wakeword_45.npz")["X"] / 0.003701042616739869
        return np.clip(np.round(real - 128), -128, 127).astype(np.int8)
    shape = real_inputs(onnx.load(path))[0].type.tensor_type.shape.dim
    return np.random.default_rng(0).integers(-128, 128, size=[20, *(d.dim_value for d in shape[1:])]).astype(np.int8)


@pytest.mark.parametrize(("file", "source"), INT8_CASES)
def test_int8_network_equals_onnxruntime(file: str, source: str, models_dir: Path) -> None:
    if "_qop_" in file and onnxruntime_saturates():
        pytest.skip("onnxruntime saturates the sums of u8 x s8 products on this processor")
    images = int8_images(source, models_dir / file, models_dir)
    outputs = outputs_of(models_dir / file, images)
    expected = runtime_outputs(models_dir / file, images)
    step = 1.0 if expected.dtype.kind == "i" else SOFTMAX_STEP
    # The float sums inside QDQ convolutions may fall on the other side of a rounding border.
    steps = np.abs(outputs.astype(np.float64) - expected.astype(np.float64)) / step
    assert (steps > 0.01).mean() < 0.005
    assert steps.max() < 1.01


DORY = {
    "dronet_v3": 15,
    "nas_frontnet": 9,
    "penguinet_32": 9,
    "residual_test_1": 8,
    "residual_test_2": 9,
    "tcn_1d": 12,
}
"""Network -> number of golden layers."""


@pytest.mark.parametrize("network", DORY)
def test_dory_layers_are_exact(network: str, models_dir: Path) -> None:
    (path,) = (models_dir / "int8_dory" / network).glob("*.onnx")
    golden = np.load(path.parent / "golden.npz")
    name = first_input(path)
    module = import_model(path, input_types={name: pixel_or_signed_type(golden["input"])})
    argument = next(op for op in module.walk() if op.name == "func.func").regions[0].block.args[0]
    images = golden["input"].reshape(-1, *shape_of(argument)[1:])
    values = [recorded.value for recorded in trace(module, {name: images})]
    layers = [key for key in golden.files if key.startswith("out_layer")]
    assert len(layers) == DORY[network]
    for key in layers:
        expected = golden[key].ravel()
        assert any(value.size == expected.size and np.array_equal(value.ravel(), expected) for value in values), key


DEEPLOY_REFUSED = ("GEMM/Regular/", "GEMM/Regular_RQPerRow/", "GEMM/TransB_RQ/", "MatMul/Add/", "Softmax/")


def test_deeploy_networks_and_kernels_are_exact(models_dir: Path) -> None:
    exact = 0
    for path in sorted((models_dir / "int8_deeploy").rglob("network.onnx")):
        if any(part in path.as_posix() for part in DEEPLOY_REFUSED):
            continue
        arrays, golden = np.load(path.parent / "inputs.npz"), np.load(path.parent / "outputs.npz")
        model = onnx.load(path)
        names = [value.name for value in real_inputs(model)]
        feeds = {name: arrays[key] for name, key in zip(names, arrays.files, strict=False)}
        types = {name: pixel_or_signed_type(array) for name, array in feeds.items()}
        outputs = interpret(import_model(path, input_types=types), feeds)
        for value, key in zip(model.graph.output, golden.files, strict=True):
            np.testing.assert_array_equal(outputs[value.name].reshape(golden[key].shape), golden[key], str(path))
        exact += 1
    assert exact == 8 + 30
