"""Programs run part by part: the same integers in every tensor, and times that a replay confirms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.support.scheduled_programs import TARGETS, digits_program, images, randomly_scheduled, with_tasks

from imcflow.errors import ProgramError
from imcflow.runtime.container import content_hash, write_program
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.loader import check_program, load_program
from imcflow.runtime.schedule.check import check_schedule
from imcflow.runtime.schedule.replay import replay_schedule, verify_replay


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(6))
def test_random_schedules_give_the_same_tensors_and_replay_to_the_cycle(target: str, seed: int) -> None:
    plain = digits_program(target)
    scheduled = randomly_scheduled(plain, seed)
    check_program(scheduled)
    assert scheduled.schedule is not None
    assert verify_replay(scheduled).end_cycles == scheduled.schedule.end_cycles
    names = [tensor.name for tensor in plain.tensors]
    expected, found = (run_program(program, images(3), keep=names) for program in (plain, scheduled))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize("target", TARGETS)
def test_fidelities_threads_and_memory_change_nothing(target: str) -> None:
    scheduled = randomly_scheduled(digits_program(target), 7)
    (expected,) = run_program(digits_program(target), images(4)).values()
    for outputs in (
        run_program(scheduled, images(4), fidelity="micro"),
        run_program(scheduled, images(4), threads=1),
        run_program(scheduled, images(4), threads=3),
        run_program(scheduled, images(4), memory_bytes=5 << 20),
    ):
        (found,) = outputs.values()
        np.testing.assert_array_equal(found, expected)


def test_every_step_is_reported_once() -> None:
    scheduled = randomly_scheduled(digits_program(TARGETS[1]), 3)
    seen: list[tuple[int, int, str]] = []
    run_program(scheduled, images(2), on_progress=lambda done, total, name: seen.append((done, total, name)))
    count = len(scheduled.steps)
    assert [(done, total) for done, total, _ in seen] == [(number, count) for number in range(1, count + 1)]
    assert {name for _, _, name in seen} == {step.name for step in scheduled.steps}


def test_noise_belongs_to_whole_steps() -> None:
    program = digits_program("aimc-256x64")
    noise = AnalogNoise(read_cells=0.5, seed=3)
    expected, found = (
        run_program(chosen, images(2), noise=noise) for chosen in (program, randomly_scheduled(program, 1))
    )
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


@pytest.mark.parametrize("target", TARGETS)
def test_a_schedule_out_of_order_would_give_other_numbers(target: str) -> None:
    """The buffers hold nothing useful before their part has run: executing backwards is seen in the result."""
    scheduled = randomly_scheduled(digits_program(target), 2)
    assert scheduled.schedule is not None
    backwards = with_tasks(scheduled, scheduled.schedule.tasks[::-1].copy())
    with pytest.raises(ProgramError):
        check_schedule(backwards)
    names = [tensor.name for tensor in scheduled.tensors[1:3]]
    try:
        found = run_program(backwards, images(1), keep=names)
    except (ProgramError, KeyError):
        return
    expected = run_program(scheduled, images(1), keep=names)
    assert any(not np.array_equal(expected[name], found[name]) for name in names)


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_keeps_the_schedule(target: str, tmp_path: Path) -> None:
    scheduled = randomly_scheduled(digits_program(target), 5)
    write_program(scheduled, tmp_path / "p.imcp")
    loaded = load_program(tmp_path / "p.imcp")
    assert content_hash(loaded) == content_hash(scheduled)
    assert content_hash(loaded) != content_hash(digits_program(target))
    assert loaded.schedule is not None
    assert scheduled.schedule is not None
    np.testing.assert_array_equal(loaded.schedule.tasks, scheduled.schedule.tasks)


@pytest.mark.parametrize("field", ["start", "cycles"])
def test_the_replay_finds_times_that_the_streams_do_not_give(field: str) -> None:
    scheduled = randomly_scheduled(digits_program(TARGETS[1]), 4)
    assert scheduled.schedule is not None
    tasks = scheduled.schedule.tasks.copy()
    last = int((tasks["start"] + tasks["cycles"]).argmax())
    tasks[field][last] += 1
    later = with_tasks(scheduled, tasks)
    check_schedule(later)
    with pytest.raises(ProgramError, match=r"as scheduled, \d+ when replayed"):
        verify_replay(later)


def test_a_program_without_a_schedule_is_not_replayed() -> None:
    with pytest.raises(ProgramError, match="has no schedule"):
        replay_schedule(digits_program(TARGETS[0]))
