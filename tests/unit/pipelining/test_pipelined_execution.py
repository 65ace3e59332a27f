"""Pixels through the rings of a compiled program: integers, ticks, deadlocks, and rings that hold something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pipelined import small_program, with_slots

from imcflow.errors import InputError, ProgramError
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.pipeline import cores, execute
from imcflow.runtime.pipeline.deadlock import DeadlockError
from imcflow.runtime.pipeline.execute import run_pipelined
from imcflow.runtime.pipeline.machine import machine_of, run_ticks
from imcflow.runtime.program import Program

INPUTS = {"x": np.random.default_rng(0).integers(-8, 8, (16, 2, 6, 5)).astype(np.int8)}
CHOICES = {
    "one copy": ("interval=30", ""),
    "copies": ("interval=7", ""),
    "columns": ("interval=30", "fast-axis=columns"),
    "copies, columns by whole ones": ("interval=7", "fast-axis=columns handshake=row"),
    "rows": ("interval=30", "handshake=row"),
    "lines": ("interval=30", "buffers=lines"),
    "full": ("interval=5", "buffers=full input-rate=3"),
    "images": ("interval=7", "handshake=image"),
    "images, one map each": ("interval=30", "handshake=image buffers=lines"),
    "images, little memory": ("interval=30", "handshake=image buffer-bits=2500"),
    "little memory": ("interval=30", "buffer-bits=900"),
}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return small_program(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def expected(program: Program) -> np.ndarray:
    (result,) = run_program(program, INPUTS).values()
    assert len(np.unique(result)) > 10
    return result


@pytest.mark.parametrize("choice", CHOICES)
def test_integers_and_ticks(choice: str, tmp_path: Path, expected: np.ndarray):
    program = small_program(tmp_path, *CHOICES[choice])
    assert program.dataflow is not None
    np.testing.assert_array_equal(run_pipelined(program, INPUTS).outputs["y"], expected)
    prediction = program.dataflow.prediction
    trace = run_ticks(machine_of(program, program.dataflow), prediction.images)
    assert (trace.latency_ticks, trace.total_ticks) == (prediction.latency_ticks, prediction.total_ticks)


@pytest.mark.parametrize("choice", ["one copy", "images", "rows", "copies, columns by whole ones"])
def test_rings_hold_what_they_hold_in_the_machine(choice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """After every interval of the clock each core has done the pixels that its control unit has done by that tick."""
    program = small_program(tmp_path, *CHOICES[choice])
    assert program.dataflow is not None
    machine = machine_of(program, program.dataflow)
    trace = run_ticks(machine, 16)
    seen: list[list[int]] = []
    finished = cores.Counts.finished

    def noted(self: cores.Counts) -> int:
        seen.append(list(self.done))
        return finished(self)

    monkeypatch.setattr(cores.Counts, "finished", noted)
    run = run_pipelined(program, INPUTS)
    ticks = [execute._interval(machine) * (number + 1) for number in range(len(seen))]
    expected = [[int(np.searchsorted(ends, tick, side="right")) for ends in trace.ends] for tick in ticks]
    assert seen == expected
    assert run.images_in_flight <= trace.images_in_flight()
    assert run.images_in_flight >= (2 if choice == "images" else 1)


@pytest.mark.parametrize("lanes", [2, 16])
def test_lanes(lanes: int, program: Program, expected: np.ndarray):
    run = run_pipelined(program, INPUTS, lanes=lanes)
    np.testing.assert_array_equal(run.outputs["y"], expected)
    assert run.images == 16 // lanes


def test_rings_stay_inside_their_slots(program: Program):
    assert program.dataflow is not None
    run = run_pipelined(program, INPUTS)
    for number, peak in run.peaks.items():
        assert 1 <= peak <= program.dataflow.channels[number].slots


def test_one_slot_less_than_the_window_is_a_deadlock_that_names_both(program: Program):
    with pytest.raises(DeadlockError) as error:
        run_pipelined(with_slots(program, 0, 11), INPUTS)
    assert error.value.message.startswith("deadlock: ")
    assert "of 'input' waits for a slot of 11" in error.value.message
    assert "of 'first' waits for data of" in error.value.message
    assert program.dataflow is not None
    shorter = with_slots(program, 0, 11)
    assert shorter.dataflow is not None
    with pytest.raises(DeadlockError) as again:
        run_ticks(machine_of(shorter, shorter.dataflow), 16)
    assert again.value.waits == error.value.waits


def test_a_bypass_that_is_too_short_is_a_deadlock(program: Program):
    assert program.dataflow is not None
    (bypass,) = (
        number
        for number, channel in enumerate(program.dataflow.channels)
        if channel.size == (1, 1) and channel.producer == 1 and channel.consumer == 2
    )
    with pytest.raises(DeadlockError, match=r"deadlock: .*waits for a slot of 4 that"):
        run_pipelined(with_slots(program, bypass, 4), INPUTS)


def test_a_producer_that_ignores_full_rings_spoils_the_result(
    program: Program, expected: np.ndarray, monkeypatch: pytest.MonkeyPatch
):
    """Values come out of the slots: pixels overwritten too early change the result."""
    free = cores.Counts.free
    monkeypatch.setattr(cores.Counts, "free", lambda self, number: free(self, number) + 2)
    found = run_pipelined(program, INPUTS).outputs["y"]
    assert (found != expected).any()


@pytest.mark.parametrize("lanes", [1, 3])
def test_no_images_give_no_results(program: Program, lanes: int):
    run = run_pipelined(program, {name: array[:0] for name, array in INPUTS.items()}, lanes=lanes)
    expected = run_program(program, INPUTS)
    assert {name: (array.shape, array.dtype) for name, array in run.outputs.items()} == {
        name: ((0, *array.shape[1:]), array.dtype) for name, array in expected.items()
    }


def test_wrong_batches_and_programs_are_refused(program: Program):
    with pytest.raises(InputError, match="a batch of 16 images does not divide into 3 lanes"):
        run_pipelined(program, INPUTS, lanes=3)
    with pytest.raises(ProgramError, match="is not pipelined; compile it with imc-pipeline-layers"):
        run_pipelined(replace(program, dataflow=None), INPUTS)
