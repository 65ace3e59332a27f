"""Scheduled CNV and ResNet-8: golden integers, and replayed ends equal to the predicted ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import imcflow
from imcflow.api import CompileOptions, compile_model
from imcflow.checking import check_program
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.schedule.replay import verify_replay


def many_macros(folder: Path, macros: int) -> str:
    """A digital crossbar with room for all weights of CNV: as `dimc-64x16x8-dm32`, with more macros."""
    preset = Path(imcflow.__file__).parent / "targets" / "presets" / "dimc-64x16x8-dm32.yaml"
    text = preset.read_text().replace("macro_count: 8", f"macro_count: {macros}")
    path = folder / "many.yaml"
    path.write_text(text.replace("name: dimc-64x16x8-dm32", f"name: dimc-64x16x{macros}-dm32"))
    return str(path)


def cnv_images(models_dir: Path, count: int) -> np.ndarray:
    pixels = np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:count].astype(np.float64)
    return np.clip(np.floor((2 * pixels / 255 - 1) * 128), -128, 127).transpose(0, 3, 1, 2).astype(np.float32)


def assert_golden_cnv(program: imcflow.CompiledProgram, models_dir: Path, count: int) -> None:
    schedule = program.program.schedule
    assert schedule is not None
    assert verify_replay(program.program).end_cycles == schedule.end_cycles
    golden = np.load(models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_golden_cifar10_0_499.npz")["logits"][:count]
    np.testing.assert_array_equal(program.run({"x": cnv_images(models_dir, count)})["logits"], golden)


def test_cnv_on_macros_overlaps_and_keeps_its_golden_logits(models_dir: Path, tmp_path: Path) -> None:
    path = models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_affine.onnx"
    target = many_macros(tmp_path, 64)
    program = imcflow.compile(path, target, input_types={"x": "si8"}, schedule="forward")
    assert_golden_cnv(program, models_dir, 20)
    schedule = program.program.schedule
    assert schedule is not None
    assert schedule.end_cycles < schedule.sequential_cycles


@pytest.mark.slow
@pytest.mark.parametrize("target", ["rtm-ap-256", "rtm-ap-256-pool"])
def test_cnv_on_arrays_keeps_its_golden_logits(target: str, models_dir: Path) -> None:
    path = models_dir / "ternary" / "cnv_bnnpynq" / "cnvW2A2_affine.onnx"
    assert_golden_cnv(imcflow.compile(path, target, input_types={"x": "si8"}, schedule="forward"), models_dir, 20)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["dimc-64x16x8-dm32", "rtm-ap-256"])
def test_resnet8_equals_its_reference_in_every_tensor(target: str, models_dir: Path) -> None:
    path = models_dir / "mlperf_tiny" / "ic_resnet8_int8.onnx"
    options = CompileOptions(target=target, schedule="forward")
    compiled = compile_model(path, options)
    program = compiled.program
    assert program.schedule is not None
    assert verify_replay(program).end_cycles == program.schedule.end_cycles < program.schedule.sequential_cycles
    (port,) = program.inputs
    shape = program.tensors[port.tensor].shape
    images = np.random.default_rng(0).integers(-128, 128, (2, *shape)).astype(port.model_dtype)
    assert check_program(path, compiled, {port.name: images}, options).equal
    names = [tensor.name for tensor in program.tensors]
    plain = run_program(replace(program, schedule=None), {port.name: images}, keep=names)
    for name, tensor in run_program(program, {port.name: images}, keep=names).items():
        np.testing.assert_array_equal(tensor, plain[name])
