"""Which unit of the target executes an op: the attribute that `imc-assign-units` sets."""

from __future__ import annotations

from xdsl.ir import Operation

from imcflow.dialect.attributes import UNIT_ATTRIBUTE, Unit, UnitAttr

SEPARATE = "imc.separate"
"""Attribute of a step function that does not join the layer before it."""


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
