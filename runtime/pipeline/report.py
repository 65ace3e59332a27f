"""What a pipelined program does in time: cores, buffers, throughput, latency, the bottleneck and what would move it.

Everything is measured by the tick machine on the compiled program, also what another copy would buy: the machine runs
again with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.pipeline.dataflow import INPUT_CORE
from imcflow.runtime.pipeline.machine import Machine, TickTrace, machine_of, run_ticks

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.machine import Ints
    from imcflow.runtime.program import Program

DEFAULT_STEP_NS = 100.0
"""Time of one tick: one crossbar operation."""


@dataclass(frozen=True, slots=True)
class CoreReport:
    """One core over a stream.

    Attributes:
        name: of the core.
        sites: of the fabric.
        crossbars: of all copies.
        copies: that take turns.
        pixels: of one image.
        first_start: tick of its first pixel.
        first_image_end: tick at which its first image is done.
        last_end: tick of its last pixel.
        interval_ticks: that it needs per image if nothing holds it up.
        held_ticks: in which finished results wait for a slot, all copies together.
        utilisation: part of its copies' time between first start and last end in which they work, 0 to 1.
    """

    name: str
    sites: tuple[int, ...]
    crossbars: int
    copies: int
    pixels: int
    first_start: int
    first_image_end: int
    last_end: int
    interval_ticks: float
    held_ticks: int
    utilisation: float


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """One ring over a stream.

    Attributes:
        tensor: name of the tensor.
        producer: name of the core that sends.
        consumer: name of the core that receives.
        slots: pixels that fit.
        bits: memory of the ring.
        peak: most pixels in it at once.
        mean: pixels in it, averaged over the stream.
    """

    tensor: str
    producer: str
    consumer: str
    slots: int
    bits: int
    peak: int
    mean: float


@dataclass(frozen=True, slots=True)
class GrowthReport:
    """What another copy of some cores would do.

    Attributes:
        cores: names of those that get one.
        crossbars: that it takes.
        interval_ticks: then.
        latency_ticks: then.
    """

    cores: tuple[str, ...]
    crossbars: int
    interval_ticks: float
    latency_ticks: int


@dataclass(frozen=True, slots=True, eq=False)
class PipelineReport:
    """All figures of a stream through a pipelined program.

    Attributes:
        program: its name.
        images: length of the stream.
        step_ns: time of one tick.
        latency_ticks: until the first image is done.
        interval_ticks: mean distance of the images behind it.
        total_ticks: until the last one is done.
        predicted: latency and total of the compiler for such a stream; None if it predicted another length.
        images_in_flight: most images under way at once.
        layer_by_layer_ticks: per image, if one core after the other did its whole map on the same copies.
        cores: the input unit first.
        channels: between cores.
        bottlenecks: names of the cores that set the interval.
        growth: another copy of all bottlenecks, then of the single cores that shorten the latency most.
    """

    program: str
    images: int
    step_ns: float
    latency_ticks: int
    interval_ticks: float
    total_ticks: int
    predicted: tuple[int, int] | None
    images_in_flight: int
    layer_by_layer_ticks: int
    cores: tuple[CoreReport, ...]
    channels: tuple[ChannelReport, ...]
    bottlenecks: tuple[str, ...]
    growth: tuple[GrowthReport, ...]

    @property
    def images_per_second(self) -> float:
        """Of a long stream."""
        return 1e9 / (self.interval_ticks * self.step_ns)

    @property
    def latency_us(self) -> float:
        """Of the first image."""
        return self.latency_ticks * self.step_ns / 1e3

    @property
    def layer_by_layer_per_second(self) -> float:
        """Images per second without the pipeline."""
        return 1e9 / (self.layer_by_layer_ticks * self.step_ns)

    def to_json(self) -> dict[str, object]:
        """Return all figures with stable keys."""
        figures: dict[str, object] = asdict(self)
        figures["images_per_second"] = self.images_per_second
        figures["latency_us"] = self.latency_us
        figures["layer_by_layer_per_second"] = self.layer_by_layer_per_second
        return figures


def trace_program(program: Program, images: int) -> TickTrace:
    """Run a stream through the control units of a program.

    Raises:
        ProgramError: it is not pipelined.
        DeadlockError: its buffers are too small.
    """
    if program.dataflow is None:
        raise ProgramError(f"program '{program.name}' is not pipelined; compile it for a target with a fabric")
    return run_ticks(machine_of(program, program.dataflow), images)


def pipeline_report(program: Program, trace: TickTrace, *, step_ns: float = DEFAULT_STEP_NS) -> PipelineReport:
    """Return the figures of a stream.

    Args:
        program: that ran.
        trace: of `trace_program`.
        step_ns: time of one tick.
    """
    machine, images = trace.machine, trace.images
    prediction = machine.dataflow.prediction
    cores = tuple(_core(trace, number) for number in range(len(machine.bodies)))
    slowest = max(core.interval_ticks for core in cores)
    slow = [number for number, core in enumerate(cores) if core.interval_ticks == slowest]
    return PipelineReport(
        program=program.name,
        images=images,
        step_ns=step_ns,
        latency_ticks=trace.latency_ticks,
        interval_ticks=trace.interval_ticks,
        total_ticks=trace.total_ticks,
        predicted=(prediction.latency_ticks, prediction.total_ticks) if prediction.images == images else None,
        images_in_flight=trace.images_in_flight(),
        layer_by_layer_ticks=sum(
            math.ceil(body.pixels / core.copies) * core.ticks
            for body, core in zip(machine.bodies[1:], machine.dataflow.cores[1:], strict=True)
        ),
        cores=cores,
        channels=tuple(_channel(program, trace, number) for number in sorted(machine.tables)),
        bottlenecks=tuple(cores[number].name for number in slow),
        growth=_growth(machine, images, slow),
    )


def _core(trace: TickTrace, number: int) -> CoreReport:
    core, body = trace.machine.dataflow.cores[number], trace.machine.bodies[number]
    starts, ends = trace.starts[number], trace.ends[number]
    span = int(ends[-1] - starts[0])
    work = len(starts) * core.ticks
    return CoreReport(
        name=core.name,
        sites=core.sites,
        crossbars=0 if number == INPUT_CORE else core.crossbars * core.copies,
        copies=core.copies,
        pixels=body.pixels,
        first_start=int(starts[0]),
        first_image_end=int(ends[body.pixels - 1]),
        last_end=int(ends[-1]),
        interval_ticks=body.pixels * core.ticks / core.copies,
        held_ticks=int((ends - starts).sum()) - work,
        utilisation=work / (core.copies * span),
    )


def occupancy(trace: TickTrace, number: int) -> tuple[Ints, Ints]:
    """Return the ticks at which the pixels in a ring change, and how many there are from then on.

    A slot freed in the instant in which the next pixel lands counts once.
    """
    machine = trace.machine
    channel, tables = machine.dataflow.channels[number], machine.tables[number]
    writes, reads = trace.ends[channel.producer], trace.ends[channel.consumer]
    steps = np.searchsorted(tables.freed, np.arange(tables.pixels), side="right") - 1
    offsets = np.arange(trace.images)[:, None] * (len(tables.freed) - 1)
    reader = np.where(steps[None, :] < 0, -1, steps[None, :] + offsets).ravel()
    freed = np.maximum(np.where(reader < 0, 0, reads[np.maximum(reader, 0)]), writes)
    ticks, place = np.unique(np.concatenate([writes, freed]), return_inverse=True)
    change = np.zeros(len(ticks), np.int64)
    np.add.at(change, place, np.repeat([1, -1], len(writes)))
    return ticks, np.cumsum(change)


def _channel(program: Program, trace: TickTrace, number: int) -> ChannelReport:
    channel = trace.machine.dataflow.channels[number]
    tensor = program.tensors[channel.tensor]
    ticks, levels = occupancy(trace, number)
    sender, receiver = (trace.machine.dataflow.cores[core].name for core in (channel.producer, channel.consumer))
    held = float((levels[:-1] * np.diff(ticks)).sum()) / max(1, trace.total_ticks)
    bits = channel.slots * tensor.shape[0] * tensor.element.bits
    return ChannelReport(tensor.name, sender, receiver, channel.slots, bits, int(levels.max()), held)


def _growth(machine: Machine, images: int, slow: Sequence[int], single: int = 3) -> tuple[GrowthReport, ...]:
    """Another copy of all bottlenecks together, then of the `single` cores that shorten the latency most."""
    now = run_ticks(machine, 1).latency_ticks
    found = [_with_another_copy(machine, images, slow)]
    alone = [_with_another_copy(machine, images, [core]) for core in range(1, len(machine.bodies)) if [core] != slow]
    better = sorted((entry for entry in alone if entry.latency_ticks < now), key=lambda entry: entry.latency_ticks)
    return (*found, *better[:single])


def _with_another_copy(machine: Machine, images: int, chosen: Sequence[int]) -> GrowthReport:
    cores = machine.dataflow.cores
    copies = [core.copies + (number in chosen) for number, core in enumerate(cores)]
    trace = run_ticks(machine.with_copies(copies), images)
    crossbars = sum(cores[number].crossbars for number in chosen)
    names = tuple(cores[number].name for number in chosen)
    return GrowthReport(names, crossbars, trace.interval_ticks, trace.latency_ticks)
