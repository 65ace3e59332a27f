"""The loader's checks of crossbar kernels: what a file may say, and the error for everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from crossbar_kernels import MACRO, kernel_of, program_of

from imcflow.errors import ProgramError
from imcflow.runtime.container import content_hash, write_program
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.loader import check_program, load_program
from imcflow.runtime.program import CrossbarKernel

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
        (row(LOAD, imm=1), r"\(LOAD\): imm 1 must be 0"),
        (row(LOAD, flags=0), r"\(LOAD\): weights -7 ... 1 are outside ui4"),
        (row(MULTIPLY, slot=3), r"\(MULTIPLY\): slot 3 of macro 0 holds no weights yet"),
        (row(MULTIPLY, rows=3), r"\(MULTIPLY\): 3 x 2 weights, slot 0 of macro 0 holds 4 x 2"),
        (row(MULTIPLY, element=2), r"\(MULTIPLY\): element 2 and 4 rows, the window has 5"),
        (row(MULTIPLY, imm=1), r"\(MULTIPLY\): imm 1 \(full scale of the converters\) must be 0 to 0"),
        (row(ACCUMULATE, columns=1), r"\(ACCUMULATE\): 1 columns, the register of macro 0 holds 2 columns"),
        (row(ACCUMULATE, macro=1), r"\(ACCUMULATE\): 2 columns, the register of macro 1 holds nothing"),
        (row(ACCUMULATE, flags=0), "an accumulator is not started"),
        (row(ACCUMULATE, output=2), "output 2 and 2 columns, the kernel has 3 output channels"),
        (row(ACCUMULATE, shift=49), "shift 49 must be 0 to 48"),
        (row(ACCUMULATE, shift=48), "sums of up to .* exceed 2"),
        (row(STORE, flags=8), "flag STEP without a step table"),
        (row(STORE, output=1), "a channel has no sum or is stored twice"),
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
