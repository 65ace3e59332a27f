"""Trained networks at the quantised level: integers where they must be, and the golden integers of third parties."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from mlir_text import apply
from numpy.typing import NDArray
from onnx_text import pixel_or_signed_type, real_inputs
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.constants import constant_array
from imcflow.dialect.interpreter import interpret, trace
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.ops_quantise import RequantizeOp, ThresholdOp
from imcflow.dialect.types import is_float
from imcflow.lowering.onnx.importer import import_model
from imcflow.passes.calibration.report import ACTIVATIONS_ATTRIBUTE, WEIGHTS_ATTRIBUTE
from imcflow.passes.pipelines import quantising_passes

Array = NDArray[Any]
QUANTISE = ",".join(quantising_passes())


def quantised(path: Path, types: dict[str, str] | None = None, pipeline: str = QUANTISE) -> ModuleOp:
    module = import_model(path, input_types=types or {})
    apply(module, pipeline)
    return module


def only_output(module: ModuleOp, name: str, images: Array) -> Array:
    (output,) = interpret(module, {name: images}).values()
    return output


def cnv_images(models_dir: Path, count: int) -> Array:
    pixels = np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:count].astype(np.float64)
    return np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127).transpose(0, 3, 1, 2)


def layers_of(module: ModuleOp) -> list[Conv2dOp | GemmOp]:
    return [op for op in module.walk() if isinstance(op, Conv2dOp | GemmOp)]


def weights_of(layer: Conv2dOp | GemmOp) -> Array:
    weights = constant_array(layer.weights)
    assert weights is not None
    return weights


@pytest.fixture(scope="module", params=["cnvW2A2_affine.onnx", "cnvW2A2_qonnx.onnx"])
def cnv(request: pytest.FixtureRequest, models_dir: Path) -> ModuleOp:
    return quantised(models_dir / "ternary" / "cnv_bnnpynq" / request.param, {"x": "si8"})


def test_cnv_is_integer_from_input_to_logits(cnv: ModuleOp, models_dir: Path) -> None:
    layers = layers_of(cnv)
    assert len(layers) == 9
    assert not any(is_float(layer.input) or is_float(layer.result) for layer in layers)
    weights = [constant_array(layer.weights) for layer in layers]
    assert all(set(np.unique(array).tolist()) == {-1, 0, 1} for array in weights if array is not None)
    assert len([op for op in cnv.walk() if isinstance(op, ThresholdOp)]) == 8
    golden = np.load(models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_golden_cifar10_0_499.npz")["logits"]
    np.testing.assert_array_equal(only_output(cnv, "x", cnv_images(models_dir, 40)), golden[:40])


def test_cnv_accumulators_and_activations_of_4_images(cnv: ModuleOp, models_dir: Path) -> None:
    golden = np.load(models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_golden_cifar10_0_499.npz")
    accumulators: list[Array] = []
    activations: list[Array] = []
    for recorded in trace(cnv, {"x": cnv_images(models_dir, 4)}):
        if isinstance(recorded.op, Conv2dOp | GemmOp):
            accumulators.append(recorded.value)
        elif isinstance(recorded.op, ThresholdOp):
            activations.append(recorded.value)
    for index in range(8):
        for mine, name in ((accumulators, f"acc{index}"), (activations, f"act{index}")):
            np.testing.assert_array_equal(mine[index].reshape(-1), golden[name].reshape(-1), err_msg=name)


def test_cnv_thresholds_are_the_published_ones(cnv: ModuleOp, models_dir: Path) -> None:
    """The file counts `acc > T`, imcflow counts `acc >= T`; beyond the reach of the sums both saturate."""
    published = np.load(models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_int.npz")
    steps = [op for op in cnv.walk() if isinstance(op, ThresholdOp)]
    for index, step in enumerate(steps):
        rows = constant_array(step.thresholds)
        assert rows is not None
        weights = constant_array(layers_of(cnv)[index].weights)
        assert weights is not None
        matrix = weights.reshape(len(weights), -1)
        largest = np.abs(matrix).sum(axis=1)[:, None]
        low, high = (-largest, largest) if index else bounds_of_bytes(matrix)
        expected = np.clip(np.sort(published[f"T{index}"].astype(np.int64), axis=1) + 1, low, high + 1)
        np.testing.assert_array_equal(np.broadcast_to(rows, expected.shape), expected, err_msg=f"T{index}")


def bounds_of_bytes(matrix: Array) -> tuple[Array, Array]:
    """Return the least and greatest sum of each row for inputs in -128 ... 127."""
    positive, negative = np.maximum(matrix, 0).sum(axis=1)[:, None], np.minimum(matrix, 0).sum(axis=1)[:, None]
    return -128 * positive + 127 * negative, 127 * positive - 128 * negative


@pytest.mark.parametrize("file", ["TFC_2W2A.plain.onnx", "TFC_2W2A.qonnx.onnx"])
def test_tfc_keeps_its_logits_and_its_accuracy(file: str, models_dir: Path) -> None:
    path = models_dir / "ternary" / "tfc_mnist" / file
    name = real_inputs(onnx.load(path))[0].name
    data = np.load(models_dir / "data" / "mnist_t10k.npz")
    images = data["X"][:2000, None].astype(np.float32) / np.float32(255)
    module = quantised(path)
    assert not any(is_float(layer.input) for layer in layers_of(module))
    logits = only_output(module, name, images)
    np.testing.assert_array_equal(logits, only_output(import_model(path), name, images))
    assert (logits.argmax(1) == data["y"][:2000]).mean() > 0.95


@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("file", ["unsw_nb15-mlp-w2a2.plain.onnx", "unsw_nb15-mlp-w2a2.qonnx.onnx"])
def test_unsw_gives_the_golden_outputs(file: str, declared: bool, models_dir: Path) -> None:
    folder = models_dir / "ternary" / "unsw_nb15_mlp"
    name = real_inputs(onnx.load(folder / file))[0].name
    golden = np.load(folder / "golden_random64.npz")
    module = quantised(folder / file, {name: "si2"} if declared else {})
    assert [is_float(layer.input) for layer in layers_of(module)] == [not declared, False, False, False]
    outputs = only_output(module, name, golden["x_pm1"])
    np.testing.assert_array_equal(outputs.reshape(-1), golden["y"].reshape(-1))


def ttq_images(models_dir: Path) -> tuple[Array, Array]:
    golden = np.load(models_dir / "ternary" / "ttq_tinyimagenet" / "golden_16.npz")
    mean, deviation = np.asarray([0.485, 0.456, 0.406], np.float32), np.asarray([0.229, 0.224, 0.225], np.float32)
    images = (golden["input_u8"].astype(np.float32) / np.float32(255) - mean) / deviation
    return images.transpose(0, 3, 1, 2), golden["logits"]


def test_ttq_squeezenet_keeps_every_decision_with_8_bit_activations(models_dir: Path, tmp_path: Path) -> None:
    """16 of its layers have two scales; they become integers of up to 8 bits. First and last layer stay real."""
    path = models_dir / "ternary" / "ttq_tinyimagenet" / "ttq_squeezenet.onnx"
    images, logits = ttq_images(models_dir)
    name = real_inputs(onnx.load(path))[0].name
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, allow_pickle=False, **{name: images})
    passes = quantising_passes(calibration=str(calibration), activation_bits=8)
    module = quantised(path, pipeline=",".join(passes))
    layers = layers_of(module)
    assert [is_float(layer.input) for layer in layers] == [True, *[False] * 24, True]
    assert ACTIVATIONS_ATTRIBUTE in module.attributes
    assert WEIGHTS_ATTRIBUTE in module.attributes
    result = only_output(module, name, images)
    np.testing.assert_array_equal(result.argmax(1), logits.argmax(1))
    outputs = [len(weights_of(layer)) for layer in layers[1:-1]]
    apply(module, "imc-factor-weights")
    factored = layers_of(module)[1:-1]
    weights = [weights_of(layer) for layer in factored]
    assert sum(len(after) == 2 * before for after, before in zip(weights, outputs, strict=True)) == 16
    assert all(np.abs(array).max() == 1 for array in weights)
    np.testing.assert_array_equal(only_output(module, name, images[:2]), result[:2])


def test_ttq_squeezenet_without_calibration_is_refused(models_dir: Path) -> None:
    path = models_dir / "ternary" / "ttq_tinyimagenet" / "ttq_squeezenet.onnx"
    with pytest.raises(PassFailedException, match=r"features\.0/Conv.*--calibrate IN.npz --activation-bits N"):
        quantised(path)


DORY = ("penguinet_32", "nas_frontnet", "dronet_v3", "residual_test_1", "residual_test_2", "tcn_1d")
DEEPLOY = (
    "CNN_Linear1",
    "MLPerf/AnomalyDetection",
    "MLPerf/ImageClassification",
    "MLPerf/KeywordSpotting",
    "miniMobileNetv2",
)


def integer_golden(models_dir: Path, name: str) -> tuple[Path, dict[str, Array], Path]:
    if name in DORY:
        folder = models_dir / "int8_dory" / name
        (path,) = folder.glob("*.onnx")
        first = real_inputs(onnx.load(path))[0]
        shape = [size.dim_value or 1 for size in first.type.tensor_type.shape.dim]
        return path, {first.name: np.load(folder / "golden.npz")["input"].reshape(-1, *shape[1:])}, folder
    folder = models_dir / "int8_deeploy" / "Models" / name
    path = folder / "network.onnx"
    arrays = np.load(folder / "inputs.npz")
    names = [value.name for value in real_inputs(onnx.load(path))]
    return path, {name: arrays[key] for name, key in zip(names, arrays.files, strict=True)}, folder


@pytest.mark.parametrize("name", [*DORY, *DEEPLOY])
def test_integer_networks_keep_every_integer(name: str, models_dir: Path) -> None:
    """The import is exact against the authors' integers (see test_import_golden); the passes change none of them."""
    path, inputs, _ = integer_golden(models_dir, name)
    types = {key: pixel_or_signed_type(value) for key, value in inputs.items()}
    module = import_model(path, input_types=types)
    expected = interpret(module, inputs)
    apply(module, QUANTISE)
    for key, value in interpret(module, inputs).items():
        np.testing.assert_array_equal(value, expected[key])
    assert not any(is_float(layer.input) for layer in layers_of(module))
    assert not any(isinstance(op, RequantizeOp) for op in module.walk())  # 9-bit sums are step functions, too
