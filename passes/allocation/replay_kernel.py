"""Compiled replay of a placement.

Every cell has a content number: which bit of which word it holds. Value v has the number v, the accumulator of output
o after k accumulations the number `values + o`, with the count kept aside; `ZERO` is a known 0, `HOLDS_ONE`
a known 1 and `OTHER` unknown. A value that still misses its lift has the number of the value plus `unlifted`.
Complaints are numbered as in `imcflow.passes.allocation.replay.COMPLAINTS`.
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
U8 = NDArray[np.uint8]
Flags = NDArray[np.bool_]

CLEAR, LOAD, OPERATE, IN_PLACE, COPY, START, ACCUMULATE, SET, STORE, LIFT, ONE = range(11)
RESULT_IS_ZERO, NEGATED, SWAPPED = 1, 2, 4
OTHER, ZERO, HOLDS_ONE = -1, -2, -3
OUTSIDE, ONE_TRACK, NOT_THERE, NOT_ZERO, NO_SUCH, TWICE, ORDER = 1, 2, 3, 4, 5, 6, 7


# Helpers have given signatures, so that calls with other integer types do not each compile another version.


@compiled_loop("boolean(int64, int64, int64, int64)")
def _inside(cell: int, bits: int, tracks: int, domains: int) -> bool:
    return cell >= 0 and bits > 0 and cell % domains + bits <= domains and cell // domains < tracks


@compiled_loop("void(int32[::1], int32[::1], int64, int64, int64)")
def _write(content: I32, bit: I32, cell: int, bits: int, number: int) -> None:
    for position in range(bits):
        content[cell + position] = number
        bit[cell + position] = position


@compiled_loop("boolean(int32[::1], int32[::1], int64, int64, int64, int64, int64)")
def _holds(content: I32, bit: I32, cell: int, bits: int, number: int, tracks: int, domains: int) -> bool:
    if not _inside(cell, bits, tracks, domains):
        return False
    for position in range(bits):  # noqa: SIM110 - compiled
        if content[cell + position] != number or bit[cell + position] != position:
            return False
    return True


@compiled_loop
def replay(
    tracks: int,
    domains: int,
    carry: int,
    kind: U8,
    flags: U8,
    index: I32,
    a: I32,
    b: I32,
    r: I32,
    inputs: int,
    lhs: I32,
    rhs: I32,
    accumulate_output: I32,
    accumulate_value: I32,
    value_bits: I32,
    word_bits: I32,
    output_bits: I32,
    has_bias: Flags,
    lift: U8,
    stored: Flags,
) -> tuple[int, int]:
    """Return (first wrong step, complaint), or (-1, 0); `stored` receives which outputs were stored."""
    cells = tracks * domains
    content = np.full(cells, OTHER, np.int32)
    bit = np.zeros(cells, np.int32)
    values = len(value_bits)
    outputs = len(output_bits)
    operations = len(lhs)
    accumulations = len(accumulate_output)
    unlifted = values + outputs
    needed = np.zeros(outputs, np.int32)
    done = np.zeros(accumulations, np.bool_)
    only_value = np.full(outputs, -1, np.int32)
    for accumulation in range(accumulations):
        needed[accumulate_output[accumulation]] += 1
        only_value[accumulate_output[accumulation]] = accumulate_value[accumulation]
    started = np.zeros(outputs, np.bool_)
    if not _inside(carry, 1, tracks, domains):
        return 0, OUTSIDE
    for step in range(len(kind)):
        what, item = kind[step], index[step]
        limit = tracks
        if what == LOAD:
            limit = inputs
        elif what in (OPERATE, IN_PLACE):
            limit = operations
        elif what in (COPY, LIFT):
            limit = values
        elif what == ONE:
            limit = 1
        elif what in (START, ACCUMULATE):
            limit = accumulations
        elif what in (SET, STORE):
            limit = outputs
        if what > ONE or item < 0 or item > limit or (item == limit and what != CLEAR):
            return step, NO_SUCH
        if what == CLEAR:
            for word in range(item):
                if not _inside(r[step] + word * domains, b[step], tracks, domains):
                    return step, OUTSIDE
                _write(content, bit, r[step] + word * domains, b[step], ZERO)
            continue
        bits, number = 0, 0
        if what == ONE:
            number, bits = HOLDS_ONE, 1
        elif what == LIFT:
            number, bits = item, word_bits[item]
        elif what in (LOAD, OPERATE, IN_PLACE, COPY):
            number = item if what in (LOAD, COPY) else inputs + item
            bits = word_bits[number]
        elif what in (START, ACCUMULATE):
            number = values + accumulate_output[item]
            bits = output_bits[accumulate_output[item]]
        elif what == SET:
            number, bits = values + item, output_bits[item]
        if what != STORE:
            if not _inside(r[step], bits, tracks, domains):
                return step, OUTSIDE
            if r[step] // domains >= carry // domains:
                return step, ONE_TRACK
        if what in (OPERATE, COPY, START) and flags[step] & RESULT_IS_ZERO:
            for cell in range(r[step], r[step] + bits):
                if content[cell] != ZERO:
                    return step, NOT_ZERO
        if what in (OPERATE, IN_PLACE):
            left, right = lhs[item], rhs[item]
            if what == IN_PLACE:
                kept = right if flags[step] & SWAPPED else left
                other = left if flags[step] & SWAPPED else right
                if not _holds(content, bit, r[step], min(word_bits[kept], bits), kept, tracks, domains):
                    return step, NOT_THERE
                for cell in range(r[step] + word_bits[kept], r[step] + bits):
                    if content[cell] != ZERO:
                        return step, NOT_ZERO
                left, right = other, -1
            if not _holds(content, bit, a[step], value_bits[left], left, tracks, domains):
                return step, NOT_THERE
            track = a[step] // domains
            if track == r[step] // domains or track >= carry // domains:
                return step, ONE_TRACK
            if right >= 0:
                if not _holds(content, bit, b[step], value_bits[right], right, tracks, domains):
                    return step, NOT_THERE
                other_track = b[step] // domains
                if other_track in (track, r[step] // domains) or other_track >= carry // domains:
                    return step, ONE_TRACK
        elif what == LIFT:
            if not lift[item] or not _holds(content, bit, r[step], bits, unlifted + item, tracks, domains):
                return step, NOT_THERE
            if not _holds(content, bit, a[step], 1, HOLDS_ONE, tracks, domains):
                return step, NOT_THERE
            if a[step] // domains == r[step] // domains:
                return step, ONE_TRACK
        elif what == COPY:
            if not _holds(content, bit, a[step], value_bits[number], number, tracks, domains):
                return step, NOT_THERE
            bits = value_bits[number]
        elif what in (START, ACCUMULATE):
            value = accumulate_value[item]
            if not _holds(content, bit, a[step], value_bits[value], value, tracks, domains):
                return step, NOT_THERE
            if a[step] // domains == r[step] // domains or a[step] // domains >= carry // domains:
                return step, ONE_TRACK
            output = number - values
            if done[item] or (what == START) == started[output]:
                return step, ORDER
            if what == START and has_bias[output]:
                return step, ORDER
            if what == ACCUMULATE and not _holds(content, bit, r[step], bits, number, tracks, domains):
                return step, NOT_THERE
            done[item] = True
            started[output] = True
            needed[output] -= 1
        elif what == SET:
            if started[item]:
                return step, ORDER
            started[item] = True
        elif what == STORE:
            if stored[item]:
                return step, TWICE
            if started[item]:
                if needed[item] or not _holds(content, bit, a[step], output_bits[item], values + item, tracks, domains):
                    return step, NOT_THERE
            elif needed[item] != 1 or not _holds(
                content, bit, a[step], value_bits[only_value[item]], only_value[item], tracks, domains
            ):
                return step, NOT_THERE
            stored[item] = True
            continue
        if what in (LOAD, OPERATE, IN_PLACE) and lift[number]:
            number += unlifted
        _write(content, bit, r[step], bits, number)
    return -1, 0
