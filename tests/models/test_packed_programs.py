"""MLPerf Tiny with packed weights: the programs give the integers of the unpacked ones and of the golden files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from golden_networks import compare, network
from golden_networks import compiled as golden_program

import imcflow
from imcflow.api import CompileOptions, compile_model, pipeline_text
from imcflow.compiled import CompiledProgram

PRESETS = Path(imcflow.__file__).parent / "targets" / "presets"
PACKED_TARGETS = ("dimc-64x16x8-dm32", "aimc-64x16x8-dm32", "dimc-256x64")


@dataclass(frozen=True)
class Case:
    """A network, its labelled inputs, and where it is packed; the whole matrix of targets is a slow test."""

    file: str
    data: str
    key: str
    images: int
    targets: tuple[str, ...]

    def inputs(self, models_dir: Path) -> np.ndarray:
        """Int8 inputs, in the order of the golden outputs."""
        values = np.load(models_dir / "data" / f"{self.data}.npz")[self.key][: self.images]
        return values if values.dtype == np.int8 else (values.astype(int) - 128).astype(np.int8)


CASES = [
    Case("ic_resnet8_int8", "cifar10_test_0_499", "X", 20, PACKED_TARGETS),
    Case("kws_dscnn_int8", "kws_speechcommands12_1000", "X_int8_dscnn", 50, PACKED_TARGETS[1:2]),
    Case("vww_mobilenet_int8", "vww_coco343218_person", "X", 1, PACKED_TARGETS[:1]),
]
EVERYWHERE = [pytest.param(replace(case, targets=PACKED_TARGETS), marks=pytest.mark.slow) for case in CASES[1:]]


def target_of(name: str, folder: Path) -> str:
    """The preset; converters of analog ones with a level for every sum."""
    if not name.startswith("aimc"):
        return name
    path = folder / "ideal.yaml"
    path.write_text((PRESETS / f"{name}.yaml").read_text().replace("adc_bits: 6", "adc_bits: 8"))
    return str(path)


def compiled(path: Path, target: str, *, packed: bool = True) -> CompiledProgram:
    options = CompileOptions(target=target)
    text = pipeline_text(options)
    steps = [step for step in text.split(",") if packed or not step.startswith("imc-pack-weights")]
    return compile_model(path, CompileOptions(target=target, pipeline=",".join(steps)))


def reloaded_weights(program: CompiledProgram) -> int:
    return sum(kernel.reloaded_weights for kernel in program.counters().crossbar)


@pytest.mark.parametrize("case", [*CASES, *EVERYWHERE], ids=lambda case: case.file)
def test_packed_programs_give_the_integers_of_unpacked_ones(case: Case, models_dir: Path, tmp_path: Path) -> None:
    folder = models_dir / "mlperf_tiny"
    images = case.inputs(models_dir)
    plain = compiled(folder / f"{case.file}.onnx", PACKED_TARGETS[0], packed=False)
    (port,) = plain.program.inputs
    (expected,) = plain.run({port.name: images}).values()
    golden = np.load(folder / f"{case.file}.golden.npz")["out_ort_qdq"][: case.images]
    # onnxruntime computes the sums of the quantised form in floating point: borders of rounding differ now and then.
    assert (expected != golden).mean() <= 0.02
    assert (expected.argmax(1) == golden.argmax(1)).all()
    for name in case.targets:
        program = compiled(folder / f"{case.file}.onnx", target_of(name, tmp_path))
        (found,) = program.run({port.name: images}).values()
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert (reloaded_weights(program) == 0) == (name != "dimc-256x64"), name


def test_the_autoencoder_reloads_the_one_layer_that_does_not_fit(models_dir: Path, tmp_path: Path) -> None:
    folder = models_dir / "mlperf_tiny"
    logmel = np.load(models_dir / "data" / "toycar_normal_id_01_00000000.npz")["logmel"]
    windows = np.stack([logmel[first : first + 5].ravel() for first in range(len(logmel) - 4)])
    plain = compiled(folder / "ad_autoencoder_int8.onnx", PACKED_TARGETS[0], packed=False)
    (port,) = plain.program.inputs
    scale, zero = 0.3910152316093445, 89
    images = np.clip(np.round(windows / scale + zero), -128, 127).astype(np.int8)
    (expected,) = plain.run({port.name: images}).values()
    golden = np.load(folder / "ad_autoencoder_int8.golden.npz")["out_ort_qdq"]
    assert np.abs(expected.astype(int) - golden.astype(int)).max() <= 1
    for name in PACKED_TARGETS[:2]:
        program = compiled(folder / "ad_autoencoder_int8.onnx", target_of(name, tmp_path))
        (found,) = program.run({port.name: images}).values()
        np.testing.assert_array_equal(found, expected, err_msg=name)
        assert sum(kernel.resident_weights for kernel in program.counters().crossbar) == 264_192 - 16_384
        assert reloaded_weights(program) == 16_384


@pytest.mark.parametrize("name", ["ic_resnet8", "kws_dscnn", "vww_mobilenet", "ad_autoencoder"])
def test_packed_programs_give_every_golden_integer(name: str, models_dir: Path) -> None:
    """The interpreter that made the golden tensors uses fixed-point multipliers; so does this program."""
    del models_dir
    golden = network(f"mlperf/{name}").first(2)
    program = golden_program(golden, PACKED_TARGETS[0])
    kernels = program.counters().crossbar
    assert sum(kernel.resident_weights for kernel in kernels) > 0
    result = compare(golden, program)
    assert [item for item in result.tensors if item.differ] == []
    assert result.values > 0
