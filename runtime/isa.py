"""The associative-processor instruction set: opcodes, operand fields and the packed table layout.

`docs/instruction-stream.md` is the specification; this module is its machine-readable form. One row of an
instruction table is one *macro instruction* on words. A word of `n` bits lies along `n` consecutive domains of one
track, least significant bit first; its address is the cell of bit 0:

    cell = (array * tracks + track) * domains + domain

Every row (lane) of an array executes the same instruction. A macro expands deterministically into the searches,
writes and shifts listed in `imcflow.runtime.microcode`; all counters are counted on that expansion.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

INSTRUCTION_BYTES = 32

# Field name, numpy type; little endian, no padding. `imc-unpack` and the assembler print the same names.
INSTRUCTION_FIELDS: tuple[tuple[str, str], ...] = (
    ("opcode", "u1"),
    ("flags", "u1"),
    ("a_bits", "u1"),
    ("b_bits", "u1"),
    ("r_bits", "u1"),
    ("port", "u1"),  # LOAD: which input of the kernel; STORE: which output
    ("reserved", "<u2"),  # must be 0
    ("a", "<u4"),  # cell address of the first source word
    ("b", "<u4"),  # cell address of the second source word, or a second flag cell
    ("r", "<u4"),  # cell address of the result word
    ("c", "<u4"),  # cell address of the carry/borrow cell, or the first flag cell
    ("imm", "<i4"),
    ("imm2", "<i4"),
)


def instruction_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one instruction row (32 bytes)."""
    import numpy as np

    return np.dtype(list(INSTRUCTION_FIELDS))


class Flag(IntFlag):
    """Bits of the `flags` field."""

    A_SIGNED = 1  # A is two's complement: its top cell stands for every higher bit
    B_SIGNED = 2  # likewise for B
    R_IS_ZERO = 4  # the program guarantees that R holds 0; no clearing writes are issued (the loader proves it)
    C_IS_ZERO = 8  # the program guarantees that the carry cell holds 0 (the loader proves it)
    R_SIGNED = 16  # MAX_INTO compares in two's complement


NO_FLAGS = Flag(0)


class Opcode(IntEnum):
    """Macro instructions.

    `R`, `A`, `B` are words; arithmetic is modulo 2**r_bits; A and B are extended by their sign flag. `C` and the second
    flag are single cells. All words of one instruction lie on different tracks of one array (MOVE: of any array).
    """

    LOAD = 1  # R := element `imm` of the lane's window of kernel input `port`
    STORE = 2  # kernel output `port`, element `imm`, of the lane := A
    STORE_STEP = 3  # like STORE, through row `imm2` of the kernel's step table in the digital unit
    CLEAR = 4  # `imm` words on consecutive tracks, r_bits each from cell R on := 0
    SET = 5  # R := imm (modulo 2**r_bits)
    COPY = 6  # R := A
    ADD = 7  # R := A + B, carry C
    SUB = 8  # R := A - B, borrow C
    NEG = 9  # R := -A, borrow C
    ADD_INTO = 10  # R := R + A, carry C
    SUB_FROM = 11  # R := R - A, borrow C
    MAX_INTO = 12  # R := max(R, A), a_bits == r_bits, flag cells C and B
    RELU = 13  # R := max(R, 0), R two's complement
    STEP = 14  # where A >= imm: R := imm2; flag cells C and B
    MOVE = 15  # R := A, between arrays, r_bits == a_bits


@dataclass(frozen=True)
class OperandUse:
    """Which fields an opcode reads: every other field must be 0 in a valid instruction."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    immediates: tuple[str, ...] = ()
    flags: Flag = NO_FLAGS


OPERANDS: dict[Opcode, OperandUse] = {
    Opcode.LOAD: OperandUse(writes=("r",), immediates=("imm", "port")),
    Opcode.STORE: OperandUse(reads=("a",), immediates=("imm", "port"), flags=Flag.A_SIGNED),
    Opcode.STORE_STEP: OperandUse(reads=("a",), immediates=("imm", "imm2", "port"), flags=Flag.A_SIGNED),
    Opcode.CLEAR: OperandUse(writes=("r",), immediates=("imm",)),
    Opcode.SET: OperandUse(writes=("r",), immediates=("imm",)),
    Opcode.COPY: OperandUse(reads=("a",), writes=("r",), flags=Flag.A_SIGNED | Flag.R_IS_ZERO),
    Opcode.ADD: OperandUse(
        reads=("a", "b"),
        writes=("r",),
        cells=("c",),
        flags=Flag.A_SIGNED | Flag.B_SIGNED | Flag.R_IS_ZERO | Flag.C_IS_ZERO,
    ),
    Opcode.SUB: OperandUse(
        reads=("a", "b"),
        writes=("r",),
        cells=("c",),
        flags=Flag.A_SIGNED | Flag.B_SIGNED | Flag.R_IS_ZERO | Flag.C_IS_ZERO,
    ),
    Opcode.NEG: OperandUse(
        reads=("a",), writes=("r",), cells=("c",), flags=Flag.A_SIGNED | Flag.R_IS_ZERO | Flag.C_IS_ZERO
    ),
    Opcode.ADD_INTO: OperandUse(reads=("a", "r"), writes=("r",), cells=("c",), flags=Flag.A_SIGNED | Flag.C_IS_ZERO),
    Opcode.SUB_FROM: OperandUse(reads=("a", "r"), writes=("r",), cells=("c",), flags=Flag.A_SIGNED | Flag.C_IS_ZERO),
    Opcode.MAX_INTO: OperandUse(reads=("a", "r"), writes=("r",), cells=("c", "b"), flags=Flag.R_SIGNED),
    Opcode.RELU: OperandUse(reads=("r",), writes=("r",)),
    Opcode.STEP: OperandUse(
        reads=("a",), writes=("r",), cells=("c", "b"), immediates=("imm", "imm2"), flags=Flag.A_SIGNED
    ),
    Opcode.MOVE: OperandUse(reads=("a",), writes=("r",)),
}

MAX_WORD_BITS = 62  # lanes are exchanged with int64 tensors; two spare bits keep host arithmetic exact
