"""ResNet-18 (224x224, 1.8 G multiply-accumulates) as ONNX files for the runtime benchmark.

Weights are drawn at random: their values do not matter for speed, their number, sparsity and widths do.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

CLASSES = 1000
SPARSITY = 0.8
ACTIVATION_MAX = 15


class GraphWriter:
    """Collects nodes and constants of one graph."""

    def __init__(self, *, ternary: bool) -> None:
        """Write ternary convolutions with 4-bit activations, or plain float32 ones with ReLU."""
        self.ternary = ternary
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self._random = np.random.default_rng(18)
        self._count = 0

    def constant(self, values: np.ndarray) -> str:
        """Add an initializer; return its name."""
        from onnx import numpy_helper

        self._count += 1
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), f"constant{self._count}"))
        return f"constant{self._count}"

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        """Add a node; return the name of its output."""
        from onnx import helper

        self._count += 1
        output = f"{kind.lower()}{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def weights(self, *shape: int) -> str:
        """Add weights: ternary with the given sparsity, or normal."""
        if not self.ternary:
            return self.constant(self._random.normal(0, 0.05, shape).astype(np.float32))
        nonzero = self._random.random(shape) >= SPARSITY
        return self.constant((nonzero * self._random.choice([-1.0, 1.0], shape)).astype(np.float32))

    def convolution(self, source: str, channels: tuple[int, int], kernel: int, stride: int, *, low: int = 0) -> str:
        """Add a convolution and what follows it: scale, shift, round and clip to 4 bits, or ReLU."""
        inputs, outputs = channels
        name = self.node(
            "Conv",
            source,
            self.weights(outputs, inputs, kernel, kernel),
            *([] if self.ternary else [self.constant(np.zeros(outputs, np.float32))]),
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
        )
        if not self.ternary:
            return self.node("Relu", name) if low == 0 else name
        spread = 6 * np.sqrt(inputs * kernel**2 * (1 - SPARSITY))
        scale = self._random.uniform(4, 12, (1, outputs, 1, 1)) / spread
        shift = self._random.uniform(2, 7, (1, outputs, 1, 1))
        name = self.node("Mul", name, self.constant(scale.astype(np.float32)))
        name = self.node("Add", name, self.constant(shift.astype(np.float32)))
        return self.clip(self.node("Round", name), low, low + ACTIVATION_MAX)

    def clip(self, source: str, low: int, high: int) -> str:
        """Add a Clip."""
        return self.node("Clip", source, self.constant(np.float32(low)), self.constant(np.float32(high)))

    def block(self, source: str, inputs: int, outputs: int, stride: int) -> str:
        """Add a residual block."""
        path = self.convolution(source, (inputs, outputs), 3, stride)
        path = self.convolution(path, (outputs, outputs), 3, 1, low=-8)
        if stride != 1 or inputs != outputs:
            source = self.convolution(source, (inputs, outputs), 1, stride, low=0 if self.ternary else -8)
        total = self.node("Add", path, source)
        return self.clip(total, 0, ACTIVATION_MAX) if self.ternary else self.node("Relu", total)


def write_resnet18(path: Path, *, ternary: bool, size: int = 224, show_features: bool = False) -> str:
    """Write the network; input `input` [N, 3, size, size], output [N, 1000].

    Args:
        path: file to write.
        ternary: ternary weights and 4-bit activations; otherwise the same topology in plain float32.
        size: height and width of the images.
        show_features: make the last feature map a second output.

    Returns:
        The name of the last feature map: everything up to it is integer arithmetic in the ternary network.
    """
    import onnx
    from onnx import TensorProto, helper

    graph = GraphWriter(ternary=ternary)
    name = graph.convolution("input", (3, 64), 7, 2)
    name = graph.node("MaxPool", name, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    channels = 64
    for stage in range(4):
        outputs = 64 << stage
        for position in range(2):
            name = graph.block(name, channels, outputs, 2 if stage and not position else 1)
            channels = outputs
    features = name
    name = graph.node("Flatten", graph.node("GlobalAveragePool", features), axis=1)
    bias = graph.constant(np.zeros(CLASSES, np.float32))
    name = graph.node("Gemm", name, graph.weights(CLASSES, channels), bias, transB=1)
    inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["N", 3, size, size])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", CLASSES])]
    if show_features:
        side = size // 32
        outputs.append(helper.make_tensor_value_info(features, TensorProto.FLOAT, ["N", channels, side, side]))
    model = helper.make_model(
        helper.make_graph(graph.nodes, "resnet18", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, str(path))
    return features
