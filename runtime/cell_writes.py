"""Who writes which cell how often: wear and tagged rows of a stream, from its bit steps alone.

A bit step runs one sequence of `imcflow.runtime.microcode` on the cells of its operands. Running that sequence on every
state of these cells gives, per operand role, the most writes that a row can take and the mean over uniformly random
bits. Which sequence a bit step runs follows from the instruction, so no data is needed.

Summed over a stream, the first is a bound on the wear of every cell, exact where one row can meet the worst state of
every bit step; the second is what writes behind a search reach on average.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.microcode import CLEARS_RESULT, LSB_FIRST, USES_CARRY, Form, Kind, Role, form_sequence

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Column = np.ndarray[Any, np.dtype[np.int64]]
    Amounts = np.ndarray[Any, np.dtype[np.float64]]

CELL_CLASSES = ("carry", "result", "input")
"""`carry`: carry, borrow and flag cells; `result`: sums and intermediate words; `input`: words loaded or moved in."""

_STARTS_AT_ZERO = frozenset(form for forms in (LSB_FIRST[opcode] for opcode in CLEARS_RESULT) for form in forms)
_FLAG_FORMS = frozenset({Form.MAX_FIRST, Form.MAX_FIRST_SIGNED, Form.MAX_NEXT})


@dataclass(frozen=True)
class RoleWrites:
    """Writes behind searches that one bit step makes to one operand's cell.

    Attributes:
        most: in the row that takes most.
        mean: over all rows, if every state of the operands is equally likely.
    """

    most: int
    mean: float


@cache
def form_writes(form: Form, or_latch: bool) -> dict[Role, RoleWrites]:
    """Return what one bit form writes; result cells that the form expects to be 0 are 0."""
    sequence = form_sequence(form, or_latch)
    counts: dict[Role, list[int]] = {role: [] for role in Role}
    for state in _states(form):
        cells = dict(state)
        tag = False
        written = dict.fromkeys(Role, 0)
        for micro in sequence:
            if micro.is_search:
                matches = all(cells[role] == value for role, value in micro.cells)
                tag = matches or (tag and micro.kind is Kind.SEARCH_OR)
            elif tag or micro.kind is Kind.WRITE_ALL:
                for role, value in micro.cells:
                    cells[role] = value
                    written[role] += 1
        for role, count in written.items():
            counts[role].append(count)
    return {role: RoleWrites(max(values), sum(values) / len(values)) for role, values in counts.items() if any(values)}


def _states(form: Form) -> Iterator[dict[Role, int]]:
    """Yield the states that a row can be in when the form starts."""
    for bits in product((0, 1), repeat=len(Role)):
        state: dict[Role, int] = dict(zip(Role, bits, strict=True))
        if form in _STARTS_AT_ZERO and state[Role.R]:
            continue
        # A wins and R wins exclude each other, and before the first bit neither has.
        if form in _FLAG_FORMS and state[Role.C] and state[Role.B]:
            continue
        if form in (Form.MAX_FIRST, Form.MAX_FIRST_SIGNED) and (state[Role.C] or state[Role.B]):
            continue
        yield state


@dataclass(frozen=True)
class Spans:
    """Bit steps of many instructions that run the same form.

    Attributes:
        form: what each of them does.
        rows: int64 [spans]; instruction numbers.
        first, stop: int64 [spans]; bits of the result word that run it.
    """

    form: Form
    rows: Any
    first: Column
    stop: Column


def bit_spans(table: InstructionTable) -> Iterator[Spans]:
    """Yield which bits of which instructions run which form; of all macros that compute but RELU and STEP."""
    opcodes = table["opcode"]
    for opcode in Opcode:
        rows = np.flatnonzero(opcodes == opcode)
        if not len(rows):
            continue
        part = table[rows]
        r_bits, a_bits = part["r_bits"].astype(np.int64), part["a_bits"].astype(np.int64)
        zero = np.zeros_like(r_bits)
        if opcode in LSB_FIRST:
            a_reach = np.where(part["flags"] & Flag.A_SIGNED, r_bits, np.minimum(a_bits, r_bits))
            b_reach = zero
            if opcode in (Opcode.ADD, Opcode.SUB):
                b_bits = np.minimum(part["b_bits"].astype(np.int64), r_bits)
                b_reach = np.where(part["flags"] & Flag.B_SIGNED, r_bits, b_bits)
            both, only_a, only_b, neither = LSB_FIRST[opcode]
            shorter, longer = np.minimum(a_reach, b_reach), np.maximum(a_reach, b_reach)
            yield Spans(both, rows, zero, shorter)
            yield Spans(only_a, rows, shorter, np.maximum(a_reach, shorter))
            yield Spans(only_b, rows, shorter, np.maximum(b_reach, shorter))
            yield Spans(neither, rows, longer, r_bits)
        elif opcode is Opcode.MAX_INTO:
            signed = (part["flags"] & Flag.R_SIGNED) != 0
            yield Spans(Form.MAX_FIRST, rows[~signed], (r_bits - 1)[~signed], r_bits[~signed])
            yield Spans(Form.MAX_FIRST_SIGNED, rows[signed], (r_bits - 1)[signed], r_bits[signed])
            yield Spans(Form.MAX_NEXT, rows, zero, r_bits - 1)


@dataclass(frozen=True)
class CellWrites:
    """Writes of one stream in one row.

    Attributes:
        worst: by cell class, int64 [tracks * domains]; most writes that a cell at this place takes in that role, in
            the array of the kernel that writes the place most.
        tagged_cells: cells written behind searches in an average row, operands uniformly random.
    """

    worst: dict[str, Column]
    tagged_cells: float

    @property
    def most(self) -> int:
        """Writes of the most written cell, all its roles together."""
        return int(np.sum(list(self.worst.values()), axis=0).max(initial=0))


def cell_writes(table: InstructionTable, *, tracks: int, domains: int, array_count: int, or_latch: bool) -> CellWrites:
    """Count the writes of a checked stream.

    Args:
        table: instruction rows.
        tracks, domains: geometry of an array.
        array_count: arrays that the cells span.
        or_latch: whether a search may add to the tag.
    """
    size = tracks * domains * array_count
    slope = {name: np.zeros(size + 1, np.int64) for name in ("result", "input")}
    single = np.zeros(size, np.int64)
    tagged = 0.0
    for spans in bit_spans(table):
        writes = form_writes(spans.form, or_latch)
        part, length = table[spans.rows], spans.stop - spans.first
        tagged += float(length.sum()) * sum(role.mean for role in writes.values())
        if Role.R in writes:
            _add_words(slope["result"], part["r"].astype(np.int64) + spans.first, length, writes[Role.R].most)
        for role, field in ((Role.C, "c"), (Role.B, "b")):
            if role in writes:
                _add_cells(single, part[field], length * writes[role].most)
    tagged += _add_relu(table, slope["result"]) + _add_steps(table, slope["result"], single, or_latch)
    _add_unconditional(table, slope, single, domains)
    words = {name: np.cumsum(values[:-1]).reshape(array_count, -1) for name, values in slope.items()}
    worst = {"carry": single.reshape(array_count, -1), **words}
    heaviest = np.sum(list(worst.values()), axis=0).argmax(axis=0)
    places = np.arange(tracks * domains)
    return CellWrites({name: values[heaviest, places] for name, values in worst.items()}, tagged)


def _add_cells(total: Column, cells: Any, amount: Any) -> None:
    np.add.at(total, cells.astype(np.int64), np.asarray(amount, np.int64))


def _add_words(slope: Column, start: Column, length: Column, times: int) -> None:
    """Add `times` writes to every cell of words, as steps of a running sum."""
    amount = np.where(length > 0, times, 0)
    np.add.at(slope, start, amount)
    np.add.at(slope, start + length, -amount)


def _word(part: InstructionTable, name: str = "r") -> tuple[Column, Column]:
    return part[name].astype(np.int64), part[f"{name}_bits"].astype(np.int64)


def _add_relu(table: InstructionTable, result: Column) -> float:
    """Add what RELU instructions write; every bit of a negative word, once."""
    start, length = _word(table[table["opcode"] == Opcode.RELU])
    _add_words(result, start, length, 1)
    return 0.5 * float(length.sum())


def _add_steps(table: InstructionTable, result: Column, flags: Column, or_latch: bool) -> float:
    """Add what STEP instructions write; return the cells that they write on average.

    A row is decided once, at the highest bit in which A differs from the threshold: its flag "equal so far" falls, and
    "greater" rises with it if A is greater. At the end the rows that reached the threshold are marked and written.
    """
    part = table[table["opcode"] == Opcode.STEP]
    if not len(part):
        return 0.0
    _add_cells(flags, part["c"], np.ones(len(part), np.int64))
    # On an OR-latch machine marking also rewrites the flag of rows that are greater.
    _add_cells(flags, part["b"], np.full(len(part), 2 if or_latch else 1))
    start, length = _word(part)
    _add_words(result, start, length, 1)
    a_bits = part["a_bits"].astype(np.int64)
    lowest = np.where(part["flags"] & Flag.A_SIGNED, -(1 << (a_bits - 1)), 0)
    below = (part["imm"].astype(np.int64) - lowest) / np.exp2(a_bits)
    equal, greater = np.exp2(-a_bits), 1 - below - np.exp2(-a_bits)
    marked = equal + (greater if or_latch else 0)
    return float((below + 2 * greater + marked + length * (1 - below)).sum())


def _add_unconditional(table: InstructionTable, slope: dict[str, Column], single: Column, domains: int) -> None:
    """Add writes that reach every row: loads, constants, clearing of words, carries and flags."""
    opcode, flags = table["opcode"], table["flags"]
    _add_words(slope["input"], *_word(table[(opcode == Opcode.LOAD) | (opcode == Opcode.MOVE)]), 1)
    cleared = np.isin(opcode, list(CLEARS_RESULT)) & ((flags & Flag.R_IS_ZERO) == 0)
    _add_words(slope["result"], *_word(table[cleared | (opcode == Opcode.SET)]), 1)
    clears = table[opcode == Opcode.CLEAR]
    words = clears["imm"].astype(np.int64)
    number = np.arange(int(words.sum())) - np.repeat(np.cumsum(words) - words, words)
    start, length = _word(clears)
    _add_words(slope["result"], np.repeat(start, words) + number * domains, np.repeat(length, words), 1)
    carries = np.isin(opcode, list(USES_CARRY)) & ((flags & Flag.C_IS_ZERO) == 0)
    two_flags = (opcode == Opcode.MAX_INTO) | (opcode == Opcode.STEP)
    for rows, field in ((carries | two_flags, "c"), (two_flags, "b")):
        part = table[rows]
        _add_cells(single, part[field], np.ones(len(part), np.int64))
