"""Exact execution: the tiles of a kernel put together again, and multiplied in floating point that holds every sum.

The sums of a digital macro are linear in its weights, so the order of tiles, cycles and weight bits does not matter;
`imcflow.runtime.crossbar.serial` executes them one by one and is the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.stream import Accumulation, operations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel

FLOAT32_EXACT = 1 << 24


@dataclass(frozen=True, slots=True)
class Block:
    """Output channels from `output` on read the window elements from `element` on: weights [channels, elements]."""

    output: int
    element: int
    weights: NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ExactKernel:
    """A kernel as few dense matrices.

    Attributes:
        blocks: they cover every accumulation; channels may be in several of them, whose results are added.
        dtype: float32 if no sum reaches 2^24, else float64 (the loader proves 2^53).
    """

    blocks: tuple[Block, ...]
    dtype: np.dtype[Any]

    def sums(self, columns: NDArray[Any], channels: int) -> NDArray[Any]:
        """Return the sums [channels, lanes], integers in `dtype`, without bias.

        Args:
            columns: window elements [elements, lanes] of `dtype`.
            channels: output channels.
        """
        if len(self.blocks) == 1 and len(self.blocks[0].weights) == channels:
            (block,) = self.blocks
            return block.weights @ columns[block.element : block.element + block.weights.shape[1]]
        sums = np.zeros((channels, columns.shape[1]), self.dtype)
        for block in self.blocks:
            count, elements = block.weights.shape
            sums[block.output : block.output + count] += (
                block.weights @ columns[block.element : block.element + elements]
            )
        return sums


def exact_kernel(kernel: CrossbarKernel, magnitude: int) -> ExactKernel:
    """Put the tiles of a checked kernel together.

    Args:
        kernel: the stream.
        magnitude: largest absolute value of a window element.
    """
    parts = [item for item in operations(kernel) if isinstance(item, Accumulation)]
    stacked = [_stack(same) for same in _grouped(parts).values()]
    stacked.sort(key=lambda block: (block.element, block.weights.shape[1], block.output))
    blocks: list[Block] = []
    for block in stacked:
        last = blocks[-1] if blocks else None
        if (
            last is not None
            and (last.element, last.weights.shape[1]) == (block.element, block.weights.shape[1])
            and last.output + len(last.weights) == block.output
        ):
            blocks[-1] = Block(last.output, last.element, np.concatenate([last.weights, block.weights]))
        else:
            blocks.append(block)
    reach = np.abs(kernel.bias.astype(np.float64))
    for block in blocks:
        reach[block.output : block.output + len(block.weights)] += np.abs(block.weights).sum(axis=1) * float(magnitude)
    dtype = np.dtype(np.float32 if float(reach.max(initial=0.0)) < FLOAT32_EXACT else np.float64)
    return ExactKernel(
        tuple(Block(block.output, block.element, np.ascontiguousarray(block.weights, dtype)) for block in blocks), dtype
    )


def _grouped(parts: list[Accumulation]) -> dict[tuple[int, int], list[Accumulation]]:
    groups: dict[tuple[int, int], list[Accumulation]] = {}
    for part in parts:
        groups.setdefault((part.output, len(part.product.weights)), []).append(part)
    return groups


def _stack(parts: list[Accumulation]) -> Block:
    """Add the tiles of the same output channels into one matrix over all elements they read."""
    first = min(part.product.element for part in parts)
    last = max(part.product.element + part.product.weights.shape[1] for part in parts)
    weights = np.zeros((len(parts[0].product.weights), last - first))
    for part in parts:
        begin = part.product.element - first
        weights[:, begin : begin + part.product.weights.shape[1]] += part.product.weights * float(part.factor)
    return Block(parts[0].output, first, weights)
