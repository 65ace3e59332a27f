"""What stays in the cells: two kernels on the same macros, and any set of rectangles against painting cell by cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from crossbar_kernels import MACRO, kernel_of
from hypothesis import given
from hypothesis import strategies as st

from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.isa import TileOpcode, tile_instruction_dtype
from imcflow.runtime.crossbar.residency import kernel_residencies
from imcflow.runtime.program import CrossbarKernel

SMALL = kernel_of(np.ones((2, 8), np.int64), np.zeros(2, np.int64), MACRO)  # two tiles: one in each macro


def moved(kernel: CrossbarKernel, slot: int) -> CrossbarKernel:
    """The kernel in another slot."""
    table = kernel.instructions.copy()
    table["slot"][table["opcode"] <= TileOpcode.MULTIPLY] = slot
    return replace(kernel, instructions=table)


def test_kernels_in_slots_of_their_own_are_loaded_once():
    for residency in kernel_residencies([SMALL, moved(SMALL, 1)]):
        assert (residency.resident_weights, residency.reloaded_weights, residency.reloaded_rows) == (16, 0, 0)


def test_kernels_in_the_same_slot_are_reloaded_in_every_inference():
    first, second, third = kernel_residencies([SMALL, moved(SMALL, 1), SMALL])
    assert (first.resident_weights, first.reloaded_weights, first.reloaded_rows) == (0, 16, 8)
    assert (second.resident_weights, third.reloaded_weights) == (16, 16)


def test_a_program_without_kernels_loads_nothing():
    assert kernel_residencies([]) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 4), st.integers(1, 3), st.integers(1, 3)),
        max_size=12,
    )
)
def test_shared_cells_are_those_of_every_pair(rectangles: list[tuple[int, int, int, int, int]]):
    loads = np.zeros(len(rectangles), tile_instruction_dtype())
    for load, rectangle in zip(loads, rectangles, strict=True):
        for name, value in zip(("slot", "row", "column", "rows", "columns"), rectangle, strict=True):
            load[name] = value
    cells = [
        {(slot, row + r, column + c) for r in range(rows) for c in range(columns)}
        for slot, row, column, rows, columns in rectangles
    ]
    later = [
        next((other for other in range(number + 1, len(cells)) if cells[number] & cells[other]), -1)
        for number in range(len(cells))
    ]
    alone = [
        not any(cells[number] & cells[other] for other in range(len(cells)) if other != number)
        for number in range(len(cells))
    ]
    found = shared_cells(loads)
    assert found.overwritten_by.tolist() == later
    assert found.alone.tolist() == alone
