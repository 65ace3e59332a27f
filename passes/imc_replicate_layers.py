"""The pass `imc-replicate-layers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp, i64
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_dataflow import COPIES_ATTRIBUTE
from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from imcflow.passes.pipelining.copies import Supply
    from imcflow.passes.pipelining.partition import Partition


@dataclass(frozen=True)
class ImcReplicateLayers(ModulePass):
    """Give layers copies of their weights, so that a stream of images flows as fast as the crossbars allow.

    A layer takes one crossbar operation per output pixel; d copies work on d successive pixels. All layers together
    finish an image every II = max ceil(pixels / d) operations, the initiation interval. The pass finds the smallest II
    whose copies fit the crossbars and sites of the target, by bisection, or takes the one that is asked for. Poolings
    on the digital unit get as many lanes as the interval needs.

    Precondition: after `imc-map-crossbar`, on a target with a fabric.
    Postcondition: every op that begins a core has `imc.copies`; `imc-pipeline-layers` places them.

    Before:
        %y = imc.crossbar_linear %x : tensor<?x1x8x8xui4> ... {tiles = #imc.tiles<"rows 9 columns 4 SIGNED">, ...}
    After:
        %y = imc.crossbar_linear %x : ... {tiles = #imc.tiles<"rows 9 columns 4 SIGNED">, ...} {imc.copies = 4 : i64}

    Effect on cost: the interval falls in proportion to the copies of the slowest layer; the energy stays.

    Options:
        target: preset name or YAML file.
        crossbars: budget; 0 for all crossbars of the target.
        interval: wanted initiation interval in crossbar operations; 0 for the smallest.
    """

    name = "imc-replicate-layers"

    target: str = "dimc-256x256-mesh"
    crossbars: int = 0
    interval: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Set the attribute in place."""
        from imcflow.passes.crossbar_target import load_fabric
        from imcflow.passes.pipelining.copies import Supply
        from imcflow.passes.pipelining.partition import partition

        try:
            fabric = load_fabric(self.target)[1]
            total = fabric.sites * fabric.crossbars_per_site
            if self.crossbars < 0 or self.interval < 0 or self.crossbars > total:
                raise ImcflowError(
                    f"crossbars={self.crossbars} interval={self.interval}: needs 0 to {total}, and 0 or more"
                )
            part = partition(op)
            copies = self._copies(part, Supply(self.crossbars or total, fabric.sites, fabric.crossbars_per_site))
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        for root, count in zip(part.roots[1:], copies, strict=True):
            part.steps[root].attributes[COPIES_ATTRIBUTE] = IntegerAttr(count, i64)

    def _copies(self, part: Partition, supply: Supply) -> list[int]:
        from imcflow.passes.pipelining.copies import Demand, complaint, copies_for_interval, copies_for_supply
        from imcflow.passes.pipelining.partition import core_map, crossbars_of

        demands: list[Demand] = []
        for core in range(1, len(part.cores)):
            height, width = core_map(part, core)
            demands.append(Demand(part.core_name(core), crossbars_of(part, core), height * width))
        if not self.interval:
            return copies_for_supply(demands, supply)[1]
        copies = copies_for_interval(demands, self.interval)
        text = complaint(demands, copies, supply)
        if text is not None:
            raise ImcflowError(f"an interval of {self.interval} does not fit: {text}")
        return copies
