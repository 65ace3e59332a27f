"""Runs a batch through the cores of a program: all of them at work at once, pixel by pixel, in bounded buffers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

from imcflow.errors import InputError, ProgramError
from imcflow.runtime.execution.inputs import checked_inputs
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.pipeline.cores import Counts, InputWorker, Rings, Worker, workers_of
from imcflow.runtime.pipeline.dataflow import HOST, INPUT_CORE
from imcflow.runtime.pipeline.machine import Clock, Machine, deadlock, machine_of
from imcflow.runtime.pipeline.steps import host_steps
from imcflow.runtime.program import DigitalOp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import Program

    Arrays = dict[str, NDArray[Any]]

OnProgress = Callable[[int, int, str], None]
"""(pixels of the last core done, in all, its name)"""
_REPORT_EVERY = 256  # turns of the scheduler


@dataclass(frozen=True, slots=True, eq=False)
class PipelinedRun:
    """What a pipelined run gives.

    Attributes:
        outputs: by ONNX tensor name, in the model's types.
        tensors: everything that reached the host, by tensor name, as stored.
        images: length of the stream of each lane.
        bursts: turns in which some core computed something.
        pixels: pixels computed by all cores.
        peaks: by channel, most pixels that were in its ring at once.
        images_in_flight: most images of a lane under way at the end of an interval: begun by the input unit, and not
            yet done by all cores.
    """

    outputs: Arrays
    tensors: Arrays
    images: int
    bursts: int
    pixels: int
    peaks: dict[int, int]
    images_in_flight: int


def run_pipelined(
    program: Program,
    inputs: Mapping[str, NDArray[Any]],
    *,
    lanes: int = 1,
    on_progress: OnProgress | None = None,
) -> PipelinedRun:
    """Stream a batch through the cores of a program.

    Every core waits for the pixels it reads and for a slot for each result, and takes turns with the others; what it
    reads comes out of the ring slots, so it sees what is really in them. The results do not depend on who has a turn.

    Args:
        program: checked by `imcflow.runtime.loader`, with a dataflow.
        inputs: one array [N, ...] per program input.
        lanes: machines that run side by side in lock step, each with N / lanes successive images.
        on_progress: called now and then.

    Raises:
        DeadlockError: the buffers are too small; the message names the cycle of waits.
        InputError: an array is missing, unknown, or has the wrong shape, type or range; or N is no multiple of lanes.
        ProgramError: the program has no dataflow, or a step that cannot run pixel by pixel.
    """
    dataflow = program.dataflow
    if dataflow is None:
        raise ProgramError(f"program '{program.name}' is not pipelined; compile it with imc-pipeline-layers")
    arrays, batch = checked_inputs(program, inputs)
    if lanes < 1 or batch % lanes:
        raise InputError(f"a batch of {batch} images does not divide into {lanes} lanes")
    images = batch // lanes
    machine = machine_of(program, dataflow)
    before, after = host_steps(program, list(machine.bodies))
    tensors: dict[int, NDArray[Any]] = dict(arrays)
    for number in before:
        _run_on_host(program, number, tensors, batch)
    workers = workers_of(program, machine)
    source = workers[INPUT_CORE]
    if isinstance(source, InputWorker):
        source.feed(
            {
                dataflow.channels[number].tensor: tensors[dataflow.channels[number].tensor]
                for number in source.body.sends
            },
            lanes,
        )
    rings, collected = _buffers(program, machine, images, lanes)
    stream = _Stream(machine, workers, images, rings, collected)
    # Turns are short: threads of the matrix library would wait for each other longer than they work.
    with threadpool_limits(limits=1, user_api="blas"):
        stream.run(on_progress)
    for number, pixels in collected.items():
        tensor = dataflow.channels[number].tensor
        maps = pixels.transpose(2, 0, 3, 1).reshape(batch, *program.tensors[tensor].shape)
        tensors[tensor] = np.ascontiguousarray(maps)
    for number in after:
        _run_on_host(program, number, tensors, batch)
    outputs = {port.name: tensors[port.tensor].astype(np.dtype(port.model_dtype)) for port in program.outputs}
    named = {program.tensors[tensor].name: array for tensor, array in tensors.items()}
    pixels = sum(stream.counts.totals)
    return PipelinedRun(outputs, named, images, stream.bursts, pixels, stream.peaks, stream.in_flight)


class _Stream:
    """Cores that take turns: each does what it can, and wakes those that wait for its pixels or its slots."""

    def __init__(self, machine: Machine, workers: list[Worker], images: int, rings: Rings, collected: Rings) -> None:
        self.machine, self.workers, self.images = machine, workers, images
        self.rings, self.collected = rings, collected
        self.counts = Counts(machine, images)
        self.bursts = 0
        self.in_flight = 0
        self.peaks = dict.fromkeys(rings, 0)
        channels = machine.dataflow.channels
        self._neighbours = [
            [channels[number].consumer for number in machine.outputs(core)]
            + [channels[number].producer for number in body.receives]
            for core, body in enumerate(machine.bodies)
        ]

    def run(self, on_progress: OnProgress | None) -> None:
        """Run to the end, one interval of the clock after the other.

        Within an interval cores do what they can, in whatever order; at its end they have done what the control units
        have done by then, so as many images are under way, and the rings hold what they hold at that tick.

        Raises:
            DeadlockError: nothing moves any more.
        """
        counts = self.counts
        clock = Clock(self.machine, self.images) if self.images else None
        interval = _interval(self.machine)
        tick = 0
        while clock is not None and counts.done != counts.totals:
            tick += interval
            moves = clock.run(tick)
            counts.limits = clock.ended if moves else list(counts.totals)
            self._advance(on_progress)
            self.in_flight = max(self.in_flight, counts.begun() - counts.finished())
            if not moves or counts.done != counts.limits:
                raise deadlock(self.machine, self.images, counts.done)

    def _advance(self, on_progress: OnProgress | None) -> None:
        """Let cores take turns until none can do anything any more."""
        counts, last = self.counts, len(self.workers) - 1
        queue = deque(range(len(self.workers)))
        queued = set(queue)
        while queue:
            core = queue.popleft()
            queued.discard(core)
            possible = counts.possible(core)
            if possible <= 0:
                continue
            self._burst(core, possible)
            for other in (*self._neighbours[core], core):
                if other not in queued:
                    queue.append(other)
                    queued.add(other)
            if on_progress is not None and self.bursts % _REPORT_EVERY == 0:
                on_progress(counts.done[last], counts.totals[last], self.machine.dataflow.cores[last].name)

    def _burst(self, core: int, pixels: int) -> None:
        worker, first = self.workers[core], self.counts.done[core]
        values = worker.compute(first, first + pixels, self.rings)
        worker.send(first, values, self.rings, self.collected)
        self.counts.done[core] += pixels
        self.bursts += 1
        for number in self.counts.outputs[core]:
            self.peaks[number] = max(self.peaks[number], self.counts.done[core] - self.counts.free(number))


def _interval(machine: Machine) -> int:
    """Ticks in which the slowest core does an image."""
    cores = zip(machine.bodies, machine.dataflow.cores, strict=True)
    return max(-(-body.pixels * core.ticks // core.copies) for body, core in cores)


def _buffers(program: Program, machine: Machine, images: int, lanes: int) -> tuple[Rings, Rings]:
    """Rings [slots, lanes, channels] of the cores, and maps [images, pixels, lanes, channels] of the host."""
    rings: Rings = {}
    collected: Rings = {}
    for number, channel in enumerate(machine.dataflow.channels):
        info = program.tensors[channel.tensor]
        dtype = storage_dtype(info.element)
        if channel.consumer == HOST:
            pixels = machine.bodies[channel.producer].pixels
            collected[number] = np.zeros((images, pixels, lanes, info.shape[0]), dtype)
        else:
            rings[number] = np.zeros((channel.slots, lanes, info.shape[0]), dtype)
    return rings, collected


def _run_on_host(program: Program, number: int, tensors: dict[int, NDArray[Any]], batch: int) -> None:
    """Run a step on whole images."""
    from imcflow.runtime.digital import run_operation
    from imcflow.runtime.digital.registry import Call
    from imcflow.runtime.digital_ops import complete_attributes

    step = program.steps[number]
    if not isinstance(step, DigitalOp):
        raise ProgramError(f"step '{step.name}' needs arrays, but is on no core")
    info = program.tensors[step.output]
    operands = [tensors[item] if isinstance(item, int) else program.constants[item] for item in step.inputs]
    attributes = complete_attributes(step.op, step.attributes)
    call = Call(operands, attributes, info.element, storage_dtype(info.element), (batch, *info.shape))
    try:
        tensors[step.output] = run_operation(step.op, call)
    except (ProgramError, ValueError) as error:
        raise ProgramError(f"step '{step.name}': {error}") from error
