"""The pass `imc-verify-scheduled`."""

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
class ImcVerifyScheduled(ModulePass):
    """Check the contract of the scheduled level: nests that fit their layers and units, tiles in time without conflict.

    Factorisation: the bounds cut every dimension without tiles that lie beyond the layer. Capacity: layers use banks of
    their own that the target has, and a bank has rows for a tile beside the weights it keeps; a part of a program fits
    its arrays. Reduction: sums of several banks need time to be added, and parts of a program never share a sum. Tasks,
    where there are any: every tile once, no unit busy twice, no tile before what it reads has ended. The module does
    not change.

    Precondition: `imc-map-layers` has run, and `imc-overlap-layers` if tasks are to be checked.
    Postcondition: the schedule may be executed; on program level `imc-verify-program` holds too.

    Before:
        %y = imc.conv2d %x, %w {imc.nest = #imc.nest<P 64 spatial bank>, ...} : ... -> tensor<?x16x30x30xsi32>
    After:
        error: imc-verify-scheduled: node 'conv' (imc.conv2d): banks 0 to 63, small-dram has 32

    Effect on cost: none.

    Options:
        target: preset name or YAML file.
    """

    name = "imc-verify-scheduled"

    target: str = "rtm-ap-256"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raise on the first broken rule."""
        from imcflow.passes.scheduling.levels import dram_of
        from imcflow.targets import load_target

        try:
            target = load_target(self.target)
            if dram_of(target) is None:
                self._check_program(op, target)
            else:
                self._check_layers(op, target)
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error

    def _check_layers(self, op: ModuleOp, target: TargetDescription) -> None:
        from imcflow.passes.overlap.module_graph import module_graph
        from imcflow.passes.scheduling.dram import read_mappings, read_schedule
        from imcflow.passes.scheduling.levels import dram_of, tasks_of

        dram = dram_of(target)
        assert dram is not None
        found = module_graph(op)
        mappings = read_mappings(found, dram)
        if any(tasks_of(layer) is not None for layer in found.ops):
            read_schedule(found, mappings)

    def _check_program(self, op: ModuleOp, target: TargetDescription) -> None:
        from imcflow.passes.scheduling.levels import cut_of, program_machine, step_ops
        from imcflow.runtime.schedule.check import check_schedule
        from imcflow.runtime.schedule.replay import verify_replay

        machine = program_machine(op, target, 0, 0)
        for step, work in zip(step_ops(op), machine.works, strict=True):
            cut_of(step, work, machine.program)
        if machine.program.schedule is not None:
            check_schedule(machine.program)
            verify_replay(machine.program)
