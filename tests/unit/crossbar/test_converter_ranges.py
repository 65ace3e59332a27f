"""Full scales fitted to samples, and signal-to-noise ratios of analog layers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crossbar_kernels import kernel_of, macro_with, program_of
from hypothesis import given
from hypothesis import strategies as st

import imcflow
from imcflow.api import CompileOptions, compile_model, pipeline_text
from imcflow.errors import ImcflowError, InputError, ProgramError
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.crossbar.ranges import converted, fitted_ranges
from imcflow.runtime.crossbar.serial import largest_column_sum, weight_cells
from imcflow.runtime.crossbar.step import CrossbarStep
from imcflow.runtime.crossbar.stream import Product, operations
from imcflow.runtime.execution.analog_quality import (
    exact_program,
    fit_converters,
    layer_qualities,
    ratio_db,
    with_full_scales,
)
from imcflow.runtime.execution.run import run_program

MODEL = Path(imcflow.__file__).parent / "data" / "digits_cnn.onnx"


@given(st.integers(2, 300), st.sampled_from([1, 2, 3]), st.integers(0, 2**32 - 1))
def test_ranges_are_tried_with_what_the_macro_does(levels: int, per_cycle: int, seed: int):
    # A column of one weight of one bit reads what its converter does, times its place value.
    rng = np.random.default_rng(seed)
    macro = replace(macro_with(adc_levels=levels, bits_per_cycle=per_cycle), rows=64)
    x = rng.integers(0, 1 << per_cycle, (20, 64))
    full_scale = int(rng.integers(1, 200))
    kernel = kernel_of(
        np.ones((1, 64), np.int64),
        np.zeros(1, np.int64),
        macro,
        signed_input=False,
        input_bits=per_cycle,
        full_scale=full_scale,
    )
    step = CrossbarStep(kernel, macro, AnalogNoise(), np.dtype(np.int64), literal=True)
    read = step.sums(x[:, :, None, None], 0)[0]
    expected = converted(x.sum(axis=1).astype(np.float64), full_scale, macro, signed=False)
    np.testing.assert_array_equal(read, np.rint(expected))


def test_a_fitted_range_errs_least():
    rng = np.random.default_rng(0)
    weights = rng.integers(-8, 8, (2, 64))
    macro = replace(macro_with(adc_levels=16, bits_per_cycle=1), rows=64)
    kernel = kernel_of(weights, np.zeros(2, np.int64), macro, signed_input=False, input_bits=2)
    lanes = rng.integers(0, 4, (64, 500)) * (rng.random((64, 500)) < 0.2)
    (fitted,) = fitted_ranges(kernel, macro, lanes)
    (product,) = [item for item in operations(kernel) if isinstance(item, Product)]
    cells = weight_cells(product.weights, kernel.weight_bits, 1, signed=True)
    assert fitted.largest == largest_column_sum(cells.values, kernel.window.bits, False, macro)
    assert macro.adc_levels - 1 <= fitted.full_scale < fitted.largest
    assert fitted.error < fitted.error_of_largest
    # The weighted error of the conversions stands for the error of the results.
    errors: dict[int, float] = {}
    exact = weights @ lanes
    for scale in (fitted.full_scale, fitted.largest):
        program = program_of(_scaled(kernel, scale), macro)
        result = run_program(program, {"x": lanes.T.astype(np.uint8)}, fidelity="word")["y"]
        errors[scale] = float(((result.T - exact) ** 2).mean())
    assert errors[fitted.full_scale] < errors[fitted.largest] / 2


def _scaled(kernel, scale):
    table = kernel.instructions.copy()
    table["imm"][table["opcode"] == TileOpcode.MULTIPLY] = scale
    return replace(kernel, instructions=table)


def test_sums_that_fit_the_levels_keep_a_lossless_range():
    rng = np.random.default_rng(1)
    weights, lanes = rng.integers(-8, 8, (5, 11)), rng.integers(-8, 8, (11, 30))
    macro = macro_with(adc_levels=64)
    kernel = kernel_of(weights, np.zeros(5, np.int64), macro)
    for fitted in fitted_ranges(kernel, macro, lanes):
        assert fitted.full_scale == fitted.largest <= 63
        assert fitted.error == fitted.clipped_share == 0.0


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A file of calibration samples, and other images."""
    with np.load(MODEL.with_name("digits_test.npz")) as samples:
        images = samples["image"]
    path = tmp_path_factory.mktemp("samples") / "samples.npz"
    np.savez(path, image=images[:32])
    return path, {"image": images[100:200]}


def test_calibrated_programs_lose_less(digits: tuple[Path, dict[str, np.ndarray]]):
    samples, inputs = digits
    plain = imcflow.compile(MODEL, "aimc-64x16x8-dm32")
    fitted = imcflow.compile(MODEL, "aimc-64x16x8-dm32", converter_calibration=samples)
    assert any("converters cover" in note for note in fitted.notes)
    worse, better = plain.signal_to_noise(inputs), fitted.signal_to_noise(inputs)
    assert [layer.name for layer in worse] == [kernel.name for kernel in plain.program.crossbar_kernels]
    assert min(layer.sums_db for layer in better) > min(layer.sums_db for layer in worse) + 10
    assert better[-1].exact_share > worse[-1].exact_share
    # The pass and the functions behind it choose the same.
    by_hand = with_full_scales(plain.program, fit_converters(plain.program, dict(np.load(samples))))
    for one, other in zip(by_hand.crossbar_kernels, fitted.program.crossbar_kernels, strict=True):
        np.testing.assert_array_equal(one.instructions, other.instructions)


def test_ideal_converters_have_infinite_ratios_and_noise_has_not(digits: tuple[Path, dict[str, np.ndarray]]):
    program = imcflow.compile(MODEL, "aimc-256x64").program
    exact = exact_program(program)
    layers = layer_qualities(exact, digits[1])
    assert {layer.sums_db for layer in layers} == {layer.result_db for layer in layers} == {math.inf}
    assert {layer.exact_share for layer in layers} == {1.0}
    assert layers[0].to_json()["sums_db"] is None
    quiet = layer_qualities(program, digits[1])
    loud = layer_qualities(program, digits[1], AnalogNoise(read_cells=2.0, seed=1))
    assert all(a.sums_db < b.sums_db for a, b in zip(loud, quiet, strict=True))


def test_ratios_by_hand():
    assert ratio_db(np.array([3, 4]), np.array([3, 4])) == math.inf
    assert ratio_db(np.array([10, 0]), np.array([10, 1])) == pytest.approx(20.0)
    assert ratio_db(np.array([0, 0]), np.array([0, 1])) == -math.inf


def test_digital_targets_have_no_converters(digits: tuple[Path, dict[str, np.ndarray]]):
    program = imcflow.compile(MODEL, "dimc-256x64").program
    with pytest.raises(ProgramError, match="target 'dimc-256x64' is digital, it has no converters"):
        fit_converters(program, digits[1])
    with pytest.raises(ImcflowError, match="target rtm-ap-256 has no converters"):
        pipeline_text(CompileOptions(converter_calibration=digits[0]))
    with pytest.raises(ProgramError, match="has no macros"):
        layer_qualities(replace(program, target=replace(program.target, macro=None)), digits[1])
    with pytest.raises(InputError):
        layer_qualities(program, {})


def test_activations_enter_analog_macros_unsigned(models_dir: Path):
    options = CompileOptions(target="aimc-256x64")
    compiled = compile_model(models_dir / "mlperf_tiny" / "ic_resnet8_int8.onnx", options)
    windows = [kernel.window for kernel in compiled.program.crossbar_kernels]
    # All but the first one, which reads the image.
    assert [window.signed for window in windows] == [True, *[False] * (len(windows) - 1)]
    assert {window.pad_value for window in windows[1:]} == {0}
