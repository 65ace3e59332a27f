"""What one macro instruction does on the array: the searches and writes of every bit, as plain data.

The machine has two instructions besides shifts. A *search* compares a key with a few cells of every row and latches
the matching rows in the tag; a *write* stores constants into a few cells of the tagged rows. On the strict machine
each search replaces the tag; on an OR-latch machine a search may also OR into it. A written row can match a later
search, so the order inside a sequence is part of its correctness.

The sequences are those derived in `docs/instruction-stream.md`; the unit tests check each of them on its full truth
table. Notation, one token per array instruction: `?C0R1A1` search C=0, R=1, A=1; `|...` the same search OR-ed into
the tag; `!C1R0` write C:=1, R:=0 into the tagged rows; `*R0` write into every row.

Roles: A and B are source words, R the result word, C the carry or borrow cell. MAX_INTO uses the cells C and B as its
flags "A wins" and "R wins"; STEP uses them as "equal so far" and "greater".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from imcflow.runtime.isa import Flag, Opcode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Role(IntEnum):
    """Operand roles of the cells that a key or a write names."""

    C = 0
    A = 1
    B = 2
    R = 3


class Kind(IntEnum):
    """Array instructions other than shifts."""

    SEARCH = 0
    SEARCH_OR = 1
    WRITE = 2
    WRITE_ALL = 3


@dataclass(frozen=True, slots=True)
class Micro:
    """One search (`cells` is the key) or one write (`cells` are the values)."""

    kind: Kind
    cells: tuple[tuple[Role, int], ...]

    @property
    def is_search(self) -> bool:
        """Whether this array instruction changes the tag and nothing else."""
        return self.kind in (Kind.SEARCH, Kind.SEARCH_OR)


Sequence = tuple[Micro, ...]

_KIND_OF_MARK = {"?": Kind.SEARCH, "|": Kind.SEARCH_OR, "!": Kind.WRITE, "*": Kind.WRITE_ALL}


@cache
def sequence(text: str) -> Sequence:
    """Parse the notation of the module docstring."""
    return tuple(
        Micro(
            _KIND_OF_MARK[token[0]],
            tuple((Role[token[i]], int(token[i + 1])) for i in range(1, len(token), 2)),
        )
        for token in text.split()
    )


class Form(IntEnum):
    """Bit forms: what a bit step of a macro does, by which operands still have a cell at that bit."""

    ADD_AB = 0  # R := A + B + C
    ADD_A = 1  # R := A + C
    ADD_B = 2  # R := B + C
    ADD_0 = 3  # R := C
    SUB_AB = 4  # R := A - B - C
    SUB_A = 5  # R := A - C
    SUB_B = 6  # R := -B - C
    SUB_0 = 7  # R := -C
    NEG_A = 8  # R := -A - C
    INTO_A = 9  # R := R + A + C
    INTO_0 = 10  # R := R + C
    FROM_A = 11  # R := R - A - C
    FROM_0 = 12  # R := R - C
    COPY_A = 13  # R := A
    NOTHING = 14
    MAX_FIRST = 15  # the most significant bit, unsigned
    MAX_FIRST_SIGNED = 16  # the sign bit
    MAX_NEXT = 17
    RELU_SIGN = 18
    STEP_0 = 19  # threshold bit 0
    STEP_1 = 20  # threshold bit 1
    STEP_SIGN_0 = 21  # sign bit of a threshold >= 0
    STEP_SIGN_1 = 22  # sign bit of a negative threshold
    STEP_SELECT = 23  # tag the rows with A >= threshold, leave the flag "greater" set in them


_STRICT: dict[Form, str] = {
    Form.ADD_AB: "?C0B0A1 !R1 ?C0B1A0 !R1 ?C1B1A1 !R1 ?C1B0A0 !C0R1 ?C0B1A1 !C1",
    Form.ADD_A: "?C0A1 !R1 ?C1A0 !C0R1",
    Form.ADD_B: "?C0B1 !R1 ?C1B0 !C0R1",
    Form.ADD_0: "?C1 !C0R1",
    Form.SUB_AB: "?C0A0B1 !C1R1 ?C0A1B0 !R1 ?C1A0B0 !R1 ?C1A1B1 !R1 ?C1A1B0 !C0",
    Form.SUB_A: "?C0A1 !R1 ?C1A0 !R1 ?C1A1 !C0",
    Form.SUB_B: "?C0B1 !C1R1 ?C1B0 !R1",
    Form.SUB_0: "?C1 !R1",
    Form.NEG_A: "?C0A1 !C1R1 ?C1A0 !R1",
    Form.INTO_A: "?C0R1A1 !C1R0 ?C0R0A1 !R1 ?C1R0A0 !C0R1 ?C1R1A0 !R0",
    Form.INTO_0: "?C1R0 !C0R1 ?C1R1 !R0",
    Form.FROM_A: "?C0R0A1 !C1R1 ?C0R1A1 !R0 ?C1R1A0 !C0R0 ?C1R0A0 !R1",
    Form.FROM_0: "?C1R1 !C0R0 ?C1R0 !R1",
    Form.COPY_A: "?A1 !R1",
    Form.NOTHING: "",
    Form.MAX_FIRST: "?A1R0 !C1R1 ?A0R1 !B1",
    Form.MAX_FIRST_SIGNED: "?A0R1 !C1R0 ?A1R0 !B1",
    Form.MAX_NEXT: "?C1A0R1 !R0 ?C1A1R0 !R1 ?C0B0A1R0 !C1R1 ?C0B0A0R1 !B1",
    Form.RELU_SIGN: "?R1",
    Form.STEP_0: "?C1A1 !C0B1",
    Form.STEP_1: "?C1A0 !C0",
    Form.STEP_SIGN_0: "?C1A1 !C0",
    Form.STEP_SIGN_1: "?C1A0 !C0B1",
    Form.STEP_SELECT: "?C1 !B1 ?B1",
}

# MAX_FIRST reads A and R only, so its second search must not see what the first one wrote: ?A1R0 leaves A=1, R=1 and
# ?A0R1 leaves A=0, so neither result matches the other key. The first search of MAX_FIRST_SIGNED likewise.

_OR_LATCH: dict[Form, str] = _STRICT | {
    Form.ADD_AB: "?C1A0B0 |C0A1B0 |C0A0B1 |C1A1B1 !C0R1 ?C0A1B1 !C1",
    Form.SUB_AB: "?C1B0A0 |C0B1A0 |C0B0A1 |C1B1A1 !C1R1 ?C1B0A1 !C0",
    Form.SUB_A: "?C0A1 |C1A0 !R1 ?C1A1 !C0",
    Form.SUB_B: "?C0B1 |C1B0 !C1R1",
    Form.NEG_A: "?C0A1 |C1A0 !C1R1",
    Form.INTO_A: "?C1R0A0 !C0R1 ?C1R1A0 |C0R1A1 !C1R0 ?C0R0A1 !R1",
    Form.FROM_A: "?C1R1A0 !C0R0 ?C1R0A0 |C0R0A1 !C1R1 ?C0R1A1 !R0",
    Form.STEP_SELECT: "?B1 |C1 !B1",
}

CLEAR_RESULT = sequence("*R0")  # before the passes of a bit step whose result cell is not known to be 0
CLEAR_CARRY = sequence("*C0")
CLEAR_MAX_FLAGS = sequence("*C0B0")
START_STEP_FLAGS = sequence("*C1B0")


def form_sequence(form: Form, or_latch: bool) -> Sequence:
    """Return the searches and writes of one bit form."""
    return sequence((_OR_LATCH if or_latch else _STRICT)[form])


_NO_FLAGS = Flag(0)


@dataclass(frozen=True, slots=True)
class BitStep:
    """Array instructions that run while the ports stay where they are.

    Attributes:
        cells: per role the absolute cell addresses that its port stands on; only CLEAR has more than one.
        micros: searches and writes in order. The tag survives from one step to the next.
    """

    cells: dict[Role, tuple[int, ...]]
    micros: Sequence


@dataclass(frozen=True, slots=True)
class Macro:
    """One macro instruction with the field values that its expansion depends on (see `imcflow.runtime.isa`)."""

    opcode: Opcode
    flags: Flag = _NO_FLAGS
    a_bits: int = 0
    b_bits: int = 0
    r_bits: int = 0
    a: int = 0
    b: int = 0
    r: int = 0
    c: int = 0
    imm: int = 0
    imm2: int = 0


def expand(macro: Macro, *, or_latch: bool, domains: int = 64) -> Iterator[BitStep]:
    """Yield the bit steps of one macro instruction in execution order.

    Movements (LOAD, STORE, STORE_STEP, MOVE) have none: they are bits on a bus, not array instructions.

    Args:
        macro: a valid instruction.
        or_latch: whether the machine's tag can accumulate several searches.
        domains: cells per track; the distance between the words that one CLEAR empties.
    """
    opcode = macro.opcode
    if opcode in LSB_FIRST:
        yield from _arithmetic(macro, or_latch)
    elif opcode in (Opcode.CLEAR, Opcode.SET):
        words = range(macro.imm) if opcode is Opcode.CLEAR else range(1)
        value = 0 if opcode is Opcode.CLEAR else macro.imm
        for i in range(macro.r_bits):
            cells = tuple(macro.r + word * domains + i for word in words)
            yield BitStep({Role.R: cells}, sequence(f"*R{value >> i & 1}"))
    elif opcode is Opcode.RELU:
        yield BitStep({Role.R: (macro.r + macro.r_bits - 1,)}, (*form_sequence(Form.RELU_SIGN, or_latch), _write_r(0)))
        for i in reversed(range(macro.r_bits - 1)):
            yield BitStep({Role.R: (macro.r + i,)}, (_write_r(0),))
    elif opcode is Opcode.MAX_INTO:
        yield from _maximum(macro, or_latch)
    elif opcode is Opcode.STEP:
        yield from _step(macro, or_latch)


def operand_cell(base: int, bits: int, signed: bool, bit: int) -> int | None:
    """Return the cell that stands for `bit` of a word, or None where an unsigned word has no such bit."""
    if bit < bits:
        return base + bit
    return base + bits - 1 if signed else None


def _write_r(value: int) -> Micro:
    return Micro(Kind.WRITE, ((Role.R, value),))


# Opcode -> form with (A and B), A only, B only, neither. In-place and one-operand macros have no B.
LSB_FIRST: dict[Opcode, tuple[Form, Form, Form, Form]] = {
    Opcode.ADD: (Form.ADD_AB, Form.ADD_A, Form.ADD_B, Form.ADD_0),
    Opcode.SUB: (Form.SUB_AB, Form.SUB_A, Form.SUB_B, Form.SUB_0),
    Opcode.NEG: (Form.NEG_A, Form.NEG_A, Form.SUB_0, Form.SUB_0),
    Opcode.ADD_INTO: (Form.INTO_A, Form.INTO_A, Form.INTO_0, Form.INTO_0),
    Opcode.SUB_FROM: (Form.FROM_A, Form.FROM_A, Form.FROM_0, Form.FROM_0),
    Opcode.COPY: (Form.COPY_A, Form.COPY_A, Form.NOTHING, Form.NOTHING),
}
USES_CARRY = frozenset({Opcode.ADD, Opcode.SUB, Opcode.NEG, Opcode.ADD_INTO, Opcode.SUB_FROM})
CLEARS_RESULT = frozenset({Opcode.ADD, Opcode.SUB, Opcode.NEG, Opcode.COPY})


def _arithmetic(macro: Macro, or_latch: bool) -> Iterator[BitStep]:
    both, only_a, only_b, neither = LSB_FIRST[macro.opcode]
    uses_carry = macro.opcode in USES_CARRY
    clears_result = macro.opcode in CLEARS_RESULT and not macro.flags & Flag.R_IS_ZERO
    b_bits = macro.b_bits if macro.opcode in (Opcode.ADD, Opcode.SUB) else 0
    for i in range(macro.r_bits):
        a = operand_cell(macro.a, macro.a_bits, bool(macro.flags & Flag.A_SIGNED), i)
        b = operand_cell(macro.b, b_bits, bool(macro.flags & Flag.B_SIGNED), i) if b_bits else None
        cells: dict[Role, tuple[int, ...]] = {Role.R: (macro.r + i,)}
        if uses_carry:
            cells[Role.C] = (macro.c,)
        if a is not None:
            cells[Role.A] = (a,)
        if b is not None:
            cells[Role.B] = (b,)
        form = (both if b is not None else only_a) if a is not None else (only_b if b is not None else neither)
        micros = form_sequence(form, or_latch)
        if clears_result:
            micros = (*CLEAR_RESULT, *micros)
        if i == 0 and uses_carry and not macro.flags & Flag.C_IS_ZERO:
            micros = (*CLEAR_CARRY, *micros)
        if micros:
            yield BitStep(cells, micros)


def _maximum(macro: Macro, or_latch: bool) -> Iterator[BitStep]:
    first = Form.MAX_FIRST_SIGNED if macro.flags & Flag.R_SIGNED else Form.MAX_FIRST
    for i in reversed(range(macro.r_bits)):
        cells = {Role.A: (macro.a + i,), Role.R: (macro.r + i,), Role.C: (macro.c,), Role.B: (macro.b,)}
        if i == macro.r_bits - 1:
            yield BitStep(cells, (*CLEAR_MAX_FLAGS, *form_sequence(first, or_latch)))
        else:
            yield BitStep(cells, form_sequence(Form.MAX_NEXT, or_latch))


def _step(macro: Macro, or_latch: bool) -> Iterator[BitStep]:
    flags = {Role.C: (macro.c,), Role.B: (macro.b,)}
    for i in reversed(range(macro.a_bits)):
        bit = macro.imm >> i & 1
        form = Form.STEP_1 if bit else Form.STEP_0
        if i == macro.a_bits - 1 and macro.flags & Flag.A_SIGNED:
            form = Form.STEP_SIGN_1 if bit else Form.STEP_SIGN_0
        micros = form_sequence(form, or_latch)
        if i == macro.a_bits - 1:
            micros = (*START_STEP_FLAGS, *micros)
        yield BitStep({Role.A: (macro.a + i,), **flags}, micros)
    for i in range(macro.r_bits):
        micros: Sequence = (_write_r(macro.imm2 >> i & 1),)
        if i == 0:
            micros = (*form_sequence(Form.STEP_SELECT, or_latch), *micros)
        yield BitStep({Role.R: (macro.r + i,), **(flags if i == 0 else {})}, micros)


@dataclass(frozen=True, slots=True)
class PassCounts:
    """Array instructions of macro instructions: one number per instruction, int64 arrays of one shape.

    Attributes:
        searches: search instructions.
        writes: write instructions.
        searched_cells: key cells summed over the searches; times rows = cells compared.
        written_cells: value cells summed over the writes; times tagged rows = cells written at most.
    """

    searches: NDArray[np.int64]
    writes: NDArray[np.int64]
    searched_cells: NDArray[np.int64]
    written_cells: NDArray[np.int64]


@cache
def sequence_counts(micros: Sequence) -> tuple[int, int, int, int]:
    """Return (searches, writes, searched cells, written cells) of one sequence."""
    searches = [micro for micro in micros if micro.is_search]
    writes = [micro for micro in micros if not micro.is_search]
    return len(searches), len(writes), sum(len(m.cells) for m in searches), sum(len(m.cells) for m in writes)


def passes_per_word(
    opcode: Opcode, flags: Flag, a_bits: int, b_bits: int, r_bits: int, or_latch: bool
) -> tuple[int, int]:
    """Return (searches, writes) of one macro instruction in closed form, without expanding it."""
    import numpy as np

    from imcflow.runtime.isa import instruction_dtype

    row = np.zeros(1, instruction_dtype())
    row["opcode"], row["flags"], row["a_bits"], row["b_bits"], row["r_bits"] = opcode, flags, a_bits, b_bits, r_bits
    counts = table_passes(row, or_latch=or_latch)
    return int(counts.searches[0]), int(counts.writes[0])


def table_passes(instructions: NDArray[Any], *, or_latch: bool) -> PassCounts:
    """Count the searches and writes of a whole instruction table in closed form.

    Args:
        instructions: [instructions] rows of `imcflow.runtime.isa.instruction_dtype()`, checked by the loader.
        or_latch: whether the machine's tag can accumulate several searches.
    """
    import numpy as np

    totals = np.zeros((4, len(instructions)), np.int64)

    def add(micros: Sequence, times: NDArray[np.int64] | int) -> None:
        for total, count in zip(found, sequence_counts(micros), strict=True):
            if count:
                total += count * times

    opcodes = instructions["opcode"]
    for opcode in Opcode:
        rows = np.flatnonzero(opcodes == opcode)
        if not len(rows):
            continue
        table = instructions[rows]
        found = np.zeros((4, len(rows)), np.int64)
        r_bits = table["r_bits"].astype(np.int64)
        a_bits = table["a_bits"].astype(np.int64)
        if opcode in LSB_FIRST:
            a_reach = np.where(table["flags"] & Flag.A_SIGNED, r_bits, np.minimum(a_bits, r_bits))
            b_reach = np.zeros_like(r_bits)
            if opcode in (Opcode.ADD, Opcode.SUB):
                b_bits = table["b_bits"].astype(np.int64)
                b_reach = np.where(table["flags"] & Flag.B_SIGNED, r_bits, np.minimum(b_bits, r_bits))
            both, either = np.minimum(a_reach, b_reach), np.maximum(a_reach, b_reach)
            forms = (both, a_reach - both, b_reach - both, r_bits - either)
            for form, times in zip(LSB_FIRST[opcode], forms, strict=True):
                add(form_sequence(form, or_latch), times)
            if opcode in CLEARS_RESULT:
                add(CLEAR_RESULT, np.where(table["flags"] & Flag.R_IS_ZERO, 0, r_bits))
            if opcode in USES_CARRY:
                add(CLEAR_CARRY, np.where(table["flags"] & Flag.C_IS_ZERO, 0, 1))
        elif opcode is Opcode.CLEAR:
            found[1] += r_bits
            found[3] += r_bits * table["imm"]
        elif opcode is Opcode.SET:
            add(CLEAR_RESULT, r_bits)
        elif opcode is Opcode.RELU:
            add(form_sequence(Form.RELU_SIGN, or_latch), 1)
            add(CLEAR_RESULT, r_bits)
        elif opcode is Opcode.MAX_INTO:
            add(CLEAR_MAX_FLAGS, 1)
            add(form_sequence(Form.MAX_FIRST, or_latch), 1)
            add(form_sequence(Form.MAX_NEXT, or_latch), r_bits - 1)
        elif opcode is Opcode.STEP:
            signed = (table["flags"] & Flag.A_SIGNED).astype(bool)
            imm = table["imm"].astype(np.int64)
            ones = _set_bits(imm, a_bits)
            sign = imm >> (a_bits - 1) & 1
            add(START_STEP_FLAGS, 1)
            # Threshold bits of weight one or zero; at a sign bit the two forms swap their writes.
            add(form_sequence(Form.STEP_1, or_latch), ones + np.where(signed, 1 - 2 * sign, 0))
            add(form_sequence(Form.STEP_0, or_latch), a_bits - ones - np.where(signed, 1 - 2 * sign, 0))
            add(form_sequence(Form.STEP_SELECT, or_latch), 1)
            add(CLEAR_RESULT, r_bits)
        totals[:, rows] = found
    return PassCounts(*totals)


def _set_bits(values: NDArray[np.int64], bits: NDArray[np.int64]) -> NDArray[np.int64]:
    import numpy as np

    positions = np.arange(64, dtype=np.int64)
    return ((values[:, None] >> positions & 1) * (positions < bits[:, None])).sum(axis=1)
