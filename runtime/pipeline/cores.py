"""Cores at work on real data: ring buffers, and control units that run as far as their buffers let them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ProgramError
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.pipeline.check import received_channel
from imcflow.runtime.pipeline.dataflow import HOST, INPUT_CORE, map_of
from imcflow.runtime.pipeline.geometry import numbers, window_pixels
from imcflow.runtime.pipeline.pixel_steps import CrossbarPixels, DigitalPixels, digital_pixels, padding_of
from imcflow.runtime.pipeline.reading import Reading
from imcflow.runtime.pipeline.steps import step_readings
from imcflow.runtime.program import CrossbarKernel, DigitalOp, tensors_written

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.machine import Machine
    from imcflow.runtime.program import Program

    Pixels = NDArray[Any]


Rings = dict[int, NDArray[Any]]
"""By channel: [slots, lanes, channels]."""


class Counts:
    """How many pixels each core has done; arrivals and free slots follow from these."""

    def __init__(self, machine: Machine, images: int) -> None:
        """Start with nothing done."""
        channels = machine.dataflow.channels
        self.done = [0] * len(machine.bodies)
        self.pixels = [body.pixels for body in machine.bodies]
        self.totals = [pixels * images for pixels in self.pixels]
        self.limits = list(self.totals)
        """Pixels beyond which a core does not go for now."""
        self.outputs = [machine.outputs(core) for core in range(len(machine.bodies))]
        self._needs = {number: tables.need.tolist() for number, tables in machine.tables.items()}
        self._freed = {number: tables.freed.tolist() for number, tables in machine.tables.items()}
        self._sources = {number: (channels[number].producer, machine.tables[number].pixels) for number in self._needs}
        self._readers = {number: (channels[number].consumer, channels[number].slots) for number in self._needs}
        self._inputs = [body.receives for body in machine.bodies]

    def begun(self) -> int:
        """Return of how many images the input unit has sent a pixel."""
        return -(-self.done[INPUT_CORE] // self.pixels[INPUT_CORE])

    def finished(self) -> int:
        """Return how many images all cores are done with."""
        return min(done // pixels for done, pixels in zip(self.done, self.pixels, strict=True))

    def free(self, number: int) -> int:
        """Return how many pixels of the stream have left the ring of a channel, or leave it on arrival."""
        consumer, _ = self._readers[number]
        image, rest = divmod(self.done[consumer], self.pixels[consumer])
        return image * self._sources[number][1] + self._freed[number][rest]

    def possible(self, core: int) -> int:
        """Return how many pixels a core can do now: as many as have all their inputs and a slot, of one image."""
        at = self.done[core]
        if at >= self.limits[core]:
            return 0
        image, pixel = divmod(at, self.pixels[core])
        most = min(self.pixels[core] - pixel, self.limits[core] - at)
        for number in self._inputs[core]:
            producer, source = self._sources[number]
            most = min(most, bisect_left(self._needs[number], self.done[producer] - image * source) - pixel)
        for number in self.outputs[core]:
            slots = self._readers[number][1]
            most = min(most, slots, slots + self.free(number) - at)
        return most


LOCAL = -1
"""Instead of a channel: the result of an earlier step of the same core."""


@dataclass(frozen=True, slots=True, eq=False)
class _Tap:
    """Where a step reads one of its tensors: a local result, or windows of a ring."""

    tensor: int
    channel: int
    reading: Reading
    table: NDArray[np.int64]
    padding: float


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """One step of a core."""

    taps: tuple[_Tap, ...]
    run: CrossbarPixels | DigitalPixels
    result: int


class Worker:
    """One core: reads windows from its rings, computes its steps, writes results into the rings of others."""

    def __init__(self, program: Program, machine: Machine, core: int) -> None:
        """Prepare the steps.

        Raises:
            ProgramError: a step cannot run pixel by pixel.
        """
        self.program, self.machine, self.core = program, machine, core
        self.body = machine.bodies[core]
        columns_first = machine.dataflow.columns_first
        self.extents = (self.body.fast, self.body.slow) if columns_first else (self.body.slow, self.body.fast)
        self._order = numbers(*self.extents, columns_first=columns_first).ravel().argsort()
        local: set[int] = set()
        self._work = [self._prepared(number, local) for number in self.body.steps]
        self._vectors = {index for index, tensor in enumerate(program.tensors) if len(tensor.shape) == 1}

    def _prepared(self, number: int, local: set[int]) -> _Work:
        program, step = self.program, self.program.steps[number]
        readings = step_readings(program, step)
        if readings is None or not isinstance(step, CrossbarKernel | DigitalOp):
            raise ProgramError(f"step '{step.name}' cannot be computed pixel by pixel")
        taps = tuple(self._tap(step, tensor, reading, tensor in local) for tensor, reading in readings)
        (result,) = tensors_written(step)
        local.add(result)
        if isinstance(step, CrossbarKernel):
            return _Work(taps, CrossbarPixels(step, program), result)
        return _Work(taps, digital_pixels(step, readings[0][1], program), result)

    def _tap(self, step: CrossbarKernel | DigitalOp, tensor: int, reading: Reading, is_local: bool) -> _Tap:
        if is_local:
            return _Tap(tensor, LOCAL, reading, np.zeros((0, 0), np.int64), 0)
        info = self.program.tensors[tensor]
        channel = received_channel(self.machine.dataflow, self.body, tensor, reading)
        if channel is None:
            raise ProgramError(f"step '{step.name}': no channel brings tensor {tensor} with its window")
        table = window_pixels(
            reading.kernel,
            reading.strides,
            reading.pads,
            reading.dilations,
            map_of(info),
            self.extents,
            columns_first=self.machine.dataflow.columns_first,
        )
        return _Tap(tensor, channel, reading, table, padding_of(step, storage_dtype(info.element)))

    def compute(self, first: int, last: int, rings: Rings) -> dict[int, Pixels]:
        """Return the results of pixels first <= pixel < last of the stream by tensor, [pixels, lanes, channels]."""
        values: dict[int, Pixels] = {}
        lanes = 1
        for work in self._work:
            operands: list[Pixels] = []
            for tap in work.taps:
                if tap.channel == LOCAL:
                    operands.append(self._shaped(values[tap.tensor], tap.tensor))
                else:
                    windows, lanes = self._windows(tap, first, last, rings[tap.channel])
                    operands.append(windows)
            values[work.result] = work.run.run(operands)
        return {tensor: value.reshape(last - first, lanes, -1) for tensor, value in values.items()}

    def _shaped(self, pixels: Pixels, tensor: int) -> Pixels:
        return pixels if tensor in self._vectors else pixels[:, :, None, None]

    def _windows(self, tap: _Tap, first: int, last: int, ring: NDArray[Any]) -> tuple[Pixels, int]:
        """Read the windows of some pixels of one image out of the slots in which they must lie by now."""
        slots, lanes, channels = ring.shape
        image, pixel = divmod(first, self.body.pixels)
        source = self.machine.tables[tap.channel].pixels
        wanted = tap.table[pixel : pixel + last - first]
        windows = ring[(wanted + image * source) % slots]
        outside = wanted < 0
        if outside.any():
            windows[outside] = tap.padding
        ordered = windows.transpose(0, 2, 3, 1).reshape((last - first) * lanes, channels, *tap.reading.kernel)
        vector = tap.tensor in self._vectors and tap.reading.is_pixel
        return (ordered[:, :, 0, 0] if vector else ordered), lanes

    def send(self, first: int, values: dict[int, Pixels], rings: Rings, collected: Rings) -> None:
        """Write results into the rings of the consumers, and what leads to the host into the collected maps."""
        for number in self.body.sends:
            channel = self.machine.dataflow.channels[number]
            pixels = values[channel.tensor]
            at = np.arange(first, first + len(pixels))
            if channel.consumer == HOST:
                image, pixel = np.divmod(at, self.body.pixels)
                collected[number][image, self._order[pixel]] = pixels
            else:
                rings[number][at % channel.slots] = pixels


class InputWorker(Worker):
    """The core that streams maps which are there from the start."""

    def feed(self, maps: dict[int, NDArray[Any]], lanes: int) -> None:
        """Take tensors [images of all lanes, ...]; lane l streams the l-th run of successive images."""
        self._maps: dict[int, NDArray[Any]] = {}
        for tensor, array in maps.items():
            images = len(array) // lanes
            pixels = array.reshape(lanes, images, array.shape[1], prod(array.shape[2:])).transpose(1, 3, 0, 2)
            self._maps[tensor] = np.ascontiguousarray(pixels[:, self._order]).reshape(-1, lanes, array.shape[1])

    def compute(self, first: int, last: int, rings: Rings) -> dict[int, Pixels]:
        """Return the next pixels of the input."""
        return {tensor: pixels[first:last] for tensor, pixels in self._maps.items()}


def workers_of(program: Program, machine: Machine) -> list[Worker]:
    """Return a worker per core, the input unit first."""
    return [
        (InputWorker if core == INPUT_CORE else Worker)(program, machine, core) for core in range(len(machine.bodies))
    ]
