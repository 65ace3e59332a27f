"""Wear of cells: bounds and averages of the counters against writes counted one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sum_programs import machine

from imcflow.runtime.assembler import Geometry, assemble
from imcflow.runtime.cell_writes import cell_writes, form_writes
from imcflow.runtime.execution.oracle import macro_of
from imcflow.runtime.isa import Opcode
from imcflow.runtime.microcode import Form, Kind, Role, expand

GEOMETRY = Geometry.of(machine().summary())
TRACKS, DOMAINS = GEOMETRY.tracks, GEOMETRY.domains
MOVEMENTS = (Opcode.LOAD, Opcode.STORE, Opcode.STORE_STEP, Opcode.MOVE)


def counted_writes(table: np.ndarray, planes: np.ndarray, *, or_latch: bool) -> tuple[np.ndarray, np.ndarray]:
    """Execute a stream on bits [cells, lanes]; return, per cell and lane, all writes and those behind a search.

    Loaded and moved words become random: what matters here is how often cells are written, not with what.
    """
    random = np.random.default_rng(1)
    everything, behind_search = (np.zeros(planes.shape, np.int64) for _ in range(2))
    for row in table:
        opcode = Opcode(int(row["opcode"]))
        if opcode in MOVEMENTS:
            if opcode in (Opcode.LOAD, Opcode.MOVE):
                cells = np.arange(int(row["r"]), int(row["r"]) + int(row["r_bits"]))
                planes[cells] = random.integers(0, 2, (len(cells), planes.shape[1]))
                everything[cells] += 1
            continue
        tag = np.zeros(planes.shape[1], np.bool_)
        for step in expand(macro_of(row), or_latch=or_latch, domains=DOMAINS):
            for micro in step.micros:
                if micro.is_search:
                    match = np.all([planes[step.cells[role][0]] == bit for role, bit in micro.cells], axis=0)
                    tag = tag | match if micro.kind is Kind.SEARCH_OR else match
                    continue
                # CLEAR and SET have writes without a search before them: they reach every row.
                all_rows = micro.kind is Kind.WRITE_ALL
                for role, bit in micro.cells:
                    for cell in step.cells[role]:
                        reached = np.ones_like(tag) if all_rows else tag
                        planes[cell, reached] = bool(bit)
                        everything[cell] += reached
                        behind_search[cell] += 0 if all_rows else reached
    return everything, behind_search


def worst_of(text: str, *, or_latch: bool = False) -> dict[str, np.ndarray[Any, np.dtype[np.int64]]]:
    table = assemble(text, GEOMETRY)
    return cell_writes(table, tracks=TRACKS, domains=DOMAINS, array_count=1, or_latch=or_latch).worst


@pytest.mark.parametrize("or_latch", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_no_row_writes_a_cell_more_often_than_the_bound(random_stream: Any, seed: int, or_latch: bool) -> None:
    kernel, _ = random_stream(seed)
    writes = cell_writes(
        kernel.instructions, tracks=TRACKS, domains=DOMAINS, array_count=kernel.array_count, or_latch=or_latch
    )
    planes = np.random.default_rng(seed).integers(0, 2, (kernel.array_count * TRACKS * DOMAINS, 64)).astype(np.bool_)
    everything, behind_search = counted_writes(kernel.instructions, planes, or_latch=or_latch)
    observed = everything.max(axis=1).reshape(kernel.array_count, -1).max(axis=0)
    bound = sum(writes.worst.values())
    assert (observed <= bound).all()
    # What is written at all is known exactly, and so is what reaches every row.
    assert ((bound > 0) >= (observed > 0)).all()
    assert writes.most == int(np.max(bound))
    assert behind_search.sum() / 64 <= writes.tagged_cells * 2


ADDS = "\n".join(
    [
        "load r=0:0+8 in=0 element=0",
        "load r=1:0+8 in=0 element=1",
        "add r=2:0+9 a=0:0+8u b=1:0+8u c=3:0",
        "sub r=4:0+9 a=0:0+8u b=1:0+8u c=3:0",
        "add_into r=2:0+9 a=1:0+8u c=3:0",
        "sub_from r=4:0+9 a=1:0+8u c=3:0",
        "copy r=5:0+8 a=0:0+8u",
        "neg r=6:0+9 a=0:0+8u c=3:0",
    ]
)


@pytest.mark.parametrize("or_latch", [False, True])
def test_uniformly_random_operands_write_as_many_cells_as_the_mean_says(or_latch: bool) -> None:
    for line in ADDS.splitlines()[2:]:
        table = assemble(line, GEOMETRY)
        mean = cell_writes(table, tracks=TRACKS, domains=DOMAINS, array_count=1, or_latch=or_latch).tagged_cells
        planes = np.random.default_rng(7).integers(0, 2, (TRACKS * DOMAINS, 4096)).astype(np.bool_)
        _, behind_search = counted_writes(table, planes, or_latch=or_latch)
        # The first carry is known to be 0, and carries of uniform words are not quite uniform.
        assert behind_search.sum() / 4096 == pytest.approx(mean, rel=0.12), line


def test_bounds_worked_out_by_hand() -> None:
    # The carry: cleared once per instruction, then at most one write in each of 6 bits; a strict machine.
    worst = worst_of("add_into r=0:0+6 a=1:0+4u c=2:0\n" * 3 + "add_into r=0:0+6 a=1:0+4u c=3:0\n")
    assert worst["carry"][2 * DOMAINS] == 3 * 7
    assert worst["carry"][3 * DOMAINS] == 7
    assert worst["result"][:6].tolist() == [4] * 6
    # Out of place: the result is cleared and then written once.
    worst = worst_of("load r=0:0+4 in=0 element=0\nadd r=2:0+5 a=0:0+4u b=1:0+4u c=3:0 czero")
    assert worst["input"][:5].tolist() == [1, 1, 1, 1, 0]
    assert worst["result"][2 * DOMAINS : 2 * DOMAINS + 6].tolist() == [2, 2, 2, 2, 2, 0]
    assert worst["carry"][3 * DOMAINS] == 5
    assert worst_of("clear r=4:3+2 words=3")["result"].nonzero()[0].tolist() == [
        track * DOMAINS + domain for track in (4, 5, 6) for domain in (3, 4)
    ]


def test_the_or_latch_may_write_a_carry_twice_in_one_bit() -> None:
    # A row with both operands and the carry set is cleared with the others and then set again.
    assert form_writes(Form.ADD_AB, or_latch=False)[Role.C].most == 1
    assert form_writes(Form.ADD_AB, or_latch=True)[Role.C].most == 2
    assert form_writes(Form.ADD_AB, or_latch=False)[Role.R].mean == 0.5
    # Half of all rows get a result; the carry changes in two of eight rows, and is rewritten in four more.
    assert form_writes(Form.ADD_AB, or_latch=True)[Role.C].mean == 0.75
