"""Enumerations of the `imc` dialect."""

from __future__ import annotations

from xdsl.dialects.utils import EnumAttribute
from xdsl.ir import SpacedOpaqueSyntaxAttribute
from xdsl.irdl import irdl_attr_definition
from xdsl.utils.str_enum import StrEnum


class Rounding(StrEnum):
    """How a real number becomes an integer. Source dialects differ, and the importer takes the source's."""

    HALF_EVEN = "half_even"
    """to nearest, ties to even: ONNX Round and QuantizeLinear, QONNX ROUND"""
    HALF_UP = "half_up"
    """floor(x + 1/2): Deeploy, QONNX HALF_UP for positive numbers"""
    HALF_DOWN = "half_down"
    """ceil(x - 1/2)"""
    HALF_AWAY = "half_away"
    """to nearest, ties away from zero: C round()"""
    HALF_TO_ZERO = "half_to_zero"
    """to nearest, ties towards zero"""
    FLOOR = "floor"
    CEIL = "ceil"
    TRUNCATE = "truncate"
    """towards zero: integer division of ONNX, NEMO; QONNX DOWN"""
    AWAY = "away"
    """away from zero: QONNX UP"""


@irdl_attr_definition
class RoundingAttr(EnumAttribute[Rounding], SpacedOpaqueSyntaxAttribute):
    """`#imc<rounding half_even>`."""

    name = "imc.rounding"


class Unit(StrEnum):
    """The part of the hardware that executes an op."""

    AP = "ap"
    """associative-processor arrays"""
    CROSSBAR = "crossbar"
    """analog or digital in-memory-computing macros"""
    DIGITAL = "digital"
    """the digital unit beside the arrays: thresholds, pooling and everything in floating point"""


@irdl_attr_definition
class UnitAttr(EnumAttribute[Unit], SpacedOpaqueSyntaxAttribute):
    """`#imc<unit ap>`, the value of the discardable attribute `imc.unit`."""

    name = "imc.unit"


UNIT_ATTRIBUTE = "imc.unit"
"""Name of the discardable attribute that `imc-assign-units` puts on every op."""
