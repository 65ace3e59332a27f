"""Text and instruction tables translate into each other exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import ProgramError
from imcflow.runtime.assembler import Geometry, assemble, disassemble, disassemble_rows
from imcflow.runtime.isa import INSTRUCTION_FIELDS, OPERANDS, Opcode, instruction_dtype
from imcflow.runtime.program import Program

GEOMETRY = Geometry(tracks=16, domains=32)


@st.composite
def rows(draw: st.DrawFn) -> tuple[int, ...]:
    """One well-formed instruction: unused fields are 0, used ones anything that fits the field."""
    opcode = draw(st.sampled_from(list(Opcode)))
    use = OPERANDS[opcode]
    fields = dict.fromkeys((name for name, _ in INSTRUCTION_FIELDS), 0)
    fields["opcode"] = opcode
    cell = st.integers(0, 2**32 - 1)
    for word in {*use.reads, *use.writes}:
        fields[word] = draw(cell)
        fields[f"{word}_bits"] = draw(st.integers(0, 255))
    for name in use.cells:
        fields[name] = draw(cell)
    for name in use.immediates:
        fields[name] = draw(st.integers(0, 255) if name == "port" else st.integers(-(2**31), 2**31 - 1))
    fields["flags"] = draw(st.integers(0, 31)) & use.flags
    return tuple(fields.values())


@given(st.lists(rows(), max_size=20))
def test_tables_survive_the_text(values: list[tuple[int, ...]]) -> None:
    table = np.array(values, dtype=instruction_dtype())
    text = "\n".join(disassemble_rows(table, GEOMETRY))
    np.testing.assert_array_equal(assemble(text, GEOMETRY), table)


def test_text_survives_the_table(program: Program) -> None:
    kernel = program.kernels[0]
    text = disassemble(kernel, program.target)
    np.testing.assert_array_equal(assemble(text, Geometry.of(program.target)), kernel.instructions)
    assert text.startswith("; Conv_0: operands\nclear      r=0:0+8 words=4\n")
    assert "\nadd        r=4:0+5 a=0:0+4u b=1:0+4u c=15:0 rzero\n" in text


def test_the_fields_are_those_of_the_line() -> None:
    (row,) = assemble("sub r=1/2:3+5 a=0:0+4s b=2/1:7+6u c=15:31 czero rzero ; comment", GEOMETRY)
    assert {name: int(row[name]) for name, _ in INSTRUCTION_FIELDS} == {
        "opcode": Opcode.SUB,
        "flags": 1 + 4 + 8,
        "a_bits": 4,
        "b_bits": 6,
        "r_bits": 5,
        "port": 0,
        "reserved": 0,
        "a": 0,
        "b": (2 * 16 + 1) * 32 + 7,
        "r": (16 + 2) * 32 + 3,
        "c": 15 * 32 + 31,
        "imm": 0,
        "imm2": 0,
    }


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("mul r=0:0+4", "line 2: unknown instruction 'mul'; known: load"),
        ("load r=0:0+4 in=0", "load needs element"),
        ("load r=0:0+4 in=0 element=1 element=2", "'element=2' does not belong to load, or is there twice"),
        ("load r=0:0+4 in=256 element=0", "port = 256 is outside 0 to 255"),
        ("load r=0:0+4 in=x element=0", "'in=x' needs an integer"),
        ("load r=0:0 in=0 element=0", "a word needs \\+bits"),
        ("load r=0:0+4u in=0 element=0", "has no sign after its bits"),
        ("load r=16:0+4 in=0 element=0", "16 tracks of 32 domains"),
        ("load r=zero in=0 element=0", "a place is written"),
        ("copy r=0:0+4 a=1:0+4", "needs u or s after its bits"),
        ("copy r=0:0+4 a=1:0+4u czero", "'czero' does not belong to copy"),
        ("add r=0:0+4 a=1:0+4u b=2:0+4u c=3:0+1", "a cell has no \\+bits"),
        ("load r=9999999/0:0+4 in=0 element=0", "r = .* is outside"),
    ],
)
def test_wrong_lines_are_refused_with_their_number(line: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as caught:
        assemble(f"; header\n{line}\n", GEOMETRY)
    assert caught.value.message.startswith("line 2")


def test_rows_that_break_the_form_have_no_text() -> None:
    table = assemble("relu r=0:0+4", GEOMETRY)
    table["imm"] = 3
    with pytest.raises(ProgramError, match="instruction 0: imm = 3 has no place in: relu"):
        list(disassemble_rows(table, GEOMETRY))
    table["opcode"] = 77
    with pytest.raises(ProgramError, match="opcode 77 is unknown"):
        list(disassemble_rows(table, GEOMETRY))
