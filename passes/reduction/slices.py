"""Compiled loop over the slices of a matrix: eliminate pairs, then sum what is left of each row."""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.reduction.kernels import eliminate_from_several_starts, numberings
from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]


@compiled_loop
def word_bits(low: int, high: int) -> int:
    """Bits of the narrowest word that holds low..high; two's complement if low < 0."""
    magnitude = max(high, -low - 1)
    bits = 1 if low < 0 else 0
    while magnitude > 0:
        bits += 1
        magnitude >>= 1
    return max(bits, 1)


# Positions in the array of machine costs, in cycles per bit: the fields of `imcflow.passes.reduction.reduce.BitCycles`.
BOTH, ONE, MINUEND_ONLY, NEITHER, IN_PLACE, RIPPLE, COPY, TRAVEL = range(8)


@compiled_loop
def accumulate_cycles(low: int, high: int, shift: int, width: int, costs: I64) -> int:
    """Cycles of adding a word with range low..high at bit `shift` into a word of `width` bits."""
    room = width - shift
    reach = room if low < 0 else min(word_bits(low, high), room)
    return costs[IN_PLACE] * reach + (costs[RIPPLE]) * (room - reach) + costs[TRAVEL] * room


@compiled_loop
def sum_cycles(
    a: int,
    a_shift: int,
    a_dies: bool,
    b: int,
    b_shift: int,
    b_dies: bool,
    result: int,
    subtract: int,
    value_low: I64,
    value_high: I64,
    costs: I64,
) -> int:
    """Cycles of `result := (a << a_shift) +/- (b << b_shift)`, in place where an unsigned operand dies."""
    bits = word_bits(value_low[result], value_high[result])
    reach_a = bits if value_low[a] < 0 else min(bits, word_bits(value_low[a], value_high[a]) + a_shift)
    reach_b = bits if value_low[b] < 0 else min(bits, word_bits(value_low[b], value_high[b]) + b_shift)
    copied = min(max(a_shift, b_shift), bits)
    both = max(0, min(reach_a, reach_b) - copied)
    only_a = max(0, reach_a - max(reach_b, copied))
    only_b = max(0, reach_b - max(reach_a, copied))
    neither = bits - copied - both - only_a - only_b
    cycles = costs[COPY] * copied + costs[BOTH] * both + costs[NEITHER] * neither
    cycles += only_a * (costs[MINUEND_ONLY] if subtract else costs[ONE]) + costs[ONE] * only_b
    if a_shift == 0 and b_shift == 0:
        if a_dies and value_low[a] >= 0:
            cycles = min(cycles, costs[IN_PLACE] * reach_b + costs[RIPPLE] * (bits - reach_b))
        if b_dies and value_low[b] >= 0 and not subtract:
            cycles = min(cycles, costs[IN_PLACE] * reach_a + costs[RIPPLE] * (bits - reach_a))
    return cycles + costs[TRAVEL] * bits


def eliminate_slices(
    reach: int,
    starts: int,
    slice_inputs: I32,
    slice_rows: I64,
    row_start: I64,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    slice_sums: I64,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> None:
    """Eliminate the pairs of every slice on its own.

    Rows slice_rows[s] .. slice_rows[s + 1] belong to slice s; terms of a row are stored at row_start, values are
    numbered from the first input of the slice. The operations of slice s go to slice_sums[2s] .. slice_sums[2s + 1],
    with room for one per two terms, numbered within the slice; what is left of the rows replaces their terms.
    """
    free = 0
    for number in range(len(slice_inputs) - 1):
        first, last = int(slice_rows[number]), int(slice_rows[number + 1])
        slice_sums[2 * number] = slice_sums[2 * number + 1] = free
        if last == first:
            continue
        origin = int(row_start[first])
        terms = int(row_length[first:last].sum())
        room = free + terms // 2 + 1
        inputs = int(slice_inputs[number + 1] - slice_inputs[number])
        slice_sums[2 * number + 1] += eliminate_from_several_starts(
            inputs,
            reach,
            numberings(inputs, starts - 1),
            (row_start[first:last] - origin).astype(np.int32),
            row_length[first:last],
            term_value[origin : origin + terms],
            term_code[origin : origin + terms],
            lhs[free:room],
            rhs[free:room],
            lhs_shift[free:room],
            rhs_shift[free:room],
            subtract[free:room],
        )
        free = room


@compiled_loop
def sum_slices(
    slice_inputs: I32,
    slice_rows: I64,
    row_output: I32,
    row_start: I64,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    slice_sums: I64,
    shared_lhs: I32,
    shared_rhs: I32,
    shared_lhs_shift: U8,
    shared_rhs_shift: U8,
    shared_subtract: U8,
    value_low: I64,
    value_high: I64,
    output_bits: I32,
    costs: I64,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    slice_operations: I32,
    slice_accumulations: I32,
    accumulate_output: I32,
    accumulate_value: I32,
    accumulate_code: I32,
) -> None:
    """Number the shared operations `shared_*` of `eliminate_slices` through, and sum what is left of every row.

    `value_low` and `value_high` start with the intervals of all inputs and receive those of all operations (upper
    bounds: operands are taken as independent). Two terms of a row are summed before they are accumulated where that
    takes fewer cycles.

    The operations go to `lhs` ... `subtract` with global value numbers, the accumulations to `accumulate_*`
    (code = 2 * shift + negative); `slice_operations` and `slice_accumulations` receive the range borders.
    """
    inputs = slice_inputs[-1]
    # Not literals: a helper is compiled once more for each of them.
    operations = np.int64(0)
    accumulations = np.int64(0)
    for number in range(len(slice_inputs) - 1):
        first, last = slice_rows[number], slice_rows[number + 1]
        base = slice_inputs[number]
        own = slice_inputs[number + 1] - base
        begin = operations
        for shared in range(slice_sums[2 * number], slice_sums[2 * number + 1]):
            left, right = shared_lhs[shared], shared_rhs[shared]
            lhs[operations] = base + left if left < own else inputs + begin + left - own
            rhs[operations] = base + right if right < own else inputs + begin + right - own
            lhs_shift[operations], rhs_shift[operations] = shared_lhs_shift[shared], shared_rhs_shift[shared]
            subtract[operations] = shared_subtract[shared]
            _operation_interval(inputs, operations, lhs, rhs, lhs_shift, rhs_shift, subtract, value_low, value_high)
            operations += 1
        for row in range(first, last):
            start = row_start[row]
            length = np.int64(row_length[row])
            for at in range(start, start + length):
                local = term_value[at]
                term_value[at] = base + local if local < own else inputs + begin + local - own
            width = output_bits[row_output[row]]
            first_sum = inputs + operations
            while length >= 2:
                best = np.int64(0)
                best_a, best_b = np.int64(-1), np.int64(-1)
                for choice in range(3):
                    a, b = _two_narrowest(start, length, choice, term_value, term_code, value_low, value_high)
                    if b < 0:
                        continue
                    code = make_sum(operations, a, b, term_value, term_code, lhs, rhs, lhs_shift, rhs_shift, subtract)
                    _operation_interval(
                        inputs, operations, lhs, rhs, lhs_shift, rhs_shift, subtract, value_low, value_high
                    )
                    result = inputs + operations
                    left, right = lhs[operations], rhs[operations]
                    cycles = sum_cycles(
                        left,
                        lhs_shift[operations],
                        left >= first_sum,
                        right,
                        rhs_shift[operations],
                        right >= first_sum,
                        result,
                        subtract[operations],
                        value_low,
                        value_high,
                        costs,
                    )
                    cycles += accumulate_cycles(value_low[result], value_high[result], code >> 1, width, costs)
                    for term in range(2):
                        value = term_value[b if term else a]
                        shift = term_code[b if term else a] >> 1
                        cycles -= accumulate_cycles(value_low[value], value_high[value], shift, width, costs)
                    if best_a < 0 or cycles < best:
                        best, best_a, best_b = cycles, a, b
                if best > 0:
                    break
                a, b = best_a, best_b
                code = make_sum(operations, a, b, term_value, term_code, lhs, rhs, lhs_shift, rhs_shift, subtract)
                _operation_interval(inputs, operations, lhs, rhs, lhs_shift, rhs_shift, subtract, value_low, value_high)
                term_value[a], term_code[a] = inputs + operations, code
                term_value[b], term_code[b] = term_value[start + length - 1], term_code[start + length - 1]
                length -= 1
                operations += 1
            for at in range(start, start + length):
                accumulate_output[accumulations] = row_output[row]
                accumulate_value[accumulations] = term_value[at]
                accumulate_code[accumulations] = term_code[at]
                accumulations += 1
        slice_operations[number + 1] = operations
        slice_accumulations[number + 1] = accumulations


@compiled_loop
def _operation_interval(
    inputs: int,
    operation: int,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    value_low: I64,
    value_high: I64,
) -> None:
    a, b, result = lhs[operation], rhs[operation], inputs + operation
    a_low, a_high = value_low[a] << lhs_shift[operation], value_high[a] << lhs_shift[operation]
    b_low, b_high = value_low[b] << rhs_shift[operation], value_high[b] << rhs_shift[operation]
    if subtract[operation]:
        value_low[result], value_high[result] = a_low - b_high, a_high - b_low
    else:
        value_low[result], value_high[result] = a_low + b_low, a_high + b_high


@compiled_loop
def _two_narrowest(
    start: int, length: int, choice: int, term_value: I32, term_code: I32, value_low: I64, value_high: I64
) -> tuple[int, int]:
    """Positions of the two terms of smallest range, the earlier one first; ties go to the earlier term.

    Among all terms (choice 0), or the positive (1) or negative (2) ones only, or -1 if there are no two.
    """
    first, second = -1, -1
    first_range, second_range = np.int64(0), np.int64(0)
    for at in range(start, start + length):
        if choice and (term_code[at] & 1) != choice - 1:
            continue
        value = term_value[at]
        size = (value_high[value] - value_low[value]) << (term_code[at] >> 1)
        if first < 0 or size < first_range:
            second, second_range = first, first_range
            first, first_range = at, size
        elif second < 0 or size < second_range:
            second, second_range = at, size
    if second < 0:
        return -1, -1
    return min(first, second), max(first, second)


@compiled_loop
def make_sum(
    operation: int,
    a: int,
    b: int,
    term_value: I32,
    term_code: I32,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> int:
    """Write the operation that sums terms a and b; return the code with which the result enters the row.

    The sum of two terms of one sign keeps that sign outside; of two signs, the positive term is the minuend, unless
    the negative one has the lower shift (only a subtrahend may be shifted).
    """
    shift_a, shift_b = term_code[a] >> 1, term_code[b] >> 1
    negative_a, negative_b = term_code[a] & 1, term_code[b] & 1
    swap = shift_b < shift_a if shift_a != shift_b else negative_a > negative_b
    if negative_a == negative_b:
        swap = False
    low, high = (b, a) if swap else (a, b)
    common = min(shift_a, shift_b)
    lhs[operation], rhs[operation] = term_value[low], term_value[high]
    lhs_shift[operation] = (term_code[low] >> 1) - common
    rhs_shift[operation] = (term_code[high] >> 1) - common
    subtract[operation] = negative_a ^ negative_b
    return 2 * common + (term_code[low] & 1)
