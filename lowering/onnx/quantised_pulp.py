"""Deeploy's RequantShift (PULP platform)."""

from __future__ import annotations

import numpy as np

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import DECLARE_INPUTS, NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned_constant
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import requantised
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor, integral


@onnx_op(
    "RequantShift",
    attributes=("div", "signed", "n_levels", "n_levels_out"),
    limits="integer input; multiplier, addend and divisor are integral constants; not different along the batch",
    domains=("PACTOps", "ai.onnx.contrib", ""),
)
def import_requant_shift(node: Node, build: NetworkBuilder) -> Tensor:
    """`clip(floor((x * mul + add) / div + 1/2))` to `n_levels` signed or unsigned levels, exactly."""
    data = node.activation(0)
    value = build.integers(data)
    if value is None:
        raise node.error(f"requantises floating-point numbers; {DECLARE_INPUTS}")
    shape = shape_of(value)
    multiplier, addend = _parameter(node, 1, "mul", shape), _parameter(node, 2, "add", shape)
    divisor = node.integer("div")
    if divisor < 1:
        raise node.error(f"attribute 'div' is {divisor}, expected at least 1")
    levels = node.integer("n_levels_out" if node.has("n_levels_out") else "n_levels")
    if levels < 2:
        raise node.error(f"attribute 'n_levels' is {levels}, expected at least 2")
    half = levels // 2
    limits = (-half, half - 1) if node.integer("signed") else (0, levels - 1)
    divisors = np.asarray(divisor, np.int64)
    result = requantised(build, value, multiplier, addend, divisors, Rounding.HALF_UP, limits)
    return Activation(result, data.dtype)


def _parameter(node: Node, index: int, what: str, shape: tuple[int, ...]) -> Array:
    """Return multiplier or addend so that it broadcasts against the input.

    Deeploy writes `[C, 1, 1]` behind one-dimensional convolutions `[N, C, W]` too, where numpy would pair C with N.
    """
    constant = node.constant(index, what)
    array = constant.array
    if len(shape) == 3 and array.shape == (shape[1], 1, 1):
        constant = Constant(array[:, :, 0])
    integers = integral(aligned_constant(node, constant, len(shape)).array)
    if integers is None:
        raise node.error(f"{what} holds numbers with fractions")
    return integers
