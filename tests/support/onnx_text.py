"""Small ONNX models from text, and comparison of their import with onnxruntime."""

# onnxruntime ships no type stubs.
# pyright: basic

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, numpy_helper, parser

from imcflow.dialect.interpreter import interpret
from imcflow.lowering.onnx.importer import import_model

DOMAINS = ("onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general", "PACTOps", "com.microsoft")


def text_model(graph: str, weights: Mapping[str, NDArray[Any]] | None = None, *, opset: int = 17) -> ModelProto:
    """Return a model from ONNX's textual syntax of a graph, with more initialisers from arrays."""
    extra = "".join(f', "{domain}": 1' for domain in DOMAINS)
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": {opset}{extra}]>\n{graph}')
    for name, array in (weights or {}).items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    return model


def onnxruntime_outputs(
    model: ModelProto | str, inputs: Mapping[str, NDArray[Any]], *, batch: int | None = None
) -> dict[str, NDArray[Any]]:
    """Run a model in onnxruntime with graph optimisations off.

    Args:
        model: in memory, or a file.
        inputs: by name, batch first.
        batch: images of one call, where the file fixes it; all by default.
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    source = model if isinstance(model, str) else model.SerializeToString()
    session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    count = len(next(iter(inputs.values())))
    step = count if batch is None else batch
    parts = [
        session.run(names, {name: array[begin : begin + step] for name, array in inputs.items()})
        for begin in range(0, count, step)
    ]
    return {name: np.concatenate([np.asarray(part[index]) for part in parts]) for index, name in enumerate(names)}


def imported_outputs(
    model: ModelProto, inputs: Mapping[str, NDArray[Any]], input_types: Mapping[str, str] | None = None
) -> dict[str, NDArray[Any]]:
    """Import a model and run it in the reference interpreter."""
    return interpret(import_model(model, input_types=input_types), inputs)


def real_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the graph inputs that are no initialisers."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def pixel_or_signed_type(array: NDArray[Any]) -> str:
    """Return `ui8` if the values are pixels, else the narrowest signed type from si8 on."""
    low, high = int(array.min()), int(array.max())
    if low >= 0 and high <= 255:
        return "ui8"
    return f"si{max(8, max(high.bit_length(), (-low - 1).bit_length()) + 1)}"


def onnxruntime_saturates() -> bool:
    """Return whether onnxruntime sums u8 x s8 products in 16 bits, as it does on processors without VNNI."""
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 13]> net (uint8[1,4] x, int8[4,1] w) => (int32[1,1] y) '
        "{ y = MatMulInteger(x, w) }"
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    inputs = {"x": np.full((1, 4), 255, np.uint8), "w": np.full((4, 1), 127, np.int8)}
    return int(np.asarray(session.run(None, inputs)[0])[0, 0]) != 4 * 255 * 127
