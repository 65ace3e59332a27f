"""Steps that wait for each other, as text that says which and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from imcflow.errors import ImcflowError


@dataclass(frozen=True, slots=True)
class Wait:
    """One step that cannot happen before another one.

    Args:
        stage: number of the core or stage that waits.
        name: its name.
        step: its step, counted over the whole stream.
        other: number of the one it waits for.
        other_name: that one's name.
        other_step: the step it waits for.
        slots: size of the full ring between the two, 0 if the wait is for data.
    """

    stage: int
    name: str
    step: int
    other: int
    other_name: str
    other_step: int
    slots: int = 0

    def __str__(self) -> str:
        target = f"step {self.other_step} of '{self.other_name}'"
        if self.slots:
            return f"step {self.step} of '{self.name}' waits for a slot of {self.slots} that {target} frees"
        return f"step {self.step} of '{self.name}' waits for data of {target}"


class DeadlockError(ImcflowError):
    """A pipeline whose buffers are too small to ever finish.

    Args:
        waits: the cycle; each wait is for the stage of the next one, the last for that of the first.
    """

    def __init__(self, waits: tuple[Wait, ...]) -> None:
        super().__init__("deadlock: " + "; ".join(str(wait) for wait in waits))
        self.waits = waits


def cycle_of_waits(stuck: Mapping[int, Wait]) -> tuple[Wait, ...]:
    """A cycle among stages of which each waits for another stuck one.

    Args:
        stuck: by stage, what its next step waits for.
    """
    order: list[int] = []
    stage = min(stuck)
    while stage not in order:
        order.append(stage)
        stage = stuck[stage].other
    return tuple(stuck[index] for index in order[order.index(stage) :])
