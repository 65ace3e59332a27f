"""How long parts of a step keep their unit busy, from the instruction streams alone.

Cycles are those of `docs/instruction-stream.md`: one for each search, write, shift cycle and bit of movement of an
associative processor, one for each input digit of a crossbar product. Look-ups of STORE_STEP keep pace with the stores;
weights are loaded in no time, as in the counters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcflow.errors import ProgramError
from imcflow.runtime.counters import count_kernel
from imcflow.runtime.program import ApKernel, CrossbarKernel, Program

if TYPE_CHECKING:
    from imcflow.runtime.schedule.work import StepWork


@dataclass(frozen=True)
class StepDurations:
    """Cycles of one step.

    Attributes:
        work: the step.
        stream_cycles: of a row block on its arrays, whatever its lanes; AP steps only.
        digits: input digits of a product: cycles of one lane; crossbar steps only.
    """

    work: StepWork
    stream_cycles: int
    digits: int

    def cycles(self, first: int, stop: int, unit: int, operations_per_cycle: int) -> int:
        """Return the cycles of lanes first..stop-1 on a unit.

        Args:
            first: first lane.
            stop: lane behind the last.
            unit: macro of a crossbar step; not looked at otherwise.
            operations_per_cycle: of the digital unit; 0: its work takes no time.
        """
        if isinstance(self.work.step, ApKernel):
            return self.stream_cycles
        if isinstance(self.work.step, CrossbarKernel):
            products = self.work.products[unit]
            return self.digits * sum(
                count * max(0, min(stop, end) - max(first, begin)) for begin, end, count in products
            )
        return self.work.digital_cycles(stop - first, operations_per_cycle)


def step_durations(program: Program, works: list[StepWork]) -> list[StepDurations]:
    """Count all streams of a checked program.

    Raises:
        ProgramError: a crossbar step on a target without macros.
    """
    return [_durations(program, work) for work in works]


def _durations(program: Program, work: StepWork) -> StepDurations:
    step, target = work.step, program.target
    if isinstance(step, ApKernel):
        # Unit weights: every cycle is whole.
        return StepDurations(work, round(count_kernel(step, target).makespan_cycles), 0)
    if not isinstance(step, CrossbarKernel):
        return StepDurations(work, 0, 0)
    if target.macro is None:
        raise ProgramError(f"step '{step.name}': the target has no macros")
    return StepDurations(work, 0, -(-step.window.bits // target.macro.bits_per_cycle))
