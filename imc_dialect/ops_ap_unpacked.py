"""The SSA form of an unrolled layer: one op per addition, for small kernels, tests and other compilers.

`imc.ap_unpacked` stands for an `imc.ap_linear` without placements; each of its regions is one packed program. The two
forms are interchangeable: `imc-unpack` and `imc-pack` are inverse to each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import IntegerAttr, IntegerType, UnitAttr
from xdsl.ir import Attribute, Operation, Region, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    IRDLOperation,
    ParsePropInAttrDict,
    base,
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_region_def,
)
from xdsl.traits import HasParent, IsTerminator, NoMemoryEffect, Pure
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.base import INTEGER_TENSOR, INTEGERS, integer, integers
from imcflow.dialect.ops_ap import WindowedOp, verified_outputs
from imcflow.dialect.types import shape_of, smallest_integer_type

LARGEST_SHIFT = 31
_INTEGER = IntegerAttr[IntegerType]


@irdl_op_definition
class ApUnpackedOp(WindowedOp):
    """A constant linear layer whose programs are regions; operands and properties as in `imc.ap_linear`.

    Each region has one block. Its arguments are the window elements, it ends in `imc.ap_yield`.
    """

    name = "imc.ap_unpacked"

    inputs = var_operand_def(INTEGER_TENSOR)
    thresholds = opt_operand_def(INTEGER_TENSOR)
    descending = opt_operand_def(INTEGER_TENSOR)

    partial_sums = prop_def(_INTEGER, default_value=integer(1))
    low = prop_def(_INTEGER, default_value=integer(0))
    channel_low = prop_def(INTEGERS)
    channel_high = prop_def(INTEGERS)

    bodies = var_region_def("single_block")

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$inputs `:` type($inputs) (`thresholds` $thresholds^ `:` type($thresholds))? "
        "(`descending` $descending^ `:` type($descending))? attr-dict `->` type($result) $bodies"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        thresholds: SSAValue | None,
        descending: SSAValue | None,
        properties: Mapping[str, Attribute],
        result_type: Attribute,
        bodies: Sequence[Region],
    ) -> None:
        super().__init__(
            operands=[inputs, [] if thresholds is None else [thresholds], [] if descending is None else [descending]],
            properties=dict(properties),
            result_types=[result_type],
            regions=[bodies],
        )

    def verify_(self) -> None:
        """Every region sees all window elements, ends in `imc.ap_yield`; together they give every output channel."""
        super().verify_()
        outputs: list[int] = []
        for body in self.bodies:
            if len(body.block.args) != self.elements:
                raise VerifyException(
                    f"a region has {len(body.block.args)} arguments for {self.elements} window elements"
                )
            terminator = body.block.last_op
            if not isinstance(terminator, ApYieldOp):
                raise VerifyException("a region ends in imc.ap_yield")
            outputs.append(len(terminator.bias))
        channels = verified_outputs(outputs, self.partial_sums, "regions")
        if channels != shape_of(self.result)[1]:
            raise VerifyException(f"regions compute {channels} of {shape_of(self.result)[1]} output channels")


class ApSumOp(IRDLOperation):
    """Base of the two-operand operations; at most one operand is shifted left."""

    lhs = operand_def(base(IntegerType))
    rhs = operand_def(base(IntegerType))
    result = result_def(base(IntegerType))

    lhs_shift = prop_def(_INTEGER, default_value=integer(0))
    rhs_shift = prop_def(_INTEGER, default_value=integer(0))
    low = opt_prop_def(_INTEGER)
    high = opt_prop_def(_INTEGER)

    traits = traits_def(Pure())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$lhs `,` $rhs attr-dict `:` functional-type(operands, results)"

    def __init__(
        self,
        lhs: SSAValue,
        rhs: SSAValue,
        result: IntegerType,
        *,
        lhs_shift: int = 0,
        rhs_shift: int = 0,
        interval: tuple[int, int] | None = None,
    ) -> None:
        properties: dict[str, Attribute | None] = {"lhs_shift": integer(lhs_shift), "rhs_shift": integer(rhs_shift)}
        if interval is not None:
            properties |= {"low": integer(interval[0]), "high": integer(interval[1])}
        super().__init__(operands=[lhs, rhs], result_types=[result], properties=properties)

    def verify_(self) -> None:
        """Shifts are in range and on one side; the interval, if known, fits the type."""
        left, right = self.lhs_shift.value.data, self.rhs_shift.value.data
        if not (0 <= left <= LARGEST_SHIFT and 0 <= right <= LARGEST_SHIFT):
            raise VerifyException(f"shifts {left} and {right} must lie in 0 ... {LARGEST_SHIFT}")
        if left and (right or isinstance(self, ApSubOp)):
            raise VerifyException("only one operand is shifted, and never the minuend of a subtraction")
        if (self.low is None) != (self.high is None):
            raise VerifyException("low and high come together")
        if self.low is not None and self.high is not None:
            low, high = self.low.value.data, self.high.value.data
            if low > high or smallest_integer_type(low, high) != self.result.type:
                raise VerifyException(f"the interval {low} ... {high} is not that of {self.result.type}")


@irdl_op_definition
class ApAddOp(ApSumOp):
    """`(lhs << lhs_shift) + (rhs << rhs_shift)`; `low` and `high` are its exact interval, if known."""

    name = "imc.ap_add"


@irdl_op_definition
class ApSubOp(ApSumOp):
    """`lhs - (rhs << rhs_shift)`; `low` and `high` are its exact interval, if known."""

    name = "imc.ap_sub"


@irdl_op_definition
class ApAccumulateOp(IRDLOperation):
    """Adds `value << shift` to an output of the region, or subtracts it."""

    name = "imc.ap_accumulate"

    value = operand_def(base(IntegerType))
    output = prop_def(_INTEGER)
    shift = prop_def(_INTEGER, default_value=integer(0))
    subtract = opt_prop_def(UnitAttr)

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$value attr-dict `:` type($value)"

    def __init__(self, value: SSAValue, output: int, *, shift: int = 0, subtract: bool = False) -> None:
        super().__init__(
            operands=[value],
            properties={
                "output": integer(output),
                "shift": integer(shift),
                "subtract": UnitAttr() if subtract else None,
            },
        )

    def verify_(self) -> None:
        """The shift is in range."""
        if not 0 <= self.shift.value.data <= LARGEST_SHIFT:
            raise VerifyException(f"shift {self.shift.value.data} must lie in 0 ... {LARGEST_SHIFT}")


@irdl_op_definition
class ApSliceOp(IRDLOperation):
    """Begins a slice that uses the next `inputs` window elements, up to the next `imc.ap_slice`."""

    name = "imc.ap_slice"

    inputs = prop_def(_INTEGER)

    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, inputs: int) -> None:
        super().__init__(properties={"inputs": integer(inputs)})


@irdl_op_definition
class ApYieldOp(IRDLOperation):
    """Ends a region: the bias of every output and, if known, the intervals of outputs and window elements."""

    name = "imc.ap_yield"

    bias = prop_def(INTEGERS)
    output_low = opt_prop_def(INTEGERS)
    output_high = opt_prop_def(INTEGERS)
    input_low = opt_prop_def(INTEGERS)
    input_high = opt_prop_def(INTEGERS)

    traits = traits_def(IsTerminator(), HasParent(ApUnpackedOp), NoMemoryEffect())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "attr-dict"

    def __init__(self, bias: Sequence[int], **intervals: Sequence[int]) -> None:
        super().__init__(
            properties={"bias": integers(bias), **{name: integers(values) for name, values in intervals.items()}}
        )

    def verify_(self) -> None:
        """Intervals come together, one per output."""
        intervals = (self.output_low, self.output_high, self.input_low, self.input_high)
        if any(part is None for part in intervals) and any(part is not None for part in intervals):
            raise VerifyException("output and input intervals come together")
        if self.output_low is not None and len(self.output_low) != len(self.bias):
            raise VerifyException(f"{len(self.output_low)} intervals for {len(self.bias)} outputs")


UNPACKED_OPS: list[type[Operation]] = [ApUnpackedOp, ApAddOp, ApSubOp, ApAccumulateOp, ApSliceOp, ApYieldOp]
