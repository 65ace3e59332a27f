"""Building of the network-level function: ops with locations, constants, integer intervals, clean-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from xdsl.dialects.builtin import IntegerType, LocationAttr, f32
from xdsl.ir import Block, Operation, SSAValue
from xdsl.rewriter import Rewriter
from xdsl.traits import is_side_effect_free

from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.locations import fused_location, node_location
from imcflow.dialect.ops_elementwise import CastOp, ClampOp
from imcflow.dialect.ops_quantise import DequantizeOp, RequantizeOp
from imcflow.dialect.ops_shape import ReshapeOp
from imcflow.dialect.types import (
    MAX_INTEGER_BITS,
    integer_element_of,
    is_float,
    shape_of,
    smallest_integer_type,
    value_range,
)
from imcflow.errors import ModelError
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, Tensor

DECLARE_INPUTS = "declare the (narrower) integer type of the network's input, --input NAME:TYPE"


@dataclass(frozen=True, eq=False)
class Affine:
    """What an integer value is: `source * multiplier + addend`, through the ops `through`."""

    source: SSAValue
    multiplier: Array
    addend: Array
    through: tuple[Operation, ...]


@dataclass(frozen=True, eq=False)
class Quotient:
    """What an `f32` value stands for exactly: an integer value divided by positive integer constants."""

    dividend: SSAValue
    divisor: Array
    through: tuple[Operation, ...]


class NetworkBuilder:
    """Appends ops to the body of the function, on behalf of one node after the other.

    Attributes:
        block: the body.
        file_batch: size of axis 0 where the file fixes it, else None.
        affine: integer values that are known affine functions of others.
        quotients: `f32` values that are exact integer fractions.
    """

    def __init__(self, block: Block, file_batch: int | None) -> None:
        self.block = block
        self.file_batch = file_batch
        self.affine: dict[SSAValue, Affine] = {}
        self.quotients: dict[SSAValue, Quotient] = {}
        self._intervals: dict[SSAValue, Interval] = {}
        self._location: LocationAttr = node_location("input")
        self._node: Node | None = None

    def start(self, node: Node) -> None:
        """Say on behalf of which node the next ops are emitted."""
        self._node = node
        self._location = node_location(node.name)

    # ----------------------------------------------------------------------------------------------------- emitting

    def emit(self, op: Operation, interval: Interval | None = None) -> SSAValue:
        """Append an op and return its result.

        Args:
            op: verified here, so that an error names the node.
            interval: values of an integer result, where narrower than its type.
        """
        op.location = self._location
        self.block.add_op(op)
        op.verify(verify_nested_ops=False)
        result = op.results[0]
        if interval is not None:
            self._intervals[result] = interval
        return result

    def fuse_locations(self, value: SSAValue, through: Sequence[Operation]) -> None:
        """Add the nodes of the ops that the op of `value` replaces to its location."""
        op = value.owner
        if isinstance(op, Operation):
            op.location = fused_location([*through, op])

    def constant(self, array: Array) -> SSAValue:
        """Emit an integer or `f32` constant; -0.0 becomes 0."""
        if array.dtype.kind == "f":
            return self.emit(float_constant(array.astype(np.float32) + np.float32(0)))
        integers = array.astype(np.int64)
        interval = Interval(int(integers.min()), int(integers.max())) if integers.size else Interval(0, 0)
        return self.emit(integer_constant(integers), interval)

    def scalar(self, number: float) -> SSAValue:
        """Emit an `f32` constant without axes."""
        return self.constant(np.asarray(number, np.float32))

    def dequantised(self, value: SSAValue, scale: Array, zero_point: Array) -> SSAValue:
        """Emit `imc.dequantize` with constant scale and zero point."""
        return self.emit(DequantizeOp(value, self.constant(scale), self.constant(zero_point)))

    def reshaped(self, value: SSAValue, shape_per_image: Sequence[int]) -> SSAValue:
        """Emit `imc.reshape` unless the shape stays; the interval stays."""
        if tuple(shape_of(value)[1:]) == tuple(shape_per_image):
            return value
        return self.emit(ReshapeOp(value, shape_per_image), self.same_interval(value))

    # ------------------------------------------------------------------------------------------------------ integers

    def interval(self, value: SSAValue) -> Interval:
        """Return the integers that a value may take."""
        known = self._intervals.get(value)
        return Interval(*value_range(integer_element_of(value))) if known is None else known

    def same_interval(self, value: SSAValue) -> Interval | None:
        """Return the interval of an integer value, None for `f32`: for ops that only move elements."""
        return None if is_float(value) else self.interval(value)

    def element(self, interval: Interval) -> IntegerType:
        """Return the narrowest type for an interval.

        Raises:
            ModelError: if it needs more than 62 bits.
        """
        bits = max(interval.high.bit_length(), (-interval.low - 1).bit_length() + 1 if interval.low < 0 else 0)
        if bits > MAX_INTEGER_BITS:
            reason = f"its integers may need {bits} bits, more than {MAX_INTEGER_BITS}; {DECLARE_INPUTS}"
            raise ModelError(reason) if self._node is None else self._node.error(reason)
        return smallest_integer_type(interval.low, interval.high)

    def integers(self, tensor: Tensor) -> SSAValue | None:
        """Return a tensor as integers, if it provably holds integers, else None."""
        if isinstance(tensor, Activation):
            return None if is_float(tensor.value) else tensor.value
        if isinstance(tensor, Constant):
            integers = tensor.integers()
            return None if integers is None else self.constant(integers)
        return None

    # --------------------------------------------------------------------------------------------------------- floats

    def floats(self, tensor: Tensor) -> SSAValue:
        """Return a tensor as `f32`.

        An integer activation is converted; a constant behind a quantiser stays integers with their scale.

        Raises:
            ModelError: for a shape.
        """
        if isinstance(tensor, Activation):
            return tensor.value if is_float(tensor.value) else self.emit(CastOp(tensor.value, f32))
        if not isinstance(tensor, Constant):
            reason = "the shape of an activation cannot take part in arithmetic"
            raise ModelError(reason) if self._node is None else self._node.error(reason)
        if tensor.quantisation is None:
            return self.constant(tensor.array.astype(np.float32))
        hidden = tensor.quantisation
        return self.dequantised(self.constant(hidden.integers), hidden.scale, hidden.zero_point)

    # --------------------------------------------------------------------------------------------------------- finish

    def finish(self) -> None:
        """Merge clamps into the requantisations before them, and erase what nothing reads."""
        for op in list(self.block.ops):
            if isinstance(op, ClampOp):
                _merge_clamp(op)
        for op in reversed(list(self.block.ops)):
            if op.results and is_side_effect_free(op) and not any(result.first_use for result in op.results):
                op.detach()
                op.erase()


def _merge_clamp(clamp: ClampOp) -> None:
    source = clamp.input.owner
    if not isinstance(source, RequantizeOp) or source.low is not None or clamp.input.has_more_than_one_use():
        return
    merged = RequantizeOp(
        source.input,
        source.multiplier,
        source.addend,
        source.divisor,
        integer_element_of(clamp.result),
        low=clamp.low.value.data,
        high=clamp.high.value.data,
        mode=source.mode.data,
    )
    merged.location = fused_location([source, clamp])
    Rewriter.replace_op(clamp, merged)
    source.detach()
    source.erase()
