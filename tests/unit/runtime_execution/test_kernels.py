"""The compiled kernels against the pass-by-pass oracle, on random streams over every opcode."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.oracle import OracleResult, run_kernel
from imcflow.runtime.execution.prepare import prepare_kernel
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.kernels.layout import WORD_COUNTS, Counter
from imcflow.runtime.kernels.module import Fidelity
from imcflow.runtime.microcode import table_passes
from imcflow.runtime.program import ApKernel, ElementType

StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]
DOMAINS, CELLS = 64, 2 * 256 * 64


def run_compiled(
    kernel: ApKernel, tensors: list[np.ndarray], fidelity: Fidelity, *, or_latch: bool, words: int, threads: int = 1
) -> tuple[list[np.ndarray], np.ndarray]:
    settings = ArraySettings(fidelity, or_latch)
    step = ArrayStep(
        prepare_kernel(kernel, DOMAINS, fused=fidelity == "word"), len(tensors[0]), settings, words, Workspace()
    )
    narrow = [
        tensor.astype(storage_dtype(ElementType(window.bits, window.signed)))
        for tensor, window in zip(tensors, kernel.inputs, strict=True)
    ]
    outputs = [ElementType(port.bits, port.signed) for port in kernel.outputs]
    with BlockPool(threads) as pool:
        return step.run(narrow, outputs, pool)


def run_oracle(kernel: ApKernel, tensors: list[np.ndarray], *, or_latch: bool) -> OracleResult:
    return run_kernel(kernel, tensors, cell_count=CELLS, domains=DOMAINS, or_latch=or_latch)


@pytest.mark.parametrize("words", WORD_COUNTS)
@pytest.mark.parametrize("seed", range(6))
def test_word_fidelity_equals_the_oracle(random_stream: StreamMaker, seed: int, words: int) -> None:
    kernel, tensors = random_stream(seed)
    expected = run_oracle(kernel, tensors, or_latch=False)
    outputs, _ = run_compiled(kernel, tensors, "word", or_latch=False, words=words, threads=1 + seed % 3)
    for port, (got, want) in enumerate(zip(outputs, expected.outputs, strict=True)):
        assert np.array_equal(got, want), f"port {port}"


@pytest.mark.parametrize("or_latch", [False, True])
@pytest.mark.parametrize("seed", range(6, 10))
def test_micro_fidelity_equals_the_oracle(random_stream: StreamMaker, seed: int, or_latch: bool) -> None:
    kernel, tensors = random_stream(seed)
    expected = run_oracle(kernel, tensors, or_latch=or_latch)
    for fidelity in ("micro", "word"):
        outputs, _ = run_compiled(kernel, tensors, fidelity, or_latch=or_latch, words=2)
        for got, want in zip(outputs, expected.outputs, strict=True):
            assert np.array_equal(got, want)


@pytest.mark.parametrize("or_latch", [False, True])
def test_executed_passes_equal_the_closed_form(random_stream: StreamMaker, or_latch: bool) -> None:
    for seed in (20, 21):
        kernel, tensors = random_stream(seed)
        expected = run_oracle(kernel, tensors, or_latch=or_latch)
        outputs, counters = run_compiled(kernel, tensors, "count", or_latch=or_latch, words=1, threads=2)
        assert all(np.array_equal(got, want) for got, want in zip(outputs, expected.outputs, strict=True))
        lanes = len(tensors[0]) * kernel.lanes_per_image
        blocks = -(-lanes // 64)
        passes = table_passes(kernel.instructions, or_latch=or_latch)
        assert counters[Counter.SEARCHES] == blocks * passes.searches.sum()
        assert counters[Counter.WRITES] == blocks * passes.writes.sum()
        assert counters[Counter.MATCHED_ROWS] == expected.matches


@pytest.mark.parametrize("words", WORD_COUNTS)
@pytest.mark.parametrize("or_latch", [False, True])
def test_counted_rows_equal_the_oracle(random_stream: StreamMaker, or_latch: bool, words: int) -> None:
    for seed in range(50, 54):
        kernel, tensors = random_stream(seed)
        expected = run_oracle(kernel, tensors, or_latch=or_latch)
        outputs, counters = run_compiled(kernel, tensors, "count", or_latch=or_latch, words=words, threads=1 + seed % 3)
        assert all(np.array_equal(got, want) for got, want in zip(outputs, expected.outputs, strict=True))
        assert counters[Counter.MATCHED_ROWS] == expected.matches
        assert counters[Counter.TAGGED_ROWS] == expected.tagged_rows
        assert counters[Counter.TAGGED_CELLS] == expected.tagged_cells
