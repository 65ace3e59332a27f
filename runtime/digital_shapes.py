"""Shapes of the results of digital operations.

Each rule takes the complete attributes and the operand shapes, and returns the result shape or raises `ValueError`. The
batch is axis 0, with size -1, of tensors of the program; constants have plain shapes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import cast

from imcflow.runtime.program import Json

BATCH = -1
MAX_WORKING_ELEMENTS = 1 << 32

Shape = tuple[int, ...]
Attributes = Mapping[str, Json]


def integers_of(attributes: Attributes, key: str) -> list[int]:
    """Return an attribute that is a list of integers."""
    return list(cast(Sequence[int], attributes[key]))


def integer_of(attributes: Attributes, key: str) -> int:
    """Return an attribute that is an integer."""
    return cast(int, attributes[key])


def broadcast(left: Shape, right: Shape) -> Shape:
    """Return the numpy broadcast of two shapes; -1 meets only -1 or 1.

    Raises:
        ValueError: the shapes do not broadcast.
    """
    rank = max(len(left), len(right))
    sizes: list[int] = []
    for a, b in zip((1,) * (rank - len(left)) + left, (1,) * (rank - len(right)) + right, strict=True):
        if a != b and 1 not in (a, b):
            raise ValueError(f"shapes {list(left)} and {list(right)} do not broadcast")
        sizes.append(b if a == 1 else a)
    return tuple(sizes)


def broadcast_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """All operands broadcast against each other."""
    del attributes
    shape: Shape = shapes[0]
    for other in shapes[1:]:
        shape = broadcast(shape, other)
    return shape


def first_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """The shape of the first operand, into which the others broadcast."""
    if broadcast_shape(attributes, shapes) != shapes[0]:
        raise ValueError(f"operands {[list(shape) for shape in shapes[1:]]} do not broadcast into {list(shapes[0])}")
    return shapes[0]


def _rank(shape: Shape, rank: int, what: str) -> None:
    if len(shape) != rank:
        raise ValueError(f"{what} has {len(shape)} axes, expected {rank}")


def _axis(attributes: Attributes, shape: Shape) -> int:
    axis = integer_of(attributes, "axis")
    if not 1 <= axis < len(shape):
        raise ValueError(f"axis {axis} is outside 1 to {len(shape) - 1}")
    return axis


def _window(attributes: Attributes, size: Sequence[int], kernel: Sequence[int], *, ceil_mode: bool) -> tuple[int, int]:
    strides, pads, dilations = (integers_of(attributes, key) for key in ("strides", "pads", "dilations"))
    result: list[int] = []
    for axis in range(2):
        padded = size[axis] + pads[axis] + pads[axis + 2]
        reach = (kernel[axis] - 1) * dilations[axis] + 1
        if reach > padded:
            raise ValueError(f"a window of {reach} is larger than the padded input of {padded}")
        count = (padded - reach) // strides[axis] + 1
        if ceil_mode and (padded - reach) % strides[axis] and count * strides[axis] < size[axis] + pads[axis]:
            count += 1
        result.append(count)
    return result[0], result[1]


def _limit_work(*sizes: int) -> None:
    if prod(sizes) > MAX_WORKING_ELEMENTS:
        raise ValueError(f"{prod(sizes)} window elements per image exceed {MAX_WORKING_ELEMENTS}")


def conv2d_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Input [N, C, H, W], weights [M, C/groups, KH, KW], optional bias [M]."""
    _rank(shapes[0], 4, "input")
    _rank(shapes[1], 4, "weights")
    batch, channels, height, width = shapes[0]
    outputs, channels_in, kernel_height, kernel_width = shapes[1]
    groups = integer_of(attributes, "groups")
    if channels != channels_in * groups or outputs % groups:
        raise ValueError(f"{groups} groups do not fit {channels} channels and weights {list(shapes[1])}")
    if len(shapes) == 3 and shapes[2] != (outputs,):
        raise ValueError(f"bias has shape {list(shapes[2])}, expected [{outputs}]")
    size = _window(attributes, (height, width), (kernel_height, kernel_width), ceil_mode=False)
    _limit_work(channels, kernel_height, kernel_width, *size)
    return (batch, outputs, *size)


def gemm_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Input [N, K], weights [M, K], optional bias [M]."""
    del attributes
    _rank(shapes[0], 2, "input")
    _rank(shapes[1], 2, "weights")
    if shapes[0][1] != shapes[1][1]:
        raise ValueError(f"input has {shapes[0][1]} features, weights have {shapes[1][1]}")
    if len(shapes) == 3 and shapes[2] != (shapes[1][0],):
        raise ValueError(f"bias has shape {list(shapes[2])}, expected [{shapes[1][0]}]")
    return (shapes[0][0], shapes[1][0])


def matmul_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Two operands, as numpy's matmul."""
    del attributes
    left, right = shapes
    if len(left) < 2 or len(right) < 2 or left[-1] != right[-2] or left[-1] == BATCH:
        raise ValueError(f"inner dimensions of {list(left)} and {list(right)} differ")
    return (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])


def pool_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Windows over [N, C, H, W]."""
    _rank(shapes[0], 4, "input")
    kernel = integers_of(attributes, "kernel")
    batch, channels, height, width = shapes[0]
    size = _window(attributes, (height, width), kernel, ceil_mode=attributes["ceil_mode"] is True)
    _limit_work(channels, *kernel, *size)
    return (batch, channels, *size)


def batch_norm_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Input with channels at axis 1, four parameters [C]."""
    del attributes
    if len(shapes[0]) < 2 or any(shape != (shapes[0][1],) for shape in shapes[1:]):
        raise ValueError(f"input {list(shapes[0])} needs parameters with one value per channel")
    return shapes[0]


def threshold_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Input with channels at axis 1, thresholds [C or 1, L], optional descending [C]."""
    del attributes
    if len(shapes[0]) < 2:
        raise ValueError("input has no channel axis")
    _rank(shapes[1], 2, "thresholds")
    channels = shapes[0][1]
    if shapes[1][0] not in (1, channels):
        raise ValueError(f"thresholds have {shapes[1][0]} rows for {channels} channels")
    if len(shapes) == 3 and shapes[2] != (channels,):
        raise ValueError(f"descending has shape {list(shapes[2])}, expected [{channels}]")
    _limit_work(*shapes[0][1:], shapes[1][1])
    return shapes[0]


def transpose_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Axes in the order of `permutation`, the batch first."""
    order = integers_of(attributes, "permutation")
    if sorted(order) != list(range(len(shapes[0]))) or order[0] != 0:
        raise ValueError(f"{order} is no permutation of {len(shapes[0])} axes that keeps axis 0")
    return tuple(shapes[0][axis] for axis in order)


def concat_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Operands joined along `axis`."""
    axis = _axis(attributes, shapes[0])
    rest = shapes[0][:axis] + shapes[0][axis + 1 :]
    if any(len(shape) != len(shapes[0]) or shape[:axis] + shape[axis + 1 :] != rest for shape in shapes):
        raise ValueError(f"shapes {[list(shape) for shape in shapes]} differ in more than axis {axis}")
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def pad_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """`pads` holds begins, then ends, of all axes."""
    pads = integers_of(attributes, "pads")
    rank = len(shapes[0])
    if len(pads) != 2 * rank or pads[0] or pads[rank]:
        raise ValueError(f"pads {pads} must be {2 * rank} integers, 0 for the batch")
    return (shapes[0][0], *(shapes[0][axis] + pads[axis] + pads[axis + rank] for axis in range(1, rank)))


def slice_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """`start`, `stop` and `step` along `axis`."""
    axis = _axis(attributes, shapes[0])
    start, stop, step = (integer_of(attributes, key) for key in ("start", "stop", "step"))
    if not 0 <= start < stop <= shapes[0][axis]:
        raise ValueError(f"slice {start}:{stop} is outside axis {axis} of size {shapes[0][axis]}")
    return (*shapes[0][:axis], len(range(start, stop, step)), *shapes[0][axis + 1 :])


def depth_to_space_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Channels become blocks of `block` x `block` pixels."""
    _rank(shapes[0], 4, "input")
    block = integer_of(attributes, "block")
    batch, channels, height, width = shapes[0]
    if channels % (block * block):
        raise ValueError(f"{channels} channels do not divide into blocks of {block}x{block}")
    return (batch, channels // (block * block), height * block, width * block)


def reduce_mean_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Reduced `axes` keep size 1."""
    axes = integers_of(attributes, "axes")
    if not axes or any(not 1 <= axis < len(shapes[0]) for axis in axes):
        raise ValueError(f"axes {axes} are outside 1 to {len(shapes[0]) - 1}")
    return tuple(1 if axis in axes else size for axis, size in enumerate(shapes[0]))


def top_k_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """`count` indices along `axis`."""
    axis = _axis(attributes, shapes[0])
    count = integer_of(attributes, "count")
    if count > shapes[0][axis]:
        raise ValueError(f"the {count} largest of {shapes[0][axis]} elements do not exist")
    return (*shapes[0][:axis], count, *shapes[0][axis + 1 :])


def softmax_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """The shape of the operand, which has `axis`."""
    _axis(attributes, shapes[0])
    return shapes[0]


def reshape_shape(attributes: Attributes, shapes: Sequence[Shape]) -> Shape:
    """Any: the new shape is that of the output buffer, whose size the loader compares."""
    del attributes
    return shapes[0]
