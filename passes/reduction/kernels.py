"""Compiled inner loops of the pair elimination. Import only where numba may be imported.

Encoding shared by all kernels. A *term* is one signed digit `+/- value << shift` of one row (output); `value` and
`code = 2 * shift + negative` are stored side by side. Rows are stored in place: row r occupies
`row_start[r] .. row_start[r] + row_length[r]` of `term_value` and `term_code`. A *pair* of a value v is another value
u at relative shift d = shift(u) - shift(v) and relative sign g; its key is `(u * (2 * reach + 1) + d + reach) * 2 + g`,
where `reach` is the largest shift of any digit.
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

NONE = -1


@numba.njit(cache=True, nogil=True)
def eliminate_pairs(
    inputs: int,
    reach: int,
    row_start: I32,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> int:
    """Greedily replace the most frequent signed pair of terms by a new value until no pair occurs twice.

    Every value keeps an upper bound of the number of occurrences of its best pair, in a bucket queue. The number of
    occurrences of an existing pair only falls, and a new value occurs at most as often together with any third value
    as the old ones did; so bounds stay valid and a value taken from the highest bucket is either exact, and its best
    pair is the best of all, or goes back lower. No table of pairs is kept: memory is proportional to the terms.

    Ties go to the partner with the fewest remaining terms, then to the smallest key. `row_*` and `term_*` are changed
    in place to what is left of the rows; the operations are written to `lhs` ... `subtract`, which need room for one
    operation per two terms.

    Returns:
        number of operations.
    """
    rows = len(row_start)
    terms = 0
    for row in range(rows):
        terms += row_length[row]
    capacity = inputs + len(lhs)
    span = 2 * (2 * reach + 1)

    column_start = np.zeros(capacity, np.int64)
    column_length = np.zeros(capacity, np.int32)
    entry_row = np.empty(2 * terms + 1, np.int32)
    entry_code = np.empty(2 * terms + 1, np.int32)
    for row in range(rows):
        for at in range(row_start[row], row_start[row] + row_length[row]):
            column_length[term_value[at]] += 1
    top = 0
    free = 0
    for value in range(inputs):
        column_start[value] = free
        free += column_length[value]
        top = max(top, column_length[value])
        column_length[value] = 0
    for row in range(rows):
        for at in range(row_start[row], row_start[row] + row_length[row]):
            value = term_value[at]
            slot = column_start[value] + column_length[value]
            entry_row[slot] = row
            entry_code[slot] = term_code[at]
            column_length[value] += 1

    bucket = np.full(top + 1, NONE, np.int32)
    following = np.empty(capacity, np.int32)
    for value in range(inputs - 1, -1, -1):
        level = column_length[value]
        following[value] = bucket[level]
        bucket[level] = value

    occurrences = np.zeros(capacity * span, np.int32)
    touched = np.empty(capacity * span, np.int64)
    used_v = np.zeros(rows, np.int64)
    used_u = np.zeros(rows, np.int64)
    operations = 0

    level = top
    while level >= 2:
        v = bucket[level]
        if v == NONE:
            level -= 1
            continue
        bucket[level] = following[v]

        # Count every pair of v exactly.
        count = 0
        for entry in range(column_start[v], column_start[v] + column_length[v]):
            row = entry_row[entry]
            shift = entry_code[entry] >> 1
            sign = entry_code[entry] & 1
            for at in range(row_start[row], row_start[row] + row_length[row]):
                u = term_value[at]
                distance = (term_code[at] >> 1) - shift
                if u == v and distance <= 0:
                    continue
                key = (np.int64(u) * (2 * reach + 1) + distance + reach) * 2 + (sign ^ (term_code[at] & 1))
                if occurrences[key] == 0:
                    touched[count] = key
                    count += 1
                occurrences[key] += 1
        best = 0
        best_key = np.int64(-1)
        best_uses = 0
        for position in range(count):
            key = touched[position]
            found = occurrences[key]
            occurrences[key] = 0
            if found < best:
                continue
            uses = column_length[key // span]
            if found > best or uses < best_uses or (uses == best_uses and key < best_key):
                best, best_key, best_uses = found, key, uses
        if best < level:
            if best >= 2:
                following[v] = bucket[best]
                bucket[best] = v
            continue

        # Replace the pair (v, u << distance) wherever it occurs by the new value t.
        u = best_key // span
        distance = (best_key % span) // 2 - reach
        opposite = best_key % 2
        t = inputs + operations
        swapped = opposite == 1 and distance < 0
        if swapped:
            lhs[operations], rhs[operations] = u, v
            lhs_shift[operations], rhs_shift[operations] = 0, -distance
        else:
            lhs[operations], rhs[operations] = v, u
            lhs_shift[operations], rhs_shift[operations] = max(0, -distance), max(0, distance)
        subtract[operations] = opposite
        operations += 1

        column_start[t] = free
        for entry in range(column_start[v], column_start[v] + column_length[v]):
            row = entry_row[entry]
            shift = entry_code[entry] >> 1
            sign = entry_code[entry] & 1
            if u == v and (used_u[row] >> shift) & 1:
                continue
            other_code = 2 * (shift + distance) + (sign ^ opposite)
            if other_code < 0 or (u == v and (used_u[row] >> (shift + distance)) & 1):
                continue
            at_v = NONE
            at_u = NONE
            for at in range(row_start[row], row_start[row] + row_length[row]):
                if term_value[at] == v and term_code[at] == entry_code[entry]:
                    at_v = at
                elif term_value[at] == u and term_code[at] == other_code:
                    at_u = at
            if at_u == NONE:
                continue
            new_sign = sign ^ opposite if swapped else sign
            code = 2 * min(shift, shift + distance) + new_sign
            term_value[at_v] = t
            term_code[at_v] = code
            last = row_start[row] + row_length[row] - 1
            term_value[at_u] = term_value[last]
            term_code[at_u] = term_code[last]
            row_length[row] -= 1
            used_v[row] |= np.int64(1) << shift
            used_u[row] |= np.int64(1) << (shift + distance)
            if u == v:
                used_u[row] |= np.int64(1) << shift
            entry_row[free] = row
            entry_code[free] = code
            free += 1
        column_length[t] = free - column_start[t]

        kept = column_start[v]
        for entry in range(column_start[v], column_start[v] + column_length[v]):
            row = entry_row[entry]
            shift = entry_code[entry] >> 1
            gone = used_u[row] if u == v else used_v[row]
            if not (gone >> shift) & 1:
                entry_row[kept] = row
                entry_code[kept] = entry_code[entry]
                kept += 1
        column_length[v] = kept - column_start[v]
        if u != v:
            kept = column_start[u]
            for entry in range(column_start[u], column_start[u] + column_length[u]):
                row = entry_row[entry]
                if not (used_u[row] >> (entry_code[entry] >> 1)) & 1:
                    entry_row[kept] = row
                    entry_code[kept] = entry_code[entry]
                    kept += 1
            column_length[u] = kept - column_start[u]
        for entry in range(column_start[t], free):
            used_v[entry_row[entry]] = 0
            used_u[entry_row[entry]] = 0

        for is_new in range(2):
            queued = t if is_new else v
            bound = min(level, column_length[queued])
            if bound >= 2:
                following[queued] = bucket[bound]
                bucket[bound] = queued
    return operations


@numba.njit(cache=True, nogil=True)
def eliminate_from_several_starts(
    inputs: int,
    reach: int,
    starts: int,
    row_start: I32,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> int:
    """Run `eliminate_pairs` with the inputs numbered in `starts` orders, which breaks ties differently; keep the best.

    The first order is the given one, the others are fixed pseudo-random permutations. Arguments and result as there.
    """
    first_length, first_value, first_code = row_length.copy(), term_value.copy(), term_code.copy()
    best = eliminate_pairs(
        inputs,
        reach,
        row_start,
        row_length,
        term_value,
        term_code,
        lhs,
        rhs,
        lhs_shift,
        rhs_shift,
        subtract,
    )
    fewest = best + row_length.sum()
    number_of = np.arange(inputs).astype(np.int32)
    input_of = np.empty(inputs, np.int32)
    state = np.uint64(1)
    try_lhs, try_rhs = np.empty_like(lhs), np.empty_like(rhs)
    try_lhs_shift, try_rhs_shift = np.empty_like(lhs_shift), np.empty_like(rhs_shift)
    try_subtract = np.empty_like(subtract)
    for _ in range(starts - 1):
        for last in range(inputs - 1, 0, -1):
            # The multiplier of Knuth's MMIX generator; only the high bits are random enough.
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            other = np.int64((state >> np.uint64(33)) % np.uint64(last + 1))
            number_of[last], number_of[other] = number_of[other], number_of[last]
        for number in range(inputs):
            input_of[number_of[number]] = number
        length, code = first_length.copy(), first_code.copy()
        value = first_value.copy()
        for at in range(len(value)):
            value[at] = number_of[value[at]]
        found = eliminate_pairs(
            inputs,
            reach,
            row_start,
            length,
            value,
            code,
            try_lhs,
            try_rhs,
            try_lhs_shift,
            try_rhs_shift,
            try_subtract,
        )
        if found + length.sum() >= fewest:
            continue
        best, fewest = found, found + length.sum()
        row_length[:], term_code[:] = length, code
        for at in range(len(value)):
            term_value[at] = input_of[value[at]] if value[at] < inputs else value[at]
        for operation in range(found):
            a, b = try_lhs[operation], try_rhs[operation]
            lhs[operation] = input_of[a] if a < inputs else a
            rhs[operation] = input_of[b] if b < inputs else b
        lhs_shift[:found], rhs_shift[:found] = try_lhs_shift[:found], try_rhs_shift[:found]
        subtract[:found] = try_subtract[:found]
    return best
