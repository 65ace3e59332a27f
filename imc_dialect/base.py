"""What the ops share: constraints, assembly format, integer-list properties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, Float32Type, IntegerAttr, IntegerType, TensorType, i64
from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import AnyOf, BaseAttr, IRDLOperation, ParsePropInAttrDict, traits_def
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.types import ElementType, element_type_of, shape_of

ELEMENT_TENSOR = TensorType.constr(AnyOf((BaseAttr(IntegerType), BaseAttr(Float32Type))))
INTEGER_TENSOR = TensorType.constr(BaseAttr(IntegerType))
FLOAT_TENSOR = TensorType.constr(BaseAttr(Float32Type))
INTEGERS = DenseArrayBase.constr(i64)


class ImcOp(IRDLOperation):
    """Base of the ops on tensors: no side effects; properties are printed in the attribute dictionary."""

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    FUNCTIONAL: ClassVar[str] = "attr-dict `:` functional-type(operands, results)"

    def expect_shape(self, value: SSAValue, expected: Sequence[int], what: str) -> None:
        """Raise `VerifyException` unless `value` has the shape `expected`."""
        if tuple(shape_of(value)) != tuple(expected):
            raise VerifyException(f"{what} has shape {list(shape_of(value))}, expected {list(expected)}")

    def expect_rank(self, value: SSAValue, rank: int, what: str) -> None:
        """Raise `VerifyException` unless `value` has `rank` axes."""
        if len(shape_of(value)) != rank:
            raise VerifyException(f"{what} has {len(shape_of(value))} axes, expected {rank}")

    def expect_same_kind(self, *values: SSAValue) -> None:
        """Raise `VerifyException` if floating-point and integer tensors are mixed."""
        kinds = {isinstance(element_type_of(value), Float32Type) for value in values}
        if len(kinds) > 1:
            raise VerifyException("floating-point and integer tensors do not mix; use imc.dequantize or imc.cast")


def integers(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """Return `array<i64: ...>`."""
    return DenseArrayBase.from_list(i64, list(values))


def integer(value: int) -> IntegerAttr[IntegerType]:
    """Return an `i64` attribute."""
    return IntegerAttr(value, i64)


def result_like(value: SSAValue | Attribute, element: ElementType) -> TensorType[ElementType]:
    """Return the tensor type with the shape of `value` and the given element type."""
    return TensorType(element, shape_of(value))
