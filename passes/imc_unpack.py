"""The pass `imc-unpack`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

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
from imcflow.dialect.types import smallest_integer_type

if TYPE_CHECKING:
    from imcflow.dialect.add_sub_program import AddSubProgram


@dataclass(frozen=True)
class ImcUnpack(ModulePass):
    """Expand packed add/sub programs into SSA ops.

    Precondition: `imc.ap_linear` ops without placements, with at most `limit` operations and accumulations each.
    Postcondition: `imc.ap_unpacked` ops instead; `imc-pack` gives the same packed form back.

    Before:
        %y = imc.ap_linear %x : tensor<?x2xui4>
            {programs = [#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "v0 = x0 + x1", "y0 += v0">]}
            -> tensor<?x1xui5>
    After:
        %y = imc.ap_unpacked %x : tensor<?x2xui4> -> tensor<?x1xui5> {
        ^bb0(%x0 : ui4, %x1 : ui4):
          imc.ap_slice {inputs = 2 : i64}
          %v0 = imc.ap_add %x0, %x1 : (ui4, ui4) -> ui5
          imc.ap_accumulate %v0 {output = 0 : i64} : ui5
          imc.ap_yield {bias = array<i64: 0>}
        }

    Effect on cost: none; compile time and memory grow a thousandfold.

    Options:
        limit: most operations and accumulations of one layer.
    """

    name = "imc-unpack"

    limit: int = 10_000

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the ops in place."""
        from xdsl.rewriter import InsertPoint, Rewriter

        for layer in list(op.walk()):
            if not isinstance(layer, ApLinearOp):
                continue
            if layer.placements is not None:
                raise PassFailedException(f"{self.name}: {describe(layer)} has placements, which have no SSA form")
            programs = [part.program() for part in layer.programs]
            if any(program.lift is not None for program in programs):
                raise PassFailedException(
                    f"{self.name}: {describe(layer)} has offset values, which have no SSA form; "
                    "unpack before imc-infer-widths{offset-binary=true}"
                )
            rows = sum(program.operation_count + program.accumulation_count for program in programs)
            if rows > self.limit:
                raise PassFailedException(f"{self.name}: {describe(layer)} has {rows} rows, the limit is {self.limit}")
            kept = {
                name: value
                for name, value in layer.properties.items()
                if name not in ("programs", "placements", "operandSegmentSizes")
            }
            ranges = [
                (int(low), int(high))
                for low, high in zip(layer.channel_low.iter_values(), layer.channel_high.iter_values(), strict=True)
            ]
            each = layer.elements // len(ranges)
            unpacked = ApUnpackedOp(
                list(layer.inputs),
                layer.thresholds,
                layer.descending,
                kept,
                layer.result.type,
                [_body(program, [ranges[index // each] for index in range(layer.elements)]) for program in programs],
            )
            unpacked.location = layer.location
            unpacked.attributes.update(layer.attributes)
            Rewriter.insert_op(unpacked, InsertPoint.before(layer))
            layer.result.replace_all_uses_with(unpacked.result)
            layer.detach()
            layer.erase()


def _body(program: AddSubProgram, ranges: list[tuple[int, int]]) -> Region:
    """One region; types are those of the exact intervals, or of intervals of independent operands without them."""
    exact = program.values
    intervals = list(ranges) if exact is None else exact.pairs()
    block = Block(arg_types=[smallest_integer_type(*intervals[index]) for index in range(program.input_count)])
    values: list[SSAValue] = list(block.args)
    for index, argument in enumerate(block.args):
        argument.name_hint = f"x{index}"
    operations, accumulations = program.operation_rows(), program.accumulation_rows()
    for number in range(program.slice_count):
        block.add_op(ApSliceOp(int(program.slice_inputs[number + 1] - program.slice_inputs[number])))
        for row in range(program.slice_operations[number], program.slice_operations[number + 1]):
            left, right, left_shift, right_shift, subtract = operations[row]
            if exact is None:
                low, high = intervals[left][0] << left_shift, intervals[left][1] << left_shift
                other_low, other_high = intervals[right][0] << right_shift, intervals[right][1] << right_shift
                low, high = (low - other_high, high - other_low) if subtract else (low + other_low, high + other_high)
                intervals.append((low, high))
            interval = intervals[program.input_count + row]
            kind = ApSubOp if subtract else ApAddOp
            op = kind(
                values[left],
                values[right],
                smallest_integer_type(*interval),
                lhs_shift=left_shift,
                rhs_shift=right_shift,
                interval=None if exact is None else interval,
            )
            op.result.name_hint = f"v{row}"
            values.append(op.result)
            block.add_op(op)
        for row in range(program.slice_accumulations[number], program.slice_accumulations[number + 1]):
            output, value, shift, subtract = accumulations[row]
            block.add_op(ApAccumulateOp(values[value], output, shift=shift, subtract=bool(subtract)))
    known: dict[str, list[int]] = {}
    if exact is not None and program.outputs is not None:
        known = {
            "output_low": [low for low, _ in program.outputs.pairs()],
            "output_high": [high for _, high in program.outputs.pairs()],
            "input_low": [low for low, _ in intervals[: program.input_count]],
            "input_high": [high for _, high in intervals[: program.input_count]],
        }
    block.add_op(ApYieldOp(program.bias.tolist(), **known))
    return Region(block)
