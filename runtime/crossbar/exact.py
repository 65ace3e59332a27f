"""Exact execution: the tiles of a kernel put together again, and multiplied in floating point that holds every sum.

The sums of a digital macro are linear in its weights, so the order of tiles, cycles and weight bits does not matter;
`imcflow.runtime.crossbar.serial` executes them one by one and is the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.columns import DigitWindows
from imcflow.runtime.crossbar.stream import Accumulation, operations
from imcflow.runtime.execution.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel

FLOAT32_EXACT = 1 << 24


@dataclass(frozen=True, slots=True)
class Block:
    """Output channels from `output` on read the window elements from `element` on, in lanes of every image.

    `weights` are [channels, elements]; the lanes are `first_lane` to `last_lane`, exclusive.
    """

    output: int
    element: int
    weights: NDArray[Any]
    first_lane: int
    last_lane: int

    @property
    def inputs(self) -> tuple[int, int, int, int]:
        """First and number of the elements, and the lanes: what blocks side by side must share."""
        return (self.element, self.weights.shape[1], self.first_lane, self.last_lane)


@dataclass(frozen=True, slots=True, eq=False)
class ExactKernel:
    """A kernel as few dense matrices.

    Attributes:
        windows: gives the window elements, in one digit.
        blocks: they cover every accumulation; channels may be in several of them, whose results are added.
        lanes_per_image: output positions of an image.
        dtype: float32 if no sum reaches 2^24, else float64 (the loader proves 2^53).
    """

    windows: DigitWindows
    blocks: tuple[Block, ...]
    lanes_per_image: int
    dtype: np.dtype[Any]

    def sums(self, columns: NDArray[Any], channels: int, memory: Workspace) -> NDArray[Any]:
        """Return the sums [channels, lanes], integers in `dtype`, without bias.

        Args:
            columns: window elements [elements, lanes] of `dtype`.
            channels: output channels.
            memory: of this thread; the result is its scratch "sums".
        """
        sums = memory.scratch_array("sums", (channels, columns.shape[1]), self.dtype)
        if len(self.blocks) == 1 and len(self.blocks[0].weights) == channels:
            (block,) = self.blocks
            rows = columns[block.element : block.element + block.weights.shape[1]]
            return np.matmul(block.weights, rows, out=sums)
        sums[...] = 0
        by_image = sums.reshape(channels, -1, self.lanes_per_image)
        inputs = columns.reshape(len(columns), -1, self.lanes_per_image)
        for block in self.blocks:
            count, elements = block.weights.shape
            rows = slice(block.element, block.element + elements)
            lanes = slice(block.first_lane, block.last_lane)
            part = by_image[block.output : block.output + count, :, lanes]
            if block.last_lane - block.first_lane == self.lanes_per_image:
                sums[block.output : block.output + count] += block.weights @ columns[rows]
            else:
                part += (block.weights @ inputs[rows, :, lanes].reshape(elements, -1)).reshape(part.shape)
        return sums


def exact_kernel(kernel: CrossbarKernel, magnitude: int) -> ExactKernel:
    """Put the tiles of a checked kernel together; copies of weights that share the lanes become one block.

    Args:
        kernel: the stream.
        magnitude: largest absolute value of a window element.
    """
    parts = [item for item in operations(kernel) if isinstance(item, Accumulation)]
    stacked = [
        block
        for ranges in _grouped(parts).values()
        for block in _without_copies([_stack(same) for same in ranges.values()], kernel.lanes_per_image)
    ]
    stacked.sort(key=lambda block: (block.inputs, block.output))
    blocks: list[Block] = []
    for block in stacked:
        last = blocks[-1] if blocks else None
        if last is not None and last.inputs == block.inputs and last.output + len(last.weights) == block.output:
            blocks[-1] = replace(last, weights=np.concatenate([last.weights, block.weights]))
        else:
            blocks.append(block)
    reach = np.abs(kernel.bias.astype(np.float64))
    for block in blocks:
        reach[block.output : block.output + len(block.weights)] += np.abs(block.weights).sum(axis=1) * float(magnitude)
    dtype = np.dtype(np.float32 if float(reach.max(initial=0.0)) < FLOAT32_EXACT else np.float64)
    narrow = (replace(block, weights=np.ascontiguousarray(block.weights, dtype)) for block in blocks)
    windows = DigitWindows(kernel.window, kernel.window.bits, dtype)
    return ExactKernel(windows, tuple(narrow), kernel.lanes_per_image, dtype)


Ranges = dict[tuple[int, int], list[Accumulation]]
"""Accumulations by the lanes of their products."""


def _grouped(parts: list[Accumulation]) -> dict[tuple[int, int], Ranges]:
    groups: dict[tuple[int, int], Ranges] = {}
    for part in parts:
        ranges = groups.setdefault((part.output, len(part.product.weights)), {})
        ranges.setdefault((part.product.first_lane, part.product.last_lane), []).append(part)
    return groups


def _without_copies(blocks: list[Block], lanes_per_image: int) -> list[Block]:
    """Return one block for blocks of equal weights whose lanes are disjoint and all of an image."""
    first = blocks[0]
    same = all(block.element == first.element and np.array_equal(block.weights, first.weights) for block in blocks[1:])
    reached = 0
    for block in sorted(blocks, key=lambda block: block.first_lane):
        same = same and block.first_lane == reached
        reached = block.last_lane
    if not same or reached != lanes_per_image:
        return blocks
    return [replace(first, first_lane=0, last_lane=lanes_per_image)]


def _stack(parts: list[Accumulation]) -> Block:
    """Add the tiles of the same output channels and lanes into one matrix over all elements they read."""
    first = min(part.product.element for part in parts)
    last = max(part.product.element + part.product.weights.shape[1] for part in parts)
    weights = np.zeros((len(parts[0].product.weights), last - first))
    for part in parts:
        begin = part.product.element - first
        weights[:, begin : begin + part.product.weights.shape[1]] += part.product.weights * float(part.factor)
    product = parts[0].product
    return Block(parts[0].output, first, weights, product.first_lane, product.last_lane)
