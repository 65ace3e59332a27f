"""Compiled inner loops of the pair elimination.

Encoding shared by all kernels. A *term* is one signed digit `+/- value << shift` of one row (output); `value` and
`code = 2 * shift + negative` are stored side by side. Rows are stored in place: row r occupies
`row_start[r] .. row_start[r] + row_length[r]` of `term_value` and `term_code`. A *pair* of a value v is another value
u at relative shift d = shift(u) - shift(v) and relative sign g; its key is `(u * (2 * reach + 1) + d + reach) * 2 + g`,
where `reach` is the largest shift of any digit.
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

NONE = -1
SWEEP = 8
"""Sweeping this many counts costs as much as visiting one term once more, which is a read of a random place."""


@compiled_loop
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
    # `term_key` is value * span + code: as a pair of an entry of shift s and sign g, its key is
    # (term_key ^ g) + 2 * (reach - s), so that counting reads one word and computes no product.
    term_key = np.empty(len(term_value), np.int32)

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
            term_key[at] = value * span + term_code[at]
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
    holds_u = np.zeros(rows, np.uint8)
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

        # Count every pair of v exactly; a pair of v with itself counts from its lower digit only. The largest count is
        # found by sweeping the whole table, which is vectorised, unless that is much longer than the rows visited.
        first_entry, last_entry = column_start[v], column_start[v] + column_length[v]
        visits = _count_pairs(
            first_entry, last_entry, reach, entry_row, entry_code, row_start, row_length, term_key, occurrences
        )
        occurrences[v * span : v * span + 2 * reach + 2] = 0
        table = occurrences[: (inputs + operations) * span]
        sweeps = len(table) <= SWEEP * visits
        best = 0
        if sweeps:
            for count in table:
                best = max(best, count)
        else:
            for entry in range(first_entry, last_entry):
                row = entry_row[entry]
                sign = entry_code[entry] & 1
                offset = 2 * reach - (entry_code[entry] & -2)
                for at in range(row_start[row], row_start[row] + row_length[row]):
                    best = max(best, occurrences[np.uintp((term_key[at] ^ sign) + offset)])
        best_key = np.int64(-1)
        best_uses = 0
        if best >= level:
            for entry in range(first_entry, last_entry):
                row = entry_row[entry]
                sign = entry_code[entry] & 1
                offset = 2 * reach - (entry_code[entry] & -2)
                for at in range(row_start[row], row_start[row] + row_length[row]):
                    key = np.int64(term_key[at] ^ sign) + offset
                    if occurrences[np.uintp(key)] != best:
                        continue
                    uses = column_length[key // span]
                    if best_key < 0 or uses < best_uses or (uses == best_uses and key < best_key):
                        best_key, best_uses = key, uses
        if sweeps:
            table[:] = 0
        else:
            for entry in range(first_entry, last_entry):
                row = entry_row[entry]
                sign = entry_code[entry] & 1
                offset = 2 * reach - (entry_code[entry] & -2)
                for at in range(row_start[row], row_start[row] + row_length[row]):
                    occurrences[np.uintp((term_key[at] ^ sign) + offset)] = 0
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
        for entry in range(column_start[u], column_start[u] + column_length[u]):
            holds_u[entry_row[entry]] = 1
        for entry in range(first_entry, last_entry):
            row = entry_row[entry]
            if not holds_u[row]:
                continue
            shift = entry_code[entry] >> 1
            sign = entry_code[entry] & 1
            if u == v and (used_u[row] >> shift) & 1:
                continue
            other_code = 2 * (shift + distance) + (sign ^ opposite)
            if other_code < 0 or (u == v and (used_u[row] >> (shift + distance)) & 1):
                continue
            at_u = _position(u * span + other_code, row_start[row], row_length[row], term_key)
            if at_u == NONE:
                continue
            at_v = _position(v * span + entry_code[entry], row_start[row], row_length[row], term_key)
            new_sign = sign ^ opposite if swapped else sign
            code = 2 * min(shift, shift + distance) + new_sign
            term_key[at_v] = t * span + code
            term_key[at_u] = term_key[row_start[row] + row_length[row] - 1]
            row_length[row] -= 1
            used_v[row] |= np.int64(1) << shift
            used_u[row] |= np.int64(1) << (shift + distance)
            if u == v:
                used_u[row] |= np.int64(1) << shift
            entry_row[free] = row
            entry_code[free] = code
            free += 1
        column_length[t] = free - column_start[t]
        for entry in range(column_start[u], column_start[u] + column_length[u]):
            holds_u[entry_row[entry]] = 0

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
    for row in range(rows):
        for at in range(row_start[row], row_start[row] + row_length[row]):
            term_value[at] = term_key[at] // span
            term_code[at] = term_key[at] % span
    return operations


@compiled_loop
def _count_pairs(
    first_entry: int,
    last_entry: int,
    reach: int,
    entry_row: I32,
    entry_code: I32,
    row_start: I32,
    row_length: I32,
    term_key: I32,
    occurrences: I32,
) -> int:
    """Count the pairs of the value with these entries into `occurrences`; return the number of terms visited."""
    visits = np.int64(0)
    for entry in range(first_entry, last_entry):
        row = entry_row[entry]
        sign = entry_code[entry] & 1
        offset = 2 * reach - (entry_code[entry] & -2)
        visits += row_length[row]
        for at in range(row_start[row], row_start[row] + row_length[row]):
            occurrences[np.uintp((term_key[at] ^ sign) + offset)] += 1
    return visits


@compiled_loop
def _position(key: int, start: int, length: int, term_key: I32) -> int:
    """Where a row has a term, or `NONE`."""
    for at in range(start, start + length):
        if term_key[at] == key:
            return at
    return NONE


@compiled_loop
def eliminate_from_several_starts(
    inputs: int,
    reach: int,
    orders: I32,
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
    """Run `eliminate_pairs` with the inputs numbered in several orders, which breaks ties differently; keep the best.

    The first order is the given one, the others are `orders`, see `numberings`. Arguments and result as there.
    """
    rows, terms, operations = len(row_length), len(term_value), len(lhs)
    length, value, code = np.empty(rows, np.int32), np.empty(terms, np.int32), np.empty(terms, np.int32)
    tried_length, tried_value, tried_code = np.empty_like(length), np.empty_like(value), np.empty_like(code)
    tried_lhs, tried_rhs = np.empty(operations, np.int32), np.empty(operations, np.int32)
    tried_lhs_shift, tried_rhs_shift = np.empty(operations, np.uint8), np.empty(operations, np.uint8)
    tried_subtract = np.empty(operations, np.uint8)
    # Numbers of operations stay as they are.
    number_of, name = np.arange(inputs), np.arange(inputs + operations)
    for row in range(rows):
        length[row] = row_length[row]
    for term in range(terms):
        value[term], code[term] = term_value[term], term_code[term]
    best, fewest = np.int64(0), np.int64(-1)
    for start in range(len(orders) + 1):
        if start > 0:
            for each in range(inputs):
                number_of[each] = orders[start - 1, each]
                name[number_of[each]] = each
        for row in range(rows):
            tried_length[row] = length[row]
        for term in range(terms):
            tried_value[term], tried_code[term] = number_of[value[term]], code[term]
        found = eliminate_pairs(
            inputs,
            reach,
            row_start,
            tried_length,
            tried_value,
            tried_code,
            tried_lhs,
            tried_rhs,
            tried_lhs_shift,
            tried_rhs_shift,
            tried_subtract,
        )
        total = found
        for row in range(rows):
            total += tried_length[row]
        if 0 <= fewest <= total:
            continue
        best, fewest = found, total
        for row in range(rows):
            row_length[row] = tried_length[row]
            for term in range(row_start[row], row_start[row] + tried_length[row]):
                term_value[term], term_code[term] = name[tried_value[term]], tried_code[term]
        for operation in range(found):
            lhs[operation], rhs[operation] = name[tried_lhs[operation]], name[tried_rhs[operation]]
            lhs_shift[operation], rhs_shift[operation] = tried_lhs_shift[operation], tried_rhs_shift[operation]
            subtract[operation] = tried_subtract[operation]
    return best


@lru_cache(maxsize=256)
def numberings(inputs: int, count: int) -> I32:
    """Return `count` fixed pseudo-random orders of the inputs, int32 [count, inputs]."""
    orders = np.empty((count, inputs), np.int32)
    order = list(range(inputs))
    state = 1
    for number in range(count):
        for last in range(inputs - 1, 0, -1):
            # The multiplier of Knuth's MMIX generator; only the high bits are random enough.
            state = (state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
            other = (state >> 33) % (last + 1)
            order[last], order[other] = order[other], order[last]
        orders[number] = order
    return orders
