"""`imc-narrow-ranges`: integer types become as narrow as the weights prove, and levels out of reach disappear.

Purpose: the width of a word on the array, and of every pass over it, follows from its type. The types that the importer
and `imc-lift-scales` choose follow from types; this pass follows from ranges.

Before: network or quantised level.
After: same ops. The type of every integer tensor is the narrowest that holds the interval of its values, computed
exactly per channel from the ranges of the network's inputs (sums of positive and of negative weights apart). Types
change together where an op moves elements. Thresholds that every value reaches, or none, are dropped if that holds for
all channels; the others are cut to the interval of their channel. The network's inputs keep their types.

```
%a = imc.conv2d %x, %w : (tensor<?x64x30x30xsi2>, tensor<64x64x3x3xsi2>) -> tensor<?x64x28x28xsi12>
  =>                                                               // at most 570 weights are not 0, |x| <= 1
%a = imc.conv2d %x, %w : (tensor<?x64x30x30xsi2>, tensor<64x64x3x3xsi2>) -> tensor<?x64x28x28xsi11>
```

Meaning: unchanged on all inputs of the declared types.
Cost: fewer bits per accumulator, fewer comparisons per threshold op.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, BlockArgument, SSAValue
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from imcflow.dialect.base import integer
from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_network import ConstantOp, MaxPoolOp
from imcflow.dialect.ops_quantise import QuantizeOp, RequantizeOp, ThresholdOp
from imcflow.dialect.ops_shape import ConcatOp, DepthToSpaceOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from imcflow.dialect.types import is_float, shape_of, smallest_integer_type, with_element
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import Editor, erase_dead, network_block, retype_function
from imcflow.passes.network.forms import range_of
from imcflow.passes.network.intervals import Interval
from imcflow.passes.network.ranges import note, type_interval

SAME_TYPE = (ReshapeOp, TransposeOp, ConcatOp, PadOp, SliceOp, DepthToSpaceOp, MaxPoolOp)
"""Ops whose operands and result share one element type."""


@dataclass(frozen=True)
class ImcNarrowRanges(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-narrow-ranges"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Retype the network in place."""
        block = network_block(op)
        intervals: dict[SSAValue, Interval] = {}
        for argument in block.args:
            interval = type_interval(argument)
            if interval is not None:
                intervals[argument] = interval
        for inner in list(block.ops):
            if isinstance(inner, ThresholdOp) and not is_float(inner.input):
                _drop_levels(inner, intervals[inner.input])
            if inner.results:
                note(inner, intervals)
        _retype(block, intervals)
        erase_dead(block)
        retype_function(op)


def _drop_levels(op: ThresholdOp, inputs: Interval) -> None:
    """Remove the lowest and highest levels that no channel can leave or reach; cut thresholds to what matters."""
    thresholds = constant_value(op.thresholds)
    descending = None if op.descending is None else constant_value(op.descending)
    if thresholds is None or (op.descending is not None and descending is None):
        return
    channels = shape_of(op.input)[1]
    turned = np.zeros(channels, np.bool_) if descending is None else descending.astype(np.bool_)
    low, high = np.broadcast_to(inputs.low, (channels,)), np.broadcast_to(inputs.high, (channels,))
    rows = np.sort(np.broadcast_to(thresholds, (channels, thresholds.shape[1])), axis=1)
    rows = np.clip(rows, low[:, None], high[:, None] + 1)
    # Column l: the level `low + l + 1` is held where a rising channel reaches it, a falling one has not left it.
    levels = np.where(turned[:, None], rows[:, ::-1], rows)
    below, beyond = levels <= low[:, None], levels > high[:, None]
    always = np.where(turned[:, None], beyond, below)
    never = np.where(turned[:, None], below, beyond)
    first = _leading(always)
    last = levels.shape[1] - _leading(never[:, ::-1])
    if first >= last:  # constant in all channels: one level stays, since an op has at least one
        first, last = (first - 1, first) if first else (0, 1)
    levels = levels[:, first:last]
    rows = np.where(turned[:, None], levels[:, ::-1], levels)
    if len(np.unique(rows, axis=0)) == 1:
        rows = rows[:1]
    if np.array_equal(rows, thresholds):
        return
    op.properties["low"] = integer(op.low.value.data + first)
    op.operands[1] = Editor(op).value(integer_constant(np.ascontiguousarray(rows)))


def _leading(marks: NDArray[np.bool_]) -> int:
    """Return the number of first columns that hold in all rows."""
    columns = [bool(np.all(column)) for column in marks.T]
    return columns.index(False) if False in columns else len(columns)


def _retype(block: Block, intervals: dict[SSAValue, Interval]) -> None:
    classes = _Classes()
    ranges: dict[SSAValue, tuple[int, int]] = {}
    fixed: set[SSAValue] = set()
    values: list[SSAValue] = [*block.args, *(result for op in block.ops for result in op.results)]
    for value in values:
        if is_float(value):
            continue
        if isinstance(value, BlockArgument) or isinstance(value.owner, ConstantOp):
            ranges[value] = range_of(value)
            fixed.add(value)
        else:
            ranges[value] = _required(value, intervals[value])
    for op in block.ops:
        if isinstance(op, SAME_TYPE) and not is_float(op.results[0]):
            for operand in op.operands:
                classes.join(operand, op.results[0])
    for members in classes.of(list(ranges)):
        element = smallest_integer_type(
            min(ranges[member][0] for member in members), max(ranges[member][1] for member in members)
        )
        for member in members:
            kind = with_element(member, element)
            if member not in fixed and member.type != kind:
                Rewriter.replace_value_with_new_type(member, kind)


def _required(value: SSAValue, interval: Interval) -> tuple[int, int]:
    """Return the range that the type must hold: also the limits that the defining op names."""
    op = value.owner
    low, high = interval.least, interval.greatest
    if isinstance(op, ThresholdOp):
        return op.low.value.data, op.low.value.data + shape_of(op.thresholds)[1]
    if isinstance(op, QuantizeOp | RequantizeOp) and op.low is not None and op.high is not None:
        return op.low.value.data, op.high.value.data
    return low, high


class _Classes:
    """Sets of values that must have one type."""

    def __init__(self) -> None:
        self._parent: dict[SSAValue, SSAValue] = {}

    def find(self, value: SSAValue) -> SSAValue:
        """Return the representative of the set of `value`."""
        while (parent := self._parent.get(value, value)) is not value:
            value = parent
        return value

    def join(self, left: SSAValue, right: SSAValue) -> None:
        """Unite two sets."""
        left, right = self.find(left), self.find(right)
        if left is not right:
            self._parent[left] = right

    def of(self, values: list[SSAValue]) -> list[list[SSAValue]]:
        """Return the sets, in the order of their first member."""
        sets: dict[SSAValue, list[SSAValue]] = {}
        for value in values:
            sets.setdefault(self.find(value), []).append(value)
        return list(sets.values())
