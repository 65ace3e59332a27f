"""The pass `imc-map-layers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from imcflow.passes.overlap.search import Strategy
    from imcflow.targets.schema import TargetDescription

STRATEGIES = ("layerwise", "forward", "backward", "middle-out", "beam")


@dataclass(frozen=True)
class ImcMapLayers(ModulePass):
    """Choose a loop nest for every layer, so that the whole network ends early when layers overlap.

    On a DRAM (kind `dram-pim`) the layers of a network- or quantised-level module are spread over banks of their own:
    which dimensions lie side by side, how finely tiles are cut, in which order they come. On an associative processor
    or a crossbar the steps of a program-level module are cut into parts of rows; what runs where follows from
    `imc-overlap-layers`.

    Precondition: network or quantised level for a DRAM, program level (after `imc-emit-program`) otherwise.
    Postcondition: every layer has an attribute `imc.nest`; on a DRAM also `imc.first_bank`. `imc-verify-scheduled`
    checks it.

    Before:
        %y = imc.conv2d %x, %w {...} : (tensor<?x3x32x32xsi8>, tensor<16x3x3x3xsi8>) -> tensor<?x16x30x30xsi32>
    After:
        %y = imc.conv2d %x, %w {imc.first_bank = 0 : i64, imc.nest = #imc.nest<K 4 spatial bank, P 30 temporal bank>,
            ...} : (tensor<?x3x32x32xsi8>, tensor<16x3x3x3xsi8>) -> tensor<?x16x30x30xsi32>

    Effect on cost: a layer alone may take somewhat longer than at its best; the network ends earlier. Strategy
    `layerwise` gives every layer its own best mapping, the baseline without overlap.

    Options:
        target: preset name or YAML file.
        strategy: layerwise, forward, backward, middle-out or beam.
        seed: of the order in which layers are tried again.
        seconds: limit of the search; 0 for none. A search cut short may differ from run to run.
        rounds: times that every layer is tried again after the strategy.
        beam_width: partial mappings that a beam keeps.
        workers: searches side by side with different seeds (DRAM only).
        arrays: AP arrays that the schedule may use; 0 for all.
        digital_operations_per_cycle: of the digital unit; 0 for what the target says, or one per macro column.
    """

    name = "imc-map-layers"

    target: str = "rtm-ap-256"
    strategy: str = "forward"
    seed: int = 0
    seconds: int = 0
    rounds: int = 1
    beam_width: int = 4
    workers: int = 1
    arrays: int = 0
    digital_operations_per_cycle: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set the attributes."""
        from imcflow.passes.overlap.search import Strategy
        from imcflow.passes.scheduling.levels import dram_of
        from imcflow.targets import load_target

        if self.strategy not in STRATEGIES:
            raise PassFailedException(f"{self.name}: strategy={self.strategy} is unknown: {', '.join(STRATEGIES)}")
        limits = {"seconds": 0, "rounds": 0, "beam_width": 1, "workers": 1, "arrays": 0}
        for option, least in limits.items():
            if getattr(self, option) < least:
                raise PassFailedException(f"{self.name}: {option}={getattr(self, option)}, at least {least} is needed")
        try:
            target = load_target(self.target)
            if dram_of(target) is None:
                self._map_program(op, target, Strategy(self.strategy))
            else:
                self._map_layers(op, target, Strategy(self.strategy))
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error

    def _map_layers(self, op: ModuleOp, target: TargetDescription, strategy: Strategy) -> None:
        from imcflow.passes.overlap.module_graph import module_graph
        from imcflow.passes.overlap.search import Budget
        from imcflow.passes.scheduling.dram import DramSearch, find_mappings, keep_mappings
        from imcflow.passes.scheduling.levels import dram_of, progress_writer

        dram = dram_of(target)
        assert dram is not None
        budget = Budget(self.rounds, self.seconds or None, self.beam_width, self.seed)
        found = module_graph(op)
        how = DramSearch(strategy, budget, workers=self.workers)
        space, mappings = find_mappings(found, dram, how, progress_writer(self.name))
        keep_mappings(found, space, mappings)

    def _map_program(self, op: ModuleOp, target: TargetDescription, strategy: Strategy) -> None:
        from imcflow.passes.scheduling.levels import (
            NEST,
            TASKS,
            cut_mapping,
            nest_of,
            program_machine,
            progress_writer,
            step_ops,
        )
        from imcflow.passes.scheduling.strategies import CutSearch, choose_cuts

        machine = program_machine(op, target, self.arrays, self.digital_operations_per_cycle)
        budget = CutSearch(self.rounds, self.seconds or None, self.beam_width, self.seed)
        cuts = choose_cuts(machine, strategy, budget, progress_writer(self.name))
        for step, work, cut in zip(step_ops(op), machine.works, cuts, strict=True):
            step.attributes[NEST] = nest_of(cut_mapping(work, cut))
            step.attributes.pop(TASKS, None)
