"""Networks as tasks on a published multi-core description, to compare schedules with those of another scheduler.

The description is the example `tpu_like_quad_core` of the Stream scheduler (KULeuven-MICAS/stream, files
`hardware/tpu_like_quad_core.yaml` and `hardware/cores/*.yaml`): four cores of 32 x 32 multipliers, a pooling core of 8
windows of 3 x 3 and a SIMD core of 64 operations per cycle; links of 32 bits per cycle in a ring of the four cores and
from each of them to both others; DRAM of 64 bits per cycle. Modelled are multipliers, links and DRAM; the sizes of the
SRAMs are not enforced. Every weight and input is read from DRAM once, every result of the last layer written once.

Rows of a layer are dealt out to the four cores in bands, and a band is cut into chunks. Output channels lie along one
side of a core's multipliers, input channels along the other, so a chunk takes pixels x kernel x ceil(K/32) x ceil(C/32)
cycles. Rows that another core has computed travel over the links, hop by hop, each chunk once to each core.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer
from imcflow.passes.overlap.tasks import TaskGraph

CORES = 4
SIDE = 32
POOL_CORE, SIMD_CORE, DRAM = 4, 5, 6
POOL_WINDOWS_PER_CYCLE = 8
SIMD_OPERATIONS_PER_CYCLE = 64
LINK_BITS_PER_CYCLE = 32
DRAM_BITS_PER_CYCLE = 64
ELEMENT_BITS = 8
_FIRST_LINK = 7
_RING = [(0, 1), (1, 2), (2, 3), (0, 3)]
_LINKS = [*_RING, *((core, POOL_CORE) for core in range(CORES)), *((core, SIMD_CORE) for core in range(CORES))]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Rows first..last of a layer's output (channels, if they are dealt out instead), made by a task on a core."""

    task: int
    core: int
    first: int
    last: int
    bits: int


@dataclass
class _Building:
    ticks: list[int] = field(default_factory=list[int])
    core: list[int] = field(default_factory=list[int])
    edges: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    moved: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def task(self, core: int, ticks: int, after: list[int]) -> int:
        self.ticks.append(max(1, ticks))
        self.core.append(core)
        number = len(self.ticks) - 1
        self.edges += [(before, number) for before in dict.fromkeys(after)]
        return number

    def at(self, chunk: _Chunk, core: int) -> int:
        """The task after which a chunk is at a core: its own, or the last hop of its way there."""
        if chunk.core == core:
            return chunk.task
        if (chunk.task, core) not in self.moved:
            previous, here = chunk.task, chunk.core
            for stop in _way(chunk.core, core):
                if (chunk.task, stop) not in self.moved:
                    link = _FIRST_LINK + _LINKS.index((min(here, stop), max(here, stop)))
                    self.moved[chunk.task, stop] = self.task(link, -(-chunk.bits // LINK_BITS_PER_CYCLE), [previous])
                previous, here = self.moved[chunk.task, stop], stop
        return self.moved[chunk.task, core]


def _way(start: int, goal: int) -> list[int]:
    """Stops between two cores, the goal included; opposite corners of the ring take two hops."""
    if (min(start, goal), max(start, goal)) in _LINKS:
        return [goal]
    return [(start + 1) % CORES if max(start, goal) < CORES else 0, goal]


def quad_core_tasks(graph: Graph, input_channels: int, chunks: int = 4) -> TaskGraph:
    """Cut a network into tasks on the quad-core machine.

    Args:
        graph: with poolings and additions as layers of their own.
        input_channels: of the network's input.
        chunks: pieces of the rows that a core has of a layer.
    """
    build = _Building()
    made: list[list[_Chunk]] = []
    for index, layer in enumerate(graph.layers):
        after: list[int] = []
        if not layer.channelwise:
            weights = layer.K * layer.reduction * ELEMENT_BITS
            after = [build.task(DRAM, -(-weights // DRAM_BITS_PER_CYCLE), [])]
        inputs = [] if layer.edges else _input(build, layer, input_channels)
        own: list[_Chunk] = []
        for core, first, last in _dealt(layer, chunks):
            needed = list(after)
            for edge in layer.edges:
                low, high = _rows_read(layer, edge, first, last)
                needed += [
                    build.at(chunk, core)
                    for chunk in made[edge.producer]
                    if edge.all_rows or (chunk.first <= high and low <= chunk.last)
                ]
            low, high = _window(layer.rows, first, last)
            needed += [task for task, row, end in inputs if row <= high and low <= end]
            ticks, size = _cost(layer, last - first + 1)
            task = build.task(core, ticks, needed)
            own.append(_Chunk(task, core, first, last, size * ELEMENT_BITS))
        made.append(own)
        if not any(True for _ in graph.consumers(index)):
            for chunk in own:
                build.task(DRAM, -(-chunk.bits // DRAM_BITS_PER_CYCLE), [chunk.task])
    pairs = np.array(sorted(set(build.edges)), dtype=np.int64).reshape(-1, 2)
    return TaskGraph(np.array(build.ticks, dtype=np.int64), np.array(build.core, dtype=np.int64), pairs)


def _input(build: _Building, layer: Layer, channels: int) -> list[tuple[int, int, int]]:
    """Read the network's input from DRAM, row by row: task, first and last row."""
    rows = (layer.P - 1) * layer.rows.stride + 1
    columns = layer.Q * layer.columns.stride
    ticks = -(-channels * columns * ELEMENT_BITS // DRAM_BITS_PER_CYCLE)
    return [(build.task(DRAM, ticks, []), row, row) for row in range(rows + layer.rows.stride - 1)]


def _dealt(layer: Layer, chunks: int) -> list[tuple[int, int, int]]:
    """Core, first and last row of every chunk; output channels where a layer has fewer rows than there are cores."""
    if layer.channelwise:
        size = -(-layer.P // (CORES * chunks))
        core = SIMD_CORE if layer.rows.size == 1 else POOL_CORE
        return [(core, row, min(row + size, layer.P) - 1) for row in range(0, layer.P, size)]
    extent = layer.P if layer.P >= CORES else layer.K
    band = -(-extent // CORES)
    found: list[tuple[int, int, int]] = []
    for core in range(CORES):
        stop = min((core + 1) * band, extent)
        size = -(-band // chunks)
        found += [(core, row, min(row + size, stop) - 1) for row in range(core * band, stop, size)]
    return found


def _window(axis: Axis, first: int, last: int) -> tuple[int, int]:
    return first * axis.stride - axis.pad, last * axis.stride - axis.pad + (axis.size - 1) * axis.dilation


def _rows_read(layer: Layer, edge: Edge, first: int, last: int) -> tuple[int, int]:
    return (first, last) if edge.at_output else _window(layer.rows, first, last)


def _cost(layer: Layer, count: int) -> tuple[int, int]:
    """Cycles and outputs of `count` rows, or of as many output channels of a layer with few rows."""
    if layer.channelwise:
        outputs = count * layer.Q * layer.K
        if layer.rows.size > 1:
            return -(-outputs // POOL_WINDOWS_PER_CYCLE), outputs
        return -(-outputs * max(1, len(layer.edges) - 1) // SIMD_OPERATIONS_PER_CYCLE), outputs
    by_rows = layer.P >= CORES
    rows, channels = (count, layer.K) if by_rows else (layer.P, count)
    taps = layer.rows.size * layer.columns.size
    ticks = rows * layer.Q * taps * -(-channels // SIDE) * -(-layer.C // SIDE)
    return ticks, rows * layer.Q * channels
