"""Patterns of quantised layers and the integer arithmetic of LiteRT's reference kernels for each.

A layer is what stands between `imc.dequantize` and `imc.quantize`: a linear layer with its activation, the sum of two
tensors, or a mean. Scales enter in double precision, as in LiteRT; products of two float32 scales are exact there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects.builtin import IntegerType
from xdsl.ir import SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_elementwise import AddOp, ClipOp, ReluOp
from imcflow.dialect.ops_network import AvgPoolOp, Conv2dOp, GemmOp
from imcflow.dialect.ops_quantise import DequantizeOp, QuantizeOp, RequantizeOp
from imcflow.dialect.ops_shape import ReduceMeanOp
from imcflow.dialect.types import integer_element_of, shape_of, smallest_integer_type
from imcflow.passes.litert.fixed_point import fixed_point, limited, scaled, scaled_once
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import Quantised, direct_form, range_of
from imcflow.passes.scales.arithmetic import summed
from imcflow.passes.scales.linear import integer_sums

SUM_SHIFT = 20
"""LiteRT shifts the operands of a sum by this before it scales them."""

MAX_WEIGHT_BITS = 8


@dataclass(frozen=True)
class Output:
    """Where a layer's result goes: scale, zero point and type, and the limits that its activation leaves."""

    scale: float
    zero: int
    low: int
    high: int
    element: IntegerType


def output_of(op: QuantizeOp) -> tuple[SSAValue, Output] | None:
    """Return what the quantiser's layer computes before its activation, and the output; None without one scale."""
    scale, zero = constant_value(op.scale), constant_value(op.zero_point)
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or op.zero_point_inside is not None:
        return None
    step, zero_point = float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0])
    low, high = op.low.value.data, op.high.value.data
    source = op.input
    while isinstance(activation := source.owner, ReluOp | ClipOp):
        bounds = (0.0, math.inf)
        if isinstance(activation, ClipOp):
            bounds = (activation.low.value.data, activation.high.value.data)
        # The outermost limits were met first and win, as they are applied last.
        levels = [_level(bound, step, zero_point, end) for bound, end in zip(bounds, (low, high), strict=True)]
        low, high = (min(max(level, low), high) for level in levels)
        source = activation.input
    return source, Output(step, zero_point, low, high, integer_element_of(op.result))


def _level(bound: float, scale: float, zero: int, end: int) -> int:
    """Return the integer of an activation's limit: the quotient in float32, ties away from zero."""
    if not math.isfinite(bound):
        return end
    quotient = float(np.float32(bound) / np.float32(scale))
    return zero + int(math.copysign(math.floor(abs(quotient) + 0.5), quotient))


def rewrite(editor: Editor, source: SSAValue, output: Output) -> SSAValue | None:
    """Return the integers of the layer that computes `source`, or None if it is none of the patterns."""
    match source.owner:
        case Conv2dOp() | GemmOp() as layer:
            return _linear(editor, layer, None, output)
        case AddOp() as op:
            for value, other in ((op.lhs, op.rhs), (op.rhs, op.lhs)):
                if isinstance(value.owner, Conv2dOp | GemmOp) and constant_value(other) is not None:
                    return _linear(editor, value.owner, other, output)
            return _sum(editor, op, output)
        case AvgPoolOp() | ReduceMeanOp() as op:
            return _mean(editor, op, output)
        case _:
            return None


def _linear(editor: Editor, layer: Conv2dOp | GemmOp, added: SSAValue | None, output: Output) -> SSAValue | None:
    """Scale the sums of a linear layer; `added` is a bias that follows it as an addition."""
    form = direct_form(layer.input)
    biases = [value for value in (layer.bias, added) if value is not None]
    if form is None or not form.is_per_tensor or len(biases) > 1:
        return None
    stored = _stored_bias(biases[0], shape_of(layer.result)) if biases else None
    if biases and stored is None:
        return None
    sums = integer_sums(editor, layer, form, MAX_WEIGHT_BITS, stored_bias=stored)
    if isinstance(sums, str):
        return None
    factor = fixed_point(sums.scale / output.scale)
    if factor is None:
        return None
    scale = scaled if isinstance(layer, Conv2dOp) else scaled_once
    return limited(editor, scale(editor, sums.integers, factor), output.zero, output.low, output.high, output.element)


def _stored_bias(bias: SSAValue, shape: tuple[int, ...]) -> NDArray[np.int64] | None:
    """Return the bias of each channel as the file stores it: its scale is the accumulators', up to rounding."""
    op = bias.owner
    if not isinstance(op, DequantizeOp):
        return None
    integers, zero = constant_value(op.input), constant_value(op.zero_point)
    if integers is None or zero is None or np.any(zero) or integers.size not in (1, shape[1]):
        return None
    return np.broadcast_to(integers.astype(np.int64).reshape(-1), (shape[1],))


def _sum(editor: Editor, op: AddOp, output: Output) -> SSAValue | None:
    forms = [direct_form(value) for value in (op.lhs, op.rhs)]
    if shape_of(op.lhs) != shape_of(op.rhs):
        return None
    operands = [form for form in forms if form is not None and form.is_per_tensor]
    if len(operands) < 2:
        return None
    widest = 2 * max(form.scale.item() for form in operands)
    total_factor = fixed_point(np.asarray(widest / ((1 << SUM_SHIFT) * output.scale)))
    terms = [_term(editor, form, widest) for form in operands]
    if total_factor is None or terms[0] is None or terms[1] is None:
        return None
    ends = [range_of(term) for term in terms if term is not None]
    element = smallest_integer_type(sum(low for low, _ in ends), sum(high for _, high in ends))
    total = editor.value(AddOp(terms[0], terms[1], element))
    return limited(editor, scaled(editor, total, total_factor), output.zero, output.low, output.high, output.element)


def _term(editor: Editor, form: Quantised, widest: float) -> SSAValue | None:
    factor = fixed_point(np.asarray(form.scale.item() / widest))
    if factor is None:
        return None
    return scaled(editor, form.integers, factor, zero=int(form.zero.item()), left_shift=SUM_SHIFT)


def _mean(editor: Editor, op: AvgPoolOp | ReduceMeanOp, output: Output) -> SSAValue | None:
    """Divide the sum of the integers, ties away from zero. LiteRT's pool keeps scale and zero point."""
    form = direct_form(op.input)
    if form is None or not form.is_per_tensor or isinstance(op, ReduceMeanOp):
        return None
    same = Fraction(form.scale.item()) == Fraction(output.scale) and int(form.zero.item()) == output.zero
    found = summed(editor, op, direct_form) if same and not any(op.pads.get_values()) else None
    if found is None:
        return None
    total, count = found
    one, nothing, divisor = (editor.value(integer_constant(np.asarray(value))) for value in (1, 0, count))
    element = smallest_integer_type(*form.range)
    mean = editor.value(RequantizeOp(total.integers, one, nothing, divisor, element, mode=Rounding.HALF_AWAY))
    return limited(editor, mean, 0, output.low, output.high, output.element)
