"""No kernel touches a byte outside its buffers: every buffer ends, or starts, at a page without access.

An access beyond a buffer kills the process, so the kernels run in a child. Run with `-m memory`.
"""

from __future__ import annotations

import ctypes
import dataclasses
import faulthandler
import mmap
import multiprocessing
import sys
from collections.abc import Callable

import numpy as np
import pytest
from crossbar_kernels import kernel_of, macro_with
from pooled_program import sums

from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.step import CrossbarStep
from imcflow.runtime.digital import pooling
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.prepare import prepare_kernel
from imcflow.runtime.execution.split import SplitRows, split_rows
from imcflow.runtime.execution.step_masks import StepMasks
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.kernels.layout import WORD_COUNTS
from imcflow.runtime.kernels.module import Fidelity
from imcflow.runtime.program import ApKernel, ApOutput, ElementType, Window

StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]
PAGE = mmap.PAGESIZE
pytestmark = [
    pytest.mark.memory,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page protection is tested on Linux"),
]


def guarded(size: int, *, at_end: bool) -> np.ndarray:
    """Zeroed bytes whose end (or start) touches a page that may not be accessed."""
    pages = -(-size // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    for page in (0, pages + 1):
        address = ctypes.c_void_p(whole.ctypes.data + page * PAGE)
        assert libc.mprotect(address, ctypes.c_size_t(PAGE), 0) == 0
    start = PAGE + (pages * PAGE - size if at_end else 0)
    return whole[start : start + size]


def guarded_copy(array: np.ndarray, *, at_end: bool) -> np.ndarray:
    """The same array in guarded memory."""
    copy = guarded(array.nbytes, at_end=at_end).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class GuardedWorkspace(Workspace):
    def __init__(self, at_end: bool) -> None:
        self._at_end = at_end
        self._alive: list[np.ndarray] = []

    def fresh(self, size: int) -> np.ndarray:
        self._alive.append(guarded(size, at_end=self._at_end))
        return self._alive[-1]

    def unwritten(self, size: int) -> np.ndarray:
        return self.fresh(size)

    def scratch(self, name: str, size: int) -> np.ndarray:
        return self.fresh(size)


def run_guarded(kernel: ApKernel, tensors: list[np.ndarray], fidelity: Fidelity, words: int, at_end: bool) -> None:
    workspace = GuardedWorkspace(at_end)
    settings = ArraySettings(fidelity, or_latch=False)
    prepared = prepare_kernel(kernel, 64, fused=fidelity == "word")
    rows = workspace.fresh(prepared.rows.nbytes).view(prepared.rows.dtype)
    rows[:] = prepared.rows
    tables = {name: workspace.placed(getattr(prepared, name)) for name in ("thresholds", "step_base", "step_sign")}
    masks = workspace.fresh(prepared.masks.bytes.nbytes).reshape(prepared.masks.bytes.shape)
    masks[:] = prepared.masks.bytes
    prepared = dataclasses.replace(prepared, rows=rows, masks=StepMasks(masks), **tables)
    narrow = [
        guarded_copy(tensor.astype(storage_dtype(ElementType(window.bits, window.signed))), at_end=at_end)
        for tensor, window in zip(tensors, kernel.inputs, strict=True)
    ]
    outputs = [ElementType(port.bits, port.signed) for port in kernel.outputs]
    with BlockPool(1) as pool:
        ArrayStep(prepared, len(tensors[0]), settings, words, workspace).run(narrow, outputs, pool)
    split = split_rows(prepared.rows, prepared.cell_count) if fidelity == "word" else None
    if split is not None:
        first, second, *last = (guarded_copy(part, at_end=at_end) for part in (split.first, split.second, *split.last))
        split = SplitRows(first, second, tuple(last), split.cell_count)
        with BlockPool(4) as pool:
            ArrayStep(prepared, len(tensors[0]), settings, words, workspace, split).run(narrow, outputs, pool)


def run_all(kernel: ApKernel, tensors: list[np.ndarray], fidelity: Fidelity) -> None:
    for words in WORD_COUNTS:
        for at_end in (False, True):
            run_guarded(kernel, tensors, fidelity, words, at_end)


def overrun() -> None:
    faulthandler.disable()
    buffer = guarded(100, at_end=True)
    ctypes.memset(buffer.ctypes.data, 0, 101)


def exit_code(target: Callable[..., None], *arguments: object) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=target, args=arguments)
    child.start()
    child.join(300)
    return child.exitcode


def test_the_guard_catches_one_byte() -> None:
    assert exit_code(overrun) == -11


@pytest.mark.parametrize("fidelity", ["word", "micro", "count"])
@pytest.mark.parametrize("seed", range(40, 44))
def test_kernels_stay_inside_their_buffers(random_stream: StreamMaker, seed: int, fidelity: Fidelity) -> None:
    kernel, tensors = random_stream(seed)
    assert exit_code(run_all, kernel, tensors, fidelity) == 0


@pytest.mark.parametrize("seed", range(3))
def test_halves_stay_inside_their_buffers(seed: int) -> None:
    kernel, tensors = sums(seed)
    prepared = prepare_kernel(kernel, 64, fused=True)
    assert split_rows(prepared.rows, prepared.cell_count) is not None
    assert exit_code(run_all, kernel, tensors, "word") == 0


def pool_guarded(width: int, stride: int) -> None:
    """Maps, result, row and shape in guarded memory."""
    rng, shape = np.random.default_rng(width), (2, 3, 5, width)
    attributes = {"kernel": [3, 3], "strides": [stride, stride], "dilations": [1, 1], "pads": [1, 1, 1, 1]}
    out = (2, 3, 4 // stride + 1, (width - 1) // stride + 1)
    for at_end in (False, True):
        maps = guarded_copy(rng.integers(0, 255, shape).astype(np.uint8), at_end=at_end)
        np.empty = np.zeros = lambda size, dtype, at_end=at_end: (  # in a process of its own
            guarded(int(np.prod(size)) * np.dtype(dtype).itemsize, at_end=at_end).view(dtype).reshape(size)
        )
        pooling.BYTES_WORTH_MACHINE_CODE = 0
        pooling.max_pool(Call([maps], attributes, ElementType(8, False), np.dtype(np.uint8), out))


@pytest.mark.parametrize("width", [1, 15, 16, 17, 31, 32, 33, 70])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_max_pooling_stays_inside_its_buffers(width: int, stride: int) -> None:
    assert exit_code(pool_guarded, width, stride) == 0


def run_crossbar(wide: bool, noisy: bool, positions: int) -> None:
    """Window elements, column sums, accumulators and stored results in guarded memory, on an analog macro."""
    macro = macro_with(adc_levels=255, bits_per_cycle=1 if wide else 8, cell_bits=8)
    rng = np.random.default_rng(positions)
    weights = rng.integers(-8, 8, (9, 3 * 3 * 3))
    kernel = kernel_of(weights, rng.integers(-50, 50, 9), macro, input_bits=8)
    window = Window(0, 3, 5, positions, (3, 3), (1, 1), (1, 1, 1, 1), (1, 1), 1, 8, True)
    output = ApOutput(1, 9, 5, positions, 8, True)
    thresholds = np.sort(rng.integers(-3000, 3000, (9, 255)), axis=1)
    low, ascending = np.full(9, -128), np.zeros(9, np.bool_)
    kernel = dataclasses.replace(
        kernel, window=window, output=output, step_thresholds=thresholds, step_low=low, step_descending=ascending
    )
    noise = AnalogNoise(read_cells=1.0 if noisy else 0.0, conductance=0.1 if wide else 0.0)
    maps = rng.integers(-128, 128, (3, 3, 5, positions)).astype(np.int8)
    for at_end in (False, True):
        memory = GuardedWorkspace(at_end)
        step = CrossbarStep(kernel, macro, noise, np.dtype(np.int8), literal=False)
        with BlockPool(1, [memory]) as pool:
            step.run(maps, 0, pool)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("positions", [1, 7, 8, 17])
def test_crossbar_kernels_stay_inside_their_buffers(wide: bool, noisy: bool, positions: int) -> None:
    assert exit_code(run_crossbar, wide, noisy, positions) == 0
