"""Integer forms of the ops that move or select elements: the integers move, scale and zero point follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imcflow.dialect.ops_network import MaxPoolOp
from imcflow.dialect.ops_shape import (
    ConcatOp,
    DepthToSpaceOp,
    PadOp,
    ReshapeOp,
    SliceOp,
    TransposeOp,
)
from imcflow.dialect.types import element_type_of, shape_of
from imcflow.passes.network.constants import collapse, is_uniform
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import FormOf, Quantised, widened


def lift_reshape(editor: Editor, op: ReshapeOp, form_of: FormOf) -> Quantised | None:
    """Reshape the integers; parameters that change are spelled out and reshaped too."""
    form = form_of(op.input)
    if form is None:
        return None
    before, after = shape_of(op.input)[1:], shape_of(op.result)[1:]

    def reshaped(parameter: NDArray[Any]) -> NDArray[Any]:
        if is_uniform(parameter):
            return parameter.reshape((1,) * len(after))
        return collapse(np.broadcast_to(parameter, before).reshape(after))

    integers = editor.value(ReshapeOp(form.integers, after))
    return Quantised(integers, reshaped(form.scale), reshaped(form.zero))


def lift_transpose(editor: Editor, op: TransposeOp, form_of: FormOf) -> Quantised | None:
    """Reorder the axes of integers and parameters."""
    form = form_of(op.input)
    if form is None:
        return None
    permutation = op.permutation.get_values()
    order = [axis - 1 for axis in permutation[1:]]
    integers = editor.value(TransposeOp(form.integers, permutation))
    return Quantised(integers, form.scale.transpose(order), form.zero.transpose(order))


def lift_slice(editor: Editor, op: SliceOp, form_of: FormOf) -> Quantised | None:
    """Take the range of integers and parameters."""
    form = form_of(op.input)
    if form is None:
        return None
    axis, start, stop, step = op.axis.value.data, op.start.value.data, op.stop.value.data, op.step.value.data

    def part(parameter: NDArray[Any]) -> NDArray[Any]:
        return parameter if parameter.shape[axis - 1] == 1 else parameter.take(range(start, stop, step), axis=axis - 1)

    integers = editor.value(SliceOp(form.integers, axis=axis, start=start, stop=stop, step=step))
    return Quantised(integers, collapse(part(form.scale)), collapse(part(form.zero)))


def lift_pad(editor: Editor, op: PadOp, form_of: FormOf) -> Quantised | None:
    """Pad with the integer that stands for the padding value, if there is one for the whole tensor."""
    form = form_of(op.input)
    if form is None:
        return None
    if not is_uniform(form.zero):
        return None
    zero, value = int(form.zero.item()), op.value.value.data
    level = zero
    if value:
        if not is_uniform(form.scale):
            return None
        quotient = value / form.scale.item()
        if quotient != np.rint(quotient):
            return None
        level = zero + int(quotient)
    pads = op.pads.get_values()
    if not _unpadded(form.scale, pads):
        return None
    padded = editor.value(PadOp(widened(editor, form.integers, level, level), pads, value=level))
    return Quantised(padded, form.scale, form.zero)


def _unpadded(parameter: NDArray[Any], pads: Sequence[int]) -> bool:
    """Return whether the parameter does not change along a padded axis."""
    rank = parameter.ndim + 1
    return all(size == 1 or not (pads[axis] or pads[axis + rank]) for axis, size in enumerate(parameter.shape, start=1))


def lift_concat(editor: Editor, op: ConcatOp, form_of: FormOf) -> Quantised | None:
    """Join the integers, in a type that holds all of them; different scales become one scale per channel."""
    forms = [form for form in map(form_of, op.inputs) if form is not None]
    if len(forms) < len(op.inputs):
        return None
    ranges = [form.range for form in forms]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    values = [widened(editor, form.integers, low, high) for form in forms]
    axis = op.axis.value.data - 1

    def joined(parameters: Sequence[NDArray[Any]]) -> NDArray[Any]:
        parts: list[NDArray[Any]] = []
        rank = len(parameters[0].shape)
        shape = [max(parameter.shape[other] for parameter in parameters) for other in range(rank)]
        for form, parameter in zip(forms, parameters, strict=True):
            shape[axis] = shape_of(form.integers)[axis + 1]
            parts.append(np.broadcast_to(parameter, shape))
        return collapse(np.concatenate(parts, axis=axis))

    integers = editor.value(ConcatOp(values, axis=op.axis.value.data))
    return Quantised(integers, joined([form.scale for form in forms]), joined([form.zero for form in forms]))


def lift_max_pool(editor: Editor, op: MaxPoolOp, form_of: FormOf) -> Quantised | None:
    """Pool the integers; a negative scale would turn the order round."""
    form = form_of(op.input)
    if form is None:
        return None
    if form.scale.min() <= 0 or form.scale.shape[1:] != (1, 1) or form.zero.shape[1:] != (1, 1):
        return None
    pooled = MaxPoolOp(
        form.integers,
        element_type_of(form.integers),
        kernel=op.kernel.get_values(),
        strides=op.strides.get_values(),
        pads=op.pads.get_values(),
        dilations=op.dilations.get_values(),
        ceil_mode=op.ceil_mode is not None,
    )
    return Quantised(editor.value(pooled), form.scale, form.zero)


def lift_depth_to_space(editor: Editor, op: DepthToSpaceOp, form_of: FormOf) -> Quantised | None:
    """Spread the integers of a tensor with one scale."""
    form = form_of(op.input)
    if form is None:
        return None
    if not form.is_per_tensor:
        return None
    spread = DepthToSpaceOp(
        form.integers, block=op.block.value.data, column_row_depth=bool(op.column_row_depth.value.data)
    )
    return Quantised(editor.value(spread), form.scale, form.zero)
