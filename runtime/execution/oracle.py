"""The slow and obvious executor: one bool per cell and lane, every search and write as it stands in the microcode.

Nothing here is shared with the compiled kernels except the instruction set and the pass sequences. Tests compare the
kernels with it; programs run on it only in small cross-checks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.microcode import BitStep, Kind, Macro, expand
from imcflow.runtime.program import ApKernel, Window


@dataclass
class OracleResult:
    """Outputs per port, int64 [images, channels, height, width], and what was executed.

    `matches`: rows that match, summed over the searches; `tagged_rows`: rows that are written, summed over the writes
    behind searches; `tagged_cells`: the same in cells.
    """

    outputs: list[NDArray[np.int64]]
    searches: int = 0
    writes: int = 0
    matches: int = 0
    tagged_rows: int = 0
    tagged_cells: int = 0


def window_elements(tensor: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """Cut a tensor into windows.

    Args:
        tensor: int64 [images, channels, height, width].
        window: geometry.

    Returns:
        int64 [elements, lanes]; element = (channel*kh + y)*kw + x, lane = (image*out_height + oh)*out_width + ow.
    """
    top, left, bottom, right = window.pads
    padded = np.pad(tensor, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=window.pad_value)
    rows = np.arange(window.out_height) * window.strides[0]
    columns = np.arange(window.out_width) * window.strides[1]
    elements = [
        padded[:, channel][:, rows + y * window.dilations[0]][:, :, columns + x * window.dilations[1]].reshape(-1)
        for channel in range(window.channels)
        for y in range(window.kernel[0])
        for x in range(window.kernel[1])
    ]
    return np.stack(elements)


def run_kernel(
    kernel: ApKernel, tensors: list[NDArray[np.int64]], *, cell_count: int, domains: int, or_latch: bool
) -> OracleResult:
    """Execute one instruction stream pass by pass.

    Args:
        kernel: the stream; the loader has checked it.
        tensors: one int64 [images, channels, height, width] array per kernel input.
        cell_count: cells of all arrays of one row block.
        domains: cells per track.
        or_latch: whether a search may OR into the tag.
    """
    elements = [window_elements(tensor, window) for tensor, window in zip(tensors, kernel.inputs, strict=True)]
    images = tensors[0].shape[0]
    lanes = images * kernel.lanes_per_image
    planes = np.zeros((cell_count, lanes), np.bool_)
    stored = [np.zeros((port.channels, lanes), np.int64) for port in kernel.outputs]
    result = OracleResult([])
    for row in kernel.instructions:
        opcode = Opcode(int(row["opcode"]))
        port, imm = int(row["port"]), int(row["imm"])
        a, a_bits, r, r_bits = int(row["a"]), int(row["a_bits"]), int(row["r"]), int(row["r_bits"])
        if opcode is Opcode.LOAD:
            planes[r : r + r_bits] = elements[port][imm] >> np.arange(r_bits)[:, None] & 1
        elif opcode is Opcode.MOVE:
            planes[r : r + r_bits] = planes[a : a + a_bits].copy()
        elif opcode in (Opcode.STORE, Opcode.STORE_STEP):
            value = word_value(planes[a : a + a_bits], bool(row["flags"] & Flag.A_SIGNED))
            if opcode is Opcode.STORE_STEP:
                value = _step_value(kernel, int(row["imm2"]), value)
            stored[port][imm] = value
        else:
            _execute(macro_of(row), planes, result, or_latch, domains)
    for port, values in zip(kernel.outputs, stored, strict=True):
        maps = values.reshape(port.channels, images, port.height, port.width)
        result.outputs.append(np.ascontiguousarray(maps.transpose(1, 0, 2, 3)))
    return result


def word_value(planes: NDArray[np.bool_], signed: bool) -> NDArray[np.int64]:
    """Return the integers [lanes] of a word given as bool [bits, lanes], least significant bit first."""
    weights = np.int64(1) << np.arange(len(planes), dtype=np.int64)
    if signed:
        weights[-1] = -weights[-1]
    return weights @ planes.astype(np.int64)


def macro_of(row: np.void) -> Macro:
    """Read one row of an instruction table."""
    return Macro(
        opcode=Opcode(int(row["opcode"])),
        flags=Flag(int(row["flags"])),
        a_bits=int(row["a_bits"]),
        b_bits=int(row["b_bits"]),
        r_bits=int(row["r_bits"]),
        a=int(row["a"]),
        b=int(row["b"]),
        r=int(row["r"]),
        c=int(row["c"]),
        imm=int(row["imm"]),
        imm2=int(row["imm2"]),
    )


def run_steps(
    steps: list[BitStep], planes: NDArray[np.bool_], tag: NDArray[np.bool_], result: OracleResult
) -> NDArray[np.bool_]:
    """Execute bit steps on planes [cells, lanes] in place, starting from a tag [lanes]; return the last tag."""
    for step in steps:
        for micro in step.micros:
            if micro.is_search:
                match = np.ones_like(tag)
                for role, bit in micro.cells:
                    (cell,) = step.cells[role]
                    match &= planes[cell] == bool(bit)
                tag = tag | match if micro.kind is Kind.SEARCH_OR else match
                result.searches += 1
                result.matches += int(match.sum())
                continue
            result.writes += 1
            rows = np.ones_like(tag) if micro.kind is Kind.WRITE_ALL else tag
            if micro.kind is Kind.WRITE:
                result.tagged_rows += int(tag.sum())
                result.tagged_cells += int(tag.sum()) * len(micro.cells)
            for role, bit in micro.cells:
                for cell in step.cells[role]:
                    planes[cell, rows] = bool(bit)
    return tag


def _execute(macro: Macro, planes: NDArray[np.bool_], result: OracleResult, or_latch: bool, domains: int) -> None:
    steps = list(expand(macro, or_latch=or_latch, domains=domains))
    lanes = int(planes.shape[1])
    run_steps(steps, planes, np.zeros(lanes, np.bool_), result)


def _step_value(kernel: ApKernel, table_row: int, value: NDArray[np.int64]) -> NDArray[np.int64]:
    thresholds = kernel.step_thresholds[table_row]
    reached = (value[:, None] >= thresholds[None, :]).sum(axis=1)
    if kernel.step_descending[table_row]:
        reached = len(thresholds) - reached
    return kernel.step_low[table_row] + reached
