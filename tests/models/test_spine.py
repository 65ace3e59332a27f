"""Trained third-party networks from the model file to the executed instruction stream: the same integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import imcflow
from imcflow.api import CompileOptions, compile_model
from imcflow.checking import check_program
from imcflow.compiled import CompiledProgram

CNV_FILES = ("cnvW2A2_affine.onnx", "cnvW2A2_qonnx.onnx")


@pytest.fixture(scope="module", params=CNV_FILES)
def cnv(request: pytest.FixtureRequest, models_dir: Path) -> CompiledProgram:
    return imcflow.compile(models_dir / "ternary" / "cnv_bnnpynq" / request.param, input_types={"x": "si8"})


def cnv_images(models_dir: Path, count: int) -> np.ndarray:
    pixels = np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:count].astype(np.float64)
    quantised = np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127)
    return quantised.transpose(0, 3, 1, 2).astype(np.float32)


def cnv_golden(models_dir: Path) -> np.ndarray:
    return np.load(models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_golden_cifar10_0_499.npz")["logits"]


def test_cnv_word_fidelity_equals_the_golden_logits_of_500_images(cnv: CompiledProgram, models_dir: Path) -> None:
    logits = cnv.run({"x": cnv_images(models_dir, 500)})["logits"]
    golden = cnv_golden(models_dir)
    labels = np.load(models_dir / "data" / "cifar10_test_0_499.npz")["y"]
    accuracy = float((logits.argmax(1) == labels).mean())
    print(f"CNV-W2A2 accuracy on 500 CIFAR-10 images: {accuracy:.3f}")
    assert np.array_equal(logits, golden)
    assert accuracy == pytest.approx(0.858)


def test_cnv_micro_fidelity_equals_the_golden_logits_of_8_images(cnv: CompiledProgram, models_dir: Path) -> None:
    logits = cnv.run({"x": cnv_images(models_dir, 8)}, fidelity="micro")["logits"]
    assert np.array_equal(logits, cnv_golden(models_dir)[:8])


@pytest.mark.parametrize(("file", "name"), [("TFC_2W2A.plain.onnx", "global_in"), ("TFC_2W2A.qonnx.onnx", "0")])
def test_tfc_reaches_the_published_accuracy_on_10000_images(file: str, name: str, models_dir: Path) -> None:
    data = np.load(models_dir / "data" / "mnist_t10k.npz")
    images = data["X"][:, None].astype(np.float32) / np.float32(255)
    program = imcflow.compile(models_dir / "ternary" / "tfc_mnist" / file)
    (logits,) = program.run({name: images}).values()
    assert (logits.argmax(1) == data["y"]).mean() == pytest.approx(0.9660, abs=5e-5)


@pytest.mark.parametrize(
    ("file", "name"),
    [("unsw_nb15-mlp-w2a2.plain.onnx", "global_in"), ("unsw_nb15-mlp-w2a2.qonnx.onnx", "onnx::Add_0")],
)
def test_unsw_gives_all_64_golden_outputs(file: str, name: str, models_dir: Path) -> None:
    folder = models_dir / "ternary" / "unsw_nb15_mlp"
    golden = np.load(folder / "golden_random64.npz")
    program = imcflow.compile(folder / file, input_types={name: "si2"})
    (outputs,) = program.run({name: golden["x_pm1"].astype(np.float32)}).values()
    assert np.array_equal(outputs.reshape(-1), golden["y"].reshape(-1))


def test_ttq_squeezenet_keeps_the_class_of_all_16_golden_images(models_dir: Path, tmp_path: Path) -> None:
    """Two weight scales per layer, float activations: calibrated to 8 bits; first and last layer stay float."""
    folder = models_dir / "ternary" / "ttq_tinyimagenet"
    golden = np.load(folder / "golden_16.npz")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = ((golden["input_u8"] / 255.0 - mean) / deviation).transpose(0, 3, 1, 2).astype(np.float32)
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, x=images)
    model = folder / "ttq_squeezenet.onnx"
    options = CompileOptions(calibration=calibration, activation_bits=8)
    program = compile_model(model, options)
    report = check_program(model, program, {"x": images}, options)
    assert report.equal, report.verdict()
    assert np.array_equal(report.outputs["logits"].argmax(1), golden["logits"].argmax(1))
    explained = "\n".join(program.notes)
    assert "/features/features.0/Conv" in explained
    assert "/classifier/classifier.1/Conv" in explained
