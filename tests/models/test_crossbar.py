"""Trained networks on digital and analog crossbar macros: golden integers, and what ideal converters keep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import imcflow
from imcflow.api import CompileOptions, compile_model
from imcflow.checking import check_program
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.program import DigitalOp

DATA = Path(imcflow.__file__).parent / "data"


@pytest.fixture(scope="module")
def digits() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Inputs of the bundled network, and the logits that the associative processor gives."""
    with np.load(DATA / "digits_test.npz") as samples:
        inputs = {"image": samples["image"][:100]}
    (logits,) = imcflow.compile(DATA / "digits_cnn.onnx", "rtm-ap-256").run(inputs).values()
    return inputs, logits


@pytest.mark.parametrize("target", ["dimc-256x64", "dimc-64x16x8-dm32", "dimc-iccad23-32"])
@pytest.mark.parametrize("fidelity", ["word", "micro"])
def test_the_bundled_network_is_exact_on_digital_macros(
    target: str, fidelity: str, digits: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    inputs, logits = digits
    program = imcflow.compile(DATA / "digits_cnn.onnx", target)
    assert len(program.program.crossbar_kernels) == 5
    (found,) = program.run(inputs, fidelity=fidelity).values()
    np.testing.assert_array_equal(found, logits)


def analog_target(folder: Path, adc_bits: int) -> str:
    preset = Path(imcflow.__file__).parent / "targets" / "presets" / "aimc-256x64.yaml"
    path = folder / f"adc{adc_bits}.yaml"
    path.write_text(preset.read_text().replace("adc_bits: 8", f"adc_bits: {adc_bits}"))
    return str(path)


def test_analog_macros_are_exact_with_ideal_converters_only(
    tmp_path: Path, digits: tuple[dict[str, np.ndarray], np.ndarray]
) -> None:
    inputs, logits = digits
    errors: list[float] = []
    for adc_bits in (3, 6, 12):
        program = imcflow.compile(DATA / "digits_cnn.onnx", analog_target(tmp_path, adc_bits))
        (found,) = program.run(inputs).values()
        errors.append(float(np.abs(found.astype(np.float64) - logits).mean()))
    assert errors[0] > errors[1] > errors[2] == 0.0
    noisy = program.run_detailed(inputs, noise=AnalogNoise(read_cells=1.0, seed=1)).outputs
    (found,) = noisy.values()
    assert not np.array_equal(found, logits)


def test_cnv_equals_the_golden_logits_of_50_images(models_dir: Path) -> None:
    folder = models_dir / "ternary" / "cnv_bnnpynq"
    program = imcflow.compile(folder / "cnvW2A2_affine.onnx", "dimc-256x64", input_types={"x": "si8"})
    pixels = np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:50].astype(np.float64)
    images = np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127).transpose(0, 3, 1, 2).astype(np.float32)
    golden = np.load(folder / "cnvW2A2_golden_cifar10_0_499.npz")["logits"][:50]
    np.testing.assert_array_equal(program.run({"x": images})["logits"], golden)


@pytest.mark.parametrize("name", ["ic_resnet8_int8", "kws_dscnn_int8", "ad_autoencoder_int8"])
def test_mlperf_tiny_equals_the_reference_in_every_tensor(name: str, models_dir: Path) -> None:
    path = models_dir / "mlperf_tiny" / f"{name}.onnx"
    options = CompileOptions(target="dimc-256x64")
    compiled = compile_model(path, options)
    (port,) = compiled.program.inputs
    shape = compiled.program.tensors[port.tensor].shape
    images = np.random.default_rng(0).integers(-128, 128, (2, *shape)).astype(port.model_dtype)
    assert len(compiled.program.crossbar_kernels) == 10
    assert not [
        step for step in compiled.program.steps if isinstance(step, DigitalOp) and step.op in ("conv2d", "gemm")
    ]
    assert check_program(path, compiled, {port.name: images}, options).equal
