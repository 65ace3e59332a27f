"""Ticks of a stream of images, found by running the control units of all cores against each other.

Every tick has two halves. First, steps that are due end, results that have a free slot are written, and what their
step read becomes free; a slot freed in this instant can take a result in it. Then cores start the next pixel, if a
copy is idle and all that the pixel reads has arrived. Nothing here knows what the compiler predicted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.pipeline.dataflow import HOST, Dataflow, map_of
from imcflow.runtime.pipeline.deadlock import DeadlockError, Wait, cycle_of_waits
from imcflow.runtime.pipeline.geometry import ChannelTables, channel_tables
from imcflow.runtime.pipeline.isa import CoreBody, decode_stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imcflow.runtime.program import Program

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """The cores of a checked program with their dependences.

    Attributes:
        dataflow: of the program.
        bodies: decoded streams.
        tables: per channel that leads to a core.
    """

    dataflow: Dataflow
    bodies: tuple[CoreBody, ...]
    tables: dict[int, ChannelTables]

    def with_copies(self, copies: Sequence[int]) -> Machine:
        """The same machine with other numbers of copies."""
        cores = tuple(replace(core, copies=count) for core, count in zip(self.dataflow.cores, copies, strict=True))
        return replace(self, dataflow=replace(self.dataflow, cores=cores))

    def outputs(self, core: int) -> list[int]:
        """Channels that a core sends to other cores."""
        return [number for number in self.bodies[core].sends if number in self.tables]

    def wait_of(self, core: int, step: int, ended: Sequence[int]) -> Wait | None:
        """Return what a step of a core waits for when each core has done so many pixels; None if for nothing."""
        cores, channels = self.dataflow.cores, self.dataflow.channels
        image, pixel = divmod(step, self.bodies[core].pixels)
        for number in self.bodies[core].receives:
            channel, tables = channels[number], self.tables[number]
            needed = int(tables.need[pixel]) + image * tables.pixels
            if needed >= ended[channel.producer]:
                return Wait(core, cores[core].name, step, channel.producer, cores[channel.producer].name, needed)
        for number in self.outputs(core):
            channel, tables = channels[number], self.tables[number]
            reader = self.freeing_step(number, step - channel.slots)
            if reader >= ended[channel.consumer]:
                other = cores[channel.consumer].name
                return Wait(core, cores[core].name, step, channel.consumer, other, reader, channel.slots)
        return None

    def freeing_step(self, number: int, pixel: int) -> int:
        """Return the consumer's step whose end frees a pixel of a channel; -1 if it is free anyway."""
        tables = self.tables[number]
        image, rest = divmod(pixel, tables.pixels)
        if pixel < 0:
            return -1
        steps = int(np.searchsorted(tables.freed, rest, side="right"))
        return image * (len(tables.freed) - 1) + steps - 1


def machine_of(program: Program, dataflow: Dataflow) -> Machine:
    """Decode streams and walk the windows of a checked program."""
    bodies = tuple(decode_stream(core.instructions, core.name) for core in dataflow.cores)
    tables: dict[int, ChannelTables] = {}
    for number, channel in enumerate(dataflow.channels):
        if channel.consumer == HOST:
            continue
        body = bodies[channel.consumer]
        target = (body.fast, body.slow) if dataflow.columns_first else (body.slow, body.fast)
        source = map_of(program.tensors[channel.tensor])
        tables[number] = channel_tables(channel, source, target, columns_first=dataflow.columns_first)
    return Machine(dataflow, bodies, tables)


@dataclass(frozen=True, slots=True, eq=False)
class TickTrace:
    """When every pixel of a stream was computed.

    Attributes:
        machine: what ran.
        images: length of the stream.
        starts: per core, int64 [images * pixels].
        ends: per core, tick at which the pixel was written.
    """

    machine: Machine
    images: int
    starts: tuple[Ints, ...]
    ends: tuple[Ints, ...]

    @property
    def total_ticks(self) -> int:
        """End of the last step."""
        return int(max(ends[-1] for ends in self.ends))

    def image_ends(self) -> Ints:
        """Tick at which the last pixel of each image is written by the last of all cores."""
        return np.max([ends.reshape(self.images, -1)[:, -1] for ends in self.ends], axis=0)

    @property
    def latency_ticks(self) -> int:
        """End of the first image."""
        return int(self.image_ends()[0])

    @property
    def interval_ticks(self) -> float:
        """Mean distance of the ends of successive images; the latency if there is only one."""
        ends = self.image_ends()
        return float(ends[-1] - ends[0]) / (self.images - 1) if self.images > 1 else float(ends[0])

    def images_in_flight(self) -> int:
        """Most images of which some pixel has left the input unit while the last one is not written yet."""
        begun = np.sort(self.starts[0].reshape(self.images, -1)[:, 0])
        done = np.searchsorted(np.sort(self.image_ends()), begun, side="right")
        return int((np.arange(1, self.images + 1) - done).max())


def run_ticks(machine: Machine, images: int) -> TickTrace:
    """Run a stream of images through the control units.

    Args:
        machine: cores and channels.
        images: length of the stream, at least 1.

    Raises:
        DeadlockError: cores wait for each other; the message names the cycle.
    """
    clock = Clock(machine, images, [body.pixels * images for body in machine.bodies])
    if not clock.run():
        raise deadlock(machine, images, clock.ended)
    return TickTrace(machine, images, clock.rows(clock.starts), clock.rows(clock.ends))


class Clock:
    """Control units that run up to a tick, and go on from there.

    Attributes:
        starts, ends: ticks, int64: of every core the pixels that are kept.
    """

    def __init__(self, machine: Machine, images: int, kept: Sequence[int] | None = None) -> None:
        """Begin with nothing done.

        Args:
            machine: cores and channels.
            images: length of the stream, at least 1.
            kept: pixels whose times are kept, by core; default as few as will be asked for.
        """
        cores, channels = machine.dataflow.cores, machine.dataflow.channels
        numbers = sorted(machine.tables)
        place = {number: at for at, number in enumerate(numbers)}
        spans = _enough(machine) if kept is None else kept
        first = np.concatenate([[0], np.cumsum(spans)]).astype(np.int64)
        fields = [
            (
                channels[number].producer,
                channels[number].consumer,
                channels[number].slots,
                channels[number].link_ticks,
                machine.tables[number].pixels,
            )
            for number in numbers
        ]
        self.starts, self.ends = (np.full(first[-1], -1, np.int64) for _ in range(2))
        self._started, self._ended = (np.zeros(len(cores), np.int64) for _ in range(2))
        self._now = np.zeros(1, np.int64)
        self._first = first
        self._arguments = (
            images,
            np.array([body.pixels for body in machine.bodies], np.int64),
            np.array([core.copies for core in cores], np.int64),
            np.array([core.ticks for core in cores], np.int64),
            np.array(fields, np.int64).reshape(-1, 5),
            *_lists([[place[number] for number in body.receives] for body in machine.bodies]),
            *_lists([[place[number] for number in machine.outputs(core)] for core in range(len(cores))]),
            *_lists([machine.tables[number].need.tolist() for number in numbers]),
            *_lists([machine.tables[number].freed.tolist() for number in numbers]),
            first,
            np.array(spans, np.int64),
            self.starts,
            self.ends,
            self._started,
            self._ended,
            self._now,
        )

    @property
    def ended(self) -> list[int]:
        """Pixels of the stream done, by core."""
        return self._ended.tolist()

    def run(self, until: int | None = None) -> bool:
        """Run up to a tick, it included, or to the end; return False if cores wait for each other for ever."""
        from imcflow.runtime.pipeline.machine_kernel import NEVER, STUCK, run

        return run(*self._arguments, NEVER if until is None else until) != STUCK

    def rows(self, times: Ints) -> tuple[Ints, ...]:
        """Return `starts` or `ends`, core by core."""
        return tuple(times[a:b] for a, b in zip(self._first[:-1].tolist(), self._first[1:].tolist(), strict=True))


def _enough(machine: Machine) -> list[int]:
    """Pixels whose times may still be asked for: those under way, and those in the rings behind the core."""
    channels = machine.dataflow.channels
    return [
        1 + max([machine.dataflow.cores[core].copies, *(channels[number].slots for number in machine.outputs(core))])
        for core in range(len(machine.bodies))
    ]


def deadlock(machine: Machine, images: int, ended: list[int]) -> DeadlockError:
    """Return the error for a machine in which nothing moves any more.

    Args:
        machine: cores and channels.
        images: length of the stream.
        ended: pixels done, by core.
    """
    stuck = {
        core: wait
        for core, body in enumerate(machine.bodies)
        if ended[core] < body.pixels * images and (wait := machine.wait_of(core, ended[core], ended)) is not None
    }
    return DeadlockError(cycle_of_waits(stuck))


def _lists(values: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
    """Rows of different lengths as one array, and where each begins."""
    begins = np.concatenate([[0], np.cumsum([len(row) for row in values])]).astype(np.int64)
    return np.array([item for row in values for item in row], np.int64), begins
