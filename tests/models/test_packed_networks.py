"""MLPerf Tiny networks executed from packed macros: every layer's integers and the outputs stay what they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlir_text import apply
from numpy.typing import NDArray
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp

from imcflow.dialect.interpreter import evaluate_op, interpret
from imcflow.dialect.interpreter.interpret import main_function, port_names
from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.importer import import_model
from imcflow.passes.packing import MacroGeometry, PackingResult, PackingStyle, pack_weights
from imcflow.passes.packing.checker import check_packing
from imcflow.passes.packing.execution import execute_layer, load_cells
from imcflow.passes.packing.module_layers import WeightedLayer, weighted_layers
from imcflow.passes.packing.networks import reference_network

Array = NDArray[Any]
GEOMETRY = MacroGeometry(16, 256, 4)


def resnet8_image(data: Path) -> Array:
    return (np.load(data / "cifar10_test_0_499.npz")["X"][:1].astype(int) - 128).astype(np.int8)


def keyword(data: Path) -> Array:
    return np.load(data / "kws_speechcommands12_1000.npz")["X_int8_dscnn"][:1]


def person(data: Path) -> Array:
    return (np.load(data / "vww_coco343218_person.npz")["X"].astype(int) - 128).astype(np.int8)[:1]


def noise(data: Path) -> Array:
    return np.random.default_rng(0).integers(-128, 128, size=[1, 640]).astype(np.int8)


NETWORKS = {
    "resnet8": ("ic_resnet8_int8", resnet8_image, 0),
    "ds_cnn": ("kws_dscnn_int8", keyword, 0),
    "mobilenet_v1": ("vww_mobilenet_int8", person, 0),
    "deep_autoencoder": ("ad_autoencoder_int8", noise, None),
}


def run_packed(module: ModuleOp, layers: list[WeightedLayer], placement: PackingResult, image: Array) -> Array:
    """The network's output with every linear layer executed on the cells of the packed macros."""
    cells = load_cells(placement, [layer.weights for layer in layers])
    index_of = {layer.op: index for index, layer in enumerate(layers)}
    block = main_function(module).body.block
    values: dict[Any, Array] = {block.args[0]: image.astype(np.int64)}
    for op in block.ops:
        if isinstance(op, ReturnOp):
            return values[op.operands[0]]
        if op not in index_of:
            values[op.results[0]] = evaluate_op(op, [values[operand] for operand in op.operands])
            continue
        index = index_of[op]
        layer = layers[index]
        windows = layer.windows(values[layer.op.input][0])
        sums = execute_layer(placement, cells, index, windows).reshape(len(windows), -1).T
        if layer.op.bias is not None:
            sums = sums + values[layer.op.bias][:, None]
        values[op.results[0]] = sums.reshape(1, *shape_of(op.results[0])[1:])
    raise AssertionError("the function does not return")


@pytest.mark.parametrize("style", PackingStyle)
@pytest.mark.parametrize("network", NETWORKS)
def test_packed_macros_compute_the_network_s_integers(network: str, style: PackingStyle, models_dir: Path) -> None:
    file, image_of, golden_index = NETWORKS[network]
    folder = models_dir / "mlperf_tiny"
    module = import_model(folder / f"{file}.onnx")
    apply(module, "imc-lift-scales")
    layers = weighted_layers(module)
    shapes = [layer.shape for layer in layers]
    published = Counter(replace(shape, name="") for shape in reference_network(network))
    assert Counter(replace(shape, name="") for shape in shapes) == published

    placement = pack_weights(shapes, GEOMETRY, style)
    check_packing(placement)
    image = image_of(models_dir / "data")
    output = run_packed(module, layers, placement, image)
    (name,) = port_names(main_function(module).arg_attrs, 1, "input")
    (expected,) = interpret(module, {name: image}).values()
    np.testing.assert_array_equal(output, expected)
    if golden_index is not None:
        # onnxruntime computes the sums of the quantised form in floating point: one step of 8-bit softmax may differ.
        golden = np.load(folder / f"{file}.golden.npz")["out_ort_qdq"][golden_index]
        assert np.abs(output[0] - golden.astype(np.int64)).max() <= 1
