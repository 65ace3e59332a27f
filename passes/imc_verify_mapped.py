"""The pass `imc-verify-mapped`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes import Unit
from imcflow.dialect.attributes_dataflow import DATAFLOW_ATTRIBUTE
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_ap import ApLinearOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MaxPoolOp, SumPoolOp
from imcflow.errors import ImcflowError
from imcflow.passes.imc_reduce_arithmetic import loaded_bits
from imcflow.passes.units import runs_on


@dataclass(frozen=True)
class ImcVerifyMapped(ModulePass):
    """Check the contract of the mapped level: every layer of the arrays is placed, and inside the arrays' capacity.

    A placement is replayed on the contents of its cells: each step must find the values it needs, whole, in words
    inside one track, the words of one step on different tracks, and never on the carry's; every output is stored once.

    On crossbar macros every tile must fit a macro and a slot that exist, and the tiles of a layer must hold its
    weights, all of them and each once in every lane. No other tile may lie in the cells of a resident one.

    Of pipelined layers, every op must be on a core whose sites have the crossbars for it, every tensor that it reads
    must arrive through a channel with its window, rings must hold that window and fit the sites' memory, and the
    predicted ticks must be those of the replay.

    Precondition: after `imc-allocate-tracks` or `imc-map-crossbar`.
    Postcondition: `imc-emit-program` succeeds. The module does not change.

    Before:
        %y = imc.ap_linear %x : ... {placements = [#imc.placement<"version 1 ...", "store 0 a 0">], ...} -> ...
    After:
        error: imc-verify-mapped: node 'fc' (imc.ap_linear): step 0 (store) reads cell 0, which does not hold output 0

    Effect on cost: none.

    Options:
        target: preset name or YAML file; tracks and domains of an array.
    """

    name = "imc-verify-mapped"

    target: str = "rtm-ap-256"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raise on the first broken rule."""
        from imcflow.passes.allocation.replay import check_placement
        from imcflow.passes.ap_target import load_ap_target
        from imcflow.passes.crossbar.check import check_mapped_crossbar
        from imcflow.passes.crossbar_target import is_crossbar_target, load_crossbar_target

        if is_crossbar_target(self.target):
            try:
                target = load_crossbar_target(self.target)
                if DATAFLOW_ATTRIBUTE in op.attributes:
                    from imcflow.passes.pipelining.check import check_pipelined

                    check_pipelined(op, target.fabric)
                check_mapped_crossbar(op, target.macro, fixed_offsets=target.fixed_offsets)
            except ImcflowError as error:
                raise PassFailedException(f"{self.name}: {error.message}") from error
            return
        geometry = load_ap_target(self.target).geometry
        for layer in op.walk():
            if isinstance(layer, Conv2dOp | GemmOp | SumPoolOp | MaxPoolOp) and runs_on(layer, Unit.AP):
                raise PassFailedException(f"{self.name}: {describe(layer)} is not unrolled; run imc-unroll")
            if not isinstance(layer, ApLinearOp):
                continue
            if layer.placements is None:
                raise PassFailedException(f"{self.name}: {describe(layer)} has no placements; run imc-allocate-tracks")
            for part, placed in zip(layer.programs, layer.placements, strict=True):
                try:
                    check_placement(part.program(), placed.placement(), geometry, loaded_bits(layer))
                except ImcflowError as error:
                    raise PassFailedException(f"{self.name}: {describe(layer)}: {error.message}") from error
