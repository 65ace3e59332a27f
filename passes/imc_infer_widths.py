"""The pass `imc-infer-widths`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import AddSubAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.errors import ImcflowError
from imcflow.passes.imc_reduce_arithmetic import layer_bounds


@dataclass(frozen=True)
class ImcInferWidths(ModulePass):
    """Find the exact interval of every value and output of the add/sub programs, and with it the length of its word.

    Intervals follow from the integer coefficients of every value, not from its operands, so `4x - x` is as narrow as
    `3x`. Window elements range over their type and the pad value.

    Precondition: `imc.ap_linear` ops.
    Postcondition: their programs have intervals; values that are never negative are unsigned words.

    Before:
        "v0 = x0 - x1", "y0 += v0"
    After:
        "v0 = x0 - x1", "y0 += v0", "x0 in 0 .. 15", "x1 in 0 .. 15", "v0 in -15 .. 15", "y0 in -15 .. 15"

    Effect on cost: cycles are proportional to word lengths; unsigned words take the short ripple steps where they end.
    """

    name = "imc-infer-widths"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Add intervals in place."""
        from imcflow.passes.reduction.intervals import infer_bounds

        for layer in op.walk():
            if not isinstance(layer, ApLinearOp):
                continue
            bounds = layer_bounds(layer)
            try:
                programs = [infer_bounds(part.program(), bounds) for part in layer.programs]
            except ImcflowError as error:
                raise PassFailedException(f"{describe(layer)}: {error.message}") from error
            layer.programs = ArrayAttr([AddSubAttr.of(program) for program in programs])
