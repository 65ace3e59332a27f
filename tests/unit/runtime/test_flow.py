"""The compiled forward pass agrees with a Python loop over sets of cells."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imcflow.errors import ProgramError
from imcflow.runtime.checks.flow import (
    EVENTS_PER_INSTRUCTION,
    NEED_ZERO,
    READ,
    WRITE,
    WRITE_ZERO,
    check_flow,
    compiled_flow,
    flow_events,
)
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype

DOMAINS = 80
TRACKS = 4
CELLS = DOMAINS * TRACKS


def first_failure(events: list[tuple[int, int, int, int]]) -> int:
    """The slow and obvious forward pass over (kind, cell, bits, words)."""
    written: set[int] = set()
    zero: set[int] = set()
    for index, (kind, cell, bits, words) in enumerate(events):
        for word in range(words):
            cells = set(range(cell + word * DOMAINS, cell + word * DOMAINS + bits))
            if (kind == READ and not cells <= written) or (kind == NEED_ZERO and not cells <= zero):
                return index
            if kind in (WRITE, WRITE_ZERO):
                written |= cells
                zero = zero | cells if kind == WRITE_ZERO else zero - cells
    return -1


@st.composite
def event(draw: st.DrawFn) -> tuple[int, int, int, int]:
    bits = draw(st.integers(1, 62))
    cell = draw(st.integers(0, DOMAINS - bits)) + DOMAINS * draw(st.integers(0, 1))
    kind = draw(st.sampled_from([READ, NEED_ZERO, WRITE, WRITE_ZERO, WRITE_ZERO]))
    return kind, cell, bits, draw(st.integers(1, 3))


@given(st.lists(event(), max_size=12))
def test_the_compiled_pass_finds_the_first_failure(events: list[tuple[int, int, int, int]]) -> None:
    coded = np.array([(cell, kind | bits << 3 | words << 9) for kind, cell, bits, words in events], np.uint32)
    written = np.zeros(CELLS // 64 + 2, np.uint64)
    found = compiled_flow()(coded.reshape(-1, 2), DOMAINS, written, np.zeros_like(written))
    assert found == first_failure(events)


def test_failures_are_found_beyond_the_first_piece() -> None:
    table = np.zeros(70_000, instruction_dtype())
    table["opcode"] = Opcode.RELU
    table["r_bits"] = 4
    table["opcode"][0] = Opcode.SET
    check_flow(table, cells=CELLS, domains=DOMAINS, where="k")
    table["r"][69_999] = 1
    try:
        check_flow(table, cells=CELLS, domains=DOMAINS, where="k")
    except ProgramError as error:
        message = error.message
    else:
        message = ""
    assert message == "k: instruction 69999 (RELU): reads 4 bits at cell r=1 before all are written"


def test_a_carry_is_known_to_be_zero_only_after_an_unsigned_addition_with_a_spare_bit() -> None:
    table = np.zeros(4, instruction_dtype())
    table["opcode"] = Opcode.ADD
    table["a_bits"], table["b_bits"], table["r_bits"] = 4, 3, 5
    table["flags"][1] = Flag.A_SIGNED
    table["flags"][2] = Flag.B_SIGNED
    table["r_bits"][3] = 4
    kinds = flow_events(table).reshape(len(table), EVENTS_PER_INSTRUCTION, 2)[:, 5, 1] & 7
    assert kinds.tolist() == [WRITE_ZERO, WRITE, WRITE, WRITE]
