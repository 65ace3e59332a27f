"""Trained third-party networks from the model file to the executed instruction stream: the same integers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import imcflow
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
    sys_message = f"CNV-W2A2 accuracy on 500 CIFAR-10 images: {accuracy:.3f}"
    print(sys_message)
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
