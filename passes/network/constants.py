"""Values that are known at compile time, and parameters that apply per channel."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import DYNAMIC_INDEX, TensorType
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.interpreter import evaluate_op
from imcflow.dialect.ops_network import ConstantOp


def constant_value(value: SSAValue) -> NDArray[Any] | None:
    """Return the array that `value` always holds, or None; evaluates ops whose operands are all constant."""
    owner = value.owner
    if not isinstance(owner, Operation) or not _is_known(owner):
        return None
    known: dict[SSAValue, NDArray[Any]] = {}
    pending = [owner]
    while pending:
        op = pending[-1]
        missing = [operand.owner for operand in op.operands if operand not in known]
        if missing:
            pending.extend(defining for defining in missing if isinstance(defining, Operation))
            continue
        pending.pop()
        if op.results[0] not in known:
            known[op.results[0]] = evaluate_op(op, [known[operand] for operand in op.operands])
    return known[value]


def _is_known(op: Operation) -> bool:
    """Return whether `op` depends on constants only."""
    seen: set[Operation] = set()
    pending = [op]
    while pending:
        current = pending.pop()
        if current in seen or isinstance(current, ConstantOp):
            continue
        # Constants have no batch axis: this saves the walk to the inputs of the network.
        if any(_is_dynamic(result) for result in current.results):
            return False
        seen.add(current)
        if not current.operands:
            return False
        for operand in current.operands:
            if not isinstance(operand.owner, Operation):
                return False
            pending.append(operand.owner)
    return True


def _is_dynamic(value: SSAValue) -> bool:
    kind = value.type
    return isinstance(kind, TensorType) and DYNAMIC_INDEX in kind.get_shape()


def per_image(array: NDArray[Any], rank: int) -> NDArray[Any] | None:
    """Return a parameter that broadcasts against one image, with axes along which it does not change cut to size 1.

    Args:
        array: broadcasts against a tensor of `rank` axes, batch included.
        rank: number of axes of that tensor.

    Returns:
        An array of `rank - 1` axes, or None if the parameter changes along the batch.
    """
    if array.ndim > rank:
        return None
    aligned = array.reshape((1,) * (rank - array.ndim) + array.shape)
    if aligned.shape[0] != 1:
        return None
    return collapse(aligned[0])


def collapse(array: NDArray[Any]) -> NDArray[Any]:
    """Cut each axis along which `array` does not change to size 1."""
    for axis in range(array.ndim):
        first = array.take([0], axis=axis)
        if array.shape[axis] > 1 and np.array_equal(array, np.broadcast_to(first, array.shape)):
            array = first
    return array


def is_uniform(array: NDArray[Any]) -> bool:
    """Return whether the parameter is one number."""
    return array.size == 1
