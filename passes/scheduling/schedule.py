"""From cuts to the schedule of a program, and how good it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.scheduling.bounds import program_bounds
from imcflow.passes.scheduling.list_schedule import list_schedule, task_table
from imcflow.passes.scheduling.parts import POOL, Cut, Machine, cut_program, cuts_of
from imcflow.passes.scheduling.strategies import plan
from imcflow.runtime.schedule.table import Schedule

if TYPE_CHECKING:
    from imcflow.passes.scheduling.parts import Parts


def sequential_cycles(machine: Machine) -> int:
    """Return the end if each step, as coarse as it can be, waits for all of the one before."""
    total = 0
    parts = cut_program(machine, [cuts_of(machine, work)[0] for work in machine.works])
    for step in range(len(machine.works)):
        total += _alone(parts, step)
    return total


def _alone(parts: Parts, step: int) -> int:
    """Time of one step by itself."""
    own = np.flatnonzero(parts.step[parts.task_part] == step)
    units, cycles = parts.task_unit[own], parts.task_cycles[own]
    if units[0] != POOL:
        return int(np.bincount(units + 1, weights=cycles).max())
    return -(-len(own) // parts.machine.groups) * int(cycles[0])


def overlap_program(machine: Machine, cuts: Sequence[Cut], *, restarts: int = 8, seed: int = 0) -> Schedule:
    """Schedule the parts of a program on its units.

    Parts of different steps overlap only if that ends earlier than one step after the other.

    Args:
        machine: the program and its units.
        cuts: by step.
        restarts: list schedules tried besides the plain ones.
        seed: of them.
    """
    parts = cut_program(machine, cuts)
    bound = program_bounds(parts).best
    found = plan(parts, restarts=restarts, seed=seed, bound=bound)
    coarse = cut_program(machine, [cuts_of(machine, work)[0] for work in machine.works])
    in_order = list_schedule(coarse, -np.arange(len(coarse.step), dtype=np.float64))
    if in_order.end < found.end:
        parts, found, bound = coarse, in_order, program_bounds(coarse).best
    return Schedule(
        tasks=task_table(parts, found),
        arrays=machine.arrays,
        digital_operations_per_cycle=machine.digital_operations_per_cycle,
        sequential_cycles=sequential_cycles(machine),
        bound_cycles=bound,
    )
