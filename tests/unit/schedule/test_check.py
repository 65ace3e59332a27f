"""The loader's rules for schedules: one broken schedule per rule, and thousands of mutated tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from tests.support.scheduled_programs import TARGETS, digits_program, images, randomly_scheduled, with_tasks

from imcflow.errors import ProgramError
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.program import DigitalOp, Program
from imcflow.runtime.schedule.check import check_schedule
from imcflow.runtime.schedule.replay import replay_schedule
from imcflow.runtime.schedule.row_maxima import RowMaxima
from imcflow.runtime.schedule.table import TASK_FIELDS, decode_schedule, encode_schedule, task_rows

AP, CROSSBAR = TARGETS


@cache
def scheduled(target: str) -> Program:
    return randomly_scheduled(digits_program(target), 0)


def tasks_of(program: Program) -> np.ndarray:
    assert program.schedule is not None
    return program.schedule.tasks.copy()


def first_task(program: Program, kind: str, *, divisible: bool = True) -> int:
    """A task of the first step of a kind with several tasks (one task if not divisible)."""
    table = tasks_of(program)
    for number, step in enumerate(program.steps):
        own = np.flatnonzero(table["step"] == number)
        if step.kind == kind and (len(own) > 1) == divisible:
            return int(own[-1])
    raise AssertionError(kind)


def overlapping(table: np.ndarray, task: int) -> None:
    table["first"][task] -= 1


def reversed_lanes(table: np.ndarray, task: int) -> None:
    table["stop"][task] = table["first"][task]


def changed(field: str, value: int) -> Callable[[np.ndarray, int], None]:
    def change(table: np.ndarray, task: int) -> None:
        table[field][task] = value

    return change


BROKEN = [
    (AP, "ap_kernel", changed("step", 99), "step 99 of"),
    (AP, "ap_kernel", changed("stop", 1 << 20), "lanes must be an ascending range"),
    (AP, "ap_kernel", reversed_lanes, "lanes must be an ascending range"),
    (AP, "ap_kernel", overlapping, "not every lane runs exactly once"),
    (AP, "ap_kernel", changed("unit", 1 << 20), "arrays from there on, of"),
    (AP, "ap_kernel", changed("start", 1 << 63), "beyond cycle"),
    (AP, "digital", changed("unit", 1), "unit must be 0"),
    (CROSSBAR, "crossbar_kernel", changed("unit", 7777), "macro 7777 holds none of it"),
    (CROSSBAR, "crossbar_kernel", changed("cycles", 1 << 40), r"busy with task|ends at"),
]


@pytest.mark.parametrize(("target", "kind", "change", "message"), BROKEN)
def test_broken_tasks_are_refused(
    target: str, kind: str, change: Callable[[np.ndarray, int], None], message: str
) -> None:
    program = scheduled(target)
    check_schedule(program)
    table = tasks_of(program)
    change(table, first_task(program, kind))
    with pytest.raises(ProgramError, match=message):
        check_schedule(with_tasks(program, table))


def test_missing_tasks_are_refused() -> None:
    program = scheduled(AP)
    table = tasks_of(program)
    with pytest.raises(ProgramError, match="has no task"):
        check_schedule(with_tasks(program, table[table["step"] != 1]))
    with pytest.raises(ProgramError, match="0 tasks"):
        check_schedule(with_tasks(program, table[:0]))


def test_tasks_come_in_order_of_start() -> None:
    program = scheduled(CROSSBAR)
    table = tasks_of(program)
    with pytest.raises(ProgramError, match="starts before the task above it"):
        check_schedule(with_tasks(program, np.concatenate([table[-1:], table[:-1]])))


def test_data_comes_before_its_use() -> None:
    program = scheduled(CROSSBAR)
    table = tasks_of(program)
    table["start"] = 0
    table["cycles"] = 0
    # All at once is in order only as far as the rows are.
    check_schedule(with_tasks(program, table))
    with pytest.raises(ProgramError, match="but reads rows of tensor"):
        check_schedule(with_tasks(program, table[::-1].copy()))


def test_a_unit_does_one_task_at_a_time() -> None:
    program = scheduled(AP)
    table = tasks_of(program)
    assert len(np.flatnonzero(table["step"] == first_step(program))) > 1
    table["unit"] = 0
    table["start"] = 0
    with pytest.raises(ProgramError, match="busy with task"):
        check_schedule(with_tasks(program, table))


def complaint_about(program: Program) -> str | None:
    try:
        check_schedule(program)
    except ProgramError as error:
        return error.message
    return None


def first_step(program: Program) -> int:
    return next(number for number, step in enumerate(program.steps) if not isinstance(step, DigitalOp))


def test_weights_are_overwritten_after_their_last_use() -> None:
    """On one macro with one slot every step overwrites the weights of the one before."""
    program = randomly_scheduled(digits_program("dimc-256x64"), 0)
    check_schedule(program)
    table = tasks_of(program)
    crossbar = [number for number, step in enumerate(program.steps) if not isinstance(step, DigitalOp)]
    early = np.flatnonzero(table["step"] == crossbar[0])
    late = np.flatnonzero(table["step"] == crossbar[1])
    table["cycles"] = 0
    table["start"] = np.arange(len(table))
    table["cycles"][early[-1]] = 0
    check_schedule(with_tasks(program, table))
    # A part of the first step that no part of the second step reads, moved behind it.
    order = [row for row in range(len(table)) if row not in set(early.tolist())]
    moved = table[[*order[: order.index(int(late[-1])) + 1], *early.tolist(), *order[order.index(int(late[-1])) + 1 :]]]
    moved["start"] = np.arange(len(table))
    with pytest.raises(ProgramError, match=r"overwrites slot|but reads rows"):
        check_schedule(with_tasks(program, moved))


@pytest.mark.parametrize("target", TARGETS)
def test_mutated_tables_are_refused_or_run_alike(target: str) -> None:
    program = scheduled(target)
    random = np.random.default_rng(1)
    (expected,) = run_program(program, images(1)).values()
    fields = [name for name, _ in TASK_FIELDS]
    accepted = 0
    for _ in range(1500):
        table = tasks_of(program)
        for _ in range(int(random.integers(1, 3))):
            row, other = random.integers(len(table), size=2)
            field = fields[int(random.integers(len(fields)))]
            choices = (int(table[field][other]), int(table[field][row]) ^ 1 << int(random.integers(31)), 0)
            table[field][row] = choices[int(random.integers(3))]
        mutant = with_tasks(program, table)
        complaint = complaint_about(mutant)
        if complaint is not None:
            assert complaint.startswith("schedule: ")
            assert "\n" not in complaint
            continue
        accepted += 1
        if accepted % 20 == 1:
            replay_schedule(mutant)
            (found,) = run_program(mutant, images(1)).values()
            np.testing.assert_array_equal(found, expected)
    assert accepted > 20


def test_the_header_object_is_read_strictly() -> None:
    schedule = scheduled(AP).schedule
    assert schedule is not None
    rows = task_rows(schedule.tasks)
    good = encode_schedule(schedule)
    np.testing.assert_array_equal(decode_schedule(good, rows).tasks, schedule.tasks)
    bad_objects: list[object] = [{**good, "arrays": -1}, {**good, "arrays": 1.5}, {**good, "x": 1}, {}, [], None]
    for bad in bad_objects:
        with pytest.raises(ProgramError, match="schedule"):
            decode_schedule(bad, rows)
    for array in (rows[:, :-1], rows.astype(np.int8), rows.reshape(-1)):
        with pytest.raises(ProgramError, match="tasks must be U8"):
            decode_schedule(good, array)


def test_another_type_of_table_is_refused() -> None:
    schedule = scheduled(AP).schedule
    assert schedule is not None
    wrong = dataclasses.replace(schedule, tasks=np.zeros(3, np.int64))
    with pytest.raises(ProgramError, match="expected rows of 32 bytes"):
        check_schedule(dataclasses.replace(scheduled(AP), schedule=wrong))


@pytest.mark.parametrize("seed", range(40))
def test_row_maxima_equal_a_loop_over_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    height, count = int(random.integers(1, 30)), int(random.integers(1, 12))
    low = random.integers(0, height, count)
    high = np.minimum(low + random.integers(0, height, count), height - 1)
    low[0], high[0] = 0, height - 1
    values = random.integers(0, 100, count)
    rows = np.zeros(height, np.int64)
    for first, last, value in zip(low, high, values, strict=True):
        rows[first : last + 1] = np.maximum(rows[first : last + 1], value)
    maxima = RowMaxima(low, high, values)
    first = random.integers(0, height, 50)
    last = np.minimum(first + random.integers(0, height, 50), height - 1)
    expected = [int(rows[begin : end + 1].max()) for begin, end in zip(first, last, strict=True)]
    assert maxima.query(first, last).tolist() == expected
