"""onnxruntime as an independent opinion: float32, operator by operator."""

# onnxruntime ships no type stubs.
# pyright: basic

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray


def onnxruntime_result(model: onnx.ModelProto, x: NDArray[np.generic]) -> NDArray[np.float32]:
    """Run a model with input `x` and one output, without graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return np.asarray(session.run(None, {"x": x})[0])
