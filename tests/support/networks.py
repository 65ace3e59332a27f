"""Plans of small quantised networks, and how they are written as ONNX.

`network_strategies.networks` draws plans at random. A plan is written once in its own dialect and once in standard
operators for onnxruntime.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx_writer import GraphWriter, QuantiserForm, WeightForm

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Quantiser:
    """(clip(round(x / scale) + zero_point, low, high) - zero_point) * scale, in one of the ways to write it.

    Only the form `qdq` has a zero point other than 0.
    """

    bits: int
    signed: bool
    scale: float
    form: QuantiserForm
    zero_point: int = 0

    def write(self, writer: GraphWriter, x: str) -> str:
        return writer.quantiser(self.form, x, self.scale, self.bits, signed=self.signed, zero_point=self.zero_point)

    def __str__(self) -> str:
        zero = f" - {self.zero_point}" if self.zero_point else ""
        return f"{self.form}({'s' if self.signed else 'u'}i{self.bits}{zero} * {self.scale})"


@dataclass(frozen=True)
class Bipolar:
    """scale where x >= 0, else -scale."""

    scale: float

    def write(self, writer: GraphWriter, x: str) -> str:
        return writer.bipolar(x, self.scale)

    def __str__(self) -> str:
        return f"bipolar * {self.scale}"


@dataclass(frozen=True)
class Window:
    """How a convolution moves over the image; pads are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Positions of the window in an image of this size."""
        rows, columns = (
            (size + self.pads[axis] + self.pads[axis + 2] - self.dilations[axis] * (self.kernel[axis] - 1) - 1)
            // self.strides[axis]
            + 1
            for axis, size in enumerate((height, width))
        )
        return rows, columns


@dataclass(frozen=True)
class Linear:
    """Convolution (weights of rank 4) or fully connected layer (rank 2) with weights scale * integers."""

    weights: Integers
    scale: Floats
    bias: Floats | None
    form: WeightForm
    weight_bits: int
    window: Window | None = None
    groups: int = 1
    as_matmul: bool = False

    def write(self, writer: GraphWriter, x: str) -> str:
        operands = [x, writer.weight(self.form, self.weights, self.scale, self.weight_bits)]
        if self.bias is not None:
            operands.append(writer.constant("bias", self.bias))
        if self.window is None:
            return self._write_product(writer, operands)
        attributes = {
            "kernel_shape": list(self.window.kernel),
            "strides": list(self.window.strides),
            "pads": list(self.window.pads),
            "dilations": list(self.window.dilations),
            "group": self.groups,
        }
        return writer.node("Conv", operands, attributes)

    def _write_product(self, writer: GraphWriter, operands: list[str]) -> str:
        if not self.as_matmul:
            return writer.node("Gemm", operands, {"transB": 1})
        x, weight, *bias = operands
        y = writer.node("MatMul", [x, writer.node("Transpose", [weight], {"perm": [1, 0]})])
        return writer.node("Add", [y, *bias]) if bias else y

    def __str__(self) -> str:
        return (
            f"{'gemm' if self.window is None else 'conv'}{list(self.weights.shape)} {self.form} weights of "
            f"{self.weight_bits} bits * {self.scale.tolist()}{'' if self.bias is None else ' + bias'}"
            f"{'' if self.window is None else f' {self.window} groups {self.groups}'}"
        )


@dataclass(frozen=True)
class BatchNorm:
    """Inference batch normalisation; negative gammas flip comparisons."""

    gamma: Floats
    beta: Floats
    mean: Floats
    variance: Floats

    def write(self, writer: GraphWriter, x: str) -> str:
        values = {"gamma": self.gamma, "beta": self.beta, "mean": self.mean, "variance": self.variance}
        constants = [writer.constant(name, value) for name, value in values.items()]
        return writer.node("BatchNormalization", [x, *constants], {"epsilon": 1e-5})

    def __str__(self) -> str:
        return "norm"


@dataclass(frozen=True)
class Simple:
    """An operator without constants: Relu, MaxPool, Flatten, GlobalAveragePool."""

    op: str
    attributes: dict[str, list[int] | int] = field(default_factory=dict[str, "list[int] | int"])

    def write(self, writer: GraphWriter, x: str) -> str:
        return writer.node(self.op, [x], self.attributes)

    def __str__(self) -> str:
        return f"{self.op}{self.attributes or ''}"


@dataclass(frozen=True)
class Join:
    """Two branches on the same tensor, added or concatenated by channel; an empty branch is the tensor itself."""

    op: Literal["Add", "Concat"]
    left: list[Layer]
    right: list[Layer]

    def write(self, writer: GraphWriter, x: str) -> str:
        branches = [write_layers(writer, layers, x) for layers in (self.left, self.right)]
        return writer.node(self.op, branches, {"axis": 1} if self.op == "Concat" else {})

    def __str__(self) -> str:
        return f"{self.op}([{listing(self.left)}], [{listing(self.right)}])"


Layer = Quantiser | Bipolar | Linear | BatchNorm | Simple | Join


def write_layers(writer: GraphWriter, layers: Sequence[Layer], x: str) -> str:
    """Append the nodes of `layers` to the graph and return the name of the last tensor."""
    for layer in layers:
        x = layer.write(writer, x)
    return x


def listing(layers: Sequence[Layer]) -> str:
    """Return the layers in one line, without their numbers."""
    return "; ".join(str(layer) for layer in layers)


@dataclass(frozen=True, repr=False)
class Network:
    """A plan with its inputs.

    Attributes:
        input_type: element type of the ONNX input `x`: "float32", "int8" or "uint8".
        declared_type: the integer type that the compiler is told for a float input that holds integers, or None.
        shape: channels, height, width of the input.
        layers: what happens to the input, in order; the output is called `y`.
        output_shape: of one image.
        images: input batch [N, *shape], in the input's type.
    """

    input_type: str
    declared_type: str | None
    shape: tuple[int, int, int]
    layers: list[Layer]
    output_shape: tuple[int, ...]
    images: NDArray[np.generic]

    def model(self, *, plain: bool = False) -> onnx.ModelProto:
        """Return the network in its own dialect, or `plain` in standard operators only."""
        writer = GraphWriter(plain=plain)
        x = "x" if self.input_type == "float32" else writer.node("Cast", ["x"], {"to": onnx.TensorProto.FLOAT})
        y = write_layers(writer, self.layers, x)
        return writer.model(self.input_type, self.shape, y, self.output_shape)

    @property
    def input_types(self) -> dict[str, str]:
        """What the compiler is told about the input."""
        return {} if self.declared_type is None else {"x": self.declared_type}

    def __repr__(self) -> str:
        """What hypothesis shows of a failing example."""
        kind = self.declared_type or self.input_type
        return f"Network({kind} {len(self.images)}x{self.shape}: {listing(self.layers)})"
