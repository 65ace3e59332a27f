"""Network-level ops: constants, linear layers and pooling.

Feature maps are `[batch, channels, height, width]`, matrices `[batch, features]`. Integer ops are exact; `f32` ops
round like IEEE float32. Convolution is cross-correlation, as in ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xdsl.dialects.builtin import (
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    FloatAttr,
    IntegerAttr,
    IntegerType,
    TensorType,
    UnitAttr,
    f32,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
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
)
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.base import ELEMENT_TENSOR, FLOAT_TENSOR, INTEGERS, ImcOp, integer, integers
from imcflow.dialect.constants import storage_type
from imcflow.dialect.shapes import pool_output_size, window_output_size
from imcflow.dialect.types import ElementType, element_type_of, is_float, shape_of


@irdl_op_definition
class ConstantOp(IRDLOperation):
    """A constant tensor of integers or `f32`, stored as bytes.

    The storage type is the signless integer that holds the element type (`si2` and `ui7` in `i8`, `ui8` in `i16`, ...).
    Example: `%w = imc.constant dense<[[1, -1]]> : tensor<1x2xi8> as tensor<1x2xsi2>`.
    """

    name = "imc.constant"

    value = prop_def(base(DenseIntOrFPElementsAttr))
    result = result_def(ELEMENT_TENSOR)

    traits = traits_def(Pure(), ConstantLike())
    irdl_options = (ParsePropInAttrDict(),)
    assembly_format = "$value `as` type($result) attr-dict"

    def __init__(self, value: DenseIntOrFPElementsAttr[Any], element: ElementType) -> None:
        super().__init__(properties={"value": value}, result_types=[TensorType(element, value.get_shape())])

    def verify_(self) -> None:
        """The storage type and the shape of the value match the result type."""
        expected = TensorType(storage_type(element_type_of(self.result)), shape_of(self.result))
        if self.value.type != expected:
            raise VerifyException(f"value of {self.result.type} must be stored as {expected}, got {self.value.type}")


@irdl_op_definition
class Conv2dOp(ImcOp):
    """2-D convolution: input `[N, C, H, W]`, weights `[M, C/groups, KH, KW]`, bias `[M]`, result `[N, M, OH, OW]`.

    `pads` is top, left, bottom, right; padded positions hold `pad_value` (an integer input's zero point).
    """

    name = "imc.conv2d"

    input = operand_def(ELEMENT_TENSOR)
    weights = operand_def(ELEMENT_TENSOR)
    bias = opt_operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    strides = prop_def(INTEGERS, default_value=integers((1, 1)))
    pads = prop_def(INTEGERS, default_value=integers((0, 0, 0, 0)))
    dilations = prop_def(INTEGERS, default_value=integers((1, 1)))
    groups = prop_def(IntegerAttr[IntegerType], default_value=integer(1))
    pad_value = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    assembly_format = "$input `,` $weights (`bias` $bias^)? " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        weights: SSAValue | Operation,
        result_element: ElementType,
        *,
        bias: SSAValue | Operation | None = None,
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        groups: int = 1,
        pad_value: int = 0,
    ) -> None:
        batch, _, height, width = shape_of(SSAValue.get(input))
        channels_out, _, kernel_height, kernel_width = shape_of(SSAValue.get(weights))
        out_height = window_output_size(height, kernel_height, strides[0], pads[0], pads[2], dilations[0])
        out_width = window_output_size(width, kernel_width, strides[1], pads[1], pads[3], dilations[1])
        super().__init__(
            operands=[input, weights, [] if bias is None else [bias]],
            properties={
                "strides": integers(strides),
                "pads": integers(pads),
                "dilations": integers(dilations),
                "groups": integer(groups),
                "pad_value": integer(pad_value),
            },
            result_types=[TensorType(result_element, [batch, channels_out, out_height, out_width])],
        )

    def verify_(self) -> None:
        """Ranks, channels, groups and the output size agree; floating point and integers are not mixed."""
        self.expect_rank(self.input, 4, "input")
        self.expect_rank(self.weights, 4, "weights")
        batch, channels, height, width = shape_of(self.input)
        channels_out, channels_in, kernel_height, kernel_width = shape_of(self.weights)
        strides, pads, dilations = window_properties(self.strides, self.pads, self.dilations)
        groups = self.groups.value.data
        if groups < 1 or channels != channels_in * groups or channels_out % groups:
            raise VerifyException(
                f"{groups} groups do not divide {channels} input channels into {channels_in} and {channels_out} outputs"
            )
        out_height = window_output_size(height, kernel_height, strides[0], pads[0], pads[2], dilations[0])
        out_width = window_output_size(width, kernel_width, strides[1], pads[1], pads[3], dilations[1])
        self.expect_shape(self.result, (batch, channels_out, out_height, out_width), "result")
        if self.bias is not None:
            self.expect_shape(self.bias, (channels_out,), "bias")
        self.expect_same_kind(*self.operands, self.result)


@irdl_op_definition
class GemmOp(ImcOp):
    """Matrix product with constant weights: input `[N, K]`, weights `[M, K]`, optional bias `[M]`, result `[N, M]`."""

    name = "imc.gemm"

    input = operand_def(ELEMENT_TENSOR)
    weights = operand_def(ELEMENT_TENSOR)
    bias = opt_operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    assembly_format = "$input `,` $weights (`bias` $bias^)? " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        weights: SSAValue | Operation,
        result_element: ElementType,
        *,
        bias: SSAValue | Operation | None = None,
    ) -> None:
        batch = shape_of(SSAValue.get(input))[0]
        outputs = shape_of(SSAValue.get(weights))[0]
        super().__init__(
            operands=[input, weights, [] if bias is None else [bias]],
            result_types=[TensorType(result_element, [batch, outputs])],
        )

    def verify_(self) -> None:
        """The inner dimensions agree; floating point and integers are not mixed."""
        self.expect_rank(self.input, 2, "input")
        self.expect_rank(self.weights, 2, "weights")
        batch, features = shape_of(self.input)
        outputs, features_in = shape_of(self.weights)
        if features != features_in:
            raise VerifyException(f"input has {features} features, weights have {features_in}")
        self.expect_shape(self.result, (batch, outputs), "result")
        if self.bias is not None:
            self.expect_shape(self.bias, (outputs,), "bias")
        self.expect_same_kind(*self.operands, self.result)


@irdl_op_definition
class MatMulOp(ImcOp):
    """Batched matrix product of two activations `[..., I, K] x [..., K, J]`, as numpy's matmul."""

    name = "imc.matmul"

    lhs = operand_def(ELEMENT_TENSOR)
    rhs = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    assembly_format = "$lhs `,` $rhs " + ImcOp.FUNCTIONAL

    def __init__(
        self, lhs: SSAValue | Operation, rhs: SSAValue | Operation, result_type: TensorType[ElementType]
    ) -> None:
        super().__init__(operands=[lhs, rhs], result_types=[result_type])

    def verify_(self) -> None:
        """The inner dimensions agree; floating point and integers are not mixed."""
        self.expect_channels(self.lhs, "lhs")
        self.expect_channels(self.rhs, "rhs")
        if shape_of(self.lhs)[-1] != shape_of(self.rhs)[-2]:
            raise VerifyException(f"inner dimensions {shape_of(self.lhs)[-1]} and {shape_of(self.rhs)[-2]} differ")
        self.expect_same_kind(self.lhs, self.rhs, self.result)


class PoolOp(ImcOp):
    """Base of the poolings over windows of `[N, C, H, W]`.

    With `ceil_mode` the last window may start inside the padded input and reach beyond it (ONNX semantics).
    """

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    kernel = prop_def(INTEGERS)
    strides = prop_def(INTEGERS, default_value=integers((1, 1)))
    pads = prop_def(INTEGERS, default_value=integers((0, 0, 0, 0)))
    dilations = prop_def(INTEGERS, default_value=integers((1, 1)))
    ceil_mode = opt_prop_def(UnitAttr)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        result_element: ElementType,
        *,
        kernel: Sequence[int],
        strides: Sequence[int] = (1, 1),
        pads: Sequence[int] = (0, 0, 0, 0),
        dilations: Sequence[int] = (1, 1),
        ceil_mode: bool = False,
        properties: dict[str, Attribute | None] | None = None,
    ) -> None:
        batch, channels, height, width = shape_of(SSAValue.get(input))
        out_height, out_width = pool_output_size((height, width), kernel, strides, pads, dilations, ceil_mode=ceil_mode)
        super().__init__(
            operands=[input],
            properties={
                "kernel": integers(kernel),
                "strides": integers(strides),
                "pads": integers(pads),
                "dilations": integers(dilations),
                "ceil_mode": UnitAttr() if ceil_mode else None,
                **(properties or {}),
            },
            result_types=[TensorType(result_element, [batch, channels, out_height, out_width])],
        )

    def verify_(self) -> None:
        """The output size agrees with window, strides, pads and ceil mode."""
        self.expect_rank(self.input, 4, "input")
        kernel = [int(size) for size in self.kernel.iter_values()]
        if len(kernel) != 2 or min(kernel) < 1:
            raise VerifyException(f"kernel {kernel} must be two positive sizes")
        strides, pads, dilations = window_properties(self.strides, self.pads, self.dilations)
        batch, channels, height, width = shape_of(self.input)
        size = pool_output_size((height, width), kernel, strides, pads, dilations, ceil_mode=self.ceil_mode is not None)
        self.expect_shape(self.result, (batch, channels, *size), "result")
        self.expect_same_kind(self.input, self.result)


@irdl_op_definition
class MaxPoolOp(PoolOp):
    """Largest element of each window; padded positions never win."""

    name = "imc.max_pool"


@irdl_op_definition
class SumPoolOp(PoolOp):
    """Sum of each window; padded positions count 0. The exact integer half of an average."""

    name = "imc.sum_pool"


@irdl_op_definition
class AvgPoolOp(PoolOp):
    """Mean of each window of `f32`; with `count_include_pad` the padding counts as zeros of the window."""

    name = "imc.avg_pool"

    count_include_pad = opt_prop_def(UnitAttr)

    def verify_(self) -> None:
        """Only floating point has a mean; integers use `imc.sum_pool`."""
        super().verify_()
        if not is_float(self.input):
            raise VerifyException("imc.avg_pool takes f32; integers use imc.sum_pool")


@irdl_op_definition
class BatchNormOp(ImcOp):
    """Inference batch normalisation over axis 1: `(x - mean) * scale / sqrt(variance + epsilon) + shift`, all `[C]`.

    Evaluated like onnxruntime, bit by bit: `a = 1 / sqrt(variance + epsilon) * scale`, `b = shift - mean * a`, result
    `x * a + b`.
    """

    name = "imc.batch_norm"

    input = operand_def(FLOAT_TENSOR)
    scale = operand_def(FLOAT_TENSOR)
    shift = operand_def(FLOAT_TENSOR)
    mean = operand_def(FLOAT_TENSOR)
    variance = operand_def(FLOAT_TENSOR)
    result = result_def(FLOAT_TENSOR)

    epsilon = prop_def(FloatAttr, default_value=FloatAttr(1e-5, f32))

    assembly_format = "$input `,` $scale `,` $shift `,` $mean `,` $variance " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        input: SSAValue | Operation,
        scale: SSAValue | Operation,
        shift: SSAValue | Operation,
        mean: SSAValue | Operation,
        variance: SSAValue | Operation,
        *,
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__(
            operands=[input, scale, shift, mean, variance],
            properties={"epsilon": FloatAttr(epsilon, f32)},
            result_types=[SSAValue.get(input).type],
        )

    def verify_(self) -> None:
        """The parameters have one value per channel."""
        channels = self.expect_channels(self.input, "input")
        for value, what in zip(self.operands[1:], ("scale", "shift", "mean", "variance"), strict=True):
            self.expect_shape(value, (channels,), what)
        self.expect_shape(self.result, shape_of(self.input), "result")


def window_properties(
    strides: DenseArrayBase[Any], pads: DenseArrayBase[Any], dilations: DenseArrayBase[Any]
) -> tuple[list[int], list[int], list[int]]:
    """Return strides, pads and dilations as integers.

    Raises:
        VerifyException: on a wrong number of entries, a stride or dilation below 1, or a negative pad.
    """
    lists = [[int(value) for value in attribute.iter_values()] for attribute in (strides, pads, dilations)]
    for values, count, least, what in zip(lists, (2, 4, 2), (1, 0, 1), ("strides", "pads", "dilations"), strict=True):
        if len(values) != count or min(values) < least:
            raise VerifyException(f"{what} {values} must be {count} integers of at least {least}")
    return lists[0], lists[1], lists[2]
