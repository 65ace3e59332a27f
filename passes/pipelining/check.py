"""The contract of a pipelined module: capacity of sites, a channel for every tensor, buffers, ticks as predicted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from imcflow.dialect.attributes_dataflow import DATAFLOW_ATTRIBUTE, DataflowAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.errors import ImcflowError
from imcflow.passes.pipelining.assemble import plan_of_dataflow, predicted, value_bits
from imcflow.passes.pipelining.fabrics import fabric_graph
from imcflow.passes.pipelining.partition import (
    Partition,
    core_map,
    crossbars_of,
    module_function,
    partition,
    readings,
    tensor_operands,
)
from imcflow.passes.pipelining.placement import Router
from imcflow.passes.pipelining.traffic import CoreGraph
from imcflow.runtime.pipeline.dataflow import HOST, INPUT_CORE, Channel, Core, Dataflow
from imcflow.runtime.pipeline.isa import CoreBody, decode_stream

if TYPE_CHECKING:
    from imcflow.targets.crossbar.fabric import FabricModel


def check_pipelined(module: ModuleOp, fabric: FabricModel | None) -> None:
    """Check the dataflow of a mapped module, if it has one.

    Raises:
        ImcflowError: names core, channel or node, and the limit.
    """
    attribute = module.attributes.get(DATAFLOW_ATTRIBUTE)
    if not isinstance(attribute, DataflowAttr):
        return
    if fabric is None:
        raise ImcflowError("the module is pipelined, but the target has no fabric")
    dataflow = attribute.dataflow()
    if (dataflow.sites, dataflow.crossbars_per_site) != (fabric.sites, fabric.crossbars_per_site):
        raise ImcflowError(
            f"{dataflow.sites} sites of {dataflow.crossbars_per_site} crossbars, the fabric has {fabric.sites} of "
            f"{fabric.crossbars_per_site}"
        )
    module_function(module)
    part = partition(module)
    bodies = [decode_stream(core.instructions, f"core '{core.name}'") for core in dataflow.cores]
    _check_cores(part, dataflow, bodies)
    _check_sites(part, dataflow, bodies)
    _check_channels(part, dataflow, bodies)
    _check_links(dataflow, fabric)
    _check_buffers(part, dataflow, fabric)
    plan = plan_of_dataflow(part, dataflow)
    found = predicted(plan, dataflow.prediction.images)
    if found != dataflow.prediction:
        raise ImcflowError(
            f"a stream of {found.images} images takes {found.total_ticks} ticks and the first {found.latency_ticks}, "
            f"predicted are {dataflow.prediction.total_ticks} and {dataflow.prediction.latency_ticks}"
        )


def _check_cores(part: Partition, dataflow: Dataflow, bodies: list[CoreBody]) -> None:
    """Every layer is on the core that the ops ask for."""
    owner = {step: core for core, body in enumerate(bodies) for step in body.steps}
    for core, steps in enumerate(part.cores):
        for step in steps:
            if owner.get(step) is None:
                raise ImcflowError(f"{describe(part.steps[step])} is on no core")
            if owner[step] != core:
                raise ImcflowError(f"{describe(part.steps[step])} is on core {owner[step]}, its operands need {core}")
    if len(dataflow.cores) != len(part.cores):
        raise ImcflowError(f"{len(dataflow.cores)} cores, the layers need {len(part.cores)}")
    for core, body in enumerate(bodies):
        height, width = core_map(part, core)
        extents = (width, height) if dataflow.columns_first else (height, width)
        if (body.slow, body.fast) != extents:
            raise ImcflowError(
                f"core '{dataflow.cores[core].name}' loops over {body.slow} x {body.fast} pixels, its map has "
                f"{extents[0]} x {extents[1]}"
            )


def _check_sites(part: Partition, dataflow: Dataflow, bodies: list[CoreBody]) -> None:
    owner: dict[int, Core] = {}
    for number, core in enumerate(dataflow.cores):
        if number == INPUT_CORE:
            continue
        crossbars = crossbars_of(part, number)
        if crossbars != core.crossbars:
            raise ImcflowError(f"core '{core.name}': crossbars is {core.crossbars}, its tiles take {crossbars}")
        room = len(core.sites) * dataflow.crossbars_per_site
        if crossbars * core.copies > room:
            raise ImcflowError(
                f"core '{core.name}': {core.copies} copies of {crossbars} crossbars, its {len(core.sites)} sites hold "
                f"{room}"
            )
        for site in core.sites:
            if site >= dataflow.sites:
                raise ImcflowError(f"core '{core.name}': site {site} does not exist, there are {dataflow.sites}")
            if site in owner:
                raise ImcflowError(f"core '{core.name}': site {site} is taken by core '{owner[site].name}'")
            owner[site] = core
        for step in bodies[number].steps:
            _check_tiles(part, step, core, dataflow)


def _check_tiles(part: Partition, step: int, core: Core, dataflow: Dataflow) -> None:
    layer = part.steps[step]
    if not isinstance(layer, CrossbarLinearOp):
        return
    for number, macro in enumerate(layer.tiles.table()["macro"].tolist()):
        if macro // dataflow.crossbars_per_site not in core.sites:
            raise ImcflowError(f"{describe(layer)}: tile {number} is on macro {macro}, at none of its core's sites")


def _check_channels(part: Partition, dataflow: Dataflow, bodies: list[CoreBody]) -> None:
    """Every tensor that an op reads from another core arrives through a channel with the window of the op."""
    number_of = {value: number for number, value in enumerate(part.values)}
    for core, body in enumerate(bodies):
        given = {
            (channel.tensor, channel.size, channel.strides, channel.pads): channel
            for channel in dataflow.channels
            if channel.consumer == core
        }
        local = {part.steps[step].results[0] for step in body.steps}
        for step in body.steps:
            op = part.steps[step]
            reading = readings(op)
            for value in tensor_operands(op):
                if value in local or reading is None:
                    continue
                if (number_of[value], reading.size, reading.strides, reading.pads) not in given:
                    raise ImcflowError(
                        f"{describe(op)} reads tensor {number_of[value]} on core {core}, no channel brings it there "
                        "with that window"
                    )
    arcs = [(number_of[arc.value], arc.producer, arc.consumer) for arc in part.arcs]
    inner = [channel for channel in dataflow.channels if channel.consumer != HOST]
    if arcs != [(channel.tensor, channel.producer, channel.consumer) for channel in inner]:
        raise ImcflowError("the channels are not those that the layers need, by consumer")
    sent = {channel.tensor for channel in dataflow.channels if channel.consumer == HOST}
    for value in part.results:
        if number_of[value] not in sent:
            raise ImcflowError(f"tensor {number_of[value]} never reaches the host")


def _check_links(dataflow: Dataflow, fabric: FabricModel) -> None:
    """Every channel has the time that its way over the links takes."""
    graph = fabric_graph(fabric.topology, fabric.sites, fabric.height, fabric.reach, fabric.links)
    router = Router(CoreGraph((), (), ()), graph)
    for number, channel in enumerate(dataflow.channels):
        if channel.consumer == HOST or channel.producer == INPUT_CORE:
            continue
        ends = (dataflow.cores[channel.producer].sites, dataflow.cores[channel.consumer].sites)
        if not all(ends):
            raise ImcflowError(f"channel {number}: core {channel.producer} or {channel.consumer} is on no site")
        ticks = len(router.routes[ends[0][0], ends[1][0]]) * fabric.hop_steps
        if channel.link_ticks < ticks:
            raise ImcflowError(f"channel {number}: arrives after {channel.link_ticks} ticks, its way takes {ticks}")


def _check_buffers(part: Partition, dataflow: Dataflow, fabric: FabricModel) -> None:
    """Rings hold a window, and the rings of a core fit the memory of its sites."""
    plan = plan_of_dataflow(part, dataflow)
    used = [0] * len(dataflow.cores)
    channels: list[Channel] = [channel for channel in dataflow.channels if channel.consumer != HOST]
    for channel, key in zip(channels, plan.edges(), strict=True):
        least = plan.tables(key).ring_minimum
        if channel.slots < least:
            raise ImcflowError(
                f"core '{dataflow.cores[channel.consumer].name}': a ring of {channel.slots} slots for tensor "
                f"{channel.tensor}, its window needs {least}"
            )
        used[channel.consumer] += channel.slots * value_bits(part.values[channel.tensor])
    if fabric.buffer_bits_per_site is None:
        return
    for core, bits in zip(dataflow.cores, used, strict=True):
        room = len(core.sites) * fabric.buffer_bits_per_site
        if bits > room and core.sites:
            raise ImcflowError(f"core '{core.name}': buffers of {bits} bits, its {len(core.sites)} sites have {room}")
