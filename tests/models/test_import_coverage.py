"""Every network of the model set is imported, or refused for the reason that is listed here."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, shape_inference
from onnx_text import pixel_or_signed_type, real_inputs
from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import ReturnOp

from imcflow.dialect.types import shape_of
from imcflow.errors import ModelError
from imcflow.lowering.onnx.importer import import_model

DEEPLOY = "int8_deeploy/Kernels/Integer"
EXPECTED_FILES = 113

REFUSED = {
    f"{DEEPLOY}/GEMM/Regular/network.onnx": "C has different rows",
    f"{DEEPLOY}/GEMM/Regular_RQPerRow/network.onnx": "C has different rows",
    f"{DEEPLOY}/GEMM/TransB_RQ/network.onnx": "C has different rows",
    f"{DEEPLOY}/MatMul/Add/network.onnx": "differs along axis 0, which is the batch",
    f"{DEEPLOY}/Softmax/Large/network.onnx": r"\(iSoftmax\): this op is not supported",
    f"{DEEPLOY}/Softmax/Regular/network.onnx": r"\(iSoftmax\): this op is not supported",
}
"""Networks with weights that are refused, and why. Constants that differ between the rows of the batch axis would
compute each image of a batch differently."""

REFUSED_AFTER_FILLING = {
    "bert_base_encoder_layer.dyn18.onnx": "would move the batch away from axis 0",
    "alexnet.onnx": r"\(LRN\): this op is not supported",
}
"""Topologies that are refused once they have weights."""

TOO_LARGE = ("vgg16",)
"""More than 500 MB of weights."""


def declared_types(path: Path) -> dict[str, str]:
    """Return the integer types of the inputs of DORY's and Deeploy's networks, by their golden inputs."""
    names = [value.name for value in real_inputs(onnx.load(path, load_external_data=False))]
    if "int8_dory" in path.parts:
        return {names[0]: pixel_or_signed_type(np.load(path.parent / "golden.npz")["input"])}
    if "int8_deeploy" in path.parts:
        arrays = np.load(path.parent / "inputs.npz")
        return {name: pixel_or_signed_type(arrays[key]) for name, key in zip(names, arrays.files, strict=False)}
    return {}


def attempt(path: Path, types: Mapping[str, str]) -> ModuleOp | str:
    """Return the module, or the message of the refusal."""
    try:
        return import_model(path, input_types=types)
    except ModelError as error:
        return str(error)


def check_shapes(path: Path, module: ModuleOp) -> None:
    """Compare the shapes of the outputs with ONNX's own shape inference, where that knows them."""
    try:
        inferred = shape_inference.infer_shapes(onnx.load(path))
    except shape_inference.InferenceError:  # quantised dialects without opset_import
        return
    (terminator,) = [op for op in module.walk() if isinstance(op, ReturnOp)]
    for value, operand in zip(inferred.graph.output, terminator.operands, strict=True):
        dimensions = value.type.tensor_type.shape.dim
        sizes = [size.dim_value if size.HasField("dim_value") else 0 for size in dimensions]
        shape = shape_of(operand)
        if len(sizes) == len(shape):
            assert all(size in (0, own) for size, own in zip(sizes[1:], shape[1:], strict=True)), value.name


def test_every_network_with_weights(models_dir: Path) -> None:
    files = sorted(models_dir.rglob("*.onnx"))
    assert len(files) == EXPECTED_FILES
    imported = 0
    wrong: list[str] = []
    for path in files:
        name = path.relative_to(models_dir).as_posix()
        if name.startswith("topologies/"):
            continue
        result = attempt(path, declared_types(path))
        if isinstance(result, str):
            if name not in REFUSED or not re.search(REFUSED[name], result):
                wrong.append(f"{name}: {result}")
            continue
        if name in REFUSED:
            wrong.append(f"{name}: imported, but listed as refused")
        imported += 1
        check_shapes(path, result)
    assert wrong == []
    assert imported == EXPECTED_FILES - 29 - len(REFUSED)


def test_topologies_without_weights_are_refused_naming_weight_and_file(models_dir: Path) -> None:
    files = sorted((models_dir / "topologies").rglob("*.onnx"))
    assert len(files) == 29
    for path in files:
        with pytest.raises(ModelError, match=r"the weights of '.+' lie in the file '.+', which is missing"):
            import_model(path)


@pytest.mark.slow
def test_topologies_filled_with_ternary_weights(models_dir: Path, tmp_path: Path) -> None:
    for path in sorted((models_dir / "topologies").rglob("*.onnx")):
        if path.name.startswith(TOO_LARGE):
            continue
        filled = tmp_path / path.name
        tool = models_dir / "tools" / "fill_ternary.py"
        subprocess.run([sys.executable, tool, path, filled], check=True, capture_output=True)
        result = attempt(filled, {})
        reason = REFUSED_AFTER_FILLING.get(path.name)
        if isinstance(result, str):
            assert reason is not None, f"{path.name}: {result}"
            assert re.search(reason, result), result
        else:
            assert reason is None
            check_shapes(filled, result)
        filled.unlink()


@pytest.mark.parametrize("name", ["vgg9_cifar.ts13_bn.onnx"])
def test_a_declared_input_type_reaches_the_first_layer(name: str, models_dir: Path, tmp_path: Path) -> None:
    source = onnx.load(models_dir / "topologies" / name, load_external_data=False)
    random = np.random.default_rng(0)
    for tensor in source.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        values = random.integers(-1, 2, size=list(tensor.dims)).astype(np.float32)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    module = import_model(source, input_types={source.graph.input[0].name: "ui8"})
    first = next(op for op in module.walk() if op.name == "imc.conv2d")
    assert str(first.operands[0].type).endswith("ui8>")
    assert str(first.operands[1].type).endswith("si2>")
