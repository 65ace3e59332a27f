"""Executed programs against every integer that third parties stored: layers, accumulators, outputs, accuracy.

The default run takes the small networks; `-m slow` all of them on all stored samples, in both fidelities and on both
kinds of target. `benchmarks/exactness.py` prints the same comparisons as a table.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from golden_networks import NAMES, GoldenNetwork, compare, compiled, network, observed

AP, DIMC = "rtm-ap-256", "dimc-256x64"
SMALL = (
    (DIMC, "word", "dory/residual_test_1"),
    (DIMC, "word", "dory/tcn_1d"),
    (DIMC, "word", "deeploy/MLPerf/ImageClassification"),
    (DIMC, "word", "mlperf/ic_resnet8"),
    (DIMC, "word", "mlperf/sww"),
    (DIMC, "micro", "deeploy/miniMobileNet"),
    (AP, "word", "dory/tcn_1d"),
    pytest.param(AP, "micro", "deeploy/miniMobileNet", marks=pytest.mark.slow),
    pytest.param(AP, "word", "deeploy/miniMobileNetv2", marks=pytest.mark.slow),
    pytest.param(AP, "word", "mlperf/kws_dscnn", marks=pytest.mark.slow),
)
"""(target, fidelity, network): seconds each; of the MLPerf Tiny networks the two samples whose layers are stored."""

FUSED = ("dory/dronet_v3", "cnv/cnvW2A2_affine", "cnv/cnvW2A2_qonnx")
"""Networks with stored tensors that a default program computes inside a longer step function."""

MICRO = tuple(name for name in NAMES if not name.startswith(("cnv/", "mlperf/ic_resnet_large")))


def check(golden: GoldenNetwork, target: str, fidelity: str = "word", *, look_inside: bool = False) -> None:
    """Compile, run, compare; the accuracy is that of the model set, to the digits it gives."""
    program = compiled(golden, target, look_inside=look_inside)
    result = compare(golden, program, fidelity=fidelity)
    assert [item for item in result.tensors if item.differ] == []
    assert set(result.fused) == set(golden.fused)
    assert len(result.tensors) >= len(golden.layers) - len(golden.fused) + len(golden.outputs or ())
    assert result.values > 0
    if golden.accuracy is not None:
        assert result.accuracy == pytest.approx(golden.accuracy, abs=5e-4)


@pytest.mark.parametrize(("target", "fidelity", "name"), SMALL)
def test_small_networks_give_every_stored_integer(target: str, fidelity: str, name: str, models_dir: Path) -> None:
    del models_dir
    check(network(name).first(2), target, fidelity)


def test_an_integer_that_is_off_by_one_is_found(models_dir: Path) -> None:
    del models_dir
    golden = network("deeploy/miniMobileNet")
    program = compiled(golden, DIMC)
    assert golden.outputs is not None
    wrong = golden.outputs[0].copy()
    wrong.reshape(-1)[3] += 1
    assert compare(golden, program).differ == 0
    assert compare(replace(golden, outputs=(wrong,)), program).differ == 1


@pytest.mark.slow
@pytest.mark.parametrize("target", [DIMC, AP])
@pytest.mark.parametrize("name", NAMES)
def test_every_network_gives_every_stored_integer_on_all_samples(name: str, target: str, models_dir: Path) -> None:
    del models_dir
    check(network(name), target)


@pytest.mark.slow
@pytest.mark.parametrize("target", [DIMC, AP])
@pytest.mark.parametrize("name", MICRO)
def test_the_literal_fidelity_gives_the_same_integers(name: str, target: str, models_dir: Path) -> None:
    del models_dir
    check(network(name).first(1), target, "micro")


@pytest.mark.slow
@pytest.mark.parametrize("target", [DIMC, AP])
@pytest.mark.parametrize("name", FUSED)
def test_programs_to_look_into_have_the_fused_layers_too(name: str, target: str, models_dir: Path) -> None:
    """CNV's accumulators of every layer, and the layers that DORY's sums requantise."""
    del models_dir
    check(observed(network(name)).first(4), target, look_inside=True)


@pytest.mark.slow
@pytest.mark.parametrize("target", [DIMC, AP])
@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("mlperf/")])
def test_the_arithmetic_of_the_file_has_onnxruntime_s_accuracy(name: str, target: str, models_dir: Path) -> None:
    del models_dir
    golden = network(name, "onnx")
    if golden.accuracy is None:
        pytest.skip("the model set states no accuracy")
    accuracy = compare(golden, compiled(golden, target)).accuracy
    assert accuracy == pytest.approx(golden.accuracy, abs=5e-4)
