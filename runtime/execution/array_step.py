"""Runs one instruction stream on a chunk of images with the compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ProgramError
from imcflow.runtime.execution.blocks import BlockPool, RangeRunner
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
from imcflow.runtime.kernels.module import Fidelity, KernelKey, kernel
from imcflow.runtime.program import ElementType

BYTES_WORTH_A_WORKER = 1 << 19  # of a padded map: copying them takes longer than starting another thread
ROWS_WORTH_A_WORKER = 6_000  # instruction rows over all blocks, likewise
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
        fidelity = settings.fidelity
        self._kernel_name = f"{fidelity} x{64 * words}"
        self._function = kernel(KernelKey(fidelity, words, settings.or_latch and fidelity != "word"))
        self._layouts = [
            ImageLayout(window, images, planes)
            for window, planes in zip(stream.inputs, prepared.byte_planes, strict=True)
        ]
        self._inputs = np.zeros((max(1, len(self._layouts)), InputSlot.SIZE), np.int64)
        self._outputs = np.zeros((max(1, len(stream.outputs)), OutputSlot.SIZE), np.int64)
        self._bound: list[NDArray[np.int64]] = []  # memory that the slots point to
        for slots, layout in zip(self._inputs, self._layouts, strict=False):
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
        for port, (layout, tensor) in enumerate(zip(self._layouts, tensors, strict=True)):
            image = self._workspace.scratch(f"image {port}", layout.buffer_bytes)
            self._fill(layout, image, tensor, pool)
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

    def _fill(self, layout: ImageLayout, image: NDArray[np.uint8], tensor: Tensor, pool: BlockPool) -> None:
        """Lay out the padded map of an input, channels on all cores where that is worth waking them."""
        channels = layout.window.channels
        if layout.buffer_bytes < BYTES_WORTH_A_WORKER:
            layout.fill(image, tensor, 0, channels)
            return

        def fill(first: int, last: int) -> None:
            layout.fill(image, tensor, first, last)

        pool.run(channels, -(-channels // pool.threads), [fill] * pool.threads, "padded map")

    def _execute(self, pool: BlockPool) -> NDArray[np.int64]:
        rows = len(self._prepared.rows)
        workers = min(pool.threads, self.blocks) if rows * self.blocks >= ROWS_WORTH_A_WORKER else 1
        shape = (pool.threads, Counter.SIZE, self.words)
        counters = self._workspace.fresh(8 * pool.threads * Counter.SIZE * self.words).view(np.int64).reshape(shape)
        halved = 0 if self._split is None else halved_blocks(self.blocks, pool.threads)
        whole = self.blocks - halved
        if whole:
            runners = [self._runner(worker, counters[worker]) for worker in range(workers)]
            per_call = max(1, min(-(-whole // (16 * workers)), RANGE_ROWS // max(1, rows)))
            pool.run(whole, per_call, runners, self._kernel_name)
        if halved and self._split is not None:
            self._execute_halves(whole, self._split, counters, pool)
        return counters.sum(axis=(0, 2))

    def _execute_halves(self, first: int, split: SplitRows, counters: NDArray[np.int64], pool: BlockPool) -> None:
        """Run blocks from `first` on, each by two workers, and then what joins its halves."""
        halved = self.blocks - first
        state_bytes = split.cell_count * 8 * self.words
        scratch_bytes = 64 * self.words + SCRATCH_SLACK_BYTES
        states = [self._workspace.scratch(f"state {block}", state_bytes) for block in range(halved)]
        for state in states:
            state[: RESERVED_CELLS * 8 * self.words] = 0
        context_at, function = address(self._context), self._function

        def runner(worker: int, parts: Sequence[NDArray[np.void]]) -> RangeRunner:
            scratch_at = address(self._workspace.scratch(f"scratch {worker}", scratch_bytes))
            counters_at = address(counters[worker])

            def run(begin: int, end: int) -> None:
                for job in range(begin, end):
                    block, part = divmod(job, len(parts))
                    rows = parts[part]
                    at = first + block
                    state_at, rows_at = address(states[block]), address(rows)
                    function(at, at + 1, state_at, scratch_at, rows_at, len(rows), context_at, counters_at)

            return run

        workers = range(min(pool.threads, 2 * halved))
        pool.run(2 * halved, 1, [runner(worker, (split.first, split.second)) for worker in workers], self._kernel_name)
        if len(split.last):
            pool.run(halved, 1, [runner(worker, (split.last,)) for worker in range(halved)], self._kernel_name)

    def _runner(self, worker: int, counters: NDArray[np.int64]) -> RangeRunner:
        state = self._workspace.scratch(f"state {worker}", self.state_bytes)
        state[: RESERVED_CELLS * 8 * self.words] = 0
        rows = self._prepared.rows
        state_at, rows_at, row_count = address(state), address(rows), len(rows)
        context_at, counters_at = address(self._context), address(counters)
        function, scratch_at = self._function, state_at + self._scratch_offset

        def run(first: int, last: int) -> None:
            function(first, last, state_at, scratch_at, rows_at, row_count, context_at, counters_at)

        return run


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
