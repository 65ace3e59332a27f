"""Small programs for two kinds of target, and schedules of them with random parts."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path
from random import Random

import numpy as np

import imcflow
from imcflow.passes.scheduling.list_schedule import list_schedule, task_table
from imcflow.passes.scheduling.parts import Machine, cut_program, cuts_of
from imcflow.runtime.program import Program
from imcflow.runtime.schedule.table import Schedule

DATA = Path(imcflow.__file__).parent / "data"
TARGETS = ("rtm-ap-256", "dimc-64x16x8-dm32")


@cache
def digits_program(target: str) -> Program:
    """The bundled network, without a schedule."""
    return imcflow.compile(DATA / "digits_cnn.onnx", target).program


def images(count: int) -> dict[str, np.ndarray]:
    """Inputs of the bundled network."""
    with np.load(DATA / "digits_test.npz") as samples:
        return {"image": samples["image"][:count]}


def machine_of(program: Program, arrays: int = 6, rate: int = 16) -> Machine:
    """A small machine for a program."""
    return Machine(program, arrays if program.kernels else 0, rate)


def randomly_scheduled(program: Program, seed: int) -> Program:
    """The program with random parts, ordered by random urgencies."""
    random = Random(seed)
    machine = machine_of(program, arrays=random.choice([1, 2, 6]), rate=random.choice([0, 3, 64]))
    parts = cut_program(machine, [random.choice(cuts_of(machine, work)) for work in machine.works])
    found = list_schedule(parts, np.random.default_rng(seed).random(len(parts.step)))
    schedule = Schedule(
        tasks=task_table(parts, found),
        arrays=machine.arrays,
        digital_operations_per_cycle=machine.digital_operations_per_cycle,
        sequential_cycles=0,
        bound_cycles=0,
    )
    return dataclasses.replace(program, schedule=schedule)


def with_tasks(program: Program, tasks: np.ndarray) -> Program:
    """The program with another task table."""
    assert program.schedule is not None
    return dataclasses.replace(program, schedule=dataclasses.replace(program.schedule, tasks=tasks))
