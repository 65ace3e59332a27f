"""Destroy-and-repair search for fewer operations, from the result of the greedy elimination.

A move inlines some definitions that lie close together and repairs the rows greedily with other ties; it is kept if
it leaves no more operations than before, else undone (large neighbourhood search, Shaw 1998).
"""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.reduction.linked_rows import (
    CODE,
    DEFINITIONS,
    DOWN,
    FREE_SLOTS,
    FREE_VALUES,
    FULL,
    RIGHT,
    ROW,
    UP,
    VALUE,
    LinkedRows,
    add_term,
    commit,
    create_definition,
    definition_row,
    draw,
    operations_of,
    undo,
    value_head,
)
from imcflow.passes.reduction.repair import forget_queue, inline, repair
from imcflow.passes.reduction.slices import make_sum
from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

NONE = -1
SMALL_SLICE, EXTRA_REPAIRS = 1000, 4
"""So many terms get so many more repairs each: small slices are soon as good as they get."""
LARGEST_MOVE = 24
"""Definitions that one move inlines at most."""
SPARE = 1.5
"""Room for terms and definitions, relative to what the greedy elimination leaves."""


@compiled_loop
def linked_rows(
    inputs: int,
    reach: int,
    row_start: I64,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    operations: int,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    seed: int,
) -> LinkedRows:
    """The state of a slice after greedy elimination; arguments as for `eliminate_pairs`."""
    outputs = len(row_length)
    terms = 2 * operations
    for row in range(outputs):
        terms += row_length[row]
    definitions = np.int64(operations * SPARE) + LARGEST_MOVE + 16
    rows = outputs + definitions
    values = inputs + definitions
    room = np.int64(terms * SPARE) + 4096
    slots = np.empty((rows + values + room, 8), np.int32)
    for slot in range(rows + values):
        slots[slot, ROW : UP + 1] = slot
    uses = np.zeros(values, np.int32)
    for row in range(outputs):
        for at in range(row_start[row], row_start[row] + row_length[row]):
            uses[term_value[at]] += 1
    top = 2
    for operation in range(operations):
        uses[lhs[operation]] += 1
        uses[rhs[operation]] += 1
    for value in range(inputs + operations):
        top = max(top, uses[value])
    uses[:] = 0
    state = LinkedRows(
        inputs,
        outputs,
        reach,
        slots,
        np.zeros(rows, np.int32),
        uses,
        np.zeros(values, np.uint8),
        np.arange(rows + values + room - 1, rows + values - 1, -1).astype(np.int32),
        np.arange(values - 1, inputs - 1, -1).astype(np.int32),
        np.empty(4 * room, np.int32),
        np.empty(values * 4, np.int32),
        np.empty(values * 4, np.int32),
        np.full(4 * top + 64, NONE, np.int32),
        np.empty(8 * room, np.int32),
        np.empty(8 * room, np.int32),
        np.zeros(values, np.int32),
        np.zeros(values * 2 * (2 * reach + 1), np.int32),
        np.empty(values * 2 * (2 * reach + 1), np.int64),
        np.zeros(rows + values + room, np.int64),
        np.zeros(16, np.int64),
        np.array([np.uint64(seed) * np.uint64(2) + np.uint64(1)], np.uint64),
    )
    state.counts[FREE_SLOTS], state.counts[FREE_VALUES] = room, definitions
    state.alive[:inputs] = 1
    for operation in range(operations):
        row = definition_row(state, create_definition(state))
        add_term(state, row, lhs[operation], 2 * lhs_shift[operation])
        add_term(state, row, rhs[operation], 2 * rhs_shift[operation] + subtract[operation])
        commit(state)
    for row in range(outputs):
        for at in range(row_start[row], row_start[row] + row_length[row]):
            add_term(state, row, term_value[at], term_code[at])
        commit(state)
    return state


@compiled_loop
def _random_definition(state: LinkedRows) -> int:
    definitions = len(state.alive) - state.inputs
    while True:
        value = state.inputs + draw(state, definitions)
        if state.alive[value]:
            return value


@compiled_loop
def _random_term(state: LinkedRows, row: int) -> int:
    """The value of a random term of a row."""
    at = state.slots[row, RIGHT]
    for _ in range(draw(state, state.row_length[row])):
        at = state.slots[at, RIGHT]
    return state.slots[at, VALUE]


@compiled_loop
def _random_user(state: LinkedRows, value: int) -> int:
    """A random row that uses a value."""
    at = state.slots[value_head(state, value), DOWN]
    for _ in range(draw(state, state.uses[value])):
        at = state.slots[at, DOWN]
    return state.slots[at, ROW]


@compiled_loop
def _neighbour(state: LinkedRows, value: int) -> int:
    """A definition near that of `value`, or -1.

    Most often one that shares a term with it, else one of its terms, one of its users, or a term of a row that uses it.
    """
    chance = draw(state, 10)
    if chance == 0:
        row = _random_user(state, value)
        found = _random_term(state, row) if row < state.outputs else row - state.outputs + state.inputs
        return found if found >= state.inputs else NONE
    found = _random_term(state, definition_row(state, value))
    if chance <= 3 and found >= state.inputs:
        return found
    row = _random_user(state, found)
    return row - state.outputs + state.inputs if row >= state.outputs else NONE


@compiled_loop
def _destroy(state: LinkedRows) -> None:
    """Inline some definitions along a random walk."""
    size = 1 + draw(state, LARGEST_MOVE)
    origin = value = _random_definition(state)
    inlined = 0
    chosen = np.empty(size, np.int32)
    for _ in range(3 * size):
        known = False
        for at in range(inlined):
            known = known or chosen[at] == value
        if not known:
            chosen[inlined] = value
            inlined += 1
            if inlined == size:
                break
        following = _neighbour(state, value)
        value = origin if following == NONE else following
    for at in range(inlined):
        inline(state, chosen[at])


@compiled_loop
def improve(state: LinkedRows, repairs: int) -> int:
    """Make `repairs` moves; return how many operations they save."""
    first = operations_of(state)
    for _ in range(repairs):
        if state.counts[DEFINITIONS] == 0:
            break
        before = operations_of(state)
        _destroy(state)
        repair(state, draw(state, 2))
        if state.counts[FULL] or operations_of(state) > before:
            forget_queue(state)
            undo(state)
        else:
            commit(state)
    return first - operations_of(state)


@compiled_loop
def write_operations(
    state: LinkedRows,
    row_start: I64,
    row_length: I32,
    term_value: I32,
    term_code: I32,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> int:
    """Write the state as operations, in an order of computation, and what is left of the rows; return their number.

    Arguments as for `eliminate_pairs`. A definition of n terms becomes n - 1 operations. Where the signs make them
    compute minus its value, the sign moves to its users.
    """
    slots = state.slots
    number = np.full(len(state.alive), NONE, np.int32)
    negative = np.zeros(len(state.alive), np.int32)
    for value in range(state.inputs):  # a slice would bring the code that words numpy's complaints along
        number[value] = value
    stack = np.empty(len(state.alive) + 1, np.int32)
    longest = 0
    for row in range(len(state.row_length)):
        longest = max(longest, state.row_length[row])
    value_of, code_of = np.empty(longest, np.int32), np.empty(longest, np.int32)
    operations = 0
    for row in range(state.outputs):
        kept = row_start[row]
        entry = slots[row, RIGHT]
        while entry != row:
            depth = 0
            stack[0] = slots[entry, VALUE]
            while depth >= 0:
                value = stack[depth]
                if number[value] != NONE:
                    depth -= 1
                    continue
                own = definition_row(state, value)
                missing = NONE
                length = 0
                at = slots[own, RIGHT]
                while at != own:
                    part = slots[at, VALUE]
                    if number[part] == NONE:
                        missing = part
                        break
                    value_of[length], code_of[length] = number[part], slots[at, CODE] ^ negative[part]
                    length += 1
                    at = slots[at, RIGHT]
                if missing != NONE:
                    depth += 1
                    stack[depth] = missing
                    continue
                while length > 1:
                    code_of[0] = make_sum(operations, 0, 1, value_of, code_of, lhs, rhs, lhs_shift, rhs_shift, subtract)
                    value_of[0] = state.inputs + operations
                    operations += 1
                    length -= 1
                    value_of[1], code_of[1] = value_of[length], code_of[length]
                number[value], negative[value] = value_of[0], code_of[0] & 1
                depth -= 1
            value = slots[entry, VALUE]
            term_value[kept], term_code[kept] = number[value], slots[entry, CODE] ^ negative[value]
            kept += 1
            entry = slots[entry, RIGHT]
        row_length[row] = kept - row_start[row]
    return operations


@compiled_loop
def improve_slices(
    reach: int,
    repairs_per_term: float,
    slice_inputs: I32,
    slice_rows: I64,
    row_start: I64,
    row_length: I32,
    first_length: I32,
    term_value: I32,
    term_code: I32,
    slice_sums: I64,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> None:
    """Search in every slice that `eliminate_slices` has left; arguments as there.

    Args:
        repairs_per_term: moves per term of a slice before elimination; small slices get up to five times as many.
        first_length: terms of every row before elimination.
    """
    for number in range(len(slice_inputs) - 1):
        first, last = slice_rows[number], slice_rows[number + 1]
        begin, end = slice_sums[2 * number], slice_sums[2 * number + 1]
        if first == last or begin == end:
            continue
        terms = 0
        for row in range(first, last):
            terms += first_length[row]
        room = begin + terms // 2 + 1
        own = slice_inputs[number + 1] - slice_inputs[number]
        state = linked_rows(
            own,
            reach,
            row_start[first:last],
            row_length[first:last],
            term_value,
            term_code,
            end - begin,
            lhs[begin:end],
            rhs[begin:end],
            lhs_shift[begin:end],
            rhs_shift[begin:end],
            subtract[begin:end],
            number,
        )
        improve(state, np.int64(repairs_per_term * (terms + EXTRA_REPAIRS * min(terms, SMALL_SLICE))))
        slice_sums[2 * number + 1] = begin + write_operations(
            state,
            row_start[first:last],
            row_length[first:last],
            term_value,
            term_code,
            lhs[begin:room],
            rhs[begin:room],
            lhs_shift[begin:room],
            rhs_shift[begin:room],
            subtract[begin:room],
        )
