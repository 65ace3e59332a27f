"""Search over sets of intermediate values, for slices of few inputs.

A program of two-input operations is a set of values, each the sum or the difference of two others or of inputs: which
ones, and in what order, follows from the set. So a search can drop a value and put another in its place, and keep the
exchange if all outputs can still be derived. Eliminating pairs never finds such programs: an output may come from
another output by a difference, and with nine inputs and many outputs nearly all of them do.

A value is a combination of the inputs, written as one number: its digits in base 16, signed, are the coefficients. Sums
of values are sums of numbers, and a value and its negative are one, the positive number.
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

LARGEST_COEFFICIENT = 2
"""Of a value that is tried; twice that, in a sum, fits a digit."""
FEW = 4
"""The search ends after as many exchanges in vain as for so many values more than might be spared."""
TRIES, TRIES_OF_TWO = 8, 16
"""Values that are tried in place of one that was dropped, and of two."""
NONE = -1
DIGIT_BITS = 4


class ValueSet(NamedTuple):
    """Values by number, the inputs first.

    Attributes:
        codes: int64 [room], the value as a number.
        left, right: int64 [room], the values that a value was derived from.
        known: int64 [room], values in the order in which they were derived.
        pending: int64 [room], values that are not derived.
        seen: int64 [room], how many known values were tried for a pending one.
        waiting: int64 [room], a copy of `pending`.
        lost: bool [room], values that cannot be derived as they were.
        table: int64 [slots], codes of known values by hash, 0 where empty.
        number: int64 [slots], their values.
        random: uint64 [1], state of the generator.
    """

    codes: I64
    left: I64
    right: I64
    known: I64
    pending: I64
    seen: I64
    waiting: I64
    lost: NDArray[np.bool_]
    table: I64
    number: I64
    random: NDArray[np.uint64]


@compiled_loop
def _slot(table: I64, code: int) -> int:
    """The slot of a code, or the empty one where it belongs."""
    at = np.int64(np.uint64(code) * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(40)) & (len(table) - 1)
    while table[at] != 0 and table[at] != code:
        at = (at + 1) & (len(table) - 1)
    return at


@compiled_loop
def _enter(values: ValueSet, value: int) -> None:
    slot = _slot(values.table, values.codes[value])
    values.table[slot], values.number[slot] = values.codes[value], value


@compiled_loop
def _draw(values: ValueSet, below: int) -> int:
    """A pseudo-random number 0 <= n < below, the same in every run."""
    # The multiplier of Knuth's MMIX generator; only the high bits are random enough.
    values.random[0] = values.random[0] * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return np.int64((values.random[0] >> np.uint64(33)) % np.uint64(below))


@compiled_loop
def _small(code: int) -> bool:
    """Whether all coefficients are small."""
    while code != 0:
        digit = code & 15
        if digit >= 8:
            digit -= 16
        if abs(digit) > LARGEST_COEFFICIENT:
            return False
        code = (code - digit) >> DIGIT_BITS
    return True


@compiled_loop
def _derive(values: ValueSet, code: int, known: int, first: int, value: int) -> bool:
    """Find two known values whose sum or difference is a code, one of them known since `first`; note them."""
    for at in range(first, known):
        one = values.known[at]
        for difference in range(2):
            other = code + values.codes[one] if difference else abs(code - values.codes[one])
            slot = _slot(values.table, other)
            if other != 0 and values.table[slot] == other:
                values.left[value], values.right[value] = one, values.number[slot]
                return True
    return False


@compiled_loop
def _close(values: ValueSet, known: int, pending: int) -> tuple[int, int]:
    """Derive pending values until no more can be; return the numbers of known and of pending values."""
    for at in range(pending):
        values.seen[values.pending[at]] = 0
    moved = True
    while moved and pending:
        moved = False
        kept = 0
        for at in range(pending):
            value = values.pending[at]
            found = _derive(values, values.codes[value], known, values.seen[value], value)
            values.seen[value] = known
            if found:
                _enter(values, value)
                values.known[known] = value
                known += 1
                moved = True
            else:
                values.pending[kept] = value
                kept += 1
        pending = kept
    return known, pending


@compiled_loop
def _without(values: ValueSet, order: I64, count: int, inputs: int, one: int, other: int) -> tuple[int, int]:
    """Forget two values and all that was derived from them; return the numbers of known and of pending values."""
    _forget(values.table)
    lost = values.lost
    for value in range(len(lost)):
        lost[value] = value in (one, other)
    known = pending = 0
    for at in range(count):
        value = order[at]
        if value in (one, other):
            continue
        if value >= inputs and (lost[values.left[value]] or lost[values.right[value]]):
            lost[value] = True
            values.pending[pending] = value
            pending += 1
        else:
            _enter(values, value)
            values.known[known] = value
            known += 1
    return known, pending


@compiled_loop
def _copy(source: I64, into: I64, count: int) -> None:
    """Copy the first numbers; a loop, because numba compiles slices with all their error messages."""
    for at in range(count):
        into[at] = source[at]


@compiled_loop
def _exchange(values: ValueSet, value: int, known: int, pending: int, tries: int) -> int:
    """Try other values in place of `value` until all pending ones can be derived; return how many are known, or -1."""
    old = values.codes[value]
    _copy(values.pending, values.waiting, pending)
    for _ in range(tries):
        wanted, given = values.waiting[_draw(values, pending)], values.known[_draw(values, known)]
        sign = 1 if _draw(values, 2) else -1
        code = abs(values.codes[wanted] + sign * values.codes[given])
        if code in (0, old) or not _small(code) or values.table[_slot(values.table, code)] == code:
            continue
        if not _derive(values, code, known, 0, value):
            continue
        values.codes[value] = code
        _enter(values, value)
        values.known[known] = value
        _copy(values.waiting, values.pending, pending)
        found, left = _close(values, known + 1, pending)
        if left == 0:
            return found
        values.codes[value] = old
        _forget(values.table)
        for at in range(known):
            _enter(values, values.known[at])
    return NONE


@compiled_loop
def _forget(table: I64) -> None:
    for at in range(len(table)):
        table[at] = 0


@compiled_loop
def _search(values: ValueSet, order: I64, left: I64, right: I64, spare: I64, inputs: int, rounds: int) -> int:
    """Make exchanges; return the number of known values.

    Args:
        values: inputs, targets and further values, none of them known.
        order, left, right: room for `known`, `left` and `right` of the best set.
        spare: numbers of the further values.
        inputs: number of inputs.
        rounds: exchanges that are tried, per value that might be spared, since the last one was.
    """
    room = len(values.codes)
    for value in range(inputs):
        _enter(values, value)
        values.known[value] = value
    for value in range(inputs, room):
        values.pending[value - inputs] = value
    count, _ = _close(values, inputs, room - inputs)
    _copy(values.known, order, count)
    _copy(values.left, left, room)
    _copy(values.right, right, room)
    extra = len(spare)
    vain = 0
    while extra and vain < rounds * (extra + FEW):
        vain += 1
        at = _draw(values, extra)
        also = _draw(values, extra) if _draw(values, 3) == 0 else at
        one, other = spare[at], spare[also] if also != at else np.int64(NONE)
        known, pending = _without(values, order, count, inputs, one, other)
        known, pending = _close(values, known, pending)
        if pending:
            known = _exchange(values, one, known, pending, TRIES if other == NONE else TRIES_OF_TWO)
        if known == NONE:
            _copy(left, values.left, room)
            _copy(right, values.right, room)
            continue
        _copy(values.known, order, known)
        _copy(values.left, left, room)
        _copy(values.right, right, room)
        if known < count:
            count, vain = known, 0
        if other != NONE:
            spare[also] = spare[extra - 1]
            extra -= 1
            at = at if at != extra else also  # the last one took the place of the other one
        if not pending:
            spare[at] = spare[extra - 1]
            extra -= 1
    _copy(order, values.known, count)
    return count


def search_values(inputs: int, targets: I64, extras: I64, rounds: int, seed: int) -> tuple[ValueSet, int]:
    """Look for fewer values from which all targets can be derived.

    Args:
        inputs: at most 15, which fit a number.
        targets: codes of outputs that are no inputs, each once.
        extras: codes of further values of a program that computes the targets, each once.
        rounds: exchanges that are tried, per value that might be spared, since the last one was.
        seed: of the random choices.

    Returns:
        values, of which `known` lists those that are needed in an order of computation, the inputs first; and how many.
    """
    codes = np.concatenate([units(inputs), targets, extras])
    room, slots = len(codes), 64
    while slots < 4 * room:
        slots *= 2
    left, right, known, pending, seen, waiting = np.full((6, room), NONE, np.int64)
    table, number = np.zeros((2, slots), np.int64)
    lost, random = np.zeros(room, np.bool_), np.array([2 * seed + 1], np.uint64)
    values = ValueSet(codes, left, right, known, pending, seen, waiting, lost, table, number, random)
    best, best_left, best_right = np.zeros((3, room), np.int64)
    spare = np.arange(inputs + len(targets), room)
    return values, _search(values, best, best_left, best_right, spare, inputs, rounds)


def units(inputs: int) -> I64:
    """The codes of inputs."""
    return np.int64(1) << (DIGIT_BITS * np.arange(inputs, dtype=np.int64))
