"""Layers whose outputs have two scales: eliminate between signs, and scale every sum once.

A filter with weights 0, p and -n (trained with two scales, or one scale of several digits) is p * P - n * N, where P
and N add inputs without scales. Both are rows of one elimination, so that they share sums with those of other filters;
the digits of p and n then occur once per filter and slice instead of once per weight.
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.reduction.digits import signed_digits
from imcflow.passes.reduction.slices import make_sum
from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ScaledRows:
    """A matrix as sums of scaled ternary rows: `matrix[m] = sum of scale[r] * signs[r] over the r with output[r] = m`.

    Attributes:
        signs: int64 [rows, inputs], -1, 0, 1.
        output: int32 [rows], ascending; at most two rows per output.
        digit_start: int64 [rows + 1]; where the digits of a row's scale begin in `digit_code`.
        digit_code: int32 [digits], 2 * shift + negative.
    """

    signs: I64
    output: I32
    digit_start: I64
    digit_code: I32


def scaled_rows(matrix: NDArray[np.integer]) -> ScaledRows | None:
    """Return the scaled rows of a matrix [outputs, inputs].

    Returns:
        None if some output has two different positive or two different negative weights, or if no scale has more than
        one signed digit: then nothing would be gained.
    """
    weights = np.asarray(matrix, dtype=np.int64)
    largest, smallest = weights.max(axis=1, initial=0), weights.min(axis=1, initial=0)
    positive, negative = weights > 0, weights < 0
    if not np.all(np.where(positive, weights == largest[:, None], True)):
        return None
    if not np.all(np.where(negative, weights == smallest[:, None], True)):
        return None
    signs: list[I64] = []
    scales: list[int] = []
    output: list[int] = []
    for row, (high, low) in enumerate(zip(largest.tolist(), smallest.tolist(), strict=True)):
        if high == -low:
            parts = [(high, np.sign(weights[row]))]
        else:
            parts = [(high, positive[row].astype(np.int64)), (low, negative[row].astype(np.int64))]
        for scale, part in parts:
            if scale:
                signs.append(part)
                scales.append(scale)
                output.append(row)
    digits = signed_digits(np.array(scales, dtype=np.int64)[:, None])
    if len(digits) == len(scales):
        return None
    order = np.lexsort((digits.shift, digits.output))
    code = 2 * digits.shift[order].astype(np.int32) + digits.negative[order]
    start = np.searchsorted(digits.output[order], np.arange(len(scales) + 1)).astype(np.int64)
    return ScaledRows(np.array(signs), np.array(output, dtype=np.int32), start, code)


@compiled_loop
def scale_rows(
    slice_inputs: I32,
    slice_rows: I64,
    row_number: I32,
    row_output: I32,
    digit_start: I64,
    digit_code: I32,
    row_start: I64,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    slice_sums: I64,
    old_lhs: I32,
    old_rhs: I32,
    old_lhs_shift: U8,
    old_rhs_shift: U8,
    old_subtract: U8,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    new_slice_rows: I64,
    new_output: I32,
    new_start: I64,
    new_length: I32,
    new_value: I32,
    new_code: I32,
) -> int:
    """Sum what elimination left of every row whose scale has several digits, and replace rows by rows of outputs.

    The arguments up to `old_subtract` are what `eliminate_slices` left; `row_number` [rows] is the row of `ScaledRows`.
    The operations go to `lhs` ... `subtract`, their ranges to `slice_sums`, the rows of terms to `new_*`.

    Returns:
        number of rows.
    """
    free, rows, terms = np.int64(0), np.int64(0), np.int64(0)
    for number in range(len(slice_inputs) - 1):
        first, last = slice_rows[number], slice_rows[number + 1]
        own = slice_inputs[number + 1] - slice_inputs[number]
        begin = free
        for old in range(slice_sums[2 * number], slice_sums[2 * number + 1]):
            lhs[free], rhs[free], subtract[free] = old_lhs[old], old_rhs[old], old_subtract[old]
            lhs_shift[free], rhs_shift[free] = old_lhs_shift[old], old_rhs_shift[old]
            free += 1
        new_slice_rows[number] = rows
        output = np.int64(-1)
        for row in range(first, last):
            scaled = row_number[row]
            if row_output[scaled] != output:
                output = row_output[scaled]
                new_output[rows], new_start[rows], new_length[rows] = output, terms, 0
                rows += 1
            start, length = row_start[row], np.int64(row_length[row])
            first_digit, last_digit = digit_start[scaled], digit_start[scaled + 1]
            if last_digit - first_digit > 1:
                # A queue makes a balanced tree: short words meet short words.
                while length > 1:
                    code = make_sum(
                        free, start, start + 1, term_value, term_code, lhs, rhs, lhs_shift, rhs_shift, subtract
                    )
                    for at in range(start, start + length - 2):
                        term_value[at], term_code[at] = term_value[at + 2], term_code[at + 2]
                    length -= 1
                    term_value[start + length - 1], term_code[start + length - 1] = own + free - begin, code
                    free += 1
            for at in range(start, start + length):
                for digit in range(first_digit, last_digit):
                    new_value[terms] = term_value[at]
                    # Rows have no shifts of their own: both codes are a shift and a sign that multiply.
                    new_code[terms] = term_code[at] ^ digit_code[digit]
                    terms += 1
                    new_length[rows - 1] += 1
        slice_sums[2 * number], slice_sums[2 * number + 1] = begin, free
    new_slice_rows[len(slice_inputs) - 1] = rows
    return rows
