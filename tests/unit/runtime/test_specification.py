"""`docs/instruction-stream.md` says what the code does: fields, opcodes, flags, pass counts, limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from imcflow.runtime import limits
from imcflow.runtime.isa import INSTRUCTION_FIELDS, OPERANDS, Flag, Opcode
from imcflow.runtime.microcode import passes_per_word

NUMPY_TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4"}


@pytest.fixture(scope="module")
def text(repository: Path) -> str:
    return (repository / "docs" / "instruction-stream.md").read_text()


def rows_of(text: str, heading: str) -> list[list[str]]:
    section = text.split(heading)[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_fields_are_those_of_the_table(text: str) -> None:
    documented: list[tuple[str, str]] = []
    for names, kind, *_ in rows_of(text, "## 2 Instruction row"):
        documented += [(name, NUMPY_TYPES[kind]) for name in re.findall(r"`(\w+)`", names)]
    assert documented == list(INSTRUCTION_FIELDS)
    flags = next(row[2] for row in rows_of(text, "## 2 Instruction row") if row[0] == "`flags`")
    assert re.findall(r"(\d+) ([A-Z_]+)", flags) == [(str(flag.value), flag.name) for flag in Flag]


def test_the_opcodes_and_their_flags_are_documented(text: str) -> None:
    rows = rows_of(text, "## 3 Opcodes")
    assert [row[0] for row in rows] == [f"{opcode.value} {opcode.name}" for opcode in Opcode]
    for opcode, row in zip(Opcode, rows, strict=True):
        names = row[2].split("(")[0]
        if names.strip() == "same":
            names = rows[opcode - 2][2]
        assert set(re.findall(r"[A-Z_]{4,}", names)) == {flag.name for flag in OPERANDS[opcode].flags}, opcode.name


READY = Flag.R_IS_ZERO | Flag.C_IS_ZERO


@pytest.mark.parametrize(
    ("opcode", "phrase", "a_bits", "b_bits"),
    [
        (Opcode.COPY, "{} per bit that A has", 8, 0),
        (Opcode.ADD, "{};", 8, 8),
        (Opcode.ADD, "one operand {};", 8, 0),
        (Opcode.ADD, "none {}", 0, 0),
        (Opcode.SUB, "{};", 8, 8),
        (Opcode.SUB, "A only {};", 8, 0),
        (Opcode.SUB, "B only {};", 0, 8),
        (Opcode.SUB, "none {}", 0, 0),
        (Opcode.NEG, "{};", 8, 0),
        (Opcode.NEG, "none {}", 0, 0),
        (Opcode.ADD_INTO, "{};", 8, 0),
        (Opcode.ADD_INTO, "without A {}", 0, 0),
        (Opcode.SUB_FROM, "{};", 8, 0),
        (Opcode.SUB_FROM, "without A {}", 0, 0),
    ],
)
def test_the_documented_passes_per_bit_are_those_of_the_microcode(
    opcode: Opcode, phrase: str, a_bits: int, b_bits: int, text: str
) -> None:
    flags = READY & OPERANDS[opcode].flags
    searches, writes = passes_per_word(opcode, flags, a_bits, b_bits, 8, or_latch=False)
    assert searches % 8 == writes % 8 == 0
    figure = f"{searches // 8}+{writes // 8}"
    row = next(row for row in rows_of(text, "## 3 Opcodes") if row[0].endswith(f" {opcode.name}"))
    assert phrase.format(figure) in row[3]


def test_clearing_costs_what_is_documented() -> None:
    ready = passes_per_word(Opcode.ADD, READY, 8, 8, 9, or_latch=False)
    assert passes_per_word(Opcode.ADD, Flag.C_IS_ZERO, 8, 8, 9, or_latch=False) == (ready[0], ready[1] + 9)
    assert passes_per_word(Opcode.ADD, Flag.R_IS_ZERO, 8, 8, 9, or_latch=False) == (ready[0], ready[1] + 1)
    bits = 5
    assert passes_per_word(Opcode.MAX_INTO, Flag(0), bits, 0, bits, or_latch=False) == (2 + 16, 1 + 2 + 16)
    assert passes_per_word(Opcode.RELU, Flag(0), 0, 0, bits, or_latch=False) == (1, bits)
    assert passes_per_word(Opcode.STEP, Flag(0), bits, 0, 3, or_latch=False) == (bits + 2, 1 + bits + 1 + 3)
    assert passes_per_word(Opcode.SET, Flag(0), 0, 0, bits, or_latch=False) == (0, bits)


def test_the_limits_are_documented(text: str) -> None:
    paragraph = " ".join(text.split("\nLimits: ")[1].split())
    for phrase, limit in (
        ("file 2^{}", limits.MAX_FILE_BYTES),
        ("its header 2^{}", limits.MAX_FILE_HEADER_BYTES),
        ("program header 2^{}", limits.MAX_PROGRAM_HEADER_BYTES),
        ("2^{} tensors in the file", limits.MAX_FILE_TENSORS),
        ("2^{} buffers", limits.MAX_TENSORS),
        ("2^{} steps", limits.MAX_STEPS),
        ("2^{} elements per buffer", limits.MAX_ELEMENTS),
        ("2^{} cells", limits.MAX_CELLS),
        ("2^{} instructions", limits.MAX_INSTRUCTIONS),
        ("2^{} rows, tracks and domains", limits.MAX_GEOMETRY),
    ):
        assert phrase.format(limit.bit_length() - 1) in paragraph
        assert limit == 1 << (limit.bit_length() - 1)
    assert f"{limits.MAX_AXES} axes" in paragraph
    assert f"{limits.MAX_PORTS_PER_KERNEL} inputs" in paragraph
