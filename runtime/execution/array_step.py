"""Runs one instruction stream on a chunk of images with the compiled kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ProgramError
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.prepare import PreparedKernel
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.execution.windows import ImageLayout, Runs, gather_runs
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.kernels.layout import (
    RESERVED_CELLS,
    SCRATCH_SLACK_BYTES,
    WORD_COUNTS,
    Context,
    Counter,
    InputSlot,
    OutputSlot,
)
from imcflow.runtime.kernels.module import Fidelity, KernelFunction, KernelKey, kernel
from imcflow.runtime.program import ElementType

RANGE_ROWS = 1 << 21  # instruction rows of one uninterruptible range: some tens of milliseconds


@dataclass(frozen=True, slots=True)
class ArraySettings:
    """How to run streams: fidelity, tag latch, and the block width (64-bit words per plane; None: fitted)."""

    fidelity: Fidelity
    or_latch: bool
    words: int | None = None


class ArrayStep:
    """A prepared stream bound to a number of images; holds the gather runs and runs as often as wanted."""

    def __init__(
        self,
        prepared: PreparedKernel,
        images: int,
        settings: ArraySettings,
        threads: int,
        workspace: Workspace,
    ) -> None:
        """Fit block width and gather runs to `images` images; images and states live in `workspace`."""
        self._prepared = prepared
        self._settings = settings
        self._workspace = workspace
        self._images = images
        stream = prepared.kernel
        self._lanes = images * stream.lanes_per_image
        self._words = settings.words or fitted_words(self._lanes, threads)
        self._layouts = [
            ImageLayout(window, images, planes)
            for window, planes in zip(stream.inputs, prepared.byte_planes, strict=True)
        ]
        self._runs: list[Runs] = []
        for layout in self._layouts:
            lane_offsets = layout.lane_offsets()
            if len(lane_offsets) != self._lanes:
                raise ProgramError(
                    f"kernel '{stream.name}': an input has {len(lane_offsets)} output positions, "
                    f"the outputs have {self._lanes}"
                )
            runs = gather_runs(lane_offsets, 64 * self._words)
            self._runs.append(Runs(workspace.placed(runs.index), workspace.placed(runs.runs)))

    @property
    def blocks(self) -> int:
        """Blocks of lanes."""
        return -(-self._lanes // (64 * self._words))

    @property
    def state_bytes(self) -> int:
        """State memory of one worker."""
        return self._prepared.cell_count * 8 * self._words + 64 * self._words + SCRATCH_SLACK_BYTES

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
        workspace, stream = self._workspace, self._prepared.kernel
        keep_alive: list[NDArray[np.generic]] = []
        inputs = np.zeros((max(1, len(self._layouts)), InputSlot.SIZE), np.int64)
        ports = enumerate(zip(self._layouts, self._runs, tensors, strict=True))
        for slots, (port, (layout, runs, tensor)) in zip(inputs, ports, strict=False):
            image = workspace.scratch(f"image {port}", layout.buffer_bytes)
            layout.fill(image, tensor)
            offsets = workspace.placed(layout.element_offsets())
            keep_alive += [image, offsets]
            slots[InputSlot.IMAGE] = image.ctypes.data
            slots[InputSlot.BYTE_STRIDE] = layout.plane_bytes
            slots[InputSlot.OFFSETS] = offsets.ctypes.data
            slots[InputSlot.RUN_INDEX] = runs.index.ctypes.data
            slots[InputSlot.RUNS] = runs.runs.ctypes.data
        padded_lanes = self.blocks * 64 * self._words
        stored: list[Tensor] = []
        output_slots = np.zeros((max(1, len(outputs)), OutputSlot.SIZE), np.int64)
        for slots, port, element in zip(output_slots, stream.outputs, outputs, strict=False):
            dtype = storage_dtype(element)
            array = workspace.fresh(port.channels * padded_lanes * dtype.itemsize).view(dtype)
            stored.append(array.reshape(port.channels, padded_lanes))
            slots[OutputSlot.BASE] = array.ctypes.data
            slots[OutputSlot.ROW_STRIDE] = padded_lanes * dtype.itemsize
            slots[OutputSlot.ELEMENT_BYTES] = dtype.itemsize
        context = np.zeros(Context.SIZE, np.int64)
        context[Context.INPUTS] = inputs.ctypes.data
        context[Context.OUTPUTS] = output_slots.ctypes.data
        context[Context.THRESHOLDS] = self._prepared.thresholds.ctypes.data
        context[Context.LEVELS] = self._prepared.thresholds.shape[1]
        context[Context.STEP_BASE] = self._prepared.step_base.ctypes.data
        context[Context.STEP_SIGN] = self._prepared.step_sign.ctypes.data
        context[Context.STEP_MASKS] = self._prepared.masks.bytes.ctypes.data
        context[Context.STEP_MASK_STRIDE] = self._prepared.masks.stride
        context[Context.LANES] = self._lanes
        counters = self._execute(context, pool)
        results: list[Tensor] = []
        for port, array in zip(stream.outputs, stored, strict=True):
            maps = array[:, : self._lanes].reshape(port.channels, self._images, port.height, port.width)
            results.append(maps.transpose(1, 0, 2, 3))
        return results, counters

    def _execute(self, context: NDArray[np.int64], pool: BlockPool) -> NDArray[np.int64]:
        settings, rows = self._settings, self._prepared.rows
        fidelity = settings.fidelity
        key = KernelKey(fidelity, self._words, settings.or_latch and fidelity != "word")
        function = kernel(key)
        workers = min(pool.threads, self.blocks)
        counters = np.zeros((workers, Counter.SIZE), np.int64)
        states = [self._workspace.scratch(f"state {worker}", self.state_bytes) for worker in range(workers)]
        for state in states:
            state[: RESERVED_CELLS * 8 * self._words] = 0

        def runner(function: KernelFunction, state: NDArray[np.uint8], counts: NDArray[np.int64]):
            state_at = int(state.ctypes.data)
            scratch_at = state_at + self._prepared.cell_count * 8 * self._words
            rows_at, context_at, counts_at = (int(array.ctypes.data) for array in (rows, context, counts))

            def run(first: int, last: int) -> None:
                function(first, last, state_at, scratch_at, rows_at, len(rows), context_at, counts_at)

            return run

        runners = [runner(function, state, counts) for state, counts in zip(states, counters, strict=True)]
        per_call = max(1, min(-(-self.blocks // (4 * workers)), RANGE_ROWS // max(1, len(rows))))
        pool.run(self.blocks, per_call, runners)
        return counters.sum(axis=0)


def fitted_words(lanes: int, threads: int) -> int:
    """Return the words per plane that suit a number of lanes: full vectors, but enough blocks for every worker."""
    for words in WORD_COUNTS:
        if lanes <= 64 * words * max(1, min(threads, -(-lanes // 64))):
            return words
    return WORD_COUNTS[-1]
