"""The pass `imc-pipeline-layers`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import IntegerAttr, ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.attributes_crossbar import TilesAttr
from imcflow.dialect.attributes_dataflow import COPIES_ATTRIBUTE, DATAFLOW_ATTRIBUTE, DataflowAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from imcflow.passes.pipelining.assemble import Layout
    from imcflow.passes.pipelining.partition import Partition
    from imcflow.passes.pipelining.plan import PipelinePlan
    from imcflow.targets.crossbar.fabric import FabricModel

BUFFERS: tuple[str, ...] = ("exact", "lines", "full")
HANDSHAKES = ("pixel", "row", "image")
FAST_AXES = ("rows", "columns", "short")


@dataclass(frozen=True)
class ImcPipelineLayers(ModulePass):
    """Put every layer on cores of its own and let pixels stream from core to core.

    Each crossbar layer or pooling begins a core; operations that work on single pixels join the core that feeds them.
    Cores are placed on the sites of the fabric: as a homomorphism if there is one, else with the least link load found.
    Every tensor that leaves a core gets a channel, a ring buffer at its reader: (K-1) W + K pixels for a K x K window,
    or the peak of the schedule where branches meet, so that nothing waits; a producer waits for the slot of the pixel
    that leaves the ring. Tiles move to the crossbars of their core, and the compiler's replay says how many ticks a
    stream of 16 images takes.

    Precondition: after `imc-map-crossbar`, on a target with a fabric; `imc.copies` as `imc-replicate-layers` sets it.
    Postcondition: the module has `imc.dataflow`, which `imc-verify-mapped` checks.

    Before:
        %y = imc.crossbar_linear %x : tensor<?x1x8x8xui4> ... {tiles = #imc.tiles<"rows 9 columns 4 SIGNED">, ...}
    After:
        builtin.module attributes {imc.dataflow = #imc.dataflow<"sites 64 crossbars_per_site 16 order rows ...",
            "core crossbars 0 copies 1 ticks 1 map 8x8 sends 0 name input",
            "core sites 0 crossbars 1 copies 1 ticks 1 map 8x8 receives 0 steps 0 sends 1 name conv",
            "channel tensor 0 from 0 to 1 slots 19 size 3x3 strides 1x1 pads 1x1 link 0 by pixels", ...>} { ... }

    Effect on cost: an image every II = max ceil(pixels / copies) crossbar operations instead of one after the sum of
    all layers; memory for the windows instead of whole maps.

    Options:
        target: preset name or YAML file.
        buffers: `exact` for the peaks of the schedule, `lines` for the fewest slots that do not deadlock, `full` maps.
        buffer_bits: memory of all buffers together; 0 for no limit. The fastest choice of buffers that fits is taken.
        handshake: `pixel`; `row`: fewer synchronisations, larger buffers, a longer latency; or `image`: a core starts
            when the whole map is there, so that every core works on another image of the stream.
        fast_axis: `rows`, `columns`, or `short` for the shorter side of the input; lags go with its length.
        input_rate: pixels of the input that arrive per tick; 0 for as many as the slowest core can take.
    """

    name = "imc-pipeline-layers"

    target: str = "dimc-256x256-mesh"
    buffers: str = "exact"
    buffer_bits: int = 0
    handshake: str = "pixel"
    fast_axis: str = "rows"
    input_rate: int = 0

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Place tiles and set the attribute in place."""
        from imcflow.passes.crossbar_target import load_fabric
        from imcflow.passes.pipelining.assemble import dataflow_of
        from imcflow.passes.pipelining.partition import partition

        try:
            self._check_options()
            fabric = load_fabric(self.target)[1]
            part = partition(op)
            layout, copies = self._layout(part, fabric)
            columns_first = self._columns_first(part)
            plan = self._buffered(part, self._plan(part, copies, layout, columns_first))
            size = (fabric.sites, fabric.crossbars_per_site)
            dataflow = dataflow_of(part, plan, layout, size, columns_first=columns_first)
            _place_tiles(part, layout, fabric.crossbars_per_site)
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        op.attributes[DATAFLOW_ATTRIBUTE] = DataflowAttr.of(dataflow)

    def _check_options(self) -> None:
        for option, value, choices in (
            ("buffers", self.buffers, BUFFERS),
            ("handshake", self.handshake, HANDSHAKES),
            ("fast-axis", self.fast_axis, FAST_AXES),
        ):
            if value not in choices:
                raise ImcflowError(f"{option}={value} is unknown; choose {' or '.join(choices)}")
        for option, value in (("buffer-bits", self.buffer_bits), ("input-rate", self.input_rate)):
            if value < 0:
                raise ImcflowError(f"{option}={value} is negative")

    def _columns_first(self, part: Partition) -> bool:
        from imcflow.passes.pipelining.partition import core_map

        height, width = core_map(part, 0)
        return self.fast_axis == "columns" or (self.fast_axis == "short" and height < width)

    def _layout(self, part: Partition, fabric: FabricModel) -> tuple[Layout, list[int]]:
        """Place the cores; return where they sit, and their copies."""
        from imcflow.passes.pipelining.assemble import Layout, site_graph
        from imcflow.passes.pipelining.fabrics import fabric_graph
        from imcflow.passes.pipelining.partition import core_map
        from imcflow.passes.pipelining.placement import Router, place

        copies = [1]
        for root in part.roots[1:]:
            found = part.steps[root].attributes.get(COPIES_ATTRIBUTE)
            count = found.value.data if isinstance(found, IntegerAttr) else 1
            if count < 1:
                raise ImcflowError(f"{describe(part.steps[root])}: imc.copies is {count}, needs at least 1")
            copies.append(count)
        graph, nodes = site_graph(part, copies, fabric.crossbars_per_site)
        links = fabric_graph(fabric.topology, fabric.sites, fabric.height, fabric.reach, fabric.links)
        placement, router = place(graph, links), Router(graph, links)
        sites = tuple(tuple(placement.cores[node] for node in entry) for entry in nodes)
        loads, ticks = router.loads(placement.cores), [1] * len(nodes)
        if fabric.link_bits_per_step is not None:
            for flow in graph.flows:
                route = router.routes[placement.cores[flow.source], placement.cores[flow.target]]
                core, busiest = graph.stages[flow.source], max(int(loads[link]) for link in route)
                height, width = core_map(part, core)
                ticks[core] = max(ticks[core], math.ceil(busiest / (fabric.link_bits_per_step * height * width)))
        hops = [
            0 if not arc.producer else len(router.routes[sites[arc.producer][0], sites[arc.consumer][0]])
            for arc in part.arcs
        ]
        return Layout(sites, tuple(ticks), tuple(hop * fabric.hop_steps for hop in hops)), copies

    def _plan(self, part: Partition, copies: list[int], layout: Layout, columns_first: bool) -> PipelinePlan:
        from imcflow.passes.pipelining.assemble import plan_of
        from imcflow.passes.pipelining.partition import core_map
        from imcflow.runtime.pipeline.dataflow import Handshake

        rate = self.input_rate
        if not rate:
            steps = [math.prod(core_map(part, core)) for core in range(len(copies))]
            busy = [count * ticks / d for count, ticks, d in zip(steps, layout.step_ticks, copies, strict=True)]
            rate = max(1, math.ceil(steps[0] / max(busy[1:])))
        handshake = Handshake(self.handshake)
        return plan_of(part, copies, layout, input_rate=rate, handshake=handshake, columns_first=columns_first)

    def _buffered(self, part: Partition, plan: PipelinePlan) -> PipelinePlan:
        """Size the buffers as asked, or as fast as the memory allows."""
        from imcflow.passes.pipelining.assemble import bounded_plan, buffer_bits
        from imcflow.passes.pipelining.buffers import BufferScheme
        from imcflow.passes.pipelining.tradeoffs import memory_points

        if not self.buffer_bits:
            schemes = (BufferScheme.EXACT, BufferScheme.LINES, BufferScheme.FULL_MAP)
            return bounded_plan(plan, schemes[BUFFERS.index(self.buffers)])
        points = memory_points(plan, images=2)
        sizes = [buffer_bits(part, point.plan) for point in points]
        fitting = [
            (point.interval_ticks, point.latency_ticks, size, number)
            for number, (point, size) in enumerate(zip(points, sizes, strict=True))
            if size <= self.buffer_bits
        ]
        if not fitting:
            raise ImcflowError(f"buffer-bits={self.buffer_bits}: the smallest buffers need {min(sizes)} bits")
        return points[min(fitting)[3]].plan


def _place_tiles(part: Partition, layout: Layout, crossbars_per_site: int) -> None:
    """Give every tile a crossbar of its core's sites; copies have the same tiles on the crossbars that follow."""
    for steps, sites in zip(part.cores, layout.sites, strict=True):
        position = 0
        for step in steps:
            layer = part.steps[step]
            if not isinstance(layer, CrossbarLinearOp):
                continue
            table = layer.tiles.table().copy()
            if table["lanes"].any():
                raise ImcflowError(f"{describe(layer)}: tiles that serve some output positions only cannot stream")
            for tile in table:
                tile["macro"] = (
                    sites[position // crossbars_per_site] * crossbars_per_site + position % crossbars_per_site
                )
                tile["slot"] = tile["row"] = tile["column"] = 0
                position += 1
            layer.properties["tiles"] = TilesAttr.of(table)
