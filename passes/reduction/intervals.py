"""Exact intervals of every value and output of an add/sub program."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import AddSubError, AddSubProgram, Bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_WEIGHT_SUM = 1 << 61
"""Intervals stay below this magnitude, so that their int64 sums cannot overflow."""


def infer_bounds(program: AddSubProgram, inputs: Bounds, *, liftable: NDArray[np.bool_] | None = None) -> AddSubProgram:
    """Return the program with the exact interval of every value and output.

    Every value is a linear form of the window elements; its interval follows from its coefficients, so operands that
    share elements (4x - x) lose nothing. Elements are taken as independent of each other.

    Args:
        program: a verified program.
        inputs: intervals of the window elements [input_count].
        liftable: values to lift if they may be negative [input_count + operations]. The outputs then hold a constant
            more, which is `constant() - bias` of the result.

    Raises:
        AddSubError: a value may leave the range of 62 bits.
    """
    from imcflow.passes.reduction.linear_forms import value_intervals

    count = program.input_count + program.operation_count
    low, high = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    low[: program.input_count], high[: program.input_count] = inputs.low, inputs.high
    output_low, output_high = program.bias.copy(), program.bias.copy()
    lift = np.zeros(count, dtype=np.uint8)
    overflow = value_intervals(
        program.input_count,
        program.lhs,
        program.rhs,
        program.lhs_shift,
        program.rhs_shift,
        program.subtract,
        program.accumulate_output,
        program.accumulate_value,
        program.accumulate_shift,
        program.accumulate_subtract,
        np.argsort(program.accumulate_output, kind="stable"),
        LARGEST_WEIGHT_SUM,
        low,
        high,
        output_low,
        output_high,
        np.zeros(count, dtype=np.bool_) if liftable is None else liftable,
        lift,
    )
    if overflow >= 0:
        raise AddSubError(f"add/sub program: value {overflow} may leave the range of 62 bits")
    lifted = replace(program, lift=lift if lift.any() else None)
    return lifted.with_bounds(Bounds(low, high), Bounds(output_low, output_high))


def input_bounds(bits: int, signed: bool, pad_value: int, elements: int) -> Bounds:
    """Intervals of `elements` window elements of one integer type; the pad value widens them.

    Args:
        bits, signed: the element type.
        pad_value: what positions outside the map hold.
        elements: how many.
    """
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1
    lows: NDArray[np.int64] = np.full(elements, min(low, pad_value), dtype=np.int64)
    return Bounds(lows, np.full(elements, max(high, pad_value), dtype=np.int64))
