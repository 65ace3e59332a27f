"""What a pass sequence does to a row, for every state that the row can be in, and planes that compute it.

A row takes part in a pass by its own cells alone. So the few cells of a bit step decide how often its row matches, how
often it is written and what it holds in the end: running the sequence once per state gives these as truth tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from imcflow.runtime.kernels.emitter import FunctionWriter, Value, const
from imcflow.runtime.microcode import Kind, Role, Sequence

Table = tuple[int, ...]
"""A number per state; state s holds bit i of s in input i."""


@dataclass(frozen=True)
class Effect:
    """A pass sequence by states of its inputs.

    Attributes:
        inputs: roles whose cells decide anything.
        cells: values of the written cells in the end, 0 or 1.
        tag: whether the tag holds the row in the end.
        matches: searches whose key the row matches.
        tagged_rows: writes behind searches that reach the row.
        tagged_cells: cells that those writes put into the row.
        searches, writes: passes of the sequence.
    """

    inputs: tuple[Role, ...]
    cells: dict[Role, Table]
    tag: Table
    matches: Table
    tagged_rows: Table
    tagged_cells: Table
    searches: int
    writes: int


@cache
def sequence_effect(micros: Sequence, zeros: frozenset[Role]) -> Effect:
    """Run a sequence on every state.

    Args:
        micros: searches and writes; the tag is empty before them.
        zeros: roles whose cells hold 0 before.
    """
    roles = sorted({role for micro in micros for role, _ in micro.cells})
    written = sorted({role for micro in micros if not micro.is_search for role, _ in micro.cells})
    inputs = tuple(role for role in roles if role not in zeros)
    cells: dict[Role, list[int]] = {role: [] for role in written}
    columns: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])
    for bits in product((0, 1), repeat=len(inputs)):
        state = dict.fromkeys(zeros, 0) | dict(zip(reversed(inputs), bits, strict=True))
        tag, matches, tagged_rows, tagged_cells = 0, 0, 0, 0
        for micro in micros:
            if micro.is_search:
                match = int(all(state[role] == bit for role, bit in micro.cells))
                tag = match | (tag if micro.kind is Kind.SEARCH_OR else 0)
                matches += match
            elif tag or micro.kind is Kind.WRITE_ALL:
                state |= dict(micro.cells)
                tagged_rows += micro.kind is Kind.WRITE
                tagged_cells += len(micro.cells) * (micro.kind is Kind.WRITE)
        for role in written:
            cells[role].append(state[role])
        for column, number in zip(columns, (tag, matches, tagged_rows, tagged_cells), strict=True):
            column.append(number)
    searches = sum(micro.is_search for micro in micros)
    tag_table, match_table, row_table, cell_table = (tuple(column) for column in columns)
    return Effect(
        inputs=inputs,
        cells={role: tuple(column) for role, column in cells.items()},
        tag=tag_table,
        matches=match_table,
        tagged_rows=row_table,
        tagged_cells=cell_table,
        searches=searches,
        writes=len(micros) - searches,
    )


class PlaneLogic:
    """Emits planes of truth tables over the same inputs; what two tables have in common is emitted once."""

    def __init__(self, f: FunctionWriter, plane: str, inputs: list[Value]) -> None:
        """Start without any logic.

        Args:
            f: where to emit.
            plane: LLVM type of a plane.
            inputs: the plane of every input.
        """
        self._f, self._plane, self._inputs = f, plane, inputs
        self._known: dict[Table, Value] = {}

    def bits(self, table: Table) -> list[tuple[int, Value]]:
        """Return weights and planes whose weighted sum is the table's numbers."""
        count = max(table).bit_length()
        return [(1 << bit, self.plane(tuple(number >> bit & 1 for number in table))) for bit in range(count)]

    def plane(self, table: Table) -> Value:
        """Return the plane of a table of 0 and 1, by cases of its last input."""
        if table in self._known:
            return self._known[table]
        if len(set(table)) == 1:
            return const(self._plane, -table[0])
        f, half = self._f, len(table) // 2
        x = self._inputs[half.bit_length() - 1]
        low, high = table[:half], table[half:]
        if low == high:
            value = self.plane(low)
        elif not any(low):
            value = f.and_(x, self.plane(high)) if not all(high) else x
        elif not any(high):
            value = f.and_(f.not_(x), self.plane(low)) if not all(low) else f.not_(x)
        elif all(high):
            value = f.or_(x, self.plane(low))
        elif all(low):
            value = f.or_(f.not_(x), self.plane(high))
        elif all(a != b for a, b in zip(low, high, strict=True)):
            value = f.xor(x, self.plane(low))
        else:
            value = f.mux(x, self.plane(high), self.plane(low))
        self._known[table] = value
        return value
