"""Whole programs through the public entry: results, invariance, and wrong inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.errors import ImcflowError, InputError
from imcflow.runtime.execution.oracle import window_elements
from imcflow.runtime.execution.run import ProgramRun, run_program
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.kernels.layout import Counter
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    DigitalOp,
    PortInfo,
    Program,
    TargetSummary,
    TensorInfo,
    Window,
    vector_window,
)

TRACK = 64
WEIGHTS = np.random.default_rng(5).integers(-1, 2, (6, 2 * 3 * 3))
DENSE = np.random.default_rng(6).integers(-1, 2, (4, 6))
THRESHOLDS = np.sort(np.random.default_rng(7).integers(-20, 40, (6, 3)), axis=1)
DESCENDING = np.array([0, 1, 0, 1, 0, 0], np.bool_)


def ternary_stream(weights: np.ndarray, bits: int, acc_bits: int, *, steps: bool) -> np.ndarray:
    """Load every element, add or subtract it where the weight says so, store every row of the matrix."""
    rows: list[dict[str, int]] = []
    acc = [TRACK * (2 + row) for row in range(len(weights))]
    rows.append({"opcode": Opcode.CLEAR, "r": acc[0], "r_bits": acc_bits, "imm": len(weights)})
    for element in range(weights.shape[1]):
        rows.append({"opcode": Opcode.LOAD, "r": 0, "r_bits": bits, "imm": element})
        for row, weight in enumerate(weights[:, element]):
            if weight:
                opcode = Opcode.ADD_INTO if weight > 0 else Opcode.SUB_FROM
                rows.append({"opcode": opcode, "a": 0, "a_bits": bits, "r": acc[row], "r_bits": acc_bits, "c": TRACK})
    store = Opcode.STORE_STEP if steps else Opcode.STORE
    for row, cell in enumerate(acc):
        step_row = {"imm2": row} if steps else {}
        rows.append({"opcode": store, "a": cell, "a_bits": acc_bits, "flags": Flag.A_SIGNED, "imm": row, **step_row})
    table = np.zeros(len(rows), instruction_dtype())
    for target, fields in zip(table, rows, strict=True):
        for name, value in fields.items():
            target[name] = value
    return table


def small_program() -> Program:
    """Strided convolution with steps, max pooling in the digital unit, a dense layer."""
    tensors = (
        TensorInfo("x", (2, 9, 8), "ui4"),
        TensorInfo("conv", (6, 5, 4), "ui2"),
        TensorInfo("pool", (6, 1, 1), "ui2"),
        TensorInfo("flat", (6,), "ui2"),
        TensorInfo("logits", (4,), "si5"),
    )
    window = Window(0, 2, 9, 8, (3, 3), (2, 2), (1, 1, 1, 0), (1, 1), 0, 4, False)
    conv = ApKernel(
        "conv",
        ("conv",),
        (window,),
        (ApOutput(1, 6, 5, 4, 2, False),),
        ternary_stream(WEIGHTS, 4, 10, steps=True),
        THRESHOLDS,
        np.zeros(6, np.int64),
        DESCENDING,
        1,
    )
    dense = ApKernel(
        "dense",
        ("dense",),
        (vector_window(3, 6, 2, False),),
        (ApOutput(4, 4, 1, 1, 5, True),),
        ternary_stream(DENSE, 2, 5, steps=False),
        np.zeros((0, 0), np.int64),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
        1,
    )
    pool = DigitalOp("pool", "max_pool", {"kernel": [5, 4]}, (1,), 2)
    flat = DigitalOp("flat", "reshape", {}, (2,), 3)
    return Program(
        "small",
        TargetSummary("test", "0", 256, 256, TRACK),
        tensors,
        (PortInfo("x", 0, "float32"),),
        (PortInfo("logits", 4, "float32"),),
        (conv, pool, flat, dense),
    )


PROGRAM = small_program()


def reference(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images = len(x)
    stream = PROGRAM.steps[0]
    assert isinstance(stream, ApKernel)
    sums = (WEIGHTS @ window_elements(x.astype(np.int64), stream.inputs[0])).reshape(6, images, 20)
    reached = (sums[:, :, :, None] >= THRESHOLDS[:, None, None, :]).sum(axis=3)
    conv = np.where(DESCENDING[:, None, None], 3 - reached, reached)
    return conv.transpose(1, 0, 2).reshape(images, 6, 5, 4), conv.max(axis=2).T @ DENSE.T


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 16, (count, 2, 9, 8)).astype(np.float32)


@pytest.mark.parametrize("fidelity", ["word", "micro"])
def test_program_equals_matrix_arithmetic(fidelity: Any) -> None:
    x = images(33)
    conv, logits = reference(x)
    result = run_program(PROGRAM, {"x": x}, fidelity=fidelity, keep=["conv"])
    assert np.array_equal(result["conv"], conv)
    assert np.array_equal(result["logits"], logits)
    assert result["logits"].dtype == np.float32


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(0, 40),
    seed=st.integers(0, 1000),
    threads=st.sampled_from([1, 2, 4]),
    words=st.sampled_from([None, 1, 2, 4, 8]),
    fidelity=st.sampled_from(["word", "micro"]),
    budget=st.sampled_from([600_000, 700_000, 2**29]),
)
def test_result_does_not_depend_on_how_it_is_run(
    batch: int, seed: int, threads: int, words: int | None, fidelity: Any, budget: int
) -> None:
    x = images(batch, seed)
    result = run_program(PROGRAM, {"x": x}, fidelity=fidelity, threads=threads, memory_bytes=budget, block_words=words)
    assert np.array_equal(result["logits"], reference(x)[1])


def test_counting_kernel_counts_what_it_executes() -> None:
    run = ProgramRun(PROGRAM, fidelity="count", threads=2)
    run({"x": images(3)})
    assert run.counters[Counter.SEARCHES] > 0
    assert run.counters[Counter.MATCHED_ROWS] > run.counters[Counter.SEARCHES]


def test_progress_names_every_step_of_every_chunk() -> None:
    seen: list[tuple[int, int, str]] = []
    run_program(PROGRAM, {"x": images(2)}, on_progress=lambda done, total, name: seen.append((done, total, name)))
    assert seen == [(1, 4, "conv"), (2, 4, "pool"), (3, 4, "flat"), (4, 4, "dense")]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "input 'x' is missing; the program takes x"),
        ({"x": images(1), "y": images(1)}, "input 'y' does not exist; the program takes x"),
        ({"x": images(1)[:, :1]}, r"input 'x' has shape \[1, 1, 9, 8\], expected \[N, 2, 9, 8\]"),
        ({"x": images(1) + 1}, "input 'x' holds values from .* to 16.*, its type ui4 holds 0 to 15"),
        ({"x": images(1) * np.float32(0.4)}, "input 'x' holds fractions, its type ui4 holds integers only"),
        ({"x": images(1) * np.float32("nan")}, "input 'x' holds values from nan to nan"),
        ({"x": images(1).astype(np.str_)}, "input 'x' has type <U.*, expected float32"),
        ({"x": images(1).astype(np.complex64)}, "input 'x' has type complex64, expected float32"),
    ],
)
def test_wrong_inputs_are_named(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run_program(PROGRAM, inputs)


def test_unknown_tensor_and_tiny_budget_are_refused() -> None:
    with pytest.raises(InputError, match="tensor 'z' does not exist"):
        run_program(PROGRAM, {"x": images(1)}, keep=["z"])
    with pytest.raises(ImcflowError, match=r"memory budget of 0\.0 MiB is too small: one image needs"):
        run_program(PROGRAM, {"x": images(1)}, memory_bytes=1000)


def test_interrupt_between_steps_reaches_the_caller() -> None:
    def interrupt(done: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_program(PROGRAM, {"x": images(3)}, threads=2, on_progress=interrupt)
