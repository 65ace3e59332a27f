"""What the ops share: constraints, assembly format, integer-list properties."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import TypeVar
from xdsl.dialects.builtin import (
    BytesAttr,
    DenseArrayBase,
    Float32Type,
    IntegerAttr,
    IntegerType,
    Signedness,
    TensorType,
    i64,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import AnyOf, AttrConstraint, BaseAttr, IRDLOperation, ParsePropInAttrDict, traits_def
from xdsl.irdl.constraints import IntConstraint, VerificationContext
from xdsl.pattern_rewriter import RewritePattern
from xdsl.traits import HasCanonicalizationPatternsTrait, Pure
from xdsl.utils.exceptions import VerifyException
from xdsl.utils.hints import isa

from imcflow.dialect.types import MAX_INTEGER_BITS, ElementType, element_type_of, shape_of, shape_text


@dataclass(frozen=True)
class RangedInteger(AttrConstraint[IntegerType]):
    """Integer types that carry their range: `siN` and `uiN` of at most 62 bits."""

    def verify(self, attr: Attribute, constraint_context: VerificationContext) -> None:
        """Raise `VerifyException` for every other type, signless integers among them."""
        if (
            not isa(attr, IntegerType)
            or attr.signedness.data is Signedness.SIGNLESS
            or not 1 <= attr.width.data <= MAX_INTEGER_BITS
        ):
            raise VerifyException(f"{attr} is not siN or uiN with N in 1 ... {MAX_INTEGER_BITS}")

    def get_bases(self) -> set[type[Attribute]]:
        """Tell unions which attribute class this is about."""
        return {IntegerType}

    def mapping_type_vars(self, type_var_mapping: Mapping[TypeVar, AttrConstraint | IntConstraint]) -> RangedInteger:
        """There are no type variables to replace."""
        return self


ELEMENT_TENSOR = TensorType.constr(AnyOf((RangedInteger(), BaseAttr(Float32Type))))
INTEGER_TENSOR = TensorType.constr(RangedInteger())
FLOAT_TENSOR = TensorType.constr(BaseAttr(Float32Type))
INTEGERS = DenseArrayBase.constr(i64)


class Canonicalisable(HasCanonicalizationPatternsTrait):
    """Offers the patterns of `imcflow.dialect.canonicalization`, which is imported when a canonicaliser asks."""

    def get_patterns(self, op: type[Operation]) -> tuple[RewritePattern, ...]:
        """Return the patterns of the ops of class `op`."""
        from imcflow.dialect.canonicalization import patterns_of

        return patterns_of(op)

    @classmethod
    def get_canonicalization_patterns(cls) -> tuple[RewritePattern, ...]:
        """There are no patterns without an op."""
        return ()


class ImcOp(IRDLOperation):
    """Base of the ops on tensors: no side effects; properties are printed in the attribute dictionary."""

    traits = traits_def(Pure(), Canonicalisable())
    irdl_options = (ParsePropInAttrDict(),)
    FUNCTIONAL: ClassVar[str] = "attr-dict `:` functional-type(operands, results)"

    def expect_shape(self, value: SSAValue, expected: Sequence[int], what: str) -> None:
        """Raise `VerifyException` unless `value` has the shape `expected`."""
        if tuple(shape_of(value)) != tuple(expected):
            raise VerifyException(f"{what} has shape {shape_text(shape_of(value))}, expected {shape_text(expected)}")

    def expect_rank(self, value: SSAValue, rank: int, what: str) -> None:
        """Raise `VerifyException` unless `value` has `rank` axes."""
        if len(shape_of(value)) != rank:
            raise VerifyException(f"{what} has {len(shape_of(value))} axes, expected {rank}")

    def expect_channels(self, value: SSAValue, what: str) -> int:
        """Return the size of axis 1; raise `VerifyException` unless `value` has one."""
        shape = shape_of(value)
        if len(shape) < 2:
            raise VerifyException(f"{what} has {len(shape)} axes, expected at least 2")
        return shape[1]

    def expect_same_kind(self, *values: SSAValue) -> None:
        """Raise `VerifyException` if floating-point and integer tensors are mixed."""
        kinds = {isinstance(element_type_of(value), Float32Type) for value in values}
        if len(kinds) > 1:
            raise VerifyException("floating-point and integer tensors do not mix; use imc.dequantize or imc.cast")


def integers(values: Sequence[int]) -> DenseArrayBase[IntegerType]:
    """Return `array<i64: ...>`."""
    # Packed at once: per-channel properties of large networks hold many thousands of numbers.
    return DenseArrayBase(i64, BytesAttr(struct.pack(f"<{len(values)}q", *values)))


def integer(value: int) -> IntegerAttr[IntegerType]:
    """Return an `i64` attribute."""
    return IntegerAttr(value, i64)


def result_like(value: SSAValue | Attribute, element: ElementType) -> TensorType[ElementType]:
    """Return the tensor type with the shape of `value` and the given element type."""
    return TensorType(element, shape_of(value))
