"""Rows of terms as crossing linked lists, with a journal: the state of the search for fewer operations.

A *row* is the list of terms of an output or of a definition; the definition of value v is row `v + offset` of the
state, and v stands for the sum of its terms. Every term is a *slot* that lies in the list of its row and in the list of
its value, so that terms are added, removed and put back in constant time (dancing links). Rows may be as long as they
like: a definition of n terms stands for n - 1 operations.

The journal holds every slot that was added (slot) or removed (-1 - slot) since the last commit; undone in reverse
order, every list is again what it was.
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
U64 = NDArray[np.uint64]

ROW, VALUE, CODE, RIGHT, LEFT, DOWN, UP = range(7)
"""Columns of `LinkedRows.slots`: what the term is, and its neighbours in its row and in the list of its value."""
TERMS, DEFINITIONS, JOURNAL, CREATED, DESTROYED, FREE_SLOTS, FREE_VALUES, LEVEL, NODES, STAMP, FULL = range(11)
"""Positions in `LinkedRows.counts`."""


class LinkedRows(NamedTuple):
    """Arrays of the state; R rows, V values, S slots.

    Attributes:
        inputs, outputs, reach: sizes; `reach` is the largest shift of any term.
        slots: int32 [S, 7]; slots 0 .. R are the heads of the rows, R .. R + V those of the lists of the values.
        row_length: int32 [R].
        uses: int32 [V], terms of every value.
        alive: uint8 [V], 1 for inputs and for values with a definition.
        free_slots, free_values: int32, stacks.
        journal: int32, see the module docstring.
        created, destroyed: int32, definitions since the last commit.
        heads, next_node, node_value: int32, stacks of values by the bound of their best pair.
        pending: int32 [V], the highest stack in which a value waits.
        occurrences: int32 [V * span], all 0 between calls.
        touched: int64, keys of pairs that are being counted.
        marks: int64 [S], stamps.
        counts: int64, see `TERMS` ... `FULL`.
        random: uint64 [1].
    """

    inputs: int
    outputs: int
    reach: int
    slots: I32
    row_length: I32
    uses: I32
    alive: U8
    free_slots: I32
    free_values: I32
    journal: I32
    created: I32
    destroyed: I32
    heads: I32
    next_node: I32
    node_value: I32
    pending: I32
    occurrences: I32
    touched: I64
    marks: I64
    counts: I64
    random: U64


@compiled_loop
def draw(state: LinkedRows, below: int) -> int:
    """A random number 0 .. below - 1 (xorshift64*)."""
    word = state.random[0]
    word ^= word >> np.uint64(12)
    word ^= word << np.uint64(25)
    word ^= word >> np.uint64(27)
    state.random[0] = word
    return np.int64(((word * np.uint64(2685821657736338717)) >> np.uint64(33)) % np.uint64(below))


@compiled_loop
def definition_row(state: LinkedRows, value: int) -> int:
    """The row that defines a value."""
    return state.outputs + value - state.inputs


@compiled_loop
def value_head(state: LinkedRows, value: int) -> int:
    """The head of the list of a value's terms."""
    return len(state.row_length) + value


@compiled_loop
def _link(state: LinkedRows, slot: int) -> None:
    slots = state.slots
    slots[slots[slot, LEFT], RIGHT] = slot
    slots[slots[slot, RIGHT], LEFT] = slot
    slots[slots[slot, UP], DOWN] = slot
    slots[slots[slot, DOWN], UP] = slot
    state.row_length[slots[slot, ROW]] += 1
    state.uses[slots[slot, VALUE]] += 1
    state.counts[TERMS] += 1


@compiled_loop
def _unlink(state: LinkedRows, slot: int) -> None:
    slots = state.slots
    slots[slots[slot, LEFT], RIGHT] = slots[slot, RIGHT]
    slots[slots[slot, RIGHT], LEFT] = slots[slot, LEFT]
    slots[slots[slot, UP], DOWN] = slots[slot, DOWN]
    slots[slots[slot, DOWN], UP] = slots[slot, UP]
    state.row_length[slots[slot, ROW]] -= 1
    state.uses[slots[slot, VALUE]] -= 1
    state.counts[TERMS] -= 1


@compiled_loop
def add_term(state: LinkedRows, row: int, value: int, code: int) -> None:
    """Append a term to a row; without a free slot, mark the state as full."""
    counts, slots = state.counts, state.slots
    if counts[FREE_SLOTS] == 0 or counts[JOURNAL] == len(state.journal):
        counts[FULL] = 1
        return
    counts[FREE_SLOTS] -= 1
    slot = state.free_slots[counts[FREE_SLOTS]]
    head = value_head(state, value)
    slots[slot, ROW], slots[slot, VALUE], slots[slot, CODE] = row, value, code
    slots[slot, RIGHT], slots[slot, LEFT] = row, slots[row, LEFT]
    slots[slot, DOWN], slots[slot, UP] = head, slots[head, UP]
    _link(state, slot)
    state.journal[counts[JOURNAL]] = slot
    counts[JOURNAL] += 1


@compiled_loop
def remove_term(state: LinkedRows, slot: int) -> None:
    """Take a term out of its lists; the slot is free after the next commit."""
    counts = state.counts
    if counts[JOURNAL] == len(state.journal):
        counts[FULL] = 1
        return
    _unlink(state, slot)
    state.journal[counts[JOURNAL]] = -1 - slot
    counts[JOURNAL] += 1


@compiled_loop
def create_definition(state: LinkedRows) -> int:
    """A new value with an empty definition, or -1 if there is no room."""
    counts = state.counts
    if counts[FREE_VALUES] == 0:
        counts[FULL] = 1
        return -1
    counts[FREE_VALUES] -= 1
    value = state.free_values[counts[FREE_VALUES]]
    state.alive[value] = 1
    state.created[counts[CREATED]] = value
    counts[CREATED] += 1
    counts[DEFINITIONS] += 1
    return value


@compiled_loop
def destroy_definition(state: LinkedRows, value: int) -> None:
    """End a value whose definition is empty and that is used nowhere."""
    counts = state.counts
    state.alive[value] = 0
    state.destroyed[counts[DESTROYED]] = value
    counts[DESTROYED] += 1
    counts[DEFINITIONS] -= 1


@compiled_loop
def operations_of(state: LinkedRows) -> int:
    """Two-input operations, but for a constant: terms less rows."""
    return state.counts[TERMS] - state.counts[DEFINITIONS]


@compiled_loop
def commit(state: LinkedRows) -> None:
    """Keep what was done since the last commit."""
    counts = state.counts
    for entry in range(counts[JOURNAL]):
        if state.journal[entry] < 0:
            state.free_slots[counts[FREE_SLOTS]] = -1 - state.journal[entry]
            counts[FREE_SLOTS] += 1
    for entry in range(counts[DESTROYED]):
        state.free_values[counts[FREE_VALUES]] = state.destroyed[entry]
        counts[FREE_VALUES] += 1
    counts[JOURNAL] = counts[CREATED] = counts[DESTROYED] = 0


@compiled_loop
def undo(state: LinkedRows) -> None:
    """Go back to the last commit."""
    counts = state.counts
    for entry in range(counts[JOURNAL] - 1, -1, -1):
        slot = state.journal[entry]
        if slot < 0:
            _link(state, -1 - slot)
        else:
            _unlink(state, slot)
            state.free_slots[counts[FREE_SLOTS]] = slot
            counts[FREE_SLOTS] += 1
    for entry in range(counts[DESTROYED]):
        state.alive[state.destroyed[entry]] = 1
        counts[DEFINITIONS] += 1
    for entry in range(counts[CREATED] - 1, -1, -1):
        state.alive[state.created[entry]] = 0
        state.free_values[counts[FREE_VALUES]] = state.created[entry]
        counts[FREE_VALUES] += 1
        counts[DEFINITIONS] -= 1
    counts[JOURNAL] = counts[CREATED] = counts[DESTROYED] = counts[FULL] = 0
