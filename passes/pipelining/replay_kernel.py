"""The compiled loop of `imcflow.passes.pipelining.replay`: steps of all stages, each as far as its times are known."""

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

Ints = NDArray[np.int64]

PRODUCER, CONSUMER, LINK, SLOTS, FIRST_NEED, FIRST_READER = range(6)


@compiled_loop
def known_needs(step: int, per_image: int, edge: Ints, producer_steps: int, needs: Ints) -> int:
    """Return the producer step that a step of the consumer waits for.

    Args:
        step: of the stream.
        per_image: steps of the consumer per image.
        edge: its row of fields.
        producer_steps: steps of the producer per image.
        needs: of all edges, per image.
    """
    image = step // per_image
    return int(needs[edge[FIRST_NEED] + step - image * per_image]) + image * producer_steps


@compiled_loop
def freeing_step(step: int, per_image: int, edge: Ints, consumer_steps: int, readers: Ints) -> int:
    """Return the consumer's step whose end frees the slot of a producer's step; -1: it is free at once.

    Slots are released in order: a result that nobody reads leaves with the last one of the image before it.
    """
    image = step // per_image
    reader = int(readers[edge[FIRST_READER] + step - image * per_image])
    if reader >= 0:
        return reader + image * consumer_steps
    if image == 0:
        return -1
    return int(readers[edge[FIRST_READER] + per_image - 1]) + (image - 1) * consumer_steps


@compiled_loop
def advance(
    before_start: bool,
    counts: Ints,
    per_image: Ints,
    copies: Ints,
    ticks: Ints,
    edges: Ints,
    inputs: Ints,
    first_input: Ints,
    outputs: Ints,
    first_output: Ints,
    needs: Ints,
    readers: Ints,
    first: Ints,
    starts: Ints,
    ends: Ints,
    done: Ints,
) -> None:
    """Compute times until no further one is known.

    Args:
        before_start: whether a slot must be free when the step starts, instead of when it ends.
        counts: steps per stage, of all images.
        per_image: the same of one image.
        copies: per stage.
        ticks: per stage.
        edges: int64 [edges, 6]: producer, consumer, link ticks, slots, and where its tables begin.
        inputs, first_input: edges that each stage reads.
        outputs, first_output: edges with bounded buffers that each stage writes.
        needs: per edge and step of the consumer, the producer's step it waits for.
        readers: per edge and step of the producer, the last consumer's step that reads it or an earlier one, or -1.
        first: of each stage in `starts` and `ends`.
        starts, ends: filled.
        done: steps whose times are known, by stage; advanced.
    """
    moved = True
    while moved:
        moved = False
        for stage in range(len(counts)):
            at = first[stage]
            while done[stage] < counts[stage]:
                step = done[stage]
                start = 0
                if step:
                    start = starts[at + step - 1]
                if step >= copies[stage]:
                    start = max(start, ends[at + step - copies[stage]])
                known = True
                for position in range(first_input[stage], first_input[stage + 1]):
                    edge = edges[inputs[position]]
                    producer = edge[PRODUCER]
                    needed = known_needs(step, int(per_image[stage]), edge, int(per_image[producer]), needs)
                    if needed >= done[producer]:
                        known = False
                        break
                    start = max(start, ends[first[producer] + needed] + edge[LINK])
                if not known:
                    break
                free = 0
                for position in range(first_output[stage], first_output[stage + 1]):
                    edge = edges[outputs[position]]
                    if step < edge[SLOTS]:
                        continue
                    consumer = edge[CONSUMER]
                    reader = freeing_step(
                        int(step - edge[SLOTS]), int(per_image[stage]), edge, int(per_image[consumer]), readers
                    )
                    if reader >= done[consumer]:
                        known = False
                        break
                    if reader >= 0:
                        free = max(free, ends[first[consumer] + reader])
                if not known:
                    break
                if before_start:
                    start = max(start, free)
                starts[at + step] = start
                ends[at + step] = max(start + ticks[stage], free)
                done[stage] = step + 1
                moved = True
