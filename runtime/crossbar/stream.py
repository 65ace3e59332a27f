"""Walks through the tile operations of a kernel: which weights each product uses, and where its result goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel


@dataclass(frozen=True, slots=True)
class Product:
    """One MULTIPLY.

    Attributes:
        number: of the instruction.
        macro: that executes it.
        element: window element on the tile's first row.
        weights: int64 [columns, rows].
        signed: whether the weights are two's complement.
        full_scale: of the converters, in unit cells; 0 on a digital macro.
        first_lane: of every image.
        last_lane: of every image, exclusive.
    """

    number: int
    macro: int
    element: int
    weights: NDArray[np.int64]
    signed: bool
    full_scale: int
    first_lane: int
    last_lane: int


@dataclass(frozen=True, slots=True)
class Accumulation:
    """One ACCUMULATE: adds `factor` times the last result of the product's macro, in its lanes, from `output` on."""

    product: Product
    output: int
    factor: int


def lane_range(lane: int, lanes: int, lanes_per_image: int) -> tuple[int, int]:
    """Return the first lane of a MULTIPLY and the one behind its last; `lanes` 0 are all of an image."""
    return (lane, lane + lanes) if lanes else (0, lanes_per_image)


def operations(kernel: CrossbarKernel) -> Iterator[Product | Accumulation]:
    """Yield the products and accumulations of a checked kernel, in order."""
    tiles: dict[tuple[int, int, int, int], tuple[NDArray[np.int64], bool]] = {}
    registers: dict[int, Product] = {}
    for number, row in enumerate(kernel.instructions):
        opcode, flags = int(row["opcode"]), int(row["flags"])
        macro = int(row["macro"])
        place = (macro, int(row["slot"]), int(row["row"]), int(row["column"]))
        if opcode == TileOpcode.LOAD:
            rows, columns, first = int(row["rows"]), int(row["columns"]), int(row["imm"])
            weights = kernel.weights[first : first + rows * columns].reshape(columns, rows).astype(np.int64)
            tiles[place] = (weights, bool(flags & TileFlag.WEIGHTS_SIGNED))
        elif opcode == TileOpcode.MULTIPLY:
            weights, signed = tiles[place]
            lanes = lane_range(int(row["lane"]), int(row["lanes"]), kernel.lanes_per_image)
            product = Product(number, macro, int(row["element"]), weights, signed, int(row["imm"]), *lanes)
            registers[macro] = product
            yield product
        elif opcode == TileOpcode.ACCUMULATE:
            factor = (-1 if flags & TileFlag.NEGATE else 1) << int(row["shift"])
            yield Accumulation(registers[macro], int(row["output"]), factor)


def stepped(kernel: CrossbarKernel) -> NDArray[np.bool_]:
    """Return, per output channel, whether it is stored through its step function."""
    chosen = np.zeros(kernel.output.channels, np.bool_)
    stores = kernel.instructions[kernel.instructions["opcode"] == TileOpcode.STORE]
    for row in stores[(stores["flags"] & TileFlag.STEP) > 0]:
        chosen[int(row["output"]) : int(row["output"]) + int(row["columns"])] = True
    return chosen
