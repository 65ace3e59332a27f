"""Filters of two magnitudes: the array computes two sums each, and the network means what it meant before."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import Integers, Linear, Network, Quantiser, Simple, Window

import imcflow
from imcflow.compiled import FIDELITIES, CompiledProgram
from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model
from imcflow.runtime.program import ApKernel

SMALL = [(-3, 2), (-5, 7), (-11, 3)]
"""Integers: the layer is lifted first and its weights are factored."""
FINE = [(-129, 128), (-257, 256), (-255, 1)]
"""No integers of 8 bits: the layer stays real until its scales are split. float32 sums of its products are exact."""


def compiled(network: Network, target: str) -> CompiledProgram:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        onnx.save(network.model(), path)
        return imcflow.compile(path, target, input_types=network.input_types)


def filters(rng: np.random.Generator, shape: tuple[int, ...], values: tuple[int, int]) -> Integers:
    """Weights with both values and zeros; the last filter has both magnitudes in both signs."""
    weights = rng.choice([*values, 0], shape).astype(np.int64)
    weights[-1] *= rng.choice([-1, 1], shape[1:])
    return weights


def two_scale_network(
    rng: np.random.Generator, values: tuple[int, int], groups: int, padded: bool, as_matmul: bool, zero: int
) -> Network:
    """Convolution, Relu, 3-bit quantiser with a zero point, fully connected layer; both layers have two scales."""
    unit = 2.0 ** -max(abs(value) for value in values).bit_length()
    scale = (rng.choice([1, 3, 5], 4) * unit).astype(np.float32)
    bias = (rng.integers(-16, 17, 4) * float(scale.min())).astype(np.float32) if rng.random() < 0.5 else None
    window = Window((2, 2), pads=(1, 0, 1, 1) if padded else (0, 0, 0, 0))
    height, width = window.output_size(3, 4)
    convolution = Linear(filters(rng, (4, 2 // groups, 2, 2), values), scale, bias, "float", 10, window, groups)
    classifier = Linear(
        filters(rng, (3, 4 * height * width), values),
        np.asarray(1 / 64, np.float32),
        None,
        "float",
        10,
        None,
        1,
        as_matmul,
    )
    layers = [
        convolution,
        Simple("Relu"),
        Quantiser(3, True, 8.0, "qdq", zero),
        Simple("Flatten", {"axis": 1}),
        classifier,
    ]
    return Network("float32", "ui3", (2, 3, 4), layers, (3,), rng.integers(0, 8, (2, 2, 3, 4)).astype(np.float32))


@settings(max_examples=8)
@given(
    values=st.sampled_from([*SMALL, *FINE]),
    groups=st.sampled_from([1, 2]),
    padded=st.booleans(),
    as_matmul=st.booleans(),
    zero=st.integers(-4, 0),
    seed=st.integers(0, 2**32 - 1),
)
def test_two_scales_run_on_the_array(
    values: tuple[int, int], groups: int, padded: bool, as_matmul: bool, zero: int, seed: int
) -> None:
    network = two_scale_network(np.random.default_rng(seed), values, groups, padded, as_matmul, zero)
    inputs = {"x": network.images}
    expected = interpret(import_model(network.model(), input_types=network.input_types), inputs)["y"]
    program = compiled(network, "rtm-ap-256")
    assert sum(isinstance(step, ApKernel) for step in program.program.steps) == 2
    for fidelity in FIDELITIES:
        np.testing.assert_array_equal(program.run(inputs, fidelity=fidelity)["y"], expected, err_msg=fidelity)
