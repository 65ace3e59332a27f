"""A schedule as plain data: one row per part of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.json_fields import Fields
from imcflow.runtime.limits import MAX_CELLS

if TYPE_CHECKING:
    TaskTable = np.ndarray[tuple[int], np.dtype[np.void]]
    """Rows of `task_dtype()`."""

TASK_BYTES = 32
TASKS_ARRAY = "schedule.tasks"
"""Name of the table in the container."""

TASK_FIELDS: tuple[tuple[str, str], ...] = (
    ("step", "<u4"),  # number of the step
    ("first", "<u4"),  # first lane (output position of an image)
    ("stop", "<u4"),  # lane behind the last
    ("unit", "<u4"),  # first array of an AP step, macro of a crossbar step, 0: the digital unit
    ("start", "<u8"),  # cycle
    ("cycles", "<u8"),  # how long the unit is busy
)
"""Field name, numpy type; little endian, no padding."""

MAX_CYCLE = 1 << 62
MAX_TASKS = 1 << 20


def task_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one row (32 bytes)."""
    return np.dtype(list(TASK_FIELDS))


@dataclass(frozen=True, eq=False)
class Schedule:
    """One image in time.

    Attributes:
        tasks: rows of `task_dtype()` in order of start; rows of equal start in order of execution.
        arrays: AP arrays that the schedule uses at most; 0 on other targets.
        digital_operations_per_cycle: scalar operations that the digital unit does in a cycle; 0: as many as it likes.
        sequential_cycles: end if every step waited for the one before it, each as fast as it can be by itself.
        bound_cycles: no schedule of these tasks on these units ends earlier.
    """

    tasks: TaskTable
    arrays: int
    digital_operations_per_cycle: int
    sequential_cycles: int
    bound_cycles: int

    @property
    def end_cycles(self) -> int:
        """When the last task ends."""
        return int((self.tasks["start"] + self.tasks["cycles"]).max(initial=0))


def encode_schedule(schedule: Schedule) -> dict[str, object]:
    """Return the header's object."""
    return {
        "arrays": schedule.arrays,
        "digital_operations_per_cycle": schedule.digital_operations_per_cycle,
        "sequential_cycles": schedule.sequential_cycles,
        "bound_cycles": schedule.bound_cycles,
    }


def decode_schedule(value: object, rows: np.ndarray[Any, np.dtype[Any]]) -> Schedule:
    """Read the header's object; `rows` is the table as U8 [n, 32].

    Raises:
        ProgramError: a field is missing, unknown or out of range, or the table has another type.
    """
    fields = Fields(value, "schedule")
    if rows.dtype.str != "|u1" or rows.ndim != 2 or rows.shape[1] != TASK_BYTES:
        raise ProgramError(f"schedule: tasks must be U8 [n, {TASK_BYTES}], got {rows.dtype} {list(rows.shape)}")
    schedule = Schedule(
        tasks=np.ascontiguousarray(rows).reshape(-1).view(task_dtype()),
        arrays=fields.integer("arrays", 0, MAX_CELLS),
        digital_operations_per_cycle=fields.integer("digital_operations_per_cycle", 0, 1 << 30),
        sequential_cycles=fields.integer("sequential_cycles", 0, MAX_CYCLE),
        bound_cycles=fields.integer("bound_cycles", 0, MAX_CYCLE),
    )
    fields.finish()
    return schedule


def task_rows(table: TaskTable) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a table as U8 [n, 32]."""
    rows = np.ascontiguousarray(table)
    return rows.view(np.uint8).reshape(len(rows), TASK_BYTES)
