"""Mapped- and program-level ops of the associative processor.

A linear layer is one op holding packed add/sub programs; its lanes are the output positions, its inputs are cut into
windows. Passes fill in what is missing: `imc-unroll` makes plain programs, `imc-reduce-arithmetic` shares sums,
`imc-infer-widths` adds intervals, `imc-allocate-tracks` placements, and `imc-emit-program` turns the op into an
`imc.ap_kernel` with an instruction table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DenseIntOrFPElementsAttr,
    DictionaryAttr,
    IntegerAttr,
    IntegerType,
    StringAttr,
    UnitAttr,
)
from xdsl.ir import Attribute, Operation, SSAValue
from xdsl.irdl import (
    AttrSizedOperandSegments,
    ParsePropInAttrDict,
    base,
    irdl_op_definition,
    opt_operand_def,
    opt_prop_def,
    prop_def,
    result_def,
    var_operand_def,
)
from xdsl.utils.exceptions import VerifyException

from imcflow.dialect.attributes_ap import AddSubAttr, InstructionsAttr, PlacementAttr
from imcflow.dialect.base import INTEGER_TENSOR, INTEGERS, ImcOp, integer, integers
from imcflow.dialect.ops_network import window_properties
from imcflow.dialect.shapes import window_output_size
from imcflow.dialect.types import integer_element_of, shape_of, value_range

if TYPE_CHECKING:
    from xdsl.dialects.builtin import TensorType

    from imcflow.dialect.types import ElementType


T = TypeVar("T")


class WindowedOp(ImcOp):
    """Base: inputs of one shape, cut into windows of one geometry; lane = output position.

    A vector `[N, K]` counts as a map of K channels of height and width 1. Window element number of input i:
    `((i * channels + channel) * kernel_height + row) * kernel_width + column`.
    """

    inputs = var_operand_def(INTEGER_TENSOR)
    result = result_def(INTEGER_TENSOR)

    kernel = prop_def(INTEGERS, default_value=integers((1, 1)))
    strides = prop_def(INTEGERS, default_value=integers((1, 1)))
    pads = prop_def(INTEGERS, default_value=integers((0, 0, 0, 0)))
    dilations = prop_def(INTEGERS, default_value=integers((1, 1)))
    pad_value = prop_def(IntegerAttr[IntegerType], default_value=integer(0))

    @property
    def kernel_size(self) -> tuple[int, int]:
        """Kernel height and width."""
        height, width = (int(size) for size in self.kernel.iter_values())
        return height, width

    @property
    def map_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of each input."""
        shape = shape_of(self.inputs[0])
        channels, height, width = shape[1:] if len(shape) == 4 else (shape[1], 1, 1)
        return channels, height, width

    @property
    def elements(self) -> int:
        """Window elements of all inputs together."""
        return len(self.inputs) * self.map_shape[0] * self.kernel_size[0] * self.kernel_size[1]

    def element_bits(self, value: SSAValue) -> tuple[int, bool]:
        """Return bits and sign of the elements that an input's windows hold, padding included."""
        pads = [int(pad) for pad in self.pads.iter_values()]
        pad = self.pad_value.value.data if any(pads) else 0
        least, greatest = value_range(integer_element_of(value))
        signed = min(least, pad) < 0
        reach = max(greatest, pad, -min(least, pad) - 1)
        return max(1, reach.bit_length() + signed), signed

    def verify_(self) -> None:
        """Inputs have one shape; window and result shape agree."""
        if not self.inputs or any(shape_of(value) != shape_of(self.inputs[0]) for value in self.inputs):
            raise VerifyException("needs inputs, all of one shape")
        shape = shape_of(self.inputs[0])
        if len(shape) not in (2, 4):
            raise VerifyException(f"input has {len(shape)} axes, expected 2 or 4")
        if len(list(self.kernel.iter_values())) != 2 or min(self.kernel_size) < 1:
            raise VerifyException(f"kernel {list(self.kernel.iter_values())} must be two positive sizes")
        strides, pads, dilations = window_properties(self.strides, self.pads, self.dilations)
        channels_out = shape_of(self.result)[1]
        if len(shape) == 2:
            self.expect_shape(self.result, (shape[0], channels_out), "result")
            if self.kernel_size != (1, 1) or any(pads):
                raise VerifyException("a vector has windows of one element and no padding")
            return
        size = tuple(
            window_output_size(
                shape[2 + axis], self.kernel_size[axis], strides[axis], pads[axis], pads[2 + axis], dilations[axis]
            )
            for axis in range(2)
        )
        self.expect_shape(self.result, (shape[0], channels_out, *size), "result")


def in_parts(each: Sequence[T], partial_sums: IntegerAttr[IntegerType]) -> list[Sequence[T]]:
    """Group items in runs of `partial_sums`."""
    count = partial_sums.value.data
    return [each[first : first + count] for first in range(0, len(each), count)]


def verified_outputs(outputs: Sequence[int], partial_sums: IntegerAttr[IntegerType], what: str) -> int:
    """Return the output channels of all parts.

    Args:
        outputs: of each program.
        partial_sums: programs per part.
        what: programs are called in messages.

    Raises:
        VerifyException: the programs do not make up whole parts.
    """
    count = partial_sums.value.data
    if count < 1 or count & (count - 1):
        raise VerifyException(f"partial_sums is {count}, it must be a power of two")
    if len(outputs) % count:
        raise VerifyException(f"{len(outputs)} {what} in parts of {count} partial sums")
    parts = in_parts(outputs, partial_sums)
    if any(len(set(part)) > 1 for part in parts):
        raise VerifyException(f"partial sums of one part must have the same outputs, {what} have {list(outputs)}")
    return sum(part[0] for part in parts)


@irdl_op_definition
class ApLinearOp(WindowedOp):
    """A constant linear layer on associative-processor arrays, and the step function behind it, if any.

    `programs` hold the layer in parts of consecutive output channels; every part runs on an array of its own and sees
    all window elements. With `partial_sums` n, n programs in a row (on n arrays) are one part: each is the sum over
    some of the window elements, and the part is their sum.

    `placements` has one entry per program once tracks are allocated. With `thresholds` (`[C, L]` or `[1, L]`, see
    `imc.threshold`) the result is `low + #{k : x >= thresholds[c, k]}` of the sum x, computed by the digital unit while
    the sum is stored. `channel_low` and `channel_high` are the exact range of each channel of each
    input, pad value included.
    """

    name = "imc.ap_linear"

    inputs = var_operand_def(INTEGER_TENSOR)  # again: operands are ordered as a class declares them
    thresholds = opt_operand_def(INTEGER_TENSOR)
    descending = opt_operand_def(INTEGER_TENSOR)

    programs = prop_def(ArrayAttr[AddSubAttr])
    placements = opt_prop_def(ArrayAttr[PlacementAttr])
    partial_sums = prop_def(IntegerAttr[IntegerType], default_value=integer(1))
    low = prop_def(IntegerAttr[IntegerType], default_value=integer(0))
    channel_low = prop_def(INTEGERS)
    channel_high = prop_def(INTEGERS)

    irdl_options = (AttrSizedOperandSegments(as_property=True), ParsePropInAttrDict())
    assembly_format = (
        "$inputs `:` type($inputs) (`thresholds` $thresholds^ `:` type($thresholds))? "
        "(`descending` $descending^ `:` type($descending))? attr-dict `->` type($result)"
    )

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        programs: Sequence[AddSubAttr],
        result_type: TensorType[ElementType],
        *,
        geometry: Mapping[str, Attribute],
        channel_low: Sequence[int],
        channel_high: Sequence[int],
        thresholds: SSAValue | None = None,
        descending: SSAValue | None = None,
        low: int = 0,
        partial_sums: int = 1,
    ) -> None:
        super().__init__(
            operands=[
                inputs,
                [] if thresholds is None else [thresholds],
                [] if descending is None else [descending],
            ],
            properties={
                "programs": ArrayAttr(programs),
                "partial_sums": integer(partial_sums),
                "low": integer(low),
                "channel_low": integers(channel_low),
                "channel_high": integers(channel_high),
                **geometry,
            },
            result_types=[result_type],
        )

    def placed_programs(self) -> list[tuple[AddSubAttr, PlacementAttr]]:
        """Return every program with its placement; there must be placements."""
        assert self.placements is not None
        return list(zip(self.programs, self.placements, strict=True))

    def in_parts(self, each: Sequence[T]) -> list[Sequence[T]]:
        """Group what there is for each program by the parts of output channels."""
        return in_parts(each, self.partial_sums)

    def verify_(self) -> None:
        """Programs are causal, see all window elements and compute every output channel."""
        super().verify_()
        outputs: list[int] = []
        channels = len(self.inputs) * self.map_shape[0]
        if len(self.channel_low) != channels or len(self.channel_high) != channels:
            raise VerifyException(f"channel ranges must have {channels} entries")
        for attribute in self.programs:
            program = attribute.program()
            try:
                program.verify()
            except ValueError as error:
                raise VerifyException(str(error)) from error
            if program.input_count != self.elements:
                raise VerifyException(f"a program has {program.input_count} inputs for {self.elements} window elements")
            outputs.append(program.output_count)
        channels_out = verified_outputs(outputs, self.partial_sums, "programs")
        if channels_out != shape_of(self.result)[1]:
            raise VerifyException(f"programs compute {channels_out} of {shape_of(self.result)[1]} output channels")
        if self.placements is not None and len(self.placements) != len(self.programs):
            raise VerifyException(f"{len(self.placements)} placements for {len(self.programs)} programs")
        if self.thresholds is not None:
            self.expect_rank(self.thresholds, 2, "thresholds")
            if shape_of(self.thresholds)[0] not in (1, channels_out):
                raise VerifyException(
                    f"thresholds have {shape_of(self.thresholds)[0]} rows for {channels_out} channels"
                )
            self._expect_bounds(self.low.value.data, self.low.value.data + shape_of(self.thresholds)[1])
        if self.descending is not None:
            if self.thresholds is None:
                raise VerifyException("descending channels without thresholds")
            self.expect_shape(self.descending, (channels_out,), "descending")

    def _expect_bounds(self, low: int, high: int) -> None:
        element = integer_element_of(self.result)
        least, greatest = value_range(element)
        if low < least or high > greatest:
            raise VerifyException(f"results {low} ... {high} do not fit {element}")


@irdl_op_definition
class ApMaxPoolOp(WindowedOp):
    """Largest element of each window, on an associative-processor array; padding never wins."""

    name = "imc.ap_max_pool"

    assembly_format = "$inputs " + ImcOp.FUNCTIONAL

    def __init__(
        self, input: SSAValue, result_type: TensorType[ElementType], *, geometry: Mapping[str, Attribute]
    ) -> None:
        super().__init__(operands=[[input]], properties=dict(geometry), result_types=[result_type])

    def verify_(self) -> None:
        """One input; the result has its element type and channels."""
        super().verify_()
        if len(self.inputs) != 1:
            raise VerifyException(f"takes one input, got {len(self.inputs)}")
        if integer_element_of(self.result) != integer_element_of(self.inputs[0]):
            raise VerifyException("the result has another element type than the input")
        if shape_of(self.result)[1] != shape_of(self.inputs[0])[1]:
            raise VerifyException("the result has another number of channels than the input")


@irdl_op_definition
class ApKernelOp(WindowedOp):
    """An instruction stream of the associative processor: the program-level form of a layer.

    `instructions` is the table of `imcflow.runtime.isa`; `arrays` is how many arrays its cells span. The step table
    (`step_thresholds` `[rows, levels]`, `step_low` and `step_descending` `[rows]`) serves STORE_STEP. Each of
    `source_map` is {start, stop, text}: where instructions come from.
    """

    name = "imc.ap_kernel"

    instructions = prop_def(base(InstructionsAttr))
    arrays = prop_def(IntegerAttr[IntegerType])
    step_thresholds = opt_prop_def(base(DenseIntOrFPElementsAttr))
    step_low = opt_prop_def(base(DenseArrayBase))
    step_descending = opt_prop_def(base(DenseArrayBase))
    source_map = opt_prop_def(ArrayAttr[DictionaryAttr])

    assembly_format = "$inputs " + ImcOp.FUNCTIONAL

    def __init__(
        self,
        inputs: Sequence[SSAValue],
        instructions: InstructionsAttr,
        result_type: Attribute,
        *,
        arrays: int,
        properties: Mapping[str, Attribute | None],
    ) -> None:
        super().__init__(
            operands=[inputs],
            properties={"instructions": instructions, "arrays": integer(arrays), **properties},
            result_types=[result_type],
        )

    def verify_(self) -> None:
        """The step table is complete; the instruction table consists of whole rows."""
        super().verify_()
        if self.arrays.value.data < 1:
            raise VerifyException(f"{self.arrays.value.data} arrays, expected at least 1")
        table = (self.step_thresholds, self.step_low, self.step_descending)
        if any(part is None for part in table) and any(part is not None for part in table):
            raise VerifyException("step_thresholds, step_low and step_descending come together")
        if self.step_thresholds is not None and self.step_low is not None and self.step_descending is not None:
            shape = self.step_thresholds.get_shape()
            rows = (len(self.step_low), len(self.step_descending))
            if len(shape) != 2 or rows != (shape[0], shape[0]):
                raise VerifyException(f"step table has shape {list(shape)} with {rows[0]} and {rows[1]} rows")


def region(start: int, stop: int, text: str) -> DictionaryAttr:
    """Return one entry of `source_map`."""
    return DictionaryAttr({"start": integer(start), "stop": integer(stop), "text": StringAttr(text)})


AP_OPS: list[type[Operation]] = [ApLinearOp, ApMaxPoolOp, ApKernelOp]
AP_ATTRIBUTES: list[type[Attribute]] = [AddSubAttr, PlacementAttr, InstructionsAttr]
UNIT = UnitAttr()
