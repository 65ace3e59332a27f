"""Parts of steps as kernels of their own: the rows of their inputs, cut out and padded, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.program import ApKernel, CrossbarKernel, ElementType, Window

if TYPE_CHECKING:
    from imcflow.runtime.schedule.work import RowReads, StepWork


def part_window(window: Window, rows: int) -> Window:
    """Return the window of a part with `rows` output rows; `part_map` has padded its input above and below."""
    height = (rows - 1) * window.strides[0] + (window.kernel[0] - 1) * window.dilations[0] + 1
    return replace(window, height=height, pads=(0, window.pads[1], 0, window.pads[3]))


def part_map(window: Window, maps: Tensor, first_row: int, rows: int) -> Tensor:
    """Return what the output rows from `first_row` on read: [images, channels, part height, width].

    Args:
        window: of the whole step.
        maps: its input [images, channels, height, width].
        first_row: first output row of the part.
        rows: how many.
    """
    height = part_window(window, rows).height
    begin = first_row * window.strides[0] - window.pads[0]
    low, high = max(begin, 0), min(begin + height, window.height)
    if begin == low and begin + height == high:
        return maps[:, :, low:high]
    dtype = storage_dtype(ElementType(window.bits, window.signed))
    part = np.full((*maps.shape[:2], height, maps.shape[3]), window.pad_value, dtype)
    if low < high:
        part[:, :, low - begin : high - begin] = maps[:, :, low:high]
    return part


def part_kernel(kernel: ApKernel, rows: int) -> ApKernel:
    """Return the kernel of a part with `rows` output rows."""
    return replace(
        kernel,
        inputs=tuple(part_window(window, rows) for window in kernel.inputs),
        outputs=tuple(replace(output, height=rows) for output in kernel.outputs),
    )


def macro_kernel(kernel: CrossbarKernel, macro: int, first_row: int, rows: int) -> CrossbarKernel:
    """Return what one macro does for output rows from `first_row` on; the stores are those of the whole kernel."""
    table = kernel.instructions
    chosen = table[(table["macro"] == macro) | (table["opcode"] == TileOpcode.STORE)].copy()
    products = chosen["opcode"] == TileOpcode.MULTIPLY
    some = np.flatnonzero(products & (chosen["lanes"] > 0))
    if len(some):
        # Lanes count from the first row of the part; products without a lane there fall away, and their additions.
        offset, count = first_row * kernel.output.width, rows * kernel.output.width
        begin = chosen["lane"][some].astype(np.int64) - offset
        stop = np.minimum(begin + chosen["lanes"][some], count)
        begin = np.maximum(begin, 0)
        used = np.ones(len(chosen), np.bool_)
        used[some] = begin < stop
        chosen["lane"][some], chosen["lanes"][some] = begin, np.maximum(stop - begin, 0)
        additions = chosen["opcode"] == TileOpcode.ACCUMULATE
        last = np.maximum.accumulate(np.where(products, np.arange(len(chosen)), -1))
        chosen = chosen[used & (~additions | used[last])]
    return replace(
        kernel,
        instructions=chosen,
        window=part_window(kernel.window, rows),
        output=replace(kernel.output, height=rows),
        bias=np.zeros_like(kernel.bias),
    )


def part_operand(read: RowReads, array: Tensor, first_row: int, rows: int) -> Tensor:
    """Return the rows of an operand [images, channels, height, width] that a part of a digital operation reads."""
    low, high = read.rows(np.array([first_row]), np.array([first_row + rows - 1]))
    return array if read.whole else array[:, :, int(low[0]) : int(high[0]) + 1]


def part_attributes(work: StepWork, attributes: dict[str, Any], first_row: int, rows: int) -> dict[str, Any]:
    """Return the attributes of a part: a pooling is padded above and below only where the part lies at the edge."""
    if "pads" not in attributes or not work.divisible:
        return attributes
    (read,) = work.reads
    above = max(0, read.pad - first_row * read.stride)
    reach = (first_row + rows - 1) * read.stride - read.pad + (read.size - 1) * read.dilation
    below = max(0, reach - (read.height - 1))
    _, left, _, right = attributes["pads"]
    return {**attributes, "pads": [above, left, below, right]}
