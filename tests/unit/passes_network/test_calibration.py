"""Quantisation after training: fits against brute force, and networks that stay close to the real ones."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlir_text import apply, op_names, parsed, run
from xdsl.utils.exceptions import PassFailedException

from imcflow.errors import ImcflowError
from imcflow.passes.calibration.fit import fit_uniform, fit_weights
from imcflow.passes.calibration.scales import Samples, affine, fit_group, fit_single, sqnr_db, symmetric

WEIGHTS = st.lists(st.floats(-2, 2, width=16), min_size=5, max_size=5)


def squared_error(row: np.ndarray[tuple[int, ...], np.dtype[np.float64]], signs: tuple[int, ...]) -> float:
    """Least squared error of `alpha * signs` over all alpha."""
    pattern = np.asarray(signs, np.float64)
    alpha = row @ pattern / (pattern @ pattern) if pattern.any() else 0.0
    return float(((row - alpha * pattern) ** 2).sum())


@given(weights=WEIGHTS)
def test_least_squares_ternary_is_the_best_of_all_patterns(weights: list[float]) -> None:
    row = np.asarray([weights])
    fit = fit_weights(row, method="least-squares", ratio=0.7, max_bits=8, tolerance=0.001)
    if fit.kind != "ternary by least-squares":
        return  # at most one positive and one negative value: kept as two scales
    error = float(((row - fit.weights.integers * fit.weights.scale[:, None]) ** 2).sum())
    best = min(squared_error(row[0], signs) for signs in product((-1, 0, 1), repeat=5))
    assert error == pytest.approx(best, abs=1e-5)


def test_threshold_ternary_follows_the_paper() -> None:
    row = np.asarray([[0.9, -0.5, 0.1, -0.05, 0.45]])  # mean magnitude 0.4, delta 0.28
    fit = fit_weights(row, method="threshold", ratio=0.7, max_bits=8, tolerance=0.001)
    assert fit.weights.integers.tolist() == [[1, -1, 0, 0, 1]]
    assert fit.weights.scale.tolist() == [pytest.approx((0.9 + 0.5 + 0.45) / 3)]
    assert fit.bits == 2
    assert fit.zeros == pytest.approx(0.4)


@given(positive=st.floats(0.125, 2, width=32), negative=st.floats(0.125, 2, width=32))
def test_two_scales_become_integers_within_the_tolerance(positive: float, negative: float) -> None:
    weights = np.asarray([[positive, 0.0], [-negative, positive]])
    fit = fit_weights(weights, method="least-squares", ratio=0.7, max_bits=8, tolerance=0.005)
    assert fit.kind == "two scales kept"
    assert fit.error <= 0.005
    assert fit.bits <= 8
    assert np.array_equal(np.sign(fit.weights.integers), np.sign(weights))


def test_the_pair_with_the_fewest_digits_wins() -> None:
    weights = np.asarray([[1.0, -0.51]])
    cheap = fit_weights(weights, method="threshold", ratio=0.7, max_bits=8, tolerance=0.01)
    close = fit_weights(weights, method="threshold", ratio=0.7, max_bits=8, tolerance=0.0)
    assert cheap.weights.integers.tolist() == [[2, -1]]
    assert close.error < cheap.error


def test_uniform_weights_use_the_whole_range() -> None:
    fit = fit_uniform(np.asarray([[0.7, -0.24], [0.0, 0.0]]), 4)
    assert fit.weights.integers.tolist() == [[7, -2], [0, 0]]
    assert fit.weights.scale.tolist() == [pytest.approx(0.1), 1.0]


def test_ranges() -> None:
    assert symmetric(1.5, 4, signed=False).apply(np.asarray([1.5, 9.0, -1.0])).tolist() == pytest.approx([1.5, 1.5, 0])
    assert symmetric(0.7, 4, signed=True).low == -8
    skewed = affine(-0.5, 1.0, 4)
    assert skewed.zero_point == 5
    assert skewed.apply(np.asarray([-0.5, 0.0, 1.0])).tolist() == pytest.approx([-0.5, 0.0, 1.0])
    assert affine(0.0, 0.0, 4).apply(np.zeros(1)).tolist() == [0.0]


@given(st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=30))
def test_zero_is_exact_and_the_extremes_are_inside(values: list[float]) -> None:
    samples = Samples(1000)
    samples.add(np.asarray(values, np.float32))
    integers = fit_single(samples, 6, "minmax", 99.9)
    restored = integers.apply(np.asarray([0.0, *values]))
    assert restored[0] == 0
    assert np.max(np.abs(restored[1:] - values)) <= integers.scale / 2 + 1e-6


def test_outliers_are_clipped_by_percentile_and_by_squared_error() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(size=20_000), [40.0]]).astype(np.float32)
    samples = Samples(1 << 16)
    samples.add(values)
    scales = {method: fit_group([samples], [True], 6, method, 99.9) for method in ("minmax", "percentile", "mse")}
    assert scales["percentile"] < scales["minmax"] / 4
    assert scales["mse"] < scales["minmax"]
    noise = {
        method: sqnr_db(samples.values[:-1], symmetric(scale * 31, 6, signed=True).apply(samples.values[:-1]))
        for method, scale in scales.items()
    }
    assert noise["percentile"] > noise["minmax"] + 6


def test_signal_to_noise() -> None:
    assert sqnr_db(np.asarray([3.0, 4.0]), np.asarray([3.0, 4.5])) == pytest.approx(20.0)
    assert sqnr_db(np.asarray([1.0]), np.asarray([1.0])) == float("inf")
    assert sqnr_db(np.asarray([0.0]), np.asarray([1.0])) == float("-inf")


NETWORK = """
  func.func @main(%x: tensor<?x8xf32> {imc.name = "x"}) -> (tensor<?x4xf32> {imc.name = "y"}) {
    %w0 = imc.constant WEIGHTS0
    %w1 = imc.constant WEIGHTS1
    %w2 = imc.constant WEIGHTS2
    %w3 = imc.constant WEIGHTS3
    %a = imc.gemm %x, %w0 : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32> loc("fc0")
    %b = imc.relu %a : (tensor<?x16xf32>) -> tensor<?x16xf32> loc("act0")
    %c = imc.gemm %b, %w1 : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32> loc("fc1")
    %d = imc.add %c, %b : (tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x16xf32> loc("sum")
    %e = imc.relu %d : (tensor<?x16xf32>) -> tensor<?x16xf32> loc("act1")
    %f = imc.gemm %e, %w2 : (tensor<?x16xf32>, tensor<16x16xf32>) -> tensor<?x16xf32> loc("fc2")
    %g = imc.relu %f : (tensor<?x16xf32>) -> tensor<?x16xf32> loc("act2")
    %h = imc.gemm %g, %w3 : (tensor<?x16xf32>, tensor<4x16xf32>) -> tensor<?x4xf32> loc("fc3")
    func.return %h : tensor<?x4xf32>
  }"""


def float_network(rng: np.random.Generator) -> str:
    """A float network whose inner weights are ternary times a scale that nothing names."""
    text = NETWORK
    for index, shape in enumerate([(16, 8), (16, 16), (16, 16), (4, 16)]):
        weights = rng.normal(size=shape) if index in (0, 3) else rng.integers(-1, 2, shape) * 0.37
        kind = f"tensor<{shape[0]}x{shape[1]}xf32>"
        data = weights.astype("<f4").tobytes().hex().upper()
        text = text.replace(f"WEIGHTS{index}", f'dense<"0x{data}"> : {kind} as {kind}')
    return text


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse"])
def test_a_calibrated_network_is_integer_inside_and_close_to_the_real_one(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    text = float_network(rng)
    images = rng.normal(size=(200, 8)).astype(np.float32)
    calibration = tmp_path / "calibration.npz"
    np.savez(calibration, x=images)
    (expected,) = run(text, x=images)
    module = parsed(text)
    apply(
        module,
        f'imc-lift-scales,imc-ternarize,imc-quantize-activations{{calibration="{calibration}" bits=8 method={method}}},'
        "imc-lift-scales,imc-fold-thresholds,imc-narrow-ranges,imc-verify-quantised",
    )
    assert op_names(module).count("quantize") == 2  # behind the real first layer: for the second layer and for the sum
    layers = [name for name in op_names(module) if name in ("gemm", "threshold", "add")]
    assert layers == ["gemm", "gemm", "threshold", "add", "threshold", "gemm", "gemm"]
    (actual,) = run(module, x=images)
    assert sqnr_db(expected.astype(np.float64), actual.astype(np.float64)) > 25


def test_without_calibration_the_message_says_how() -> None:
    text = float_network(np.random.default_rng(3))
    with pytest.raises(PassFailedException, match=r"give sample inputs .* --calibrate IN.npz --activation-bits N"):
        apply(parsed(text), "imc-lift-scales,imc-verify-quantised")


@pytest.mark.parametrize(("arrays", "message"), [
    ({"y": np.zeros((1, 8))}, "calibration data lacks input 'x'; it holds y"),
    ({"x": np.zeros((0, 8))}, "calibration data holds no images"),
    ({"x": np.zeros((2, 9))}, r"input 'x' has shape \[2, 9\]"),
])  # fmt: skip
def test_wrong_calibration_data(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ImcflowError, match=message):
        apply(parsed(float_network(np.random.default_rng(3))), f'imc-quantize-activations{{calibration="{path}"}}')
