"""What a crossbar kernel asks of its machine, read from its stream: rounds of weight loads and tile products.

A round ends where a LOAD overwrites cells of its tiles: until then all of them are in the cells together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.isa import TileFlag, TileOpcode
from imcflow.runtime.crossbar.stream import Accumulation, lane_range, operations

if TYPE_CHECKING:
    from imcflow.runtime.crossbar.residency import KernelResidency
    from imcflow.runtime.program import CrossbarKernel


@dataclass(frozen=True, slots=True)
class TileLoad:
    """One LOAD; a resident one happens once per program."""

    macro: int
    slot: int
    row: int
    column: int
    rows: int
    columns: int
    resident: bool

    def overlaps(self, other: TileLoad) -> bool:
        """Whether two tiles of one slot share a cell."""
        return (
            self.row < other.row + other.rows
            and other.row < self.row + self.rows
            and self.column < other.column + other.columns
            and other.column < self.column + self.columns
        )


@dataclass(frozen=True, slots=True)
class TileProduct:
    """One MULTIPLY with the accumulations behind it.

    Attributes:
        macro, slot: where the tile lies.
        element, rows, columns: window elements it reads, output channels it gives.
        tree_inputs: rows that one column adds on average; channels of a group add only elements of their group.
        first_lane, lanes: output positions of every image it works on.
        outputs: first channel of each accumulation of the result, and whether it starts the channel.
    """

    macro: int
    slot: int
    element: int
    rows: int
    columns: int
    tree_inputs: float
    first_lane: int
    lanes: int
    outputs: tuple[tuple[int, bool], ...]

    @property
    def inputs(self) -> tuple[int, int, int, int]:
        """What the row registers hold for it: equal for products that can share them."""
        return (self.element, self.rows, self.first_lane, self.lanes)


@dataclass(frozen=True, slots=True)
class Round:
    """Tiles that are in the cells together, and their products in stream order."""

    loads: tuple[TileLoad, ...]
    products: tuple[TileProduct, ...]


@dataclass(frozen=True, slots=True)
class KernelWork:
    """A kernel as rounds.

    Attributes:
        rounds: in order.
        groups: of the layer; 1 unless its matrix is block-diagonal.
        weight_parts: tiles that share the weights of one output and element: slices, differential columns.
        macs: products of a weight and an activation per image, cells without a weight left out.
    """

    rounds: tuple[Round, ...]
    groups: int
    weight_parts: int
    macs: int


def kernel_work(kernel: CrossbarKernel, residency: KernelResidency) -> KernelWork:
    """Read the rounds of a checked kernel."""
    groups = block_groups(kernel)
    resident = dict(zip(residency.loads.tolist(), residency.resident.tolist(), strict=True))
    accumulated = _accumulations(kernel)
    rounds: list[Round] = []
    loads: dict[tuple[int, int], list[TileLoad]] = {}
    products: list[TileProduct] = []
    macs = 0
    for number, row in enumerate(kernel.instructions):
        opcode = int(row["opcode"])
        if opcode not in (TileOpcode.LOAD, TileOpcode.MULTIPLY):
            continue
        macro, slot, rows, columns = (int(row[name]) for name in ("macro", "slot", "rows", "columns"))
        if opcode == TileOpcode.LOAD:
            load = TileLoad(macro, slot, int(row["row"]), int(row["column"]), rows, columns, resident[number])
            if any(load.overlaps(other) for other in loads.get((macro, slot), ())):
                rounds.append(_round(loads, products))
                loads, products = {}, []
            loads.setdefault((macro, slot), []).append(load)
            continue
        first, last = lane_range(int(row["lane"]), int(row["lanes"]), kernel.lanes_per_image)
        element, outputs = int(row["element"]), accumulated[number]
        cells = _cells_in_group(kernel, groups, element, rows, outputs[0][0], columns) if outputs else rows * columns
        products.append(TileProduct(macro, slot, element, rows, columns, cells / columns, first, last - first, outputs))
        macs += cells * (last - first)
    rounds.append(_round(loads, products))
    return KernelWork(tuple(rounds), groups, _weight_parts(kernel), macs)


def _round(loads: dict[tuple[int, int], list[TileLoad]], products: list[TileProduct]) -> Round:
    return Round(tuple(load for same in loads.values() for load in same), tuple(products))


def _cells_in_group(kernel: CrossbarKernel, groups: int, element: int, rows: int, output: int, columns: int) -> int:
    """Cells of a tile whose element and channel are of one group."""
    if groups == 1:
        return rows * columns
    elements = kernel.window.elements // groups
    first = np.arange(output, output + columns) // (kernel.output.channels // groups) * elements
    shared = np.minimum(first + elements, element + rows) - np.maximum(first, element)
    return int(np.maximum(shared, 0).sum())


def _accumulations(kernel: CrossbarKernel) -> dict[int, tuple[tuple[int, bool], ...]]:
    """By number of the MULTIPLY: first channel of each accumulation of its result, and whether it starts it."""
    found: dict[int, tuple[tuple[int, bool], ...]] = {}
    latest: dict[int, int] = {}
    for number, row in enumerate(kernel.instructions):
        opcode, macro = int(row["opcode"]), int(row["macro"])
        if opcode == TileOpcode.MULTIPLY:
            latest[macro] = number
            found[number] = ()
        elif opcode == TileOpcode.ACCUMULATE:
            product = latest[macro]
            found[product] = (*found[product], (int(row["output"]), bool(int(row["flags"]) & TileFlag.START)))
    return found


def _weight_parts(kernel: CrossbarKernel) -> int:
    table = kernel.instructions[kernel.instructions["opcode"] == TileOpcode.ACCUMULATE]
    return len(np.unique(table["shift"].astype(np.int64) * 2 + ((table["flags"] & TileFlag.NEGATE) > 0)))


def block_groups(kernel: CrossbarKernel) -> int:
    """Return the largest number of groups of channels between which every weight is 0.

    A stream does not name the groups of its convolution. A layer whose weights happen to be block-diagonal is taken for
    a grouped one: its cells off the diagonal add as little as those of a grouped layer.
    """
    inputs, outputs = kernel.window.channels, kernel.output.channels
    taps = kernel.window.elements // inputs
    most = math.gcd(inputs, outputs)
    if most == 1:
        return 1
    linked = np.zeros((outputs, inputs), np.bool_)
    for item in operations(kernel):
        if isinstance(item, Accumulation):
            channels, elements = np.nonzero(item.product.weights)
            linked[item.output + channels, (item.product.element + elements) // taps] = True
    output, channel = np.nonzero(linked)
    for groups in range(most, 1, -1):
        if most % groups == 0 and np.array_equal(output // (outputs // groups), channel // (inputs // groups)):
            return groups
    return 1
