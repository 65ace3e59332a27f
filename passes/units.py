"""Which unit of the target executes an op, the attribute that `imc-assign-units` sets; and what a unit can take."""

from __future__ import annotations

from xdsl.ir import Operation, SSAValue

from imcflow.dialect.attributes import UNIT_ATTRIBUTE, Unit, UnitAttr
from imcflow.dialect.constants import constant_array
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import integer_element_of, value_range

SEPARATE = "imc.separate"
"""Attribute of a step function that does not join the layer before it."""


LARGEST_MULTIPLIER = 1 << 20
"""Weights beyond this are no weights of a quantised network: such a layer stays on the digital unit."""


def unit_of(op: Operation) -> Unit | None:
    """Return the unit an op is bound to, or None before `imc-assign-units`."""
    attribute = op.attributes.get(UNIT_ATTRIBUTE)
    return attribute.data if isinstance(attribute, UnitAttr) else None


def runs_on(op: Operation, unit: Unit) -> bool:
    """Return whether an op is bound to `unit`."""
    return unit_of(op) is unit


def bind(op: Operation, unit: Unit) -> None:
    """Bind an op to a unit."""
    op.attributes[UNIT_ATTRIBUTE] = UnitAttr(unit)


def activation_bits(value: SSAValue, *pads: int) -> int:
    """Return the bits of the digits that enter a macro: of all integers of a tensor's type, and of padding."""
    ends = value_range(integer_element_of(value))
    least, greatest = min(*ends, *pads), max(*ends, *pads)
    return max(greatest.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + (least < 0)


def has_small_constant_weights(op: Conv2dOp | GemmOp) -> bool:
    """Return whether a layer has constant weights and bias, and weights that a quantised network may have."""
    if constant_array(op.weights) is None or (op.bias is not None and constant_array(op.bias) is None):
        return False
    least, greatest = value_range(integer_element_of(op.weights))
    return max(-least, greatest) < LARGEST_MULTIPLIER
