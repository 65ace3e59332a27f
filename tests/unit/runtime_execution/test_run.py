"""Whole programs through the public entry: results, invariance, and wrong inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooled_program import PROGRAM, images, reference

from imcflow.errors import ImcflowError, InputError
from imcflow.runtime.execution.run import ProgramRun, run_program
from imcflow.runtime.kernels.layout import Counter


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
