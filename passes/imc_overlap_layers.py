"""The pass `imc-overlap-layers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from imcflow.targets.schema import TargetDescription


@dataclass(frozen=True)
class ImcOverlapLayers(ModulePass):
    """Give every tile a place and a start, so that a layer begins while the one before it still runs.

    On a DRAM each layer takes the order in which the network ends first: that of its nest, all banks in step or each by
    itself; blocks by ready time inside their banks, which moves nothing; or on any bank, whose moves of inputs and
    weights queue on the layer's link. On an associative processor or a crossbar the parts of all steps share the units
    of the program; of several list schedules the best is kept, or one step after the other if nothing ends earlier.

    Precondition: `imc-map-layers` has run; the same target, arrays and rate of the digital unit.
    Postcondition: every layer has an attribute `imc.tasks`, the module `imc.schedule` with the end, a lower bound that
    no order of the same tiles beats, and the end without overlap. The program file holds the schedule.

    Before:
        %y = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 2 temporal macro>, ...} : ...
    After:
        %y = imc.crossbar_kernel %x {imc.nest = #imc.nest<P 2 temporal macro>,
            imc.tasks = #imc.tasks<"stop 8 cycles 32", "first 8 stop 16 start 32 cycles 32">, ...} : ...

    Effect on cost: latency falls towards the bound; the work is the same.

    Options:
        target: preset name or YAML file.
        arrays: AP arrays that the schedule may use; 0 for all.
        digital_operations_per_cycle: of the digital unit; 0 for what the target says, or one per macro column.
        restarts: list schedules with shaken priorities that are tried besides the plain ones.
        seed: of the shaking.
    """

    name = "imc-overlap-layers"

    target: str = "rtm-ap-256"
    arrays: int = 0
    digital_operations_per_cycle: int = 0
    restarts: int = 8
    seed: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set the attributes."""
        from imcflow.passes.scheduling.levels import dram_of
        from imcflow.targets import load_target

        for option, value in (("restarts", self.restarts), ("arrays", self.arrays)):
            if value < 0:
                raise PassFailedException(f"{self.name}: {option}={value}, at least 0 is needed")
        try:
            target = load_target(self.target)
            if dram_of(target) is None:
                self._overlap_program(op, target)
            else:
                self._overlap_layers(op, target)
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error

    def _overlap_layers(self, op: ModuleOp, target: TargetDescription) -> None:
        from imcflow.passes.overlap.module_graph import module_graph
        from imcflow.passes.scheduling.dram import overlap_module, read_mappings
        from imcflow.passes.scheduling.levels import dram_of, set_summary

        dram = dram_of(target)
        assert dram is not None
        found = module_graph(op)
        result = overlap_module(found, read_mappings(found, dram), dram)
        set_summary(op, end=result.schedule.end, bound=result.bounds.best, sequential=result.sequential)

    def _overlap_program(self, op: ModuleOp, target: TargetDescription) -> None:
        from imcflow.dialect.attributes_schedule import TasksAttr
        from imcflow.passes.scheduling.levels import TASKS, cut_of, program_machine, set_summary, step_ops
        from imcflow.passes.scheduling.schedule import overlap_program

        machine = program_machine(op, target, self.arrays, self.digital_operations_per_cycle)
        ops = step_ops(op)
        cuts = [cut_of(step, work, machine.program) for step, work in zip(ops, machine.works, strict=True)]
        schedule = overlap_program(machine, cuts, restarts=self.restarts, seed=self.seed)
        for number, step in enumerate(ops):
            step.attributes[TASKS] = TasksAttr.of(schedule.tasks[schedule.tasks["step"] == number])
        set_summary(
            op,
            end=schedule.end_cycles,
            bound=schedule.bound_cycles,
            sequential=schedule.sequential_cycles,
            arrays=schedule.arrays,
            digital_operations_per_cycle=schedule.digital_operations_per_cycle,
        )
