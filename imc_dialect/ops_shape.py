"""Network-level ops that move elements without computing: the batch stays axis 0."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from xdsl.dialects.builtin import IntegerAttr, IntegerType, TensorType
from xdsl.ir import Operation, SSAValue
from xdsl.irdl import irdl_op_definition, operand_def, prop_def, result_def, var_operand_def
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.base import ELEMENT_TENSOR, FLOAT_TENSOR, INTEGER_TENSOR, INTEGERS, ImcOp, integer, integers
from imcflow.dialect.types import element_type_of, integer_type, shape_of, shape_text


@irdl_op_definition
class ReshapeOp(ImcOp):
    """Another shape for the elements of each image, in row-major order."""

    name = "imc.reshape"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, shape_per_image: Sequence[int]) -> None:
        value = SSAValue.get(input)
        shape = [shape_of(value)[0], *shape_per_image]
        super().__init__(operands=[input], result_types=[TensorType(element_type_of(value), shape)])

    def verify_(self) -> None:
        """The batch and the number of elements per image stay."""
        before, after = shape_of(self.input), shape_of(self.result)
        if before[0] != after[0] or prod(before[1:]) != prod(after[1:]):
            raise VerifyException(f"cannot reshape {shape_text(before)} to {shape_text(after)}")
        if element_type_of(self.input) != element_type_of(self.result):
            raise VerifyException("a reshape keeps the element type")


@irdl_op_definition
class TransposeOp(ImcOp):
    """Axes in another order: axis `i` of the result is axis `permutation[i]` of the input; axis 0 stays."""

    name = "imc.transpose"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)
    permutation = prop_def(INTEGERS)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, permutation: Sequence[int]) -> None:
        value = SSAValue.get(input)
        shape = [shape_of(value)[axis] for axis in permutation]
        super().__init__(
            operands=[input],
            properties={"permutation": integers(permutation)},
            result_types=[TensorType(element_type_of(value), shape)],
        )

    def verify_(self) -> None:
        """The permutation is one, keeps the batch, and gives the result's shape."""
        order = [int(axis) for axis in self.permutation.iter_values()]
        shape = shape_of(self.input)
        if sorted(order) != list(range(len(shape))) or order[0] != 0:
            raise VerifyException(f"{order} is not a permutation of {len(shape)} axes that keeps axis 0")
        self.expect_shape(self.result, [shape[axis] for axis in order], "result")


@irdl_op_definition
class ConcatOp(ImcOp):
    """Tensors of one element type joined along an axis other than the batch."""

    name = "imc.concat"

    inputs = var_operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)
    axis = prop_def(IntegerAttr[IntegerType], default_value=integer(1))

    assembly_format = "$inputs " + ImcOp.FUNCTIONAL

    def __init__(self, inputs: Sequence[SSAValue | Operation], *, axis: int = 1) -> None:
        values = [SSAValue.get(value) for value in inputs]
        shape = list(shape_of(values[0]))
        shape[axis] = sum(shape_of(value)[axis] for value in values)
        super().__init__(
            operands=[values],
            properties={"axis": integer(axis)},
            result_types=[TensorType(element_type_of(values[0]), shape)],
        )

    def verify_(self) -> None:
        """Element types agree, and the shapes differ only along the axis."""
        axis = self.axis.value.data
        shapes = [list(shape_of(value)) for value in self.inputs]
        if not shapes or not 1 <= axis < len(shapes[0]):
            raise VerifyException(f"axis {axis} does not exist or is the batch")
        if any(element_type_of(value) != element_type_of(self.result) for value in self.inputs):
            raise VerifyException("all inputs and the result must have one element type")
        expected = [*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :]]
        for shape in shapes:
            if shape[:axis] + shape[axis + 1 :] != expected[:axis] + expected[axis + 1 :]:
                raise VerifyException(f"shapes {', '.join(map(shape_text, shapes))} differ in more than axis {axis}")
        self.expect_shape(self.result, expected, "result")


@irdl_op_definition
class PadOp(ImcOp):
    """Constant padding: `pads` holds begins then ends of all axes (batch included, 0)."""

    name = "imc.pad"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)
    pads = prop_def(INTEGERS)
    value = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, pads: Sequence[int], *, value: int = 0) -> None:
        source = SSAValue.get(input)
        shape = self.padded_shape(shape_of(source), pads)
        super().__init__(
            operands=[input],
            properties={"pads": integers(pads), "value": integer(value)},
            result_types=[TensorType(element_type_of(source), shape)],
        )

    @staticmethod
    def padded_shape(shape: Sequence[int], pads: Sequence[int]) -> list[int]:
        """Return the shape after padding; the batch stays."""
        rank = len(shape)
        return [shape[0]] + [shape[axis] + pads[axis] + pads[axis + rank] for axis in range(1, rank)]

    def verify_(self) -> None:
        """Two pads per axis, none negative, none on the batch."""
        pads = [int(pad) for pad in self.pads.iter_values()]
        shape = shape_of(self.input)
        if len(pads) != 2 * len(shape) or min(pads) < 0 or pads[0] or pads[len(shape)]:
            raise VerifyException(f"pads {pads} must be {2 * len(shape)} integers of at least 0, with 0 for the batch")
        self.expect_shape(self.result, self.padded_shape(shape, pads), "result")


@irdl_op_definition
class SliceOp(ImcOp):
    """Elements `start`, `start + step`, ... below `stop` of one axis other than the batch."""

    name = "imc.slice"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)
    axis = prop_def(IntegerAttr[IntegerType])
    start = prop_def(IntegerAttr[IntegerType])
    stop = prop_def(IntegerAttr[IntegerType])
    step = prop_def(IntegerAttr[IntegerType], default_value=integer(1))

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, *, axis: int, start: int, stop: int, step: int = 1) -> None:
        value = SSAValue.get(input)
        shape = list(shape_of(value))
        shape[axis] = len(range(start, stop, step))
        super().__init__(
            operands=[input],
            properties={
                "axis": integer(axis),
                "start": integer(start),
                "stop": integer(stop),
                "step": integer(step),
            },
            result_types=[TensorType(element_type_of(value), shape)],
        )

    def verify_(self) -> None:
        """The range lies inside the axis."""
        axis, start = self.axis.value.data, self.start.value.data
        stop, step = self.stop.value.data, self.step.value.data
        shape = list(shape_of(self.input))
        if not 1 <= axis < len(shape) or step < 1 or not 0 <= start < stop <= shape[axis]:
            raise VerifyException(
                f"slice {start}:{stop}:{step} of axis {axis} is outside the shape {shape_text(shape)}"
            )
        shape[axis] = len(range(start, stop, step))
        self.expect_shape(self.result, shape, "result")


@irdl_op_definition
class DepthToSpaceOp(ImcOp):
    """Channels to blocks of pixels; `column_row_depth` selects ONNX mode CRD instead of DCR."""

    name = "imc.depth_to_space"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(ELEMENT_TENSOR)
    block = prop_def(IntegerAttr[IntegerType])
    column_row_depth = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, *, block: int, column_row_depth: bool) -> None:
        value = SSAValue.get(input)
        batch, channels, height, width = shape_of(value)
        super().__init__(
            operands=[input],
            properties={"block": integer(block), "column_row_depth": integer(int(column_row_depth))},
            result_types=[
                TensorType(element_type_of(value), [batch, channels // (block * block), height * block, width * block])
            ],
        )

    def verify_(self) -> None:
        """The channels divide by the square of the block."""
        self.expect_rank(self.input, 4, "input")
        batch, channels, height, width = shape_of(self.input)
        block = self.block.value.data
        if block < 1 or channels % (block * block):
            raise VerifyException(f"{channels} channels do not divide into blocks of {block}x{block}")
        self.expect_shape(self.result, (batch, channels // (block * block), height * block, width * block), "result")


@irdl_op_definition
class ReduceMeanOp(ImcOp):
    """Mean of `f32` over axes other than the batch; reduced axes keep size 1."""

    name = "imc.reduce_mean"

    input = operand_def(FLOAT_TENSOR)
    result = result_def(FLOAT_TENSOR)
    axes = prop_def(INTEGERS)

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, axes: Sequence[int]) -> None:
        value = SSAValue.get(input)
        shape = [1 if axis in axes else size for axis, size in enumerate(shape_of(value))]
        super().__init__(
            operands=[input],
            properties={"axes": integers(axes)},
            result_types=[TensorType(element_type_of(value), shape)],
        )

    def verify_(self) -> None:
        """The axes exist and exclude the batch."""
        axes = [int(axis) for axis in self.axes.iter_values()]
        shape = shape_of(self.input)
        if not axes or any(not 1 <= axis < len(shape) for axis in axes):
            raise VerifyException(f"axes {axes} are outside 1 ... {len(shape) - 1}")
        self.expect_shape(self.result, [1 if axis in axes else size for axis, size in enumerate(shape)], "result")


@irdl_op_definition
class TopKOp(ImcOp):
    """Indices of the `count` largest elements along an axis, largest first; the first of equals wins."""

    name = "imc.top_k"

    input = operand_def(ELEMENT_TENSOR)
    result = result_def(INTEGER_TENSOR)
    axis = prop_def(IntegerAttr[IntegerType])
    count = prop_def(IntegerAttr[IntegerType], default_value=integer(1))

    assembly_format = "$input " + ImcOp.FUNCTIONAL

    def __init__(self, input: SSAValue | Operation, *, axis: int, count: int = 1) -> None:
        value = SSAValue.get(input)
        shape = list(shape_of(value))
        bits = max(1, (shape[axis] - 1).bit_length())
        shape[axis] = count
        super().__init__(
            operands=[input],
            properties={"axis": integer(axis), "count": integer(count)},
            result_types=[TensorType(integer_type(bits, signed=False), shape)],
        )

    def verify_(self) -> None:
        """The axis exists, is not the batch, and has enough elements."""
        axis, count = self.axis.value.data, self.count.value.data
        shape = list(shape_of(self.input))
        if not 1 <= axis < len(shape) or not 1 <= count <= shape[axis]:
            raise VerifyException(f"the {count} largest of axis {axis} do not exist in the shape {shape_text(shape)}")
        shape[axis] = count
        self.expect_shape(self.result, shape, "result")
