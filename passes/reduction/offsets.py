"""Offset binary: values that may be negative as unsigned words, and what that does to the outputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import STRICT, BitCycles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram


def lift_values(
    program: AddSubProgram, inputs: Bounds, *, movable: bool, cycles: BitCycles = STRICT
) -> tuple[AddSubProgram, NDArray[np.int64]]:
    """Lift values where that pays.

    Without movable outputs, a program that stores a value as an output stays as it is: the value would need an
    accumulator.

    Args:
        program: with intervals and without lifts.
        inputs: intervals of the window elements.
        movable: outputs may be off by a constant, which a step function behind them allows for.
        cycles: what operations cost on the machine.

    Returns:
        the program with lifts and intervals, and by how much each of its outputs is larger [output_count].
    """
    assert program.outputs is not None
    stays = np.zeros(program.output_count, dtype=np.int64)
    terms = np.bincount(program.accumulate_output, minlength=program.output_count)
    if not movable and bool(np.any((terms == 1) & (program.bias == 0))):
        return program, stays
    plain = replace(program, values=None, outputs=None)
    lifted = infer_bounds(plain, inputs, liftable=worth_lifting(program, cycles))
    if lifted.lift is None:
        return program, stays
    assert lifted.outputs is not None
    added = lifted.outputs.high - program.outputs.high
    longer = lifted.outputs.bits > program.outputs.bits
    taken_back = np.where(longer if movable else added != 0, added, 0)
    outputs = Bounds(lifted.outputs.low - taken_back, lifted.outputs.high - taken_back)
    return replace(lifted, bias=lifted.bias - taken_back, outputs=outputs), added - taken_back


def worth_lifting(program: AddSubProgram, cycles: BitCycles = STRICT) -> NDArray[np.bool_]:
    """Values that cost less as unsigned words, counted on their words as they are.

    A lift adds a one-bit word and ripples through the few bits above. It saves, per accumulation, the difference
    between adding and rippling in all bits above the value; per operation, about one bit of an addition.
    A value that is an output as it is stays as it is.

    Args:
        program: with intervals.
        cycles: what operations cost on the machine.
    """
    assert program.values is not None
    assert program.outputs is not None
    count = program.input_count + program.operation_count
    bits = program.values.bits.astype(np.int64)
    output, value = program.accumulate_output, program.accumulate_value
    upper = program.outputs.bits[output] - program.accumulate_shift - bits[value]
    saved = np.bincount(value, (cycles.in_place - cycles.ripple) * np.maximum(upper, 0), count)
    uses = np.bincount(program.lhs, minlength=count) + np.bincount(program.rhs, minlength=count)
    saved += (cycles.both - cycles.one) * uses
    lift_bits = np.frexp(np.maximum(-program.values.low, 1).astype(np.float64) - 0.5)[1]
    cost = cycles.in_place + (cycles.ripple + cycles.travel) * np.maximum(bits - lift_bits - 1, 0)
    alone = np.bincount(output, minlength=program.output_count)[output] == 1
    saved[value[alone]] = 0
    return saved > cost
