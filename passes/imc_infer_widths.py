"""The pass `imc-infer-widths`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import AddSubAttr
from imcflow.dialect.constants import constant_array, integer_constant
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.errors import ImcflowError
from imcflow.passes.imc_reduce_arithmetic import layer_bounds

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
    from imcflow.passes.reduction.reduce import BitCycles

LARGEST_THRESHOLD = 1 << 61
"""Thresholds beyond the reach of any sum are cut to this, so that moving them cannot overflow."""


@dataclass(frozen=True)
class ImcInferWidths(ModulePass):
    """Find the exact interval of every value and output of the add/sub programs, and with it the length of its word.

    Intervals follow from the integer coefficients of every value, not from its operands, so `4x - x` is as narrow as
    `3x`. Window elements range over their type and the pad value.

    With `offset-binary`, values that may be negative and that are accumulated or used more than once are stored
    with a power of two added (written `v0 += 16`), as unsigned words of the same length. What this adds to an output
    moves the thresholds behind it; its bias takes it back where there are none or the accumulator would become longer.

    Words of outputs that are summed over several arrays are long enough for what they receive.

    Precondition: `imc.ap_linear` ops.
    Postcondition: their programs have intervals; values that are never negative are unsigned words.

    Before:
        "v0 = x0 - x1", "y0 += v0"
    After:
        "v0 = x0 - x1", "y0 += v0", "x0 in 0 .. 15", "x1 in 0 .. 15", "v0 in -15 .. 15", "y0 in -15 .. 15"
    After, as `imc.ap_linear` with `offset-binary`:
        "v0 = x0 - x1", "y0 += v0", "v0 += 16", ..., "v0 in 1 .. 31"

    Effect on cost: cycles are proportional to word lengths; unsigned words take the short ripple steps where they end.
    A lift costs one bit of an addition, and saves four cycles per upper bit of every accumulation.

    Options:
        offset_binary: lift values that may be negative, where that pays on the target.
        target: preset name or YAML file; cycles per bit.
    """

    name = "imc-infer-widths"

    offset_binary: bool = False
    target: str = "rtm-ap-256"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Add intervals in place."""
        from imcflow.passes.ap_target import load_ap_target
        from imcflow.passes.reduction.intervals import infer_bounds
        from imcflow.passes.reduction.partial_sums import widened

        cycles = load_ap_target(self.target).cycles
        for layer in list(op.walk()):
            if not isinstance(layer, ApLinearOp):
                continue
            bounds = layer_bounds(layer)
            try:
                programs = [infer_bounds(part.program(), bounds) for part in layer.programs]
                if self.offset_binary:
                    programs = _lifted(layer, programs, bounds, cycles)
                programs = [word for part in layer.in_parts(programs) for word in widened(part)]
            except ImcflowError as error:
                raise PassFailedException(f"{describe(layer)}: {error.message}") from error
            layer.programs = ArrayAttr([AddSubAttr.of(program) for program in programs])


def _lifted(layer: ApLinearOp, programs: list[AddSubProgram], bounds: Bounds, cycles: BitCycles) -> list[AddSubProgram]:
    """The programs with lifted values; the thresholds of the layer are moved along."""
    import numpy as np

    from imcflow.passes.reduction.offsets import lift_values

    thresholds = None if layer.thresholds is None else constant_array(layer.thresholds)
    parts = [lift_values(program, bounds, movable=thresholds is not None, cycles=cycles) for program in programs]
    moved = np.concatenate([np.sum(by, axis=0) for by in layer.in_parts([by for _, by in parts])])
    if thresholds is not None and moved.any():
        _move_thresholds(layer, thresholds, moved)
    return [program for program, _ in parts]


def _move_thresholds(layer: ApLinearOp, thresholds: NDArray[np.int64], by: NDArray[np.int64]) -> None:
    """Add `by` [channels] to the thresholds of a layer."""
    import numpy as np
    from xdsl.rewriter import InsertPoint, Rewriter

    assert layer.thresholds is not None
    rows = np.broadcast_to(thresholds, (len(by), thresholds.shape[1]))
    constant = integer_constant(np.clip(rows, -LARGEST_THRESHOLD, LARGEST_THRESHOLD) + by[:, None])
    old = layer.thresholds.owner
    Rewriter.insert_op(constant, InsertPoint.before(layer))
    layer.operands[len(layer.inputs)] = constant.result
    if isinstance(old, type(constant)) and not old.result.uses.get_length():
        old.detach()
        old.erase()
