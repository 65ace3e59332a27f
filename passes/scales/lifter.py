"""The walk of `imc-lift-scales`: one pass over the network in order, asking backwards where a layer needs integers."""

from __future__ import annotations

from typing import cast

import numpy as np
from xdsl.dialects.builtin import IntegerType, StringAttr
from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.attributes import Rounding
from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_elementwise import AddOp, CastOp, ClampOp, ClipOp, DivOp, MulOp, NegOp, ReluOp, SubOp
from imcflow.dialect.ops_network import AvgPoolOp, Conv2dOp, GemmOp, MaxPoolOp
from imcflow.dialect.ops_quantise import QuantizeOp
from imcflow.dialect.ops_shape import (
    ConcatOp,
    DepthToSpaceOp,
    PadOp,
    ReduceMeanOp,
    ReshapeOp,
    SliceOp,
    TopKOp,
    TransposeOp,
)
from imcflow.dialect.types import element_type_of, f32, is_float, shape_of, smallest_integer_type, value_range
from imcflow.passes.network.constants import constant_value, per_image
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import FormOf, Quantised, direct_form, materialise, parameter_shape
from imcflow.passes.scales import arithmetic, movement
from imcflow.passes.scales.linear import lift_linear

FLOAT_REASON = "imc.float_reason"
"""Attribute of a linear layer that stays in floating point: why."""

MOVEMENT = (ReshapeOp, TransposeOp, SliceOp, PadOp, ConcatOp, MaxPoolOp, DepthToSpaceOp)

NEAREST = (Rounding.HALF_EVEN, Rounding.HALF_UP, Rounding.HALF_DOWN, Rounding.HALF_AWAY, Rounding.HALF_TO_ZERO)


def _lift_movement(editor: Editor, op: Operation, form_of: FormOf) -> Quantised | None:
    match op:
        case ReshapeOp():
            return movement.lift_reshape(editor, op, form_of)
        case TransposeOp():
            return movement.lift_transpose(editor, op, form_of)
        case SliceOp():
            return movement.lift_slice(editor, op, form_of)
        case PadOp():
            return movement.lift_pad(editor, op, form_of)
        case ConcatOp():
            return movement.lift_concat(editor, op, form_of)
        case MaxPoolOp():
            return movement.lift_max_pool(editor, op, form_of)
        case DepthToSpaceOp():
            return movement.lift_depth_to_space(editor, op, form_of)
        case AddOp() | SubOp():
            return arithmetic.lift_sum(editor, op, form_of)
        case _:
            return None


def _lift_arithmetic(editor: Editor, op: Operation, form_of: FormOf) -> Quantised | None:
    """Lift what is left in place unless a linear layer needs its result: thresholds absorb it with less rounding."""
    match op:
        case AddOp() | SubOp():
            return arithmetic.lift_offset(editor, op, form_of)
        case MulOp() | DivOp():
            return arithmetic.lift_scaling(editor, op, form_of)
        case NegOp():
            return arithmetic.lift_negation(editor, op, form_of)
        case ReluOp() | ClipOp():
            return arithmetic.lift_limits(editor, op, form_of)
        case AvgPoolOp() | ReduceMeanOp():
            return arithmetic.lift_mean(editor, op, form_of)
        case _:
            return None


class Lifter:
    """See the module docstring.

    Args:
        max_weight_bits: weights that need more bits than this stay in floating point.
    """

    def __init__(self, max_weight_bits: int) -> None:
        self.max_weight_bits = max_weight_bits
        self._forms: dict[SSAValue, Quantised | None] = {}
        self._blocker: Operation | None = None

    def run(self, block: Block) -> None:
        """Rewrite the ops of `block` in order."""
        for op in list(block.ops):
            if op.results and constant_value(op.results[0]) is None:
                self._visit(op)

    def form_of(self, value: SSAValue) -> Quantised | None:
        """Return a real tensor as integers and scales, which are inserted where it is defined; None if it has none."""
        return self._form(value)

    def _visit(self, op: Operation) -> None:
        editor = Editor(op)
        match op:
            case Conv2dOp() | GemmOp() if is_float(op.input):
                self._visit_linear(editor, op)
            case AvgPoolOp() | ReduceMeanOp():
                _visit_mean(editor, op)
            case TopKOp() if is_float(op.input):
                _visit_top_k(editor, op)
            case CastOp() if is_float(op.input) and not is_float(op.result):
                _visit_cast(editor, op)
            case QuantizeOp():
                _visit_requantisation(editor, op)
            case AddOp() | SubOp() if is_float(op.results[0]):
                self._visit_general(editor, op)
            case _ if isinstance(op, MOVEMENT) and is_float(op.results[0]):
                self._visit_general(editor, op)
            case _:
                pass

    def _visit_general(self, editor: Editor, op: Operation) -> None:
        form = _lift_movement(editor, op, direct_form)
        if form is not None:
            editor.replace(materialise(editor, form))

    def _visit_linear(self, editor: Editor, op: Conv2dOp | GemmOp) -> None:
        self._blocker = None
        form = self._form(op.input)
        if form is None:
            origin = describe(self._blocker) if self._blocker is not None else "the network's input"
            result: SSAValue | str = f"its input is not quantised: it comes from {origin}"
        else:
            result = lift_linear(editor, op, form, self.max_weight_bits)
        if isinstance(result, str):
            op.attributes[FLOAT_REASON] = StringAttr(result)
        else:
            editor.replace(result)

    def _form(self, value: SSAValue) -> Quantised | None:
        """Return the form of `value`; lifts whatever lies between it and the nearest quantised tensors."""
        if value not in self._forms:
            form = direct_form(value)
            owner = value.owner
            if form is None and isinstance(owner, Operation) and constant_value(value) is None:
                editor = Editor(owner)
                form = _lift_movement(editor, owner, self._form) or _lift_arithmetic(editor, owner, self._form)
                if form is None and self._blocker is None:
                    self._blocker = owner
            self._forms[value] = form
        elif self._forms[value] is None and self._blocker is None and isinstance(value.owner, Operation):
            self._blocker = value.owner
        return self._forms[value]


def _visit_mean(editor: Editor, op: AvgPoolOp | ReduceMeanOp) -> None:
    """Sum the integers; dequantise and divide as the source did."""
    found = arithmetic.summed(editor, op, direct_form)
    if found is None:
        return
    form, count = found
    total = materialise(editor, form)
    divisor = editor.value(float_constant(np.asarray(count, np.float32)))
    editor.replace(editor.value(DivOp(total, divisor, f32)))


def _visit_top_k(editor: Editor, op: TopKOp) -> None:
    """Rank the integers."""
    form = direct_form(op.input)
    if form is None or not form.is_per_tensor or form.scale.item() <= 0:
        return
    ranked = TopKOp(form.integers, axis=op.axis.value.data, count=op.count.value.data)
    editor.replace(editor.value(ranked))


def _visit_cast(editor: Editor, op: CastOp) -> None:
    """Drop the way through `f32` if the scale is integral."""
    form = direct_form(op.input)
    if form is None or np.any(form.scale != np.rint(form.scale)):
        return
    low, high = form.range
    value = form.integers
    steps = [(SubOp, form.zero, 0), (MulOp, form.scale.astype(np.int64), 1)]
    for kind, parameter, neutral in steps:
        if np.all(parameter == neutral):
            continue
        ends = [end - parameter if kind is SubOp else end * parameter for end in (low, high)]
        low, high = int(np.min(ends)), int(np.max(ends))
        if not arithmetic.fits(low, high):
            return
        constant = editor.value(integer_constant(parameter_shape(parameter)))
        value = editor.value(kind(value, constant, smallest_integer_type(low, high)))
    if element_type_of(value) != element_type_of(op.result):
        value = editor.value(CastOp(value, cast(IntegerType, element_type_of(op.result))))
    editor.replace(value)


def _visit_requantisation(editor: Editor, op: QuantizeOp) -> None:
    """Quantising what was dequantised with the same scale and zero point only limits the integers."""
    form = direct_form(op.input)
    scale, zero = constant_value(op.scale), constant_value(op.zero_point)
    if form is None or scale is None or zero is None or op.mode.data not in NEAREST:
        return
    rank = len(shape_of(op.input))
    same_scale, same_zero = per_image(scale, rank), per_image(zero, rank)
    if same_scale is None or same_zero is None or max(map(abs, form.range)) > 1 << 20:
        return
    if not np.array_equal(same_scale, form.scale) or not np.array_equal(same_zero, form.zero):
        return
    low, high = op.low.value.data, op.high.value.data
    least, greatest = form.range
    element = cast(IntegerType, element_type_of(op.result))
    value = form.integers
    if low <= least and greatest <= high:
        if element_type_of(value) != element:
            value = editor.value(CastOp(value, element))
    else:
        assert value_range(element)[0] <= low
        value = editor.value(ClampOp(value, element, low=low, high=high))
    editor.replace(value)
