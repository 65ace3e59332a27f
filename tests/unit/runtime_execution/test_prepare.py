"""What reaches compiled code has been checked on the very numbers it uses, whatever the loader let through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from imcflow.errors import ProgramError
from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep, fitted_words
from imcflow.runtime.execution.prepare import prepare_kernel
from imcflow.runtime.execution.step_masks import step_masks
from imcflow.runtime.execution.windows import gather_runs
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.kernels.layout import RESERVED_CELLS, Handler
from imcflow.runtime.program import ApKernel

StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]


def table(*rows: dict[str, int]) -> np.ndarray:
    result = np.zeros(len(rows), instruction_dtype())
    for target, fields in zip(result, rows, strict=True):
        for name, value in fields.items():
            target[name] = value
    return result


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"opcode": 99}, "unknown opcode 99"),
        ({"opcode": Opcode.LOAD, "r_bits": 0}, "LOAD with r_bits=0, allowed: 1..62"),
        ({"opcode": Opcode.LOAD, "r_bits": 63}, "LOAD with r_bits=63, allowed: 1..62"),
        ({"opcode": Opcode.LOAD, "r_bits": 4, "port": 2}, "LOAD with port=2, allowed: below 2"),
        ({"opcode": Opcode.LOAD, "r_bits": 4, "imm": -1}, "LOAD with imm=-1, allowed: an element of the port"),
        ({"opcode": Opcode.LOAD, "r_bits": 4, "imm": 10**6}, "LOAD with imm=1000000, allowed: an element of the port"),
        (
            {"opcode": Opcode.STORE, "a_bits": 4, "imm": 10**6},
            "STORE with imm=1000000, allowed: an element of the port",
        ),
        ({"opcode": Opcode.STORE, "a_bits": 4, "port": 200}, "STORE with port=200, allowed: below 7"),
        ({"opcode": Opcode.STORE_STEP, "a_bits": 4, "imm2": 4}, "STORE_STEP with imm2=4, allowed: 0..3"),
        ({"opcode": Opcode.MAX_INTO, "a_bits": 4, "r_bits": 5}, "MAX_INTO with a_bits=4, allowed: the same as r_bits"),
        ({"opcode": Opcode.CLEAR, "r_bits": 4, "imm": 0}, "imm=0, CLEAR needs at least 1"),
        ({"opcode": Opcode.CLEAR, "r_bits": 4, "imm": 2**30}, "1073741824 words to process, at most"),
    ],
)
def test_instructions_outside_their_ranges_are_refused(
    random_stream: StreamMaker, fields: dict[str, int], message: str
) -> None:
    kernel = replace(random_stream(1)[0], instructions=table(fields))
    with pytest.raises(ProgramError, match=message):
        prepare_kernel(kernel, 64, fused=True)


def test_windows_outside_their_maps_are_refused(random_stream: StreamMaker) -> None:
    kernel, tensors = random_stream(1)
    top, left, bottom, right = kernel.inputs[0].pads
    outside = replace(kernel.inputs[0], pads=(-1, left, bottom + top + 1, right))
    prepared = prepare_kernel(replace(kernel, inputs=(outside, kernel.inputs[1])), 64, fused=True)
    with pytest.raises(ProgramError, match="an input window reaches outside its padded map"):
        ArrayStep(prepared, len(tensors[0]), ArraySettings("word", or_latch=False), 8, Workspace())


def test_cells_are_numbered_densely_and_words_stay_together(random_stream: StreamMaker) -> None:
    rows = table(
        {"opcode": Opcode.SET, "r": 2**32 - 9, "r_bits": 8},
        {"opcode": Opcode.SET, "r": 2**32 - 5, "r_bits": 5},
        {"opcode": Opcode.SET, "r": 7, "r_bits": 3},
    )
    prepared = prepare_kernel(replace(random_stream(1)[0], instructions=rows), 64, fused=True)
    assert prepared.cell_count == RESERVED_CELLS + 3 + 9
    assert (prepared.rows["r"] - RESERVED_CELLS).tolist() == [3, 7, 0]


def test_only_zeros_that_are_read_are_written(random_stream: StreamMaker) -> None:
    add = {"opcode": Opcode.ADD_INTO, "a": 0, "a_bits": 4, "r_bits": 6, "c": 640}
    rows = table(
        {"opcode": Opcode.LOAD, "r": 0, "r_bits": 4},
        {"opcode": Opcode.CLEAR, "r": 64, "r_bits": 60, "imm": 3},
        {**add, "r": 64 + 10},
        {"opcode": Opcode.COPY, "flags": Flag.R_IS_ZERO, "a": 64 + 10, "a_bits": 6, "r": 128, "r_bits": 8},
        {"opcode": Opcode.STORE, "a": 64 + 10, "a_bits": 6, "port": 5},
        {"opcode": Opcode.STORE, "a": 128, "a_bits": 8, "port": 5},
    )
    kernel = replace(random_stream(1)[0], instructions=rows)
    fused = prepare_kernel(kernel, 64, fused=True).rows
    clears = fused[fused["opcode"] == Handler.CLEAR]
    assert clears["r_bits"].tolist() == [6]
    assert clears["r"][0] == fused[fused["opcode"] == Handler.FUSED]["r"][0]
    literal = prepare_kernel(kernel, 64, fused=False).rows
    assert literal[literal["opcode"] == Handler.CLEAR]["r_bits"].tolist() == [60, 60, 60]


@pytest.mark.parametrize("signed", [False, True])
def test_step_masks_compare_like_integers(signed: bool) -> None:
    bits, low = 5, -16 if signed else 0
    thresholds = np.array([[low - 3, low, low + 7], [low + 9, low + 31, low + 32], [low + 40, 2**62, 2**62]])
    masks = step_masks(thresholds, np.full(3, bits, np.uint8), np.full(3, signed), 3).bytes
    for x in range(32):
        reached = masks[:, 0] > 0
        for bit in range(bits):
            keeps = masks[:, bit + 1] > 0
            one = bool(x >> bit & 1)
            reached = np.where(one == reached, reached, np.where(keeps, True, False))
        assert np.array_equal(reached, low + x >= thresholds)


def test_gather_runs_cover_every_lane_once() -> None:
    rng = np.random.default_rng(2)
    for lanes_per_block in (64, 256):
        steps = rng.choice([1, 1, 1, 1, 1, 9], 1000)
        offsets = np.cumsum(steps)
        runs = gather_runs(offsets, lanes_per_block)
        seen = np.full(1000 + lanes_per_block, -1)
        for block in range(len(runs.index) - 1):
            for source, lane in runs.runs[runs.index[block] : runs.index[block + 1]]:
                first = block * lanes_per_block + lane
                count = min(64, lanes_per_block - lane)
                seen[first : first + count] = source + np.arange(count)
        assert np.array_equal(seen[:1000], offsets)


def test_block_width_follows_the_lanes() -> None:
    assert fitted_words(49, 1, "micro") == 1
    assert fitted_words(10**6, 1, "word") == 16
    assert fitted_words(10**6, 1, "micro") == 32
    assert fitted_words(392, 2, "word") == 4
