"""A stream through the cores as a trace that Perfetto and chrome://tracing show: a row per copy, a graph per ring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.pipeline.report import occupancy

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.machine import TickTrace

MOST_SAMPLES = 2000
"""Points of the graph of one ring; the highest level of every piece is kept."""


def trace_events(trace: TickTrace, *, step_ns: float) -> dict[str, object]:
    """Return the JSON object of the trace event format; times in microseconds.

    Args:
        trace: of a stream.
        step_ns: time of one tick.
    """
    scale = step_ns / 1e3
    events: list[dict[str, object]] = [
        {"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}
        for pid, name in ((1, "cores"), (2, "rings"))
    ]
    row = 0
    for number, core in enumerate(trace.machine.dataflow.cores):
        pixels = trace.machine.bodies[number].pixels
        for copy in range(min(core.copies, trace.images * pixels)):
            row += 1
            name = core.name if core.copies == 1 else f"{core.name} copy {copy}"
            events.append({"ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": {"name": name}})
            events += _spans(trace, number, copy, row, scale)
    for number in sorted(trace.machine.tables):
        channel = trace.machine.dataflow.channels[number]
        name = f"ring {number} of {trace.machine.dataflow.cores[channel.consumer].name}"
        for tick, level in _samples(trace, number):
            events.append({"ph": "C", "name": name, "pid": 2, "ts": tick * scale, "args": {"pixels": level}})
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def _spans(trace: TickTrace, number: int, copy: int, row: int, scale: float) -> list[dict[str, object]]:
    """Pixels of one image without a gap between them are one event."""
    copies, pixels = trace.machine.dataflow.cores[number].copies, trace.machine.bodies[number].pixels
    starts, ends = trace.starts[number][copy::copies], trace.ends[number][copy::copies]
    images = np.arange(copy, len(trace.starts[number]), copies) // pixels
    breaks = np.flatnonzero((starts[1:] > ends[:-1]) | (images[1:] != images[:-1])) + 1
    first = np.concatenate([[0], breaks])
    last = np.concatenate([breaks, [len(starts)]]) - 1
    return [
        {
            "ph": "X",
            "name": f"image {int(images[a])}",
            "pid": 1,
            "tid": row,
            "ts": int(starts[a]) * scale,
            "dur": int(ends[b] - starts[a]) * scale,
            "args": {"pixels": int(b - a + 1)},
        }
        for a, b in zip(first.tolist(), last.tolist(), strict=True)
    ]


def _samples(trace: TickTrace, number: int) -> list[tuple[int, int]]:
    ticks, levels = occupancy(trace, number)
    step = -(-len(ticks) // MOST_SAMPLES)
    pieces = range(0, len(ticks), step)
    return [(int(ticks[at]), int(levels[at : at + step].max())) for at in pieces]
