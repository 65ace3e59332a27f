"""The pass `imc-pack`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import AddSubAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.dialect.ops_ap_unpacked import (
    ApAccumulateOp,
    ApAddOp,
    ApSliceOp,
    ApSubOp,
    ApUnpackedOp,
    ApYieldOp,
)

if TYPE_CHECKING:
    from xdsl.ir import Block, SSAValue

    from imcflow.dialect.add_sub_program import AddSubProgram


@dataclass(frozen=True)
class ImcPack(ModulePass):
    """Pack SSA additions into add/sub programs: the inverse of `imc-unpack`.

    Precondition: `imc.ap_unpacked` ops; inside a slice, operations come before accumulations.
    Postcondition: `imc.ap_linear` ops instead.

    Before:
        %y = imc.ap_unpacked %x : tensor<?x2xui4> -> tensor<?x1xui5> {
        ^bb0(%x0 : ui4, %x1 : ui4):
          imc.ap_slice {inputs = 2 : i64}
          %v0 = imc.ap_add %x0, %x1 : (ui4, ui4) -> ui5
          imc.ap_accumulate %v0 {output = 0 : i64} : ui5
          imc.ap_yield {bias = array<i64: 0>}
        }
    After:
        %y = imc.ap_linear %x : tensor<?x2xui4>
            {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "v0 = x0 + x1", "y0 += v0">]}
            -> tensor<?x1xui5>

    Effect on cost: none.
    """

    name = "imc-pack"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the ops in place."""
        from xdsl.rewriter import InsertPoint, Rewriter
        from xdsl.utils.exceptions import VerifyException

        for layer in list(op.walk()):
            if not isinstance(layer, ApUnpackedOp):
                continue
            try:
                programs = [AddSubAttr.of(_program(body.block)) for body in layer.bodies]
            except ValueError as error:
                raise PassFailedException(f"{self.name}: {describe(layer)}: {error}") from error
            kept = {name: value for name, value in layer.properties.items() if name != "operandSegmentSizes"}
            packed = ApLinearOp(
                list(layer.inputs),
                programs,
                layer.result.type,
                geometry=kept,
                channel_low=integers_of(layer.channel_low),
                channel_high=integers_of(layer.channel_high),
                thresholds=layer.thresholds,
                descending=layer.descending,
                low=layer.low.value.data,
                partial_sums=layer.partial_sums.value.data,
            )
            packed.location = layer.location
            packed.attributes.update(layer.attributes)
            try:
                packed.verify_()
            except VerifyException as error:
                raise PassFailedException(f"{self.name}: {describe(layer)}: {error}") from error
            Rewriter.insert_op(packed, InsertPoint.before(layer))
            layer.result.replace_all_uses_with(packed.result)
            layer.detach()
            layer.erase()


def integers_of(attribute: DenseArrayBase[Any] | None) -> list[int]:
    """Return the integers of an array attribute; none of a missing one."""
    return [] if attribute is None else [int(value) for value in attribute.iter_values()]


def _program(block: Block) -> AddSubProgram:
    """The packed form of one region.

    Raises:
        ValueError: naming the op that has no packed form.
    """
    import numpy as np

    from imcflow.dialect.add_sub_program import AddSubProgram, Bounds

    numbers: dict[SSAValue, int] = {argument: index for index, argument in enumerate(block.args)}
    operations: list[tuple[int, int, int, int, int]] = []
    accumulations: list[tuple[int, int, int, int]] = []
    intervals: list[tuple[int, int]] = []
    borders: list[tuple[int, int, int]] = []
    inputs = 0
    end = block.last_op
    for op in block.ops:
        if isinstance(op, ApSliceOp):
            borders.append((inputs, len(operations), len(accumulations)))
            inputs += op.inputs.value.data
        elif isinstance(op, ApAddOp | ApSubOp):
            if borders and len(accumulations) > borders[-1][2]:
                raise ValueError("inside a slice, operations come before accumulations")
            numbers[op.result] = len(block.args) + len(operations)
            shifts = op.lhs_shift.value.data, op.rhs_shift.value.data
            operations.append((numbers[op.lhs], numbers[op.rhs], *shifts, int(isinstance(op, ApSubOp))))
            if op.low is not None and op.high is not None:
                intervals.append((op.low.value.data, op.high.value.data))
        elif isinstance(op, ApAccumulateOp):
            accumulations.append(
                (op.output.value.data, numbers[op.value], op.shift.value.data, int(op.subtract is not None))
            )
        elif not isinstance(op, ApYieldOp):
            raise ValueError(f"{op.name} has no packed form")
    if not borders or not isinstance(end, ApYieldOp):
        raise ValueError("a region begins with imc.ap_slice and ends in imc.ap_yield")
    borders.append((inputs, len(operations), len(accumulations)))
    ops = np.array(operations, dtype=np.int64).reshape(-1, 5)
    sums = np.array(accumulations, dtype=np.int64).reshape(-1, 4)
    edges = np.array(borders, dtype=np.int32)
    values = outputs = None
    if end.output_low is not None and len(intervals) == len(operations):
        own = np.array(intervals, dtype=np.int64).reshape(-1, 2)
        low, high = (np.array(integers_of(part), dtype=np.int64) for part in (end.input_low, end.input_high))
        values = Bounds(np.concatenate([low, own[:, 0]]), np.concatenate([high, own[:, 1]]))
        low, high = (np.array(integers_of(part), dtype=np.int64) for part in (end.output_low, end.output_high))
        outputs = Bounds(low, high)
    bias = np.array(integers_of(end.bias), dtype=np.int64)
    return AddSubProgram(
        input_count=len(block.args),
        output_count=len(bias),
        lhs=ops[:, 0].astype(np.int32),
        rhs=ops[:, 1].astype(np.int32),
        lhs_shift=ops[:, 2].astype(np.uint8),
        rhs_shift=ops[:, 3].astype(np.uint8),
        subtract=ops[:, 4].astype(np.uint8),
        accumulate_output=sums[:, 0].astype(np.int32),
        accumulate_value=sums[:, 1].astype(np.int32),
        accumulate_shift=sums[:, 2].astype(np.uint8),
        accumulate_subtract=sums[:, 3].astype(np.uint8),
        bias=bias,
        slice_inputs=edges[:, 0].copy(),
        slice_operations=edges[:, 1].copy(),
        slice_accumulations=edges[:, 2].copy(),
        values=values,
        outputs=outputs,
    )
