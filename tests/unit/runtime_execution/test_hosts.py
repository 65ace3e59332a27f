"""The kernels on a host without wide vectors, and the promptness of an interrupt."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
import pytest

from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep
from imcflow.runtime.execution.blocks import BlockPool
from imcflow.runtime.execution.oracle import run_kernel
from imcflow.runtime.execution.prepare import prepare_kernel
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.kernels import module
from imcflow.runtime.kernels.module import Fidelity
from imcflow.runtime.program import ApKernel, ElementType

StreamMaker = Callable[[int], tuple[ApKernel, list[np.ndarray]]]


class NoFeatures:
    def flatten(self) -> str:
        return ""


@pytest.mark.parametrize("words", [1, 8])
@pytest.mark.parametrize("fidelity", ["word", "micro"])
def test_kernels_need_no_vector_extension(
    random_stream: StreamMaker, monkeypatch: pytest.MonkeyPatch, fidelity: Fidelity, words: int
) -> None:
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "")
    monkeypatch.setattr(llvm, "get_host_cpu_features", NoFeatures)
    monkeypatch.setattr(module, "_addresses", {})
    kernel, tensors = random_stream(33)
    prepared = prepare_kernel(kernel, 64, fused=fidelity == "word")
    step = ArrayStep(prepared, len(tensors[0]), ArraySettings(fidelity, or_latch=False), words, Workspace())
    narrow = [
        tensor.astype(storage_dtype(ElementType(window.bits, window.signed)))
        for tensor, window in zip(tensors, kernel.inputs, strict=True)
    ]
    with BlockPool(1) as pool:
        outputs, _ = step.run(narrow, [ElementType(port.bits, port.signed) for port in kernel.outputs], pool)
    expected = run_kernel(kernel, tensors, cell_count=2 * 256 * 64, domains=64, or_latch=False)
    assert all(np.array_equal(got, want) for got, want in zip(outputs, expected.outputs, strict=True))


@pytest.mark.skipif(sys.platform == "win32", reason="signals to the own process are a POSIX matter")
@pytest.mark.parametrize("receiver", ["process", "other thread"])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_the_work_after_the_current_range(threads: int, receiver: str) -> None:
    started = threading.Event()
    ranges: list[int] = []

    def endless(first: int, last: int) -> None:
        ranges.append(first)
        if len(ranges) == 50:  # by then all workers are at it
            started.set()
        threading.Event().wait(0.001)

    def interrupt() -> None:
        started.wait()
        if receiver == "process":
            os.kill(os.getpid(), signal.SIGINT)
        else:  # does not wake the waiting thread, as a signal that comes just before it waits does not
            signal.pthread_kill(threading.get_ident(), signal.SIGINT)

    # Shells start background jobs with SIGINT ignored, and Python then installs no handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender = threading.Thread(target=interrupt)
        sender.start()
        with pytest.raises(KeyboardInterrupt), BlockPool(threads) as pool:
            pool.run(10_000, 1, [endless] * threads)
        sender.join()
    finally:
        signal.signal(signal.SIGINT, before)
    done = len(ranges)
    threading.Event().wait(0.05)
    assert len(ranges) == done < 10_000
