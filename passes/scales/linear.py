"""Integer forms of convolution and matrix product: small integer weights, one real scale per output channel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.ops_elementwise import AddOp, SubOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import MAX_INTEGER_BITS, f32, shape_of, smallest_integer_type
from imcflow.passes.network.constants import collapse, constant_value, is_uniform
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import Quantised, materialise, parameter_shape, widened
from imcflow.passes.network.intervals import linear_interval
from imcflow.passes.network.weights import ScaledWeights, signed_bits, weight_form, weight_type
from imcflow.passes.scales.arithmetic import fits, scale_ratio

LARGEST_BIAS = 1 << 24
"""float32 holds every integer up to this, so larger ones could not have come from it."""


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A linear layer over integers and the real scale of its accumulators.

    Attributes:
        weights: int64 [M, ...].
        bias: int64 [M]; the input's zero point is in it.
        scale: float64 [M].
        pad_value: integer in padded positions.
        real_bias: float32 [M] to add after the scale, or None.
    """

    weights: NDArray[np.int64]
    bias: NDArray[np.int64]
    scale: NDArray[np.float64]
    pad_value: int
    real_bias: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Accumulators:
    """The integer result of a linear layer.

    Attributes:
        integers: the sums, bias and zero point of the input included.
        scale: float64 [M]: the product of the scales of input and weights, not rounded to float32.
        real_bias: float32 [M] to add after the scale, or None.
    """

    integers: SSAValue
    scale: NDArray[np.float64]
    real_bias: NDArray[np.float32] | None


def lift_linear(editor: Editor, op: Conv2dOp | GemmOp, form: Quantised, max_weight_bits: int) -> SSAValue | str:
    """Return the real result of the layer computed by an integer layer, or why the weights or scales forbid that."""
    sums = integer_sums(editor, op, form, max_weight_bits)
    if isinstance(sums, str):
        return sums
    channel_shape = (-1,) + (1,) * (len(shape_of(op.result)) - 2)
    scale = collapse(sums.scale.reshape(channel_shape))
    zero = np.zeros((1,) * scale.ndim, np.int64)
    real = materialise(editor, Quantised(sums.integers, scale, zero))
    if sums.real_bias is None:
        return real
    constant = editor.value(float_constant(sums.real_bias.reshape(channel_shape)))
    return editor.value(AddOp(real, constant, f32))


def integer_sums(
    editor: Editor,
    op: Conv2dOp | GemmOp,
    form: Quantised,
    max_weight_bits: int,
    *,
    stored_bias: NDArray[np.int64] | None = None,
) -> Accumulators | str:
    """Insert the layer over integers, or say why the weights or scales forbid that.

    Args:
        editor: where to insert.
        op: the layer over real numbers.
        form: its input as integers.
        max_weight_bits: weights that need more are refused.
        stored_bias: int64 [M], the bias in steps of the accumulators, used instead of the layer's own.
    """
    found = weight_form(op.weights, max_weight_bits)
    if isinstance(found, str):
        return found
    if not is_uniform(form.zero) and _is_padded(op):
        form = _centred(editor, form)
    layer = _integer_layer(op, form, found, max_weight_bits, stored_bias)
    if isinstance(layer, str):
        return layer
    value = widened(editor, form.integers, layer.pad_value, layer.pad_value) if layer.pad_value else form.integers
    try:
        low, high = linear_interval(value, layer.weights, layer.bias, padded=_is_padded(op), pad_value=layer.pad_value)
    except OverflowError as error:
        return str(error)
    if not fits(int(low.min()), int(high.max())):
        return f"its accumulators need more than {MAX_INTEGER_BITS} bits"
    element = smallest_integer_type(int(low.min()), int(high.max()))
    weights = editor.value(integer_constant(layer.weights, weight_type(layer.weights)))
    bias = editor.value(integer_constant(layer.bias)) if np.any(layer.bias) else None
    if isinstance(op, Conv2dOp):
        sums: Conv2dOp | GemmOp = Conv2dOp(
            value,
            weights,
            element,
            bias=bias,
            strides=op.strides.get_values(),
            pads=op.pads.get_values(),
            dilations=op.dilations.get_values(),
            groups=op.groups.value.data,
            pad_value=layer.pad_value,
        )
    else:
        sums = GemmOp(value, weights, element, bias=bias)
    return Accumulators(editor.value(sums), layer.scale, layer.real_bias)


def _centred(editor: Editor, form: Quantised) -> Quantised:
    """Return the same real tensor with zero point 0: padding has one value, so it needs one zero point."""
    low, high = form.range
    element = smallest_integer_type(low - int(form.zero.max()), high - int(form.zero.min()))
    zeros = editor.value(integer_constant(parameter_shape(form.zero)))
    shifted = editor.value(SubOp(form.integers, zeros, element))
    return Quantised(shifted, form.scale, np.zeros((1,) * form.zero.ndim, np.int64))


def _is_padded(op: Conv2dOp | GemmOp) -> bool:
    return isinstance(op, Conv2dOp) and any(op.pads.get_values())


def _integer_layer(
    op: Conv2dOp | GemmOp,
    form: Quantised,
    found: ScaledWeights,
    max_weight_bits: int,
    stored_bias: NDArray[np.int64] | None,
) -> IntegerLayer | str:
    combined = _fold_input_scale(op, form, found)
    if isinstance(combined, str):
        return combined
    weights, scale = combined.integers, combined.scale
    if signed_bits(weights) > max_weight_bits:
        return f"its weights need more than {max_weight_bits} bits once the scales of the input channels are in them"
    if not np.all(np.isfinite(scale)) or np.any(scale == 0):
        return "a scale is zero or infinite"
    bias = -_dot_with_zero(op, weights, form.zero)
    real_bias: NDArray[np.float32] | None = None
    if stored_bias is not None:
        bias = bias + stored_bias
    elif op.bias is not None:
        constant = constant_value(op.bias)
        if constant is None:
            return "the bias is not constant"
        integers = np.rint(constant.astype(np.float64) / scale)
        exact = np.array_equal((integers * scale.astype(np.float32)).astype(np.float32), constant)
        if exact and np.abs(integers).max(initial=0) < LARGEST_BIAS:
            bias = bias + integers.astype(np.int64)
        else:
            real_bias = constant.astype(np.float32)
    pad_value = int(form.zero.item()) if _is_padded(op) else 0
    return IntegerLayer(weights, bias, scale, pad_value, real_bias)


def _groups(op: Conv2dOp | GemmOp) -> int:
    return op.groups.value.data if isinstance(op, Conv2dOp) else 1


def _per_weight_channel(op: Conv2dOp | GemmOp, parameter: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Spread a parameter of the input channels over the weights `[M, C/groups, ...]`."""
    groups, channels = _groups(op), shape_of(op.input)[1]
    full = np.broadcast_to(parameter.reshape(-1), (channels,)).reshape(groups, -1)
    rows = np.repeat(full, weights.shape[0] // groups, axis=0)
    return rows.reshape(rows.shape + (1,) * (weights.ndim - 2))


def _fold_input_scale(op: Conv2dOp | GemmOp, form: Quantised, found: ScaledWeights) -> ScaledWeights | str:
    """Return weights and scales with the scale of the input in them."""
    if any(size != 1 for size in form.scale.shape[1:]) or any(size != 1 for size in form.zero.shape[1:]):
        return "scale or zero point of its input change from pixel to pixel"
    if is_uniform(form.scale):
        return ScaledWeights(found.integers, found.scale * form.scale.item())
    spread = _per_weight_channel(op, form.scale, found.integers)
    rows = spread.reshape(len(found.integers), -1)
    if rows.shape[1] == 1:
        return ScaledWeights(found.integers, found.scale * rows[:, 0])
    finest = form.scale.reshape(-1)[np.argmin(np.abs(form.scale))].reshape((1,) * form.scale.ndim)
    multiples: list[int] = []
    for scale in form.scale.reshape(-1):
        multiple = scale_ratio(np.asarray(scale), finest)
        if multiple is None:
            return "the channels of its input have different scales"
        multiples.append(multiple)
    factors = _per_weight_channel(op, np.asarray(multiples, np.int64), found.integers)
    return ScaledWeights(found.integers * factors, found.scale * finest.item())


def _dot_with_zero(op: Conv2dOp | GemmOp, weights: NDArray[np.int64], zero: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum, per output channel, of weights times the zero points of their input channels."""
    spread = _per_weight_channel(op, zero, weights)
    return (weights * spread).reshape(weights.shape[0], -1).sum(axis=1)
