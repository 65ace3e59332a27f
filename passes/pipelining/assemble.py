"""From cores and arcs to a dataflow: sites, buffers, channels, streams, and the ticks that they will take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcflow.dialect.types import element_type_of, shape_of
from imcflow.passes.pipelining.buffers import BufferScheme, size_buffers
from imcflow.passes.pipelining.copies import sites_needed
from imcflow.passes.pipelining.crossbars import PIXEL
from imcflow.passes.pipelining.layers import Axis, Edge, Network, PipelineError, Stage
from imcflow.passes.pipelining.partition import Arc, Partition, core_map, crossbars_of
from imcflow.passes.pipelining.plan import EdgeKey, PipelinePlan
from imcflow.passes.pipelining.replay import Replay, replay
from imcflow.passes.pipelining.traffic import CoreGraph, Flow
from imcflow.runtime.pipeline.dataflow import HOST, INPUT_CORE, Channel, Core, Dataflow, Handshake, Prediction
from imcflow.runtime.pipeline.deadlock import DeadlockError
from imcflow.runtime.pipeline.isa import CoreBody, encode_stream
from imcflow.runtime.program import element_type

if TYPE_CHECKING:
    from xdsl.ir import SSAValue

PREDICTED_IMAGES = 16


@dataclass(frozen=True)
class Layout:
    """Where cores sit.

    Attributes:
        sites: per core.
        step_ticks: per core; more than 1 where its results need longer on their links.
        hops: per arc, ticks from producer to consumer.
    """

    sites: tuple[tuple[int, ...], ...]
    step_ticks: tuple[int, ...]
    hops: tuple[int, ...]


def analysed_network(part: Partition, *, columns_first: bool) -> Network:
    """Return the network of stages on which plans are made; a core is a stage, an arc an edge."""
    stages: list[Stage] = []
    for core in range(len(part.cores)):
        height, width = core_map(part, core)
        channels = shape_of(_sample(part, core))[1]
        edges = tuple(_edge(arc) for arc in part.arcs if arc.consumer == core)
        stages.append(Stage(part.core_name(core), height, width, channels, edges))
    network = Network("module", tuple(stages))
    return network.transposed() if columns_first else network


def _sample(part: Partition, core: int) -> SSAValue:
    if core == INPUT_CORE:
        return next(arc.value for arc in part.arcs if arc.producer == INPUT_CORE)
    return part.steps[part.roots[core]].results[0]


def _edge(arc: Arc) -> Edge:
    rows, columns = (
        Axis(*fields) for fields in zip(arc.reading.size, arc.reading.strides, arc.reading.pads, strict=True)
    )
    return Edge(arc.producer, rows, columns)


def value_bits(value: SSAValue) -> int:
    """Return the bits of one pixel of a tensor."""
    return shape_of(value)[1] * element_type(str(element_type_of(value))).bits


def site_graph(part: Partition, copies: Sequence[int], crossbars_per_site: int) -> tuple[CoreGraph, list[list[int]]]:
    """Return what sites exchange, bits per image, and the nodes of each core.

    The first site of a core receives its pixels, passes them on to the others, and collects their results.
    """
    names: list[str] = []
    owners: list[int] = []
    nodes: list[list[int]] = [[]]
    flows: dict[tuple[int, int], int] = {}
    for core in range(1, len(part.cores)):
        count = sites_needed(crossbars_of(part, core) * copies[core], crossbars_per_site)
        nodes.append(list(range(len(names), len(names) + count)))
        names += [f"{part.core_name(core)}[{index}]" for index in range(count)]
        owners += [core] * count
        height, width = core_map(part, core)
        sent = height * width * value_bits(_sample(part, core))
        received = sum(_arc_bits(arc) for arc in part.arcs if arc.consumer == core)
        for other in nodes[core][1:]:
            flows[nodes[core][0], other] = received
            flows[other, nodes[core][0]] = sent
    for arc in part.arcs:
        if arc.producer != INPUT_CORE:
            pair = (nodes[arc.producer][0], nodes[arc.consumer][0])
            flows[pair] = flows.get(pair, 0) + _arc_bits(arc)
    return CoreGraph(tuple(names), tuple(owners), tuple(Flow(*pair, bits) for pair, bits in flows.items())), nodes


def _arc_bits(arc: Arc) -> int:
    shape = shape_of(arc.value)
    return math.prod(shape[2:]) * value_bits(arc.value)


def plan_of(
    part: Partition,
    copies: Sequence[int],
    layout: Layout,
    *,
    input_rate: int,
    handshake: Handshake,
    columns_first: bool,
) -> PipelinePlan:
    """Return the plan with unbounded buffers."""
    network = analysed_network(part, columns_first=columns_first)
    links: dict[EdgeKey, int] = {}
    seen = [0] * len(network.stages)
    for arc, hops in zip(part.arcs, layout.hops, strict=True):
        links[arc.consumer, seen[arc.consumer]] = hops
        seen[arc.consumer] += 1
    return PipelinePlan(
        network,
        (PIXEL,) * len(network.stages),
        (input_rate, *copies[1:]),
        layout.step_ticks,
        input_rate,
        handshake,
        link_ticks=links,
    )


def bounded_plan(plan: PipelinePlan, scheme: BufferScheme) -> PipelinePlan:
    """Return the plan with buffers; line buffers that deadlock are enlarged where they wait for each other."""
    from imcflow.passes.pipelining.tradeoffs import without_deadlock

    bounded = plan.with_capacities(size_buffers(plan, scheme))
    if scheme is BufferScheme.LINES:
        return without_deadlock(bounded)
    return _with_short_input(bounded) if scheme is BufferScheme.EXACT else bounded


def _with_short_input(plan: PipelinePlan) -> PipelinePlan:
    """Shorten the rings behind the input as far as it costs no time: an input that runs ahead would fill any ring."""
    images = 3
    wanted = replay(plan, images)
    slots = dict(plan.capacities)
    for key in [key for key in plan.edges() if plan.producer(key) == INPUT_CORE]:
        low, high = plan.tables(key).ring_minimum, slots[key]
        while low < high:
            middle = (low + high) // 2
            if _as_fast(plan.with_capacities(slots | {key: middle}), wanted, images):
                high = middle
            else:
                low = middle + 1
        slots[key] = high
    return plan.with_capacities(slots)


def _as_fast(plan: PipelinePlan, wanted: Replay, images: int) -> bool:
    try:
        found = replay(plan, images)
    except DeadlockError:
        return False
    return bool((found.image_ends() == wanted.image_ends()).all())


def predicted(plan: PipelinePlan, images: int = PREDICTED_IMAGES) -> Prediction:
    """Return what a stream takes, from the compiler's own replay.

    Raises:
        DeadlockError: the buffers are too small.
    """
    result = replay(plan, images)
    first = max(int(ends.reshape(images, -1)[0, -1]) for ends in result.ends)
    return Prediction(images, first, result.ticks)


def dataflow_of(
    part: Partition, plan: PipelinePlan, layout: Layout, fabric: tuple[int, int], *, columns_first: bool
) -> Dataflow:
    """Return the dataflow of a plan with buffers.

    Args:
        part: cores and arcs.
        plan: with a capacity for every edge.
        layout: where cores sit.
        fabric: sites, and crossbars per site.
        columns_first: whether the plan's network is transposed.
    """
    number_of = {value: number for number, value in enumerate(part.values)}
    channels: list[Channel] = []
    seen = [0] * len(part.cores)
    for arc, hops in zip(part.arcs, layout.hops, strict=True):
        key = (arc.consumer, seen[arc.consumer])
        seen[arc.consumer] += 1
        reading = arc.reading
        channels.append(
            Channel(
                number_of[arc.value],
                arc.producer,
                arc.consumer,
                plan.capacities[key],
                reading.size,
                reading.strides,
                reading.pads,
                plan.handshake,
                hops,
            )
        )
    for value in part.results:
        core = part.core_of(value)
        if core is None:
            raise PipelineError(f"tensor {number_of[value]} leaves no core")
        channels.append(Channel(number_of[value], core, HOST, 0))
    cores: list[Core] = []
    for core, steps in enumerate(part.cores):
        height, width = core_map(part, core)
        slow, fast = (width, height) if columns_first else (height, width)
        body = CoreBody(
            slow,
            fast,
            tuple(number for number, channel in enumerate(channels) if channel.consumer == core),
            steps,
            tuple(number for number, channel in enumerate(channels) if channel.producer == core),
        )
        stream = encode_stream(body)
        crossbars = crossbars_of(part, core)
        name = part.core_name(core)
        cores.append(Core(name, layout.sites[core], crossbars, plan.copies[core], plan.step_ticks[core], stream))
    return Dataflow(*fabric, columns_first, tuple(cores), tuple(channels), predicted(plan))


def plan_of_dataflow(part: Partition, dataflow: Dataflow) -> PipelinePlan:
    """Return the plan that a dataflow carries out, for the compiler to replay."""
    layout = Layout(
        tuple(core.sites for core in dataflow.cores),
        tuple(core.ticks for core in dataflow.cores),
        tuple(channel.link_ticks for channel in dataflow.channels if channel.consumer != HOST),
    )
    inner = [channel for channel in dataflow.channels if channel.consumer != HOST]
    copies = [core.copies for core in dataflow.cores]
    coarsest = max((channel.handshake for channel in inner), key=list(Handshake).index, default=Handshake.PIXEL)
    plan = plan_of(part, copies, layout, input_rate=copies[0], handshake=coarsest, columns_first=dataflow.columns_first)
    capacities: dict[EdgeKey, int] = {}
    seen = [0] * len(dataflow.cores)
    for channel in inner:
        capacities[channel.consumer, seen[channel.consumer]] = channel.slots
        seen[channel.consumer] += 1
    return plan.with_capacities(capacities)


def buffer_bits(part: Partition, plan: PipelinePlan) -> int:
    """Return the bits of all buffers of a plan together."""
    keys: list[EdgeKey] = plan.edges()
    return sum(plan.capacities[key] * value_bits(arc.value) for key, arc in zip(keys, part.arcs, strict=True))
