"""The loader's checks of crossbar kernels: what a file may say, and the error for everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crossbar_kernels import MACRO, kernel_of, macro_with, program_of
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.errors import ProgramError
from imcflow.runtime.checks.crossbar import check_macro
from imcflow.runtime.container import content_hash, write_program
from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode, tile_instruction_dtype
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.loader import check_program, load_program
from imcflow.runtime.program import CrossbarKernel, Program

WEIGHTS = np.arange(-7, 8).reshape(3, 5)
KERNEL = kernel_of(WEIGHTS, np.array([1, 2, 3]), MACRO)
LOAD, MULTIPLY, ACCUMULATE, STORE = 0, 1, 2, 6  # two row blocks, then the store


def test_a_program_survives_the_file(tmp_path: Path):
    program = program_of(KERNEL, MACRO)
    check_program(program)
    write_program(program, tmp_path / "p.imcp")
    loaded = load_program(tmp_path / "p.imcp")
    assert content_hash(loaded) == content_hash(program)
    assert loaded.target.macro == MACRO
    x = np.arange(10, dtype=np.int8).reshape(2, 5) - 5
    np.testing.assert_array_equal(run_program(loaded, {"x": x})["y"], x @ WEIGHTS.T + [1, 2, 3])


def row(number: int, **fields: int) -> Callable[[CrossbarKernel], CrossbarKernel]:
    def change(kernel: CrossbarKernel) -> CrossbarKernel:
        table = kernel.instructions.copy()
        for name, value in fields.items():
            table[name][number] = value
        return replace(kernel, instructions=table)

    return change


def without(number: int) -> Callable[[CrossbarKernel], CrossbarKernel]:
    return lambda kernel: replace(kernel, instructions=np.delete(kernel.instructions, number))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (row(LOAD, opcode=9), "instruction 0: opcode 9 is unknown"),
        (row(LOAD, flags=2), r"\(LOAD\): flags 2, allowed bits 1"),
        (row(LOAD, element=1), r"\(LOAD\): element 1 must be 0"),
        (row(LOAD, macro=2), r"\(LOAD\): macro 2 must be 0 to 1"),
        (row(LOAD, slot=8), r"\(LOAD\): slot 8 must be 0 to 7"),
        (row(LOAD, rows=5), r"\(LOAD\): rows 5 must be 1 to 4"),
        (row(LOAD, columns=0), r"\(LOAD\): columns 0 must be 1 to 2"),
        (row(LOAD, row=4), r"\(LOAD\): row 4 must be 0 to 3"),
        (row(LOAD, column=1 << 31), r"\(LOAD\): column 2147483648 must be 0 to 1"),
        (row(LOAD, row=1), r"\(LOAD\): row 1 and 4 rows, a macro has 4"),
        (row(LOAD, column=1), r"\(LOAD\): column 1 and 2 columns, a macro has 2"),
        (row(LOAD, lanes=1), r"\(LOAD\): lanes 1 must be 0"),
        (row(LOAD, imm=1), r"\(LOAD\): imm 1 must be 0"),
        (row(LOAD, flags=0), r"\(LOAD\): weights -7 ... 1 are outside ui4"),
        (row(MULTIPLY, slot=3), r"\(MULTIPLY\): row 0, column 0 of slot 3 of macro 0 holds no weights yet"),
        (row(MULTIPLY, row=1, rows=3), r"\(MULTIPLY\): row 1, column 0 of slot 0 of macro 0 holds no weights yet"),
        (
            row(MULTIPLY, column=1, columns=1),
            r"\(MULTIPLY\): row 0, column 1 of slot 0 of macro 0 holds no weights yet",
        ),
        (row(MULTIPLY, lane=1), r"\(MULTIPLY\): lane 1 must be 0 to 0"),
        (row(MULTIPLY, lanes=2), r"\(MULTIPLY\): lanes 2 must be 0 to 1"),
        (row(MULTIPLY, rows=3), r"\(MULTIPLY\): 3 x 2 weights, row 0, column 0 of slot 0 of macro 0 holds 4 x 2"),
        (row(MULTIPLY, element=2), r"\(MULTIPLY\): element 2 and 4 rows, the window has 5"),
        (row(MULTIPLY, imm=1), r"\(MULTIPLY\): imm 1 \(full scale of the converters\) must be 0 to 0"),
        (row(ACCUMULATE, columns=1), r"\(ACCUMULATE\): 1 columns, the register of macro 0 holds 2 columns"),
        (row(ACCUMULATE, macro=1), r"\(ACCUMULATE\): 2 columns, the register of macro 1 holds nothing"),
        (row(ACCUMULATE, flags=0), "an accumulator is not started"),
        (row(ACCUMULATE, output=2), "output 2 and 2 columns, the kernel has 3 output channels"),
        (row(ACCUMULATE, shift=49), "shift 49 must be 0 to 48"),
        (row(ACCUMULATE, shift=48), "sums of up to .* exceed 2"),
        (row(STORE, flags=8), "flag STEP without a step table"),
        (row(STORE, output=1), "output 1: lane 0 has no sum"),
        (without(STORE), "output channel 0 is never stored"),
        (lambda kernel: replace(kernel, weight_bits=9), "weight_bits 9 must be 1 to 8"),
        (lambda kernel: replace(kernel, weights=kernel.weights.astype(np.int64)), "weights must be I8, I16 or I32"),
        (lambda kernel: replace(kernel, weights=np.append(kernel.weights, np.int16(0))), "15 of 16 weights are loaded"),
        (lambda kernel: replace(kernel, bias=kernel.bias[:2]), r"bias must be I64 \[3\], got int64 \[2\]"),
        (lambda kernel: replace(kernel, window=replace(kernel.window, bits=9)), "window: bits 9, the macros take 8"),
        (
            lambda kernel: replace(
                kernel,
                step_thresholds=np.zeros((2, 1), np.int64),
                step_low=np.zeros(2, np.int64),
                step_descending=np.zeros(2, np.bool_),
            ),
            "step table has 2 rows, expected 0 or 3",
        ),
        (
            lambda kernel: replace(
                kernel,
                step_thresholds=np.zeros((3, 1), np.int64),
                step_low=np.full(3, 2**31 - 1, np.int64),
                step_descending=np.zeros(3, np.bool_),
            ),
            "step_low and 1 levels give values outside si32",
        ),
    ],
)
def test_a_wrong_kernel_is_refused(change: Callable[[CrossbarKernel], CrossbarKernel], message: str):
    with pytest.raises(ProgramError, match=f"step 0 'fc'.*{message}"):
        check_program(program_of(change(KERNEL), MACRO))


@pytest.mark.parametrize(
    ("field", "value"), [("rows", 0), ("columns", 1 << 20), ("weight_bits", 33), ("adc_levels", 1)]
)
def test_a_wrong_macro_is_refused(field: str, value: int):
    with pytest.raises(ProgramError, match=f"target: macro {field} must be .* got {value}"):
        check_program(program_of(KERNEL, replace(MACRO, **{field: value})))


def test_crossbar_kernels_need_macros():
    program = program_of(KERNEL, MACRO)
    with pytest.raises(ProgramError, match="target: kind 'ap' has no macros to run crossbar_kernel steps"):
        check_program(replace(program, target=replace(program.target, kind="ap", macro=None)))


def shared(*rows: dict[str, int], lanes: int = 1) -> Program:
    """One column of weights 1, 2, 3, 4 in two tiles of two rows, on a map of `lanes` positions."""
    table = np.zeros(len(rows), tile_instruction_dtype())
    for target, fields in zip(table, rows, strict=True):
        for name, value in fields.items():
            target[name] = value
    kernel = kernel_of(np.array([[1, 2, 3, 4]]), np.array([0]), MACRO)
    window = replace(kernel.window, width=lanes)
    output = replace(kernel.output, width=lanes)
    kernel = replace(kernel, instructions=table, weights=np.array([1, 2, 3, 4], np.int8), window=window, output=output)
    program = program_of(kernel, MACRO)
    shapes = ((4, 1, lanes), (1, 1, lanes))
    tensors = tuple(replace(info, shape=shape) for info, shape in zip(program.tensors, shapes, strict=True))
    return replace(program, tensors=tensors)


def load(imm: int, **place: int) -> dict[str, int]:
    return {"opcode": TileOpcode.LOAD, "rows": 2, "columns": 1, "imm": imm, **place}


def multiply(element: int, **fields: int) -> dict[str, int]:
    return {"opcode": TileOpcode.MULTIPLY, "rows": 2, "columns": 1, "element": element, **fields}


START = {"opcode": TileOpcode.ACCUMULATE, "columns": 1, "flags": TileFlag.START}
ADD = {"opcode": TileOpcode.ACCUMULATE, "columns": 1}
STORED = {"opcode": TileOpcode.STORE, "columns": 1}


def test_tiles_share_a_plane():
    program = shared(load(0), load(2, row=2, column=1), multiply(0), START, multiply(2, row=2, column=1), ADD, STORED)
    check_program(program)
    x = np.arange(8, dtype=np.int8).reshape(2, 4, 1, 1) - 4
    np.testing.assert_array_equal(run_program(program, {"x": x})["y"].reshape(2), x.reshape(2, 4) @ [1, 2, 3, 4])


def test_a_tile_that_is_overwritten_is_not_used_any_more():
    loads = (load(0), load(2, row=1))
    with pytest.raises(ProgramError, match=r"instruction 2 \(MULTIPLY\): the weights at row 0, .* by instruction 1"):
        check_program(shared(*loads, multiply(0), START, multiply(2, row=1), ADD, STORED))
    check_program(shared(loads[0], multiply(0), START, loads[1], multiply(2, row=1), ADD, STORED))


def test_loads_of_more_weights_than_there_are_end_early():
    with pytest.raises(ProgramError, match="tiles of 6 weights are loaded, there are 4"):
        check_program(shared(load(0), load(2), load(2)))


def two_copies(second: int, lanes: int) -> Program:
    """A 4-row tile of all weights in each macro: lanes 0 to 3, and `lanes` from `second` on."""
    whole, first, rest = (
        {"rows": 4, "columns": 1},
        {"lane": 0, "lanes": 3},
        {"lane": second, "lanes": lanes, "macro": 1},
    )
    table = [
        load(0, **whole),
        load(4, macro=1, **whole),
        multiply(0, **whole, **first),
        multiply(0, **whole, **rest),
        START,
        {**START, "macro": 1},
        STORED,
    ]
    program = shared(*table, lanes=5)
    (kernel,) = program.crossbar_kernels
    return replace(program, steps=(replace(kernel, weights=np.tile(kernel.weights, 2)),))


def test_copies_share_the_lanes():
    program = two_copies(3, 2)
    check_program(program)
    x = np.random.default_rng(0).integers(-8, 8, (3, 4, 1, 5)).astype(np.int8)
    for fidelity in ("word", "micro"):
        found = run_program(program, {"x": x}, fidelity=fidelity)["y"].reshape(3, 5)
        np.testing.assert_array_equal(found, np.einsum("nchw,c->nw", x.astype(int), [1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("second", "lanes", "message"),
    [
        (4, 1, r"\(STORE\): output 0: lane 3 has no sum"),
        (3, 1, r"\(STORE\): output 0: lane 4 has no sum"),
        (2, 3, r"\(STORE\): output 0: lane 2 has a sum in two ranges of lanes"),
        (3, 3, r"\(MULTIPLY\): lane 3 and 3 lanes, an image has 5"),
    ],
)
def test_lanes_are_served_once(second: int, lanes: int, message: str):
    with pytest.raises(ProgramError, match=message):
        check_program(two_copies(second, lanes))


def test_as_many_ranges_of_lanes_as_can_be_told_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imcflow.runtime.checks.crossbar.MAX_LANE_SUMS", 1)
    with pytest.raises(ProgramError, match="2 ranges of lanes x 1 channels, at most 1"):
        check_program(two_copies(3, 2))


def test_a_macro_is_not_larger_than_a_plane_that_can_be_checked():
    with pytest.raises(ProgramError, match="target: macro has 65536 x 65536 cells, at most 67108864 are allowed"):
        check_program(program_of(KERNEL, replace(MACRO, rows=1 << 16, columns=1 << 16)))


@settings(max_examples=150)
@given(st.data())
def test_a_changed_table_is_refused_or_runs_the_same_in_both_fidelities(data: st.DataObject):
    program = two_copies(3, 2)
    (kernel,) = program.crossbar_kernels
    table = kernel.instructions.copy()
    for _ in range(data.draw(st.integers(1, 2))):
        name = data.draw(st.sampled_from(table.dtype.names or ()))
        limit = int(np.iinfo(table[name].dtype).max)
        values = st.one_of(st.integers(0, min(limit, 8)), st.sampled_from([limit, limit // 2 + 1]))
        table[name][data.draw(st.integers(0, len(table) - 1))] = data.draw(values)
    changed = replace(program, steps=(replace(kernel, instructions=table),))
    try:
        check_program(changed)
    except ProgramError:
        return
    x = np.random.default_rng(0).integers(-8, 8, (2, 4, 1, 5)).astype(np.int8)
    word, micro = (run_program(changed, {"x": x}, fidelity=fidelity)["y"] for fidelity in ("word", "micro"))
    np.testing.assert_array_equal(word, micro)


@pytest.mark.parametrize(
    ("cell_bits", "adc_levels", "message"),
    [
        (9, 255, "target: macro cell_bits must be 1 to 8, got 9"),
        (2, 2, "target: macro cell_bits 2: signed codes need adc_levels of at least 3, got 2"),
        (2, 0, "target: macro cell_bits 2: signed codes need adc_levels of at least 3, got 0"),
    ],
)
def test_cells_of_several_bits_need_signed_codes(cell_bits: int, adc_levels: int, message: str):
    with pytest.raises(ProgramError, match=message):
        check_macro(macro_with(adc_levels=adc_levels, cell_bits=cell_bits))


def test_bits_of_a_cell_survive_the_file_and_are_absent_if_one(tmp_path: Path):
    for cell_bits in (1, 4):
        macro = macro_with(adc_levels=255, cell_bits=cell_bits)
        kernel = kernel_of(np.ones((5, 11), np.int64), np.zeros(5, np.int64), macro)
        path = tmp_path / "program.imcp"
        write_program(program_of(kernel, macro), path)
        assert (b'"cell_bits":4' in path.read_bytes().replace(b" ", b"")) == (cell_bits == 4)
        assert load_program(path).target.macro == macro
