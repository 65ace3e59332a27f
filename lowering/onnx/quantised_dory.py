"""DORY's Add: it requantises both inputs by its attributes before adding.

Executed as a plain ONNX Add it computes another network (dronet: right for five layers, wrong afterwards).
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.lowering.onnx.builder import DECLARE_INPUTS, NetworkBuilder
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.requantise import requantised
from imcflow.lowering.onnx.tensors import Activation, Tensor

REQUANTISING_ADD_ATTRIBUTES = tuple(
    f"{port}_{part}" for port in ("in1", "in2", "out") for part in ("rq", "mul", "add", "shift", "n_levels")
)


def requantising_add(node: Node, build: NetworkBuilder) -> Tensor:
    """Import `floor((a * mul + add) / 2**shift) + floor((b * mul + add) / 2**shift)`.

    Raises:
        ModelError: if the inputs are not integers, or if the sum is to be requantised too.
    """
    node.expect_attribute("out_rq", 0, (0,), "requantising the sum is not supported")
    first, second = (_input(node, build, index) for index in range(2))
    interval = build.interval(first) + build.interval(second)
    result = build.emit(AddOp(first, second, build.element(interval)), interval)
    return Activation(result, node.activation(0).dtype)


def _input(node: Node, build: NetworkBuilder, index: int) -> SSAValue:
    value = build.integers(node.activation(index))
    if value is None:
        raise node.error(f"requantises its inputs, which must be integers; {DECLARE_INPUTS}")
    port = f"in{index + 1}"
    if not node.integer(f"{port}_rq", 0):
        return value
    constants = (node.integer(f"{port}_mul"), node.integer(f"{port}_add"), 1 << node.integer(f"{port}_shift"))
    multiplier, addend, divisor = (np.asarray(number, np.int64) for number in constants)
    return requantised(build, value, multiplier, addend, divisor, Rounding.FLOOR)
