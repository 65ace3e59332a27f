"""Ops between real numbers and integers, and the step functions that replace them at the quantised level."""

from __future__ import annotations

from xdsl.dialects.builtin import IntegerAttr, IntegerType, TensorType, UnitAttr, f32
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
)
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.attributes import Rounding, RoundingAttr
from imcflow.dialect.base import ELEMENT_TENSOR, FLOAT_TENSOR, INTEGER_TENSOR, ImcOp, integer
from imcflow.dialect.types import (
    broadcast_shapes,
    integer_element_of,
    integer_type,
    is_float,
    shape_of,
    smallest_integer_type,
    value_range,
)


def _expect_range(low: int, high: int, element: IntegerType) -> None:
    least, greatest = value_range(element)
    if low > high or low < least or high > greatest:
        raise VerifyException(f"range {low} ... {high} does not fit {element}, which holds {least} ... {greatest}")


@irdl_op_definition
class QuantizeOp(ImcOp):
    """Real to integer: `clamp(round(x / scale) + zero_point, low, high)` in `f32`.

    With `zero_point_inside` the zero point is added before rounding, as QONNX `Quant` does (ties differ). Scale and
    zero point broadcast against the input.
    """

    name = "imc.quantize"

    input = operand_def(FLOAT_TENSOR)
    scale = operand_def(FLOAT_TENSOR)
    zero_point = operand_def(INTEGER_TENSOR)
    result = result_def(INTEGER_TENSOR)

    low = prop_def(IntegerAttr[IntegerType])
    high = prop_def(IntegerAttr[IntegerType])
    mode = prop_def(RoundingAttr, default_value=RoundingAttr(Rounding.HALF_EVEN))
    zero_point_inside = opt_prop_def(UnitAttr)

    assembly_format = "$input `,` $scale `,` $zero_point " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        scale: SSAValue | Operation,
        zero_point: SSAValue | Operation,
        *,
        low: int,
        high: int,
        mode: Rounding = Rounding.HALF_EVEN,
        zero_point_inside: bool = False,
    ) -> None:
        super().__init__(
            operands=[input, scale, zero_point],
            properties={
                "low": integer(low),
                "high": integer(high),
                "mode": RoundingAttr(mode),
                "zero_point_inside": UnitAttr() if zero_point_inside else None,
            },
            result_types=[TensorType(smallest_integer_type(low, high), shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """Scale and zero point broadcast, the range fits the result type."""
        for value in (self.scale, self.zero_point):
            broadcast_shapes(shape_of(self.input), shape_of(value))
        self.expect_shape(self.result, shape_of(self.input), "result")
        _expect_range(self.low.value.data, self.high.value.data, integer_element_of(self.result))


@irdl_op_definition
class DequantizeOp(ImcOp):
    """Integer to real: `f32(x - zero_point) * scale`; scale and zero point broadcast against the input."""

    name = "imc.dequantize"

    input = operand_def(INTEGER_TENSOR)
    scale = operand_def(FLOAT_TENSOR)
    zero_point = operand_def(INTEGER_TENSOR)
    result = result_def(FLOAT_TENSOR)

    assembly_format = "$input `,` $scale `,` $zero_point " + ImcOp.FUNCTIONAL

    def __init__(
        self, input: SSAValue | Operation, scale: SSAValue | Operation, zero_point: SSAValue | Operation
    ) -> None:
        super().__init__(
            operands=[input, scale, zero_point],
            result_types=[TensorType(f32, shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """Scale and zero point broadcast."""
        for value in (self.scale, self.zero_point):
            broadcast_shapes(shape_of(self.input), shape_of(value))
        self.expect_shape(self.result, shape_of(self.input), "result")


@irdl_op_definition
class BipolarOp(ImcOp):
    """Real or integer to -1 or +1: +1 where `x >= 0`."""

    name = "imc.bipolar"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(INTEGER_TENSOR)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation) -> None:
        super().__init__(
            operands=[input],
            result_types=[TensorType(integer_type(2, signed=True), shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """The result has the shape of the input."""
        self.expect_shape(self.result, shape_of(self.input), "result")


@irdl_op_definition
class ThresholdOp(ImcOp):
    """Step function per channel (axis 1): `low + #{k : x >= thresholds[c, k]}`.

    Thresholds are `[C, L]` or `[1, L]`, ascending along L. Channels marked in `descending` (`[C]`, `ui1`) count the
    other way: `low + L - #{k : x >= thresholds[c, k]}`; that is what a negative batch-norm scale does. The exact
    meaning of batch normalisation, scaling, rounding and clipping at the quantised level. A threshold below the input's
    range always counts, one above it never does.
    """

    name = "imc.threshold"

    input = operand_def(ELEMENT_TENSOR)
    thresholds = operand_def(ELEMENT_TENSOR)
    descending = opt_operand_def(INTEGER_TENSOR)
    result = result_def(INTEGER_TENSOR)

    low = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    assembly_format = "$input `,` $thresholds (`descending` $descending^)? " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        thresholds: SSAValue | Operation,
        *,
        low: int = 0,
        descending: SSAValue | Operation | None = None,
        result_element: IntegerType | None = None,
    ) -> None:
        levels = shape_of(SSAValue.get(thresholds))[1]
        element = smallest_integer_type(low, low + levels) if result_element is None else result_element
        super().__init__(
            operands=[input, thresholds, [] if descending is None else [descending]],
            properties={"low": integer(low)},
            result_types=[TensorType(element, shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """One row of thresholds per channel, the levels fit the result type, kinds are not mixed."""
        self.expect_rank(self.thresholds, 2, "thresholds")
        rows, levels = shape_of(self.thresholds)
        channels = self.expect_channels(self.input, "input")
        if rows not in (1, channels):
            raise VerifyException(f"thresholds have {rows} rows for {channels} channels")
        if self.descending is not None:
            self.expect_shape(self.descending, (channels,), "descending")
        self.expect_shape(self.result, shape_of(self.input), "result")
        if is_float(self.input) != is_float(self.thresholds):
            raise VerifyException("input and thresholds must both be integers or both f32")
        low = self.low.value.data
        _expect_range(low, low + levels, integer_element_of(self.result))


@irdl_op_definition
class RequantizeOp(ImcOp):
    """Integer requantisation: `clamp(round((x * multiplier + addend) / divisor), low, high)` in exact integers.

    Multiplier, addend and divisor broadcast against the input (per channel: `[C, 1, 1]`); the divisor is positive and
    need not be a power of two. Without `low` and `high` the result type must hold every value.
    """

    name = "imc.requantize"

    input = operand_def(INTEGER_TENSOR)
    multiplier = operand_def(INTEGER_TENSOR)
    addend = operand_def(INTEGER_TENSOR)
    divisor = operand_def(INTEGER_TENSOR)
    result = result_def(INTEGER_TENSOR)

    low = opt_prop_def(IntegerAttr[IntegerType])
    high = opt_prop_def(IntegerAttr[IntegerType])
    mode = prop_def(RoundingAttr, default_value=RoundingAttr(Rounding.FLOOR))

    assembly_format = "$input `,` $multiplier `,` $addend `,` $divisor " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        multiplier: SSAValue | Operation,
        addend: SSAValue | Operation,
        divisor: SSAValue | Operation,
        result_element: IntegerType,
        *,
        low: int | None = None,
        high: int | None = None,
        mode: Rounding = Rounding.FLOOR,
    ) -> None:
        super().__init__(
            operands=[input, multiplier, addend, divisor],
            properties={
                "low": None if low is None else integer(low),
                "high": None if high is None else integer(high),
                "mode": RoundingAttr(mode),
            },
            result_types=[TensorType(result_element, shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """The constants broadcast, and a given range fits the result type."""
        for value in (self.multiplier, self.addend, self.divisor):
            broadcast_shapes(shape_of(self.input), shape_of(value))
        self.expect_shape(self.result, shape_of(self.input), "result")
        if (self.low is None) != (self.high is None):
            raise VerifyException("low and high come together")
        if self.low is not None and self.high is not None:
            _expect_range(self.low.value.data, self.high.value.data, integer_element_of(self.result))
