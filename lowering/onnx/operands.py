"""Constants as operands beside activations: they must be the same for every image of a batch."""

from __future__ import annotations

import numpy as np
from xdsl.ir import SSAValue

from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor


def aligned_constant(node: Node, constant: Constant, rank: int) -> Constant:
    """Return a constant that broadcasts against an activation of `rank` axes without touching its batch axis.

    Leading axes of size 1 beyond the rank are dropped; equal rows along the batch axis become one.

    Raises:
        ModelError: if the constant has more axes than the activation, or differs between the images of a batch.
    """
    array = constant.array
    surplus = array.ndim - rank
    if surplus > 0:
        if any(size != 1 for size in array.shape[:surplus]):
            raise node.error(f"a constant of shape {list(array.shape)} would add axes before the batch")
        shape = array.shape[surplus:]
        constant = constant.moved(lambda part: part.reshape(shape), keeps_axes=False)
        array = constant.array
    if array.ndim == rank and rank and array.shape[0] > 1:
        if np.any(array != array[:1]):
            raise node.error(
                f"a constant of shape {list(array.shape)} differs along axis 0, which is the batch: "
                "every image of a batch must be computed alike"
            )
        constant = Constant(array[:1])
    return constant


def aligned(node: Node, tensors: list[Tensor]) -> list[Tensor]:
    """Return the operands of an elementwise op with their constants aligned to the activations.

    Raises:
        ModelError: if activations have different numbers of axes, which would pair a batch with another axis.
    """
    ranks = {len(shape_of(tensor.value)) for tensor in tensors if isinstance(tensor, Activation)}
    if len(ranks) > 1:
        raise node.error(f"activations with {min(ranks)} and {max(ranks)} axes would pair the batch with another axis")
    if not ranks:
        raise node.error("computes from constants only, which is not supported for this op")
    rank = next(iter(ranks))
    return [aligned_constant(node, tensor, rank) if isinstance(tensor, Constant) else tensor for tensor in tensors]


def per_axis(node: Node, array: Array, rank: int, axis: int, size: int, what: str) -> Array:
    """Return a scale or zero point with `rank` axes whose only axis above 1 is `axis`; scalars get none.

    Raises:
        ModelError: if the length does not match the axis.
    """
    if array.size == 1:
        return array.reshape(())
    axis = axis + rank if axis < 0 else axis
    if not 0 <= axis < rank or array.size != size:
        raise node.error(f"the {what} has {array.size} entries for axis {axis} of size {size}")
    return array.reshape([-1 if position == axis else 1 for position in range(rank)])


def normalised_axis(node: Node, axis: int, rank: int, *, batch_allowed: bool = False) -> int:
    """Return an axis counted from the front.

    Raises:
        ModelError: if it does not exist, or is the batch and may not be.
    """
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} does not exist in {rank} axes")
    axis = axis + rank if axis < 0 else axis
    if axis == 0 and not batch_allowed:
        raise node.error("axis 0 is the batch, along which nothing may be mixed")
    return axis


def shape_text(value: SSAValue) -> str:
    """Return a shape as messages write it: `[batch, 3, 32, 32]`."""
    return f"[{', '.join('batch' if size < 0 else str(size) for size in shape_of(value))}]"


def rank_of(value: SSAValue) -> int:
    """Return the number of axes."""
    return len(shape_of(value))
