"""Network-level elementwise ops, with numpy broadcasting against constants and other activations.

On integers they are exact and the result type must hold the result; on `f32` each op rounds once.
"""

from __future__ import annotations

from xdsl.dialects.builtin import FloatAttr, IntegerAttr, IntegerType, TensorType, f32
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.attributes import Rounding, RoundingAttr
from imcflow.dialect.base import ELEMENT_TENSOR, FLOAT_TENSOR, INTEGER_TENSOR, ImcOp, integer
from imcflow.dialect.types import ElementType, broadcast_shapes, integer_type, shape_of


class BinaryOp(ImcOp):
    """Base of the elementwise ops on two tensors."""

    lhs = operand_def(ELEMENT_TENSOR)
    rhs = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    assembly_format = "$lhs `,` $rhs " + ImcOp.FUNCTIONAL

    def __init__(self, lhs: SSAValue | Operation, rhs: SSAValue | Operation, result_element: ElementType) -> None:
        shape = broadcast_shapes(shape_of(SSAValue.get(lhs)), shape_of(SSAValue.get(rhs)))
        super().__init__(operands=[lhs, rhs], result_types=[TensorType(result_element, shape)])

    def verify_(self) -> None:
        """The shapes broadcast to the result; floating point and integers are not mixed."""
        self.expect_shape(self.result, broadcast_shapes(shape_of(self.lhs), shape_of(self.rhs)), "result")
        self.expect_same_kind(self.lhs, self.rhs, self.result)


@irdl_op_definition
class AddOp(BinaryOp):
    """Sum."""

    name = "imc.add"


@irdl_op_definition
class SubOp(BinaryOp):
    """Difference."""

    name = "imc.sub"


@irdl_op_definition
class MulOp(BinaryOp):
    """Product."""

    name = "imc.mul"


@irdl_op_definition
class DivOp(BinaryOp):
    """Quotient; of integers, truncated towards zero as in ONNX."""

    name = "imc.div"


@irdl_op_definition
class PowOp(BinaryOp):
    """Power of `f32`."""

    name = "imc.pow"


class CompareOp(ImcOp):
    """Base of the comparisons: `ui1`, 1 where true."""

    lhs = operand_def(ELEMENT_TENSOR)
    rhs = operand_def(ELEMENT_TENSOR)
    result = result_def(INTEGER_TENSOR)

    assembly_format = "$lhs `,` $rhs " + ImcOp.FUNCTIONAL

    def __init__(self, lhs: SSAValue | Operation, rhs: SSAValue | Operation) -> None:
        shape = broadcast_shapes(shape_of(SSAValue.get(lhs)), shape_of(SSAValue.get(rhs)))
        super().__init__(operands=[lhs, rhs], result_types=[TensorType(integer_type(1, signed=False), shape)])

    def verify_(self) -> None:
        """The shapes broadcast to the result; floating point and integers are not mixed."""
        self.expect_shape(self.result, broadcast_shapes(shape_of(self.lhs), shape_of(self.rhs)), "result")
        self.expect_same_kind(self.lhs, self.rhs)


@irdl_op_definition
class GreaterOp(CompareOp):
    """`lhs > rhs`."""

    name = "imc.greater"


@irdl_op_definition
class GreaterEqualOp(CompareOp):
    """`lhs >= rhs`."""

    name = "imc.greater_equal"


class UnaryOp(ImcOp):
    """Base of the elementwise ops on one tensor."""

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, result_element: ElementType) -> None:
        super().__init__(operands=[input], result_types=[TensorType(result_element, shape_of(SSAValue.get(input)))])

    def verify_(self) -> None:
        """The result has the shape of the input."""
        self.expect_shape(self.result, shape_of(self.input), "result")


@irdl_op_definition
class ReluOp(UnaryOp):
    """Larger of the input and 0."""

    name = "imc.relu"


@irdl_op_definition
class NegOp(UnaryOp):
    """Negation."""

    name = "imc.neg"


@irdl_op_definition
class AbsOp(UnaryOp):
    """Absolute value."""

    name = "imc.abs"


@irdl_op_definition
class SignOp(UnaryOp):
    """-1, 0 or 1."""

    name = "imc.sign"


@irdl_op_definition
class CastOp(UnaryOp):
    """Between integers and `f32`; floating point is truncated towards zero. An integer must fit the result type."""

    name = "imc.cast"


@irdl_op_definition
class ClampOp(ImcOp):
    """Integers limited to `low ... high`."""

    name = "imc.clamp"

    input = operand_def(INTEGER_TENSOR)
    result = result_def(INTEGER_TENSOR)
    low = prop_def(IntegerAttr[IntegerType])
    high = prop_def(IntegerAttr[IntegerType])

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, result_element: ElementType, *, low: int, high: int) -> None:
        super().__init__(
            operands=[input],
            properties={"low": integer(low), "high": integer(high)},
            result_types=[TensorType(result_element, shape_of(SSAValue.get(input)))],
        )

    def verify_(self) -> None:
        """The range is not empty and the shapes agree."""
        if self.low.value.data > self.high.value.data:
            raise VerifyException(f"empty range {self.low.value.data} ... {self.high.value.data}")
        self.expect_shape(self.result, shape_of(self.input), "result")


class FloatUnaryOp(ImcOp):
    """Base of the elementwise functions of `f32`."""

    input = operand_def(FLOAT_TENSOR)
    result = result_def(FLOAT_TENSOR)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation) -> None:
        super().__init__(operands=[input], result_types=[SSAValue.get(input).type])

    def verify_(self) -> None:
        """The result has the shape of the input."""
        self.expect_shape(self.result, shape_of(self.input), "result")


@irdl_op_definition
class ClipOp(FloatUnaryOp):
    """`f32` limited to `low ... high`."""

    name = "imc.clip"

    low = prop_def(FloatAttr)
    high = prop_def(FloatAttr)

    def __init__(self, input: SSAValue | Operation, *, low: float, high: float) -> None:
        super(FloatUnaryOp, self).__init__(
            operands=[input],
            properties={"low": FloatAttr(low, f32), "high": FloatAttr(high, f32)},
            result_types=[SSAValue.get(input).type],
        )


@irdl_op_definition
class RoundOp(FloatUnaryOp):
    """`f32` to an integral `f32` by the given rounding mode."""

    name = "imc.round"

    mode = prop_def(RoundingAttr, default_value=RoundingAttr(Rounding.HALF_EVEN))

    def __init__(self, input: SSAValue | Operation, mode: Rounding = Rounding.HALF_EVEN) -> None:
        super(FloatUnaryOp, self).__init__(
            operands=[input], properties={"mode": RoundingAttr(mode)}, result_types=[SSAValue.get(input).type]
        )


@irdl_op_definition
class SqrtOp(FloatUnaryOp):
    """Square root."""

    name = "imc.sqrt"


@irdl_op_definition
class ErfOp(FloatUnaryOp):
    """Error function."""

    name = "imc.erf"


@irdl_op_definition
class SigmoidOp(FloatUnaryOp):
    """Logistic function."""

    name = "imc.sigmoid"


class AxisOp(FloatUnaryOp):
    """Base of the functions that normalise along one axis (counted with the batch as axis 0)."""

    axis = prop_def(IntegerAttr[IntegerType])

    def __init__(self, input: SSAValue | Operation, *, axis: int) -> None:
        super(FloatUnaryOp, self).__init__(
            operands=[input], properties={"axis": integer(axis)}, result_types=[SSAValue.get(input).type]
        )

    def verify_(self) -> None:
        """The axis exists and is not the batch."""
        super().verify_()
        if not 1 <= self.axis.value.data < len(shape_of(self.input)):
            raise VerifyException(f"axis {self.axis.value.data} is outside 1 ... {len(shape_of(self.input)) - 1}")


@irdl_op_definition
class SoftmaxOp(AxisOp):
    """Softmax along one axis."""

    name = "imc.softmax"


@irdl_op_definition
class LogSoftmaxOp(AxisOp):
    """Logarithm of the softmax along one axis."""

    name = "imc.log_softmax"
