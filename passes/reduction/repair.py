"""Greedy repair of linked rows: replace pairs, inline what is used once, until no pair occurs twice."""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np

from imcflow.passes.reduction.linked_rows import (
    CODE,
    DOWN,
    FULL,
    LEVEL,
    NODES,
    RIGHT,
    ROW,
    STAMP,
    VALUE,
    LinkedRows,
    add_term,
    create_definition,
    definition_row,
    destroy_definition,
    draw,
    remove_term,
    value_head,
)
from imcflow.runtime.compiled_loops.loop import compiled_loop

NONE = -1


@compiled_loop
def enqueue(state: LinkedRows, value: int, bound: int) -> None:
    """Let a value wait with an upper bound of the occurrences of its best pair."""
    counts = state.counts
    level = min(bound, len(state.heads) - 1)
    if level < 2 or state.pending[value] >= level:
        return
    if counts[NODES] == len(state.next_node):
        counts[FULL] = 1
        return
    node = counts[NODES]
    counts[NODES] += 1
    state.node_value[node], state.next_node[node] = value, state.heads[level]
    state.heads[level] = node
    state.pending[value] = level
    counts[LEVEL] = max(counts[LEVEL], level)


@compiled_loop
def inline(state: LinkedRows, value: int) -> None:
    """Put the terms of a definition in the place of every use of its value; they wait for new pairs."""
    slots = state.slots
    own = definition_row(state, value)
    head = value_head(state, value)
    use = slots[head, DOWN]
    while use != head and not state.counts[FULL]:
        row, code = slots[use, ROW], slots[use, CODE]
        after = slots[use, DOWN]
        remove_term(state, use)
        term = slots[own, RIGHT]
        while term != own:
            shift = (slots[term, CODE] >> 1) + (code >> 1)
            add_term(state, row, slots[term, VALUE], 2 * shift + ((slots[term, CODE] ^ code) & 1))
            term = slots[term, RIGHT]
        use = after
    term = slots[own, RIGHT]
    while term != own and not state.counts[FULL]:
        after = slots[term, RIGHT]
        remove_term(state, term)
        enqueue(state, slots[term, VALUE], state.uses[slots[term, VALUE]])
        term = after
    if not state.counts[FULL]:
        destroy_definition(state, value)


@compiled_loop
def _best_pair(state: LinkedRows, value: int, by_chance: int) -> tuple[int, int]:
    """Occurrences and key of the best pair of a value; (0, -1) if it has none.

    Ties go to the partner with the fewest terms and then to chance; with `by_chance` to chance at once.
    """
    slots, occurrences = state.slots, state.occurrences
    width = 2 * state.reach + 1
    count = 0
    head = value_head(state, value)
    use = slots[head, DOWN]
    while use != head:
        shift, sign = slots[use, CODE] >> 1, slots[use, CODE] & 1
        # The neighbours in the ring of the row: all of its terms but this one, and its head.
        at = slots[use, RIGHT]
        while at != use:
            if at >= len(state.row_length):
                u = slots[at, VALUE]
                distance = (slots[at, CODE] >> 1) - shift
                if u != value or distance > 0:
                    key = (np.int64(u) * width + distance + state.reach) * 2 + (sign ^ (slots[at, CODE] & 1))
                    if occurrences[key] == 0:
                        state.touched[count] = key
                        count += 1
                    occurrences[key] += 1
            at = slots[at, RIGHT]
        use = slots[use, DOWN]
    best, best_key, best_uses, ties = 0, np.int64(-1), 0, 0
    for position in range(count):
        key = state.touched[position]
        found = occurrences[key]
        occurrences[key] = 0
        if found < best or found < 2:
            continue
        partner_uses = 0 if by_chance else state.uses[key // (2 * width)]
        if found > best or partner_uses < best_uses:
            best, best_key, best_uses, ties = found, key, partner_uses, 1
        elif partner_uses == best_uses:
            ties += 1
            if draw(state, ties) == 0:
                best_key = key
    return best, best_key


@compiled_loop
def _replace(state: LinkedRows, value: int, key: int) -> None:
    """Define a new value as a pair and put it in the place of every occurrence."""
    slots = state.slots
    width = 2 * state.reach + 1
    partner = key // (2 * width)
    distance = (key % (2 * width)) // 2 - state.reach
    opposite = key % 2
    new = create_definition(state)
    if new == NONE:
        return
    own = definition_row(state, new)
    state.counts[STAMP] += 1
    stamp = state.counts[STAMP]
    head = value_head(state, value)
    use = slots[head, DOWN]
    while use != head and not state.counts[FULL]:
        after = slots[use, DOWN]
        shift, sign = slots[use, CODE] >> 1, slots[use, CODE] & 1
        wanted = 2 * (shift + distance) + (sign ^ opposite)
        found = NONE
        if shift + distance >= 0 and state.marks[use] != stamp:
            at = slots[use, RIGHT]
            while at != use:
                if (
                    at >= len(state.row_length)
                    and slots[at, VALUE] == partner
                    and slots[at, CODE] == wanted
                    and state.marks[at] != stamp
                ):
                    found = at
                    break
                at = slots[at, RIGHT]
        if found != NONE:
            state.marks[found] = stamp  # a value may pair with itself: its second term is gone
            if after == found:
                after = slots[found, DOWN]
            row = slots[use, ROW]
            remove_term(state, use)
            remove_term(state, found)
            add_term(state, row, new, 2 * min(shift, shift + distance) + sign)
        use = after
    add_term(state, own, value, 2 * max(0, -distance))
    add_term(state, own, partner, 2 * max(0, distance) + opposite)
    if state.counts[FULL]:
        return
    # Definitions that are the new value alone are replaced by it.
    head = value_head(state, new)
    use = slots[head, DOWN]
    while use != head and not state.counts[FULL]:
        row = slots[use, ROW]
        after = slots[use, DOWN]
        if row >= state.outputs and state.row_length[row] == 1:
            inline(state, row - state.outputs + state.inputs)
            after = slots[head, DOWN]
        use = after
    inline_if_used_once(state, value)
    inline_if_used_once(state, partner)
    inline_if_used_once(state, new)
    enqueue(state, value, state.uses[value])
    enqueue(state, new, state.uses[new])


@compiled_loop
def inline_if_used_once(state: LinkedRows, value: int) -> None:
    """A definition with a single use costs the same inside of its user, where its terms may pair."""
    if value >= state.inputs and state.alive[value] and state.uses[value] == 1 and not state.counts[FULL]:
        inline(state, value)


@compiled_loop
def repair(state: LinkedRows, by_chance: int) -> None:
    """Replace the most frequent pair until no pair of the waiting values occurs twice."""
    counts = state.counts
    while counts[LEVEL] >= 2 and not counts[FULL]:
        level = counts[LEVEL]
        node = state.heads[level]
        if node == NONE:
            counts[LEVEL] -= 1
            continue
        value = state.node_value[node]
        state.heads[level] = state.next_node[node]
        if state.pending[value] != level:
            continue
        state.pending[value] = 0
        if not state.alive[value]:
            continue
        best, key = _best_pair(state, value, by_chance)
        if best >= level:
            _replace(state, value, key)
        else:
            enqueue(state, value, best)
    forget_queue(state)


@compiled_loop
def forget_queue(state: LinkedRows) -> None:
    """Nothing waits any more."""
    counts = state.counts
    for node in range(counts[NODES]):
        state.pending[state.node_value[node]] = 0
    for level in range(counts[LEVEL] + 1):
        state.heads[level] = NONE
    counts[NODES] = counts[LEVEL] = 0
