"""The pass `imc-allocate-tracks`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ArrayAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_ap import PlacementAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.errors import ImcflowError
from imcflow.passes.imc_reduce_arithmetic import loaded_bits


@dataclass(frozen=True)
class ImcAllocateTracks(ModulePass):
    """Order the steps of every add/sub program and give each word its track and domains.

    Steps run depth first by consumer, slice by slice. Words that meet in one instruction lie on different tracks; a
    word is freed at its last use, and overwritten there by the sum where that is possible (never a reverse
    subtraction). All tracks of values are cleared at once between slices, so that sums start from cells known to be 0.
    Outputs that are summed over several arrays keep their words to the end.

    Precondition: programs with intervals (after `imc-infer-widths`).
    Postcondition: every `imc.ap_linear` has one placement per program, inside one array of the target.

    Before:
        %y = imc.ap_linear %x {programs = [#imc.add_sub<...>]} : ...
    After:
        %y = imc.ap_linear %x {placements = [#imc.placement<...>], programs = [#imc.add_sub<...>]} : ...

    Effect on cost: clearing in bulk saves one write per bit of a sum; overwriting saves two cycles per bit; words
    spread over low domains keep shifts short.

    Options:
        target: preset name or YAML file; tracks and domains of an array.
        in_place: overwrite operands at their last use.
    """

    name = "imc-allocate-tracks"

    target: str = "rtm-ap-256"
    in_place: bool = True

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Add placements in place."""
        from imcflow.passes.allocation.allocate import place_program
        from imcflow.passes.ap_target import load_ap_target

        geometry = load_ap_target(self.target).geometry
        for layer in op.walk():
            if not isinstance(layer, ApLinearOp):
                continue
            try:
                placements = [
                    place_program(
                        part.program(),
                        geometry,
                        describe(layer),
                        loaded_bits=loaded_bits(layer),
                        negated_store=layer.thresholds is not None,
                        in_place=self.in_place,
                        keep_outputs=layer.partial_sums.value.data > 1,
                    )
                    for part in layer.programs
                ]
            except ImcflowError as error:
                raise PassFailedException(error.message) from error
            layer.placements = ArrayAttr([PlacementAttr.of(placement) for placement in placements])
