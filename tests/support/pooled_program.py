"""A small program for the runtime: strided convolution with steps, pooling in the digital unit, a dense layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.execution.oracle import window_elements
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    DigitalOp,
    PortInfo,
    Program,
    TargetSummary,
    TensorInfo,
    Window,
    vector_window,
)

TRACK = 64
WEIGHTS = np.random.default_rng(5).integers(-1, 2, (6, 2 * 3 * 3))
DENSE = np.random.default_rng(6).integers(-1, 2, (4, 6))
THRESHOLDS = np.sort(np.random.default_rng(7).integers(-20, 40, (6, 3)), axis=1)
DESCENDING = np.array([0, 1, 0, 1, 0, 0], np.bool_)


def ternary_stream(weights: np.ndarray, bits: int, acc_bits: int, *, steps: bool) -> np.ndarray:
    """Load every element, add or subtract it where the weight says so, store every row of the matrix."""
    rows: list[dict[str, int]] = []
    acc = [TRACK * (2 + row) for row in range(len(weights))]
    rows.append({"opcode": Opcode.CLEAR, "r": acc[0], "r_bits": acc_bits, "imm": len(weights)})
    for element in range(weights.shape[1]):
        rows.append({"opcode": Opcode.LOAD, "r": 0, "r_bits": bits, "imm": element})
        for row, weight in enumerate(weights[:, element]):
            if weight:
                opcode = Opcode.ADD_INTO if weight > 0 else Opcode.SUB_FROM
                rows.append({"opcode": opcode, "a": 0, "a_bits": bits, "r": acc[row], "r_bits": acc_bits, "c": TRACK})
    store = Opcode.STORE_STEP if steps else Opcode.STORE
    for row, cell in enumerate(acc):
        step_row = {"imm2": row} if steps else {}
        rows.append({"opcode": store, "a": cell, "a_bits": acc_bits, "flags": Flag.A_SIGNED, "imm": row, **step_row})
    table = np.zeros(len(rows), instruction_dtype())
    for target, fields in zip(table, rows, strict=True):
        for name, value in fields.items():
            target[name] = value
    return table


def small_program() -> Program:
    """Strided convolution with steps, max pooling in the digital unit, a dense layer."""
    tensors = (
        TensorInfo("x", (2, 9, 8), "ui4"),
        TensorInfo("conv", (6, 5, 4), "ui2"),
        TensorInfo("pool", (6, 1, 1), "ui2"),
        TensorInfo("flat", (6,), "ui2"),
        TensorInfo("logits", (4,), "si5"),
    )
    window = Window(0, 2, 9, 8, (3, 3), (2, 2), (1, 1, 1, 0), (1, 1), 0, 4, False)
    conv = ApKernel(
        "conv",
        ("conv",),
        (window,),
        (ApOutput(1, 6, 5, 4, 2, False),),
        ternary_stream(WEIGHTS, 4, 10, steps=True),
        THRESHOLDS,
        np.zeros(6, np.int64),
        DESCENDING,
        1,
    )
    dense = ApKernel(
        "dense",
        ("dense",),
        (vector_window(3, 6, 2, False),),
        (ApOutput(4, 4, 1, 1, 5, True),),
        ternary_stream(DENSE, 2, 5, steps=False),
        np.zeros((0, 0), np.int64),
        np.zeros(0, np.int64),
        np.zeros(0, np.bool_),
        1,
    )
    pool = DigitalOp("pool", "max_pool", {"kernel": [5, 4]}, (1,), 2)
    flat = DigitalOp("flat", "reshape", {}, (2,), 3)
    return Program(
        "small",
        TargetSummary("test", "0", 256, 256, TRACK),
        tensors,
        (PortInfo("x", 0, "float32"),),
        (PortInfo("logits", 4, "float32"),),
        (conv, pool, flat, dense),
    )


PROGRAM = small_program()


def reference(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    images = len(x)
    stream = PROGRAM.steps[0]
    assert isinstance(stream, ApKernel)
    sums = (WEIGHTS @ window_elements(x.astype(np.int64), stream.inputs[0])).reshape(6, images, 20)
    conv: NDArray[np.int64] = (sums[:, :, :, None] >= THRESHOLDS[:, None, None, :]).sum(axis=3)
    conv[DESCENDING] = 3 - conv[DESCENDING]
    return conv.transpose(1, 0, 2).reshape(images, 6, 5, 4), conv.max(axis=2).T @ DENSE.T


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 16, (count, 2, 9, 8)).astype(np.float32)


def sums(seed: int) -> tuple[ApKernel, list[NDArray[np.int64]]]:
    """A product of a ternary matrix, added up element by element."""
    rng = np.random.default_rng(seed)
    outputs, inputs, count = int(rng.integers(1, 12)), int(rng.integers(2, 30)), int(rng.integers(1, 500))
    weights = rng.integers(-1, 2, (outputs, inputs))
    table = ternary_stream(weights, 4, 10, steps=False)
    window = vector_window(0, inputs, 4, signed=False)
    output = ApOutput(1, outputs, 1, 1, 10, True)
    model = PROGRAM.steps[0]
    assert isinstance(model, ApKernel)
    kernel = replace(model, name="sums", inputs=(window,), outputs=(output,), instructions=table)
    return kernel, [rng.integers(0, 16, (count, inputs, 1, 1))]
