"""Layers as constant integer matrices: from the window elements of one output position to its output channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xdsl.utils.exceptions import DiagnosticException

from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, SumPoolOp
from imcflow.dialect.types import shape_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from xdsl.ir import Operation, SSAValue

    Matrix = NDArray[np.int64]

LinearOp = Conv2dOp | GemmOp | SumPoolOp | AddOp


def layer_matrix(op: LinearOp) -> Matrix:
    """Return the matrix [outputs, window elements of all inputs] of a layer.

    Raises:
        DiagnosticException: the weights are no constant.
    """
    if isinstance(op, Conv2dOp):
        return convolution_matrix(op)
    if isinstance(op, GemmOp):
        return constant_of(op, op.weights, "weights")
    return _pool_matrix(op) if isinstance(op, SumPoolOp) else _sum_matrix(op)


def joins_channels(op: LinearOp) -> bool:
    """Return whether every output may depend on every input channel: not so behind groups, in pools and in sums."""
    return isinstance(op, GemmOp) or (isinstance(op, Conv2dOp) and op.groups.value.data == 1)


def convolution_matrix(op: Conv2dOp) -> Matrix:
    """Return the matrix [outputs, channels * kernel_height * kernel_width] of a convolution, groups as zero blocks.

    Raises:
        DiagnosticException: the weights are no constant.
    """
    weights = constant_of(op, op.weights, "weights")
    outputs, channels_in, *kernel = weights.shape
    groups = op.groups.value.data
    elements = channels_in * kernel[0] * kernel[1]
    if groups == 1:
        return weights.reshape(outputs, elements)
    matrix = np.zeros((outputs, groups * elements), dtype=np.int64)
    per_group = outputs // groups
    for group in range(groups):
        rows = slice(group * per_group, (group + 1) * per_group)
        matrix[rows, group * elements : (group + 1) * elements] = weights[rows].reshape(per_group, elements)
    return matrix


def constant_of(op: Operation, value: SSAValue, what: str) -> Matrix:
    """Return the array of a constant operand.

    Raises:
        DiagnosticException: it is no constant; `what` names it in the message.
    """
    array = constant_array(value)
    if array is None:
        raise DiagnosticException(
            f"{describe(op)}: {what} must be constant to be unrolled on the associative processor"
        )
    return array


def _pool_matrix(op: SumPoolOp) -> Matrix:
    channels = shape_of(op.input)[1]
    height, width = (int(size) for size in op.kernel.iter_values())
    return np.kron(np.eye(channels, dtype=np.int64), np.ones((1, height * width), dtype=np.int64))


def _sum_matrix(op: AddOp) -> Matrix:
    identity = np.eye(shape_of(op.lhs)[1], dtype=np.int64)
    return np.concatenate([identity, identity], axis=1)
