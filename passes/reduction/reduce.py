"""Reduce a constant matrix to an add/sub program: signed digits, slices, pair elimination, row sums."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
from imcflow.passes.reduction.digits import signed_digits
from imcflow.passes.reduction.plain import slice_borders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntMatrix = NDArray[np.integer]
    Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class BitCycles:
    """Cycles per bit of what an array does; the defaults are the strict sequences of `imcflow.runtime.microcode`.

    Attributes:
        both, one, minuend_only, neither: R := A +/- B where both, one, only the minuend, or no operand has a bit.
        in_place, ripple: R := R +/- A where A has a bit, or none any more.
        copy: R := A.
        travel: shifts to a bit and back.
    """

    both: int = 10
    one: int = 4
    minuend_only: int = 6
    neither: int = 2
    in_place: int = 8
    ripple: int = 4
    copy: int = 2
    travel: int = 2

    def table(self) -> Int64Array:
        """The costs in the order of the fields, as the compiled loop reads them."""
        return np.array([getattr(self, field.name) for field in fields(self)], dtype=np.int64)


STRICT = BitCycles()
OR_LATCH = BitCycles(both=7, minuend_only=5, in_place=7)
COUNT_ONLY = BitCycles(0, 0, 0, 0, 0, 0, 0, 0)
"""Always sum inside the slice: the program with one accumulation per slice and output."""


SMALL_TERMS = 2_500
"""Matrices with at most so many terms are eliminated from `SMALL_STARTS` starts, within milliseconds."""
SMALL_STARTS = 12


def output_bounds(matrix: IntMatrix, inputs: Bounds, bias: Int64Array) -> Bounds:
    """Exact intervals of `bias + matrix @ x` for independent x in `inputs`.

    Args:
        matrix: integers [outputs, inputs].
        inputs: intervals [inputs].
        bias: int64 [outputs].
    """
    weights = np.asarray(matrix, dtype=np.int64)
    largest = int(np.abs(weights).max(initial=0)) * int(
        max(np.abs(inputs.low).max(initial=0), inputs.high.max(initial=0))
    )
    # Below 2**53 float64 is exact, and its matrix product is a hundred times as fast.
    dtype = np.float64 if largest * (weights.shape[1] + 1) < 1 << 53 else np.int64
    positive, negative = np.maximum(weights, 0).astype(dtype), np.minimum(weights, 0).astype(dtype)
    lowest, highest = inputs.low.astype(dtype), inputs.high.astype(dtype)
    low = (positive @ lowest + negative @ highest).astype(np.int64) + bias
    high = (positive @ highest + negative @ lowest).astype(np.int64) + bias
    return Bounds(low, high)


def reduce_matrix(
    matrix: IntMatrix,
    inputs: Bounds,
    *,
    group: int = 0,
    bias: Int64Array | None = None,
    cycles: BitCycles = STRICT,
    share: bool = True,
) -> AddSubProgram:
    """Build the add/sub program of a matrix.

    Args:
        matrix: integers [outputs, inputs].
        inputs: intervals of the window elements [inputs].
        group: window elements per slice, 0 for one slice of all.
        bias: int64 [outputs] added to every output; zeros if missing.
        cycles: what operations cost on the machine; decides between summing in the slice and accumulating at once.
        share: eliminate common pairs; without, every nonzero digit is added on its own (plain unrolling).

    Returns:
        a program without intervals and cells; `program.expand()` equals `matrix`.
    """
    from imcflow.passes.reduction.slices import reduce_slices

    outputs, width = matrix.shape
    offset = np.zeros(outputs, dtype=np.int64) if bias is None else np.asarray(bias, dtype=np.int64)
    size = group or max(width, 1)
    borders = slice_borders(width, size)
    slices = len(borders) - 1

    digits = signed_digits(matrix)
    slice_of = digits.input // size
    order = np.lexsort((digits.shift, digits.input, digits.output, slice_of))
    term_slice, term_output = slice_of[order], digits.output[order]
    row_key = term_slice.astype(np.int64) * outputs + term_output
    row_begin = np.flatnonzero(np.diff(row_key, prepend=-1)).astype(np.int64)
    row_length = np.diff(np.append(row_begin, len(order))).astype(np.int32)

    terms = len(order)
    starts = (SMALL_STARTS if terms <= SMALL_TERMS else 1) if share else 0
    low = np.zeros(width + terms + 1, dtype=np.int64)
    high = np.zeros(width + terms + 1, dtype=np.int64)
    low[:width], high[:width] = inputs.low, inputs.high
    lhs, rhs = np.zeros(terms + 1, dtype=np.int32), np.zeros(terms + 1, dtype=np.int32)
    lhs_shift, rhs_shift, subtract = (np.zeros(terms + 1, dtype=np.uint8) for _ in range(3))
    slice_operations, slice_accumulations = np.zeros(slices + 1, np.int32), np.zeros(slices + 1, np.int32)
    accumulate_output, accumulate_value, accumulate_code = (np.zeros(terms, dtype=np.int32) for _ in range(3))
    reduce_slices(
        int(digits.shift.max(initial=0)),
        starts,
        borders,
        np.searchsorted(term_slice[row_begin], np.arange(slices + 1)).astype(np.int64),
        term_output[row_begin],
        row_begin,
        row_length,
        digits.input[order] - borders[term_slice],
        2 * digits.shift[order].astype(np.int32) + digits.negative[order],
        low,
        high,
        output_bounds(matrix, inputs, offset).bits,
        cycles.table(),
        lhs,
        rhs,
        lhs_shift,
        rhs_shift,
        subtract,
        slice_operations,
        slice_accumulations,
        accumulate_output,
        accumulate_value,
        accumulate_code,
    )
    operations, accumulations = int(slice_operations[-1]), int(slice_accumulations[-1])
    code = accumulate_code[:accumulations]
    return AddSubProgram(
        input_count=width,
        output_count=outputs,
        lhs=lhs[:operations].copy(),
        rhs=rhs[:operations].copy(),
        lhs_shift=lhs_shift[:operations].copy(),
        rhs_shift=rhs_shift[:operations].copy(),
        subtract=subtract[:operations].copy(),
        accumulate_output=accumulate_output[:accumulations].copy(),
        accumulate_value=accumulate_value[:accumulations].copy(),
        accumulate_shift=(code >> 1).astype(np.uint8),
        accumulate_subtract=(code & 1).astype(np.uint8),
        bias=offset,
        slice_inputs=borders,
        slice_operations=slice_operations,
        slice_accumulations=slice_accumulations,
    )
