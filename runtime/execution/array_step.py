"""Runs one instruction stream on a chunk of images with the compiled kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ProgramError
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.board import CompiledRanges, call_table, write_call
from imcflow.runtime.execution.padded_map import PaddedMap
from imcflow.runtime.execution.prepare import PreparedKernel
from imcflow.runtime.execution.split import SplitRows
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.execution.windows import ImageLayout, gather_runs
from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.kernels.layout import (
    RESERVED_CELLS,
    SCRATCH_SLACK_BYTES,
    WORD_COUNTS,
    Context,
    Counter,
    InputSlot,
    OutputSlot,
)
from imcflow.runtime.kernels.module import Fidelity, KernelKey, kernel_address
from imcflow.runtime.program import ElementType

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

ROWS_WORTH_A_WORKER = 2_000  # instruction rows over all blocks: they take longer than another thread needs to begin
HALF_COST = 0.55  # time of a block whose stream runs in halves
RANGE_ROWS = 1 << 21  # instruction rows of one uninterruptible range: some tens of milliseconds


@dataclass(frozen=True, slots=True)
class ArraySettings:
    """How to run streams: fidelity and tag latch."""

    fidelity: Fidelity
    or_latch: bool


class ArrayStep:
    """A prepared stream bound to a number of images; holds the gather runs and runs as often as wanted.

    Attributes:
        words: 64-lane words per block.
        blocks: blocks of all images.
    """

    def __init__(
        self,
        prepared: PreparedKernel,
        images: int,
        settings: ArraySettings,
        words: int,
        workspace: Workspace,
        split: SplitRows | None = None,
    ) -> None:
        """Bind gather runs and tables.

        Args:
            prepared: the stream.
            images: images of every run.
            settings: fidelity and tag latch.
            words: 64-lane words per block.
            workspace: where padded images and states live.
            split: the stream in halves, for blocks that are too few for the workers.
        """
        self._prepared = prepared
        self._split = split
        self._workspace = workspace
        self._images = images
        self.words = words
        stream = prepared.kernel
        self._lanes = images * stream.lanes_per_image
        self.blocks = -(-self._lanes // (64 * words))
        self._settings, fidelity = settings, settings.fidelity
        self._kernel_name = f"{fidelity} x{64 * words}"
        self._function = kernel_address(KernelKey(fidelity, words, settings.or_latch and fidelity != "word"))
        self._maps = [
            PaddedMap(ImageLayout(window, images, planes))
            for window, planes in zip(stream.inputs, prepared.byte_planes, strict=True)
        ]
        self._counters = np.zeros((0, Counter.SIZE, words), np.int64)
        self._shared: dict[str, tuple[object, CompiledRanges]] = {}
        self._inputs = np.zeros((max(1, len(self._maps)), InputSlot.SIZE), np.int64)
        self._outputs = np.zeros((max(1, len(stream.outputs)), OutputSlot.SIZE), np.int64)
        self._bound: list[NDArray[np.int64]] = []  # memory that the slots point to
        for slots, padded in zip(self._inputs, self._maps, strict=False):
            layout = padded.layout
            lane_offsets = layout.lane_offsets()
            if len(lane_offsets) != self._lanes:
                raise ProgramError(
                    f"kernel '{stream.name}': an input has {len(lane_offsets)} output positions, "
                    f"the outputs have {self._lanes}"
                )
            element_offsets = layout.element_offsets()
            reached = int(lane_offsets.max(initial=0)) + int(element_offsets.max(initial=0))
            if min(layout.window.pads) < 0 or reached >= layout.plane_bytes:
                raise ProgramError(f"kernel '{stream.name}': an input window reaches outside its padded map")
            runs = gather_runs(lane_offsets, 64 * words)
            slots[InputSlot.BYTE_STRIDE] = layout.plane_bytes
            slots[InputSlot.OFFSETS] = self._bind(element_offsets)
            slots[InputSlot.RUN_INDEX] = self._bind(runs.index)
            slots[InputSlot.RUNS] = self._bind(runs.runs)
        self._context = self._bound_context()

    def _bind(self, array: NDArray[np.int64]) -> int:
        """Keep a copy of an array; return its address."""
        self._bound.append(self._workspace.placed(array))
        return address(self._bound[-1])

    def _bound_context(self) -> NDArray[np.int64]:
        prepared = self._prepared
        context = np.zeros(Context.SIZE, np.int64)
        context[Context.INPUTS] = address(self._inputs)
        context[Context.OUTPUTS] = address(self._outputs)
        context[Context.THRESHOLDS] = address(prepared.thresholds)
        context[Context.LEVELS] = prepared.thresholds.shape[1]
        context[Context.STEP_BASE] = address(prepared.step_base)
        context[Context.STEP_SIGN] = address(prepared.step_sign)
        context[Context.STEP_MASKS] = address(prepared.masks.bytes)
        context[Context.STEP_MASK_STRIDE] = prepared.masks.stride
        context[Context.LANE_MASKS] = self._bind(self._lane_masks())
        return context

    def _lane_masks(self) -> NDArray[np.int64]:
        valid = np.arange(self.blocks * 64 * self.words) < self._lanes
        return np.packbits(valid, bitorder="little").view(np.int64)

    @property
    def state_bytes(self) -> int:
        """State memory of one worker."""
        return self._scratch_offset + 64 * self.words + SCRATCH_SLACK_BYTES

    @property
    def _scratch_offset(self) -> int:
        return self._prepared.cell_count * 8 * self.words

    def run(
        self, tensors: Sequence[Tensor], outputs: Sequence[ElementType], pool: BlockPool
    ) -> tuple[list[Tensor], NDArray[np.int64]]:
        """Execute the stream.

        Args:
            tensors: one array [images, channels, height, width] per input port, in storage types.
            outputs: element type of each output tensor.
            pool: the workers.

        Returns:
            One array [images, channels, height, width] per output port, and the `Counter` slots (zeros unless the
            fidelity is `count`).
        """
        ports = self._prepared.kernel.outputs
        for port, (padded, tensor) in enumerate(zip(self._maps, tensors, strict=True)):
            image = self._workspace.scratch(f"image {port}", padded.layout.buffer_bytes)
            padded.fill(image, tensor, pool)
            self._inputs[port, InputSlot.IMAGE] = address(image)
        padded_lanes = self.blocks * 64 * self.words
        stored: list[Tensor] = []
        for slots, port, element in zip(self._outputs, ports, outputs, strict=False):
            dtype = storage_dtype(element)
            array = self._workspace.unwritten(port.channels * padded_lanes * dtype.itemsize).view(dtype)
            stored.append(array.reshape(port.channels, padded_lanes))
            slots[:] = (address(array), padded_lanes * dtype.itemsize, dtype.itemsize, 0)
        counters = self._execute(pool)
        results = [
            array[:, : self._lanes].reshape(port.channels, self._images, port.height, port.width).transpose(1, 0, 2, 3)
            for port, array in zip(ports, stored, strict=True)
        ]
        return results, counters

    def _execute(self, pool: BlockPool) -> NDArray[np.int64]:
        """Run all blocks; return the counters."""
        halved = 0 if self._split is None else halved_blocks(self.blocks, pool.threads)
        whole = self.blocks - halved
        if self._counters.shape[0] != pool.threads:
            shape = (pool.threads, Counter.SIZE, self.words)
            self._counters = self._workspace.fresh(8 * prod(shape)).view(np.int64).reshape(shape)
            self._shared.clear()
        counting = self._settings.fidelity == "count"
        if counting:
            self._counters[:] = 0
        if whole:
            pool.share(self._whole_blocks(whole, pool.threads), self._kernel_name)
        if halved and self._split is not None:
            for ranges in self._halves(whole, self._split):
                pool.share(ranges, self._kernel_name)
        return self._counters.sum(axis=(0, 2)) if counting else np.zeros(Counter.SIZE, np.int64)

    def _whole_blocks(self, count: int, threads: int) -> CompiledRanges:
        """Return blocks 0 <= block < `count`, each for one worker."""
        rows = len(self._prepared.rows)
        workers = min(threads, self.blocks) if rows * self.blocks >= ROWS_WORTH_A_WORKER else 1
        states = tuple(self._state(f"state {worker}", self.state_bytes) for worker in range(workers))

        def calls() -> CompiledRanges:
            table = call_table(workers)
            for row, state, counters in zip(table, states, self._counters, strict=False):
                self._write_call(row, 0, state, state + self._scratch_offset, self._prepared.rows, counters)
            per_range = max(1, min(-(-count // (16 * workers)), RANGE_ROWS // max(1, rows)))
            at_once = max(1, RANGE_ROWS // max(1, rows * per_range))
            return CompiledRanges(count, per_range, table, at_once=at_once)

        return self._same_or_new("whole", (count, states), calls)

    def _halves(self, first: int, split: SplitRows) -> list[CompiledRanges]:
        """Return blocks from `first` on, each for two workers, and then what joins their halves."""
        blocks = range(self.blocks - first)
        states = tuple(self._state(f"state {block}", split.cell_count * 8 * self.words) for block in blocks)
        scratch_bytes = 64 * self.words + SCRATCH_SLACK_BYTES
        found: list[CompiledRanges] = []
        for name, parts in (("halves", (split.first, split.second)), ("joins", split.last)):
            jobs = range(len(blocks) * len(parts))
            scratches = tuple(address(self._workspace.scratch(f"scratch {job}", scratch_bytes)) for job in jobs)

            def calls(
                parts: tuple[InstructionTable, ...] = parts, scratches: tuple[int, ...] = scratches
            ) -> CompiledRanges:
                table = call_table(len(scratches))
                for job, (row, scratch) in enumerate(zip(table, scratches, strict=True)):
                    block, part = divmod(job, len(parts))
                    self._write_call(row, first + block - job, states[block], scratch, parts[part], self._counters[0])
                return CompiledRanges(len(table), 1, table, by_range=True)

            if any(map(len, parts)):
                found.append(self._same_or_new(name, (first, states, scratches), calls))
        return found

    def _same_or_new(self, name: str, key: object, make: Callable[[], CompiledRanges]) -> CompiledRanges:
        """Return the ranges of the last run if the memory they point to is where it was then."""
        known = self._shared.get(name)
        if known is None or known[0] != key:
            known = self._shared[name] = key, make()
        return known[1]

    def _state(self, name: str, size: int) -> int:
        """Return the address of a state whose reserved cells hold 0."""
        state = self._workspace.scratch(name, size)
        state[: RESERVED_CELLS * 8 * self.words] = 0
        return address(state)

    def _write_call(
        self,
        row: NDArray[np.int64],
        base: int,
        state: int,
        scratch: int,
        rows: InstructionTable,
        counters: NDArray[np.int64],
    ) -> None:
        arguments = state, scratch, address(rows), len(rows), address(self._context), address(counters)
        write_call(row, self._function, base, *arguments)


# Time of one instruction row by 64-lane words per plane, relative to USUAL_WORDS; measured on a host with 512-bit
# vectors. Wider planes amortise mispredicted jumps and hide the latency of dependent passes, but need more cache.
_ROW_COST: dict[Fidelity, dict[int, float]] = {
    "word": {1: 1.0, 2: 0.95, 4: 0.9, 8: 1.0, 16: 1.25, 32: 3.0},
    "micro": {1: 0.43, 2: 0.7, 4: 0.8, 8: 1.0, 16: 1.4, 32: 2.4},
    "count": {1: 0.75, 2: 0.8, 4: 0.76, 8: 1.0, 16: 1.55, 32: 4.0},
}


def halved_blocks(blocks: int, threads: int) -> int:
    """Return how many blocks two workers each should run: those left over by full rounds, if there are enough."""
    rest = blocks % threads
    return rest if 2 * rest <= threads else 0


def row_cost(lanes: int, words: int, threads: int, fidelity: Fidelity, *, split: bool = False) -> float:
    """Estimate the time of one instruction row over all blocks, in rows of the usual width.

    Args:
        lanes: of all images.
        words: 64-lane words per plane.
        threads: workers.
        fidelity: of the kernels.
        split: whether the stream can run in halves.
    """
    blocks = -(-lanes // (64 * words))
    halved = halved_blocks(blocks, threads) if split else 0
    return ((blocks - halved + threads - 1) // threads + HALF_COST * bool(halved)) * _ROW_COST[fidelity][words]


def fitted_words(lanes: int, threads: int, fidelity: Fidelity, *, split: bool = False) -> int:
    """Return the words per plane that suit a number of lanes and workers; see `row_cost`."""
    return min(WORD_COUNTS, key=lambda words: row_cost(lanes, words, threads, fidelity, split=split))
