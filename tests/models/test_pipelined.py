"""Trained networks streamed through cores: golden integers and the integers of the same steps one after the other."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import imcflow
from imcflow.api import CompileOptions, compile_model, pipeline_text
from imcflow.compiled import CompiledProgram
from imcflow.runtime.pipeline.execute import run_pipelined
from imcflow.runtime.pipeline.machine import machine_of, run_ticks

TARGET = "dimc-256x256-mesh"
IMAGES = 16


def compiled(path: Path, input_types: dict[str, str], replicate: str) -> CompiledProgram:
    options = CompileOptions(target=TARGET, input_types=input_types)
    text = pipeline_text(options)
    name = "imc-replicate-layers"
    text = text.replace(f"{name}{{target={TARGET}}}", f"{name}{{target={TARGET} {replicate}}}")
    return compile_model(path, CompileOptions(target=TARGET, input_types=input_types, pipeline=text))


def check_ticks(program: CompiledProgram) -> None:
    dataflow = program.program.dataflow
    assert dataflow is not None
    trace = run_ticks(machine_of(program.program, dataflow), IMAGES)
    prediction = dataflow.prediction
    assert (prediction.images, prediction.latency_ticks, prediction.total_ticks) == (
        IMAGES,
        trace.latency_ticks,
        trace.total_ticks,
    )


def pixels(models_dir: Path) -> np.ndarray:
    return np.load(models_dir / "data" / "cifar10_test_0_499.npz")["X"][:IMAGES]


def test_cnv_gives_the_golden_logits(models_dir: Path) -> None:
    folder = models_dir / "ternary" / "cnv_bnnpynq"
    program = compiled(folder / "cnvW2A2_affine.onnx", {"x": "si8"}, "interval=100")
    scaled = np.clip(np.floor((2 * pixels(models_dir).astype(np.float64) / 255 - 1) * 128), -128, 127)
    images = scaled.transpose(0, 3, 1, 2).astype(np.float32)
    golden = np.load(folder / "cnvW2A2_golden_cifar10_0_499.npz")["logits"][:IMAGES]
    np.testing.assert_array_equal(program.run_pipelined({"x": images}).outputs["logits"], golden)
    check_ticks(program)


@pytest.mark.slow
def test_resnet8_gives_what_its_steps_give_one_after_the_other(models_dir: Path) -> None:
    program = compiled(models_dir / "mlperf_tiny" / "ic_resnet8_int8.onnx", {}, "interval=64")
    inputs = {"input_1_int8": (pixels(models_dir).astype(np.int16) - 128).astype(np.int8)}
    run = program.run_pipelined(inputs)
    expected = program.run_detailed(inputs, keep=list(run.tensors))
    for name, array in run.tensors.items():
        np.testing.assert_array_equal(array, expected.tensors.get(name, array))
    np.testing.assert_array_equal(run.outputs["Identity_int8"], expected.outputs["Identity_int8"])
    check_ticks(program)


@pytest.mark.slow
@pytest.mark.parametrize(("handshake", "in_flight"), [("pixel", 2), ("image", 16)])
def test_resnet18_at_full_size(
    handshake: str, in_flight: int, tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(repository / "benchmarks"))
    sys.modules.pop("resnet18", None)
    from resnet18 import write_resnet18

    path = tmp_path / "resnet18.onnx"
    write_resnet18(path, ternary=True)
    settings = {"imc-pipeline-layers.handshake": handshake}
    program = imcflow.compile(path, TARGET, input_types={"input": "si8"}, settings=settings)
    images = np.random.default_rng(18).integers(-128, 128, (IMAGES, 3, 224, 224)).astype(np.float32)
    (expected,) = program.run({"input": images}).values()
    run = run_pipelined(program.program, {"input": images})
    (found,) = run.outputs.values()
    np.testing.assert_array_equal(found, expected)
    assert run.images_in_flight == in_flight
    check_ticks(program)
