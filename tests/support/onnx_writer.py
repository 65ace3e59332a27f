"""Write small quantised ONNX models, in a dialect or in standard operators that onnxruntime executes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
OPSET = 17
IR_VERSION = 8

QuantiserForm = Literal["quant", "qdq", "div", "mul", "steps"]
"""QONNX Quant; QuantizeLinear, Clip, DequantizeLinear; Div or Mul, then Round, Clip, Mul; a sum of comparisons."""

WeightForm = Literal["float", "quant", "dequantize"]
"""float initialiser; the same behind a QONNX Quant; int8 initialiser behind DequantizeLinear."""


class GraphWriter:
    """Collects nodes and initialisers; `plain` spells QONNX operators out in standard ones."""

    def __init__(self, *, plain: bool) -> None:
        self.plain = plain
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: ArrayLike, dtype: type[np.generic] = np.float32) -> str:
        """Add an initialiser and return its name, which starts with `name`."""
        unique = f"{name}_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), unique))
        return unique

    def node(self, op: str, inputs: list[str], attributes: Mapping[str, Any] | None = None, domain: str = "") -> str:
        """Add a node and return its only output, which is called like the node."""
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **(attributes or {})))
        return name

    def _quant(self, x: str, scale: ArrayLike, bits: int, *, signed: bool) -> str:
        numbers = [self.constant("scale", scale), self.constant("zero", 0.0), self.constant("bits", bits)]
        attributes = {"signed": int(signed), "narrow": 0, "rounding_mode": "ROUND"}
        return self.node("Quant", [x, *numbers], attributes, QONNX)

    def quantiser(
        self, form: QuantiserForm, x: str, scale: float, bits: int, *, signed: bool, zero_point: int = 0
    ) -> str:
        """Add clip(round(x / scale), low, high) * scale with rounding to even; `steps` rounds halves up.

        A zero point, of `qdq` alone, is added before and subtracted after clipping.
        """
        low = -(2 ** (bits - 1)) if signed else 0
        high = low + 2**bits - 1
        if form == "quant" and not self.plain:
            return self._quant(x, scale, bits, signed=signed)
        if form == "qdq":
            return self._quantise_and_dequantise(x, scale, low, high, zero_point, signed=signed)
        if form == "steps":
            return self._steps(x, scale, low, high)
        if form == "mul":
            ratio = self.node("Mul", [x, self.constant("inverse", 1 / scale)])
        else:
            ratio = self.node("Div", [x, self.constant("scale", scale)])
        bounds = [self.constant("low", low), self.constant("high", high)]
        clipped = self.node("Clip", [self.node("Round", [ratio]), *bounds])
        return self.node("Mul", [clipped, self.constant("scale", scale)])

    def _quantise_and_dequantise(
        self, x: str, scale: float, low: int, high: int, zero_point: int, *, signed: bool
    ) -> str:
        dtype = np.int8 if signed else np.uint8
        numbers = [self.constant("scale", scale), self.constant("zero", zero_point, dtype)]
        y = self.node("QuantizeLinear", [x, *numbers])
        if (low, high) != (np.iinfo(dtype).min, np.iinfo(dtype).max):
            y = self.node("Clip", [y, self.constant("low", low, dtype), self.constant("high", high, dtype)])
        return self.node("DequantizeLinear", [y, *numbers])

    def bipolar(self, x: str, scale: float) -> str:
        """Add scale where x >= 0, else -scale: QONNX BipolarQuant, or a comparison."""
        if not self.plain:
            return self.node("BipolarQuant", [x, self.constant("scale", scale)], {}, QONNX)
        positive = self.node("GreaterOrEqual", [x, self.constant("threshold", 0.0)])
        step = self.node("Cast", [positive], {"to": TensorProto.FLOAT})
        return self.node(
            "Sub", [self.node("Mul", [step, self.constant("double", 2 * scale)]), self.constant("one", scale)]
        )

    def _steps(self, x: str, scale: float, low: int, high: int) -> str:
        total = ""
        for level in range(low + 1, high + 1):
            reached = self.node("GreaterOrEqual", [x, self.constant("threshold", (level - 0.5) * scale)])
            step = self.node("Cast", [reached], {"to": TensorProto.FLOAT})
            total = step if not total else self.node("Add", [total, step])
        if low:
            total = self.node("Add", [total, self.constant("low", low)])
        return self.node("Mul", [total, self.constant("scale", scale)])

    def weight(self, form: WeightForm, integers: NDArray[np.int64], scale: NDArray[np.float32], bits: int) -> str:
        """Add scale * integers, with one scale (shape []) or one per output channel (shape [M])."""
        spread = scale if scale.ndim == 0 else scale.reshape([-1, *[1] * (integers.ndim - 1)])
        values = integers.astype(np.float32) * spread
        if form == "dequantize":
            stored = self.constant("weight", integers, np.int8)
            numbers = [self.constant("scale", scale), self.constant("zero", np.zeros(scale.shape), np.int8)]
            return self.node("DequantizeLinear", [stored, *numbers], {"axis": 0} if scale.ndim else {})
        stored = self.constant("weight", values)
        if form == "float" or self.plain:
            return stored
        return self._quant(stored, spread, bits, signed=True)

    def model(
        self, input_type: str, shape: tuple[int, ...], output: str, output_shape: tuple[int, ...]
    ) -> onnx.ModelProto:
        """Return the graph from input `x`, [N, *shape], to the tensor `output`, which is renamed to `y`."""
        self.nodes.append(helper.make_node("Identity", [output], ["y"], name="identity"))
        element = helper.np_dtype_to_tensor_dtype(np.dtype(input_type))
        graph = helper.make_graph(
            self.nodes,
            "generated",
            [helper.make_tensor_value_info("x", element, ["N", *shape])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", *output_shape])],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets[: 1 if self.plain else 2], ir_version=IR_VERSION)
