"""The compiled loop of the tick machine."""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

Ints = NDArray[np.int64]

PRODUCER, CONSUMER, SLOTS, LINK, PIXELS = range(5)
NEVER = 1 << 62
DONE, STUCK, PAUSED = range(3)


@compiled_loop
def run(
    images: int,
    pixels: Ints,
    copies: Ints,
    ticks: Ints,
    channels: Ints,
    inputs: Ints,
    first_input: Ints,
    outputs: Ints,
    first_output: Ints,
    needs: Ints,
    first_need: Ints,
    freed: Ints,
    first_freed: Ints,
    first: Ints,
    spans: Ints,
    starts: Ints,
    ends: Ints,
    started: Ints,
    ended: Ints,
    clock: Ints,
    until: int,
) -> int:
    """Run until all is done, nothing can happen any more, or the clock would pass a tick; return which of these.

    Args:
        images: of the stream.
        pixels: per core and image.
        copies: per core.
        ticks: per core.
        channels: int64 [channels, 5]: producer, consumer, slots, link ticks, producer pixels per image.
        inputs, first_input: channels that each core receives.
        outputs, first_output: channels that each core sends.
        needs, first_need: per channel and consumer pixel, the producer pixel it waits for.
        freed, first_freed: per channel and number of consumer pixels done, producer pixels free.
        first: of each core in `starts` and `ends`.
        spans: pixels of each core whose times are kept there; pixel n of the stream has place n mod span.
        starts, ends: filled.
        started, ended: pixels begun and done, by core; advanced.
        clock: int64 [1]: the tick at which to go on; advanced.
        until: the last tick that is run.
    """
    cores = len(pixels)
    while True:
        now = clock[0]
        # A consumer's end frees the slot that its producer's result waits for, and producers come before consumers.
        for core in range(cores - 1, -1, -1):
            while ended[core] < started[core]:
                step = ended[core]
                if starts[first[core] + step % spans[core]] + ticks[core] > now:
                    break
                room = True
                for at in range(first_output[core], first_output[core + 1]):
                    channel = outputs[at]
                    consumer = channels[channel, CONSUMER]
                    image = ended[consumer] // pixels[consumer]
                    rest = ended[consumer] - image * pixels[consumer]
                    free = image * channels[channel, PIXELS] + freed[first_freed[channel] + rest]
                    if step >= channels[channel, SLOTS] + free:
                        room = False
                        break
                if not room:
                    break
                ends[first[core] + step % spans[core]] = now
                ended[core] = step + 1
        for core in range(cores):
            while started[core] < pixels[core] * images and started[core] - ended[core] < copies[core]:
                if (
                    arrival(
                        core,
                        started[core],
                        pixels,
                        channels,
                        inputs,
                        first_input,
                        needs,
                        first_need,
                        first,
                        spans,
                        ends,
                        ended,
                    )
                    > now
                ):
                    break
                starts[first[core] + started[core] % spans[core]] = now
                started[core] += 1
        upcoming = NEVER
        done = True
        for core in range(cores):
            if ended[core] < pixels[core] * images:
                done = False
            if ended[core] < started[core]:
                due = starts[first[core] + ended[core] % spans[core]] + ticks[core]
                if now < due < upcoming:
                    upcoming = due
            if started[core] < pixels[core] * images and started[core] - ended[core] < copies[core]:
                due = arrival(
                    core,
                    started[core],
                    pixels,
                    channels,
                    inputs,
                    first_input,
                    needs,
                    first_need,
                    first,
                    spans,
                    ends,
                    ended,
                )
                if now < due < upcoming:
                    upcoming = due
        if done:
            return DONE
        if upcoming == NEVER:
            return STUCK
        if upcoming > until:
            return PAUSED
        clock[0] = upcoming


@compiled_loop
def arrival(
    core: int,
    step: int,
    pixels: Ints,
    channels: Ints,
    inputs: Ints,
    first_input: Ints,
    needs: Ints,
    first_need: Ints,
    first: Ints,
    spans: Ints,
    ends: Ints,
    ended: Ints,
) -> int:
    """Return the tick at which all that a pixel reads has arrived, or NEVER if some of it is not written yet."""
    image = step // pixels[core]
    rest = step - image * pixels[core]
    latest = 0
    for at in range(first_input[core], first_input[core + 1]):
        channel = inputs[at]
        producer = channels[channel, PRODUCER]
        needed = image * channels[channel, PIXELS] + needs[first_need[channel] + rest]
        if needed >= ended[producer]:
            return NEVER
        latest = max(latest, ends[first[producer] + needed % spans[producer]] + channels[channel, LINK])
    return latest
