"""Functions of linalg operations against their literal meaning: converted, and as executed programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from linalg_networks import Layer, layer_text, layers
from linalg_reference import evaluate
from mlir_text import after, parsed, run
from xdsl.dialects.builtin import TensorType
from xdsl.dialects.func import FuncOp

import imcflow


def function_of(text: str) -> FuncOp:
    (function,) = [op for op in parsed(text).ops if isinstance(op, FuncOp)]
    return function


def images_for(text: str, count: int) -> np.ndarray:
    kind = function_of(text).body.block.args[0].type
    assert isinstance(kind, TensorType)
    return np.random.default_rng(7).integers(-128, 128, (count, *kind.get_shape()[1:])).astype(np.int8)


def expected_of(text: str, images: np.ndarray) -> np.ndarray:
    return np.concatenate([evaluate(function_of(text), [image[None]])[0] for image in images])


@given(layers())
@settings(max_examples=15)
def test_a_layer_of_any_layout_keeps_its_integers(layer: Layer):
    text = layer_text(layer)
    images = images_for(text, 2)
    converted = run(after(text, "convert-linalg-to-imc,imc-verify-network"), images)[0]
    np.testing.assert_array_equal(converted, expected_of(text, images))


CHANNELS_LAST = Layer(True, False, 3, 4, 7, 3, 2, 1, 1, -3, 3, 4, "max", 5)
DEPTHWISE = Layer(False, True, 5, 5, 6, 3, 1, 1, 1, 2, 2, 3, "sum", 6)


@pytest.mark.parametrize("layer", [CHANNELS_LAST, DEPTHWISE], ids=["channels-last", "depthwise"])
@pytest.mark.parametrize("target", ["rtm-ap-256", "dimc-256x64"])
def test_a_program_from_linalg_keeps_its_integers(layer: Layer, target: str, tmp_path: Path):
    text = layer_text(layer)
    model = tmp_path / "layer.mlir"
    model.write_text(text, encoding="utf-8")
    images = images_for(text, 3)
    outputs = imcflow.compile(model, target=target).run({"input": images})
    np.testing.assert_array_equal(outputs["output"], expected_of(text, images))


def test_requantisation_becomes_thresholds_in_the_layout_of_the_layer():
    module = after(layer_text(CHANNELS_LAST), "convert-linalg-to-imc,imc-canonicalize,imc-fold-thresholds")
    names = [op.name for op in function_of(str(module)).body.block.ops if op.name != "imc.constant"]
    assert names == ["imc.transpose", "imc.conv2d", "imc.threshold", "imc.max_pool", "imc.transpose", "func.return"]
