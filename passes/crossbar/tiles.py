"""How the matrix of a layer is cut into macro tiles, and which weights a tile holds.

The matrix has one row per window element and one column per output channel. A weight of more bits than a cell word is
cut into slices; signed weights are two's complement, whose top slice is signed, or differential: the positive and the
negative part in tiles of their own, the latter subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.crossbar_tables import TilePart, tile_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import MacroSummary

    Matrix = NDArray[np.int64]
    Tiles = NDArray[np.void]


@dataclass(frozen=True)
class LayerMatrix:
    """The weights of a layer: int64 [outputs, elements of one group], output channels in `groups` groups."""

    weights: Matrix
    groups: int

    @property
    def group_elements(self) -> int:
        """Window elements that a group reads."""
        return self.weights.shape[1]

    @property
    def group_outputs(self) -> int:
        """Output channels of a group."""
        return len(self.weights) // self.groups

    def block(self, element: int, rows: int, output: int, columns: int) -> Matrix:
        """Return the rectangle [columns, rows] of the whole matrix; 0 where output and element differ in group."""
        elements = np.arange(element, element + rows)
        outputs = np.arange(output, output + columns)
        values = self.weights[outputs[:, None], elements % self.group_elements]
        if self.groups == 1:
            return values
        return values * (outputs[:, None] // self.group_outputs == elements // self.group_elements)


def weight_parts(weights: Matrix, cell_bits: int, *, differential: bool) -> tuple[int, list[tuple[int, int]]]:
    """Return the bits of a cell word and, per part of the weights, its shift and `TilePart` flags.

    Args:
        weights: the integers.
        cell_bits: largest number of bits of a cell word.
        differential: positive and negative parts apart instead of two's complement.
    """
    least, greatest = int(weights.min(initial=0)), int(weights.max(initial=0))
    if differential:
        bits = max(1, greatest.bit_length(), (-least).bit_length())
        shifts = range(0, bits, cell_bits)
        signs = [TilePart.POSITIVE] * (greatest > 0 or least == 0) + [TilePart.NEGATIVE] * (least < 0)
        return min(bits, cell_bits), [(shift, int(sign)) for shift in shifts for sign in signs]
    signed = least < 0
    bits = max(1, greatest.bit_length() + signed, (-least - 1).bit_length() + 1 if signed else 1)
    shifts = list(range(0, bits, cell_bits))
    top = int(TilePart.SIGNED) if signed else 0
    return min(bits, cell_bits), [(shift, top if shift == shifts[-1] else 0) for shift in shifts]


def part_values(block: Matrix, shift: int, flags: int, weight_bits: int) -> Matrix:
    """Return what the cells of a tile hold of the weights `block`."""
    if flags & TilePart.SIGNED:
        return block >> shift
    if flags & TilePart.POSITIVE:
        block = np.maximum(block, 0)
    elif flags & TilePart.NEGATIVE:
        block = np.maximum(-block, 0)
    return block >> shift & ((1 << weight_bits) - 1)


def part_factor(shift: int, flags: int) -> int:
    """Return what a tile's result counts."""
    return (-1 if flags & TilePart.NEGATIVE else 1) << shift


def cut_into_tiles(layer: LayerMatrix, macro: MacroSummary, parts: list[tuple[int, int]], first_place: int) -> Tiles:
    """Return the tiles of a layer, all of the same columns in one run, placed round-robin.

    Place p is macro p % macros and slot p / macros; when all slots are taken, tiles replace earlier ones. Small groups
    share a tile as blocks on its diagonal; this spreads a depthwise convolution over the columns.

    Args:
        layer: the weights.
        macro: rows, columns, macros, slots.
        parts: of `weight_parts`.
        first_place: place of the first tile.
    """
    elements, outputs = layer.group_elements, layer.group_outputs
    rectangles: list[tuple[int, int, int, int]] = []
    together = min(macro.rows // elements, macro.columns // outputs, layer.groups)
    if layer.groups > 1 and together >= 1:
        for group in range(0, layer.groups, together):
            count = min(together, layer.groups - group)
            rectangles.append((group * elements, count * elements, group * outputs, count * outputs))
    else:
        for group in range(layer.groups):
            for output in range(0, outputs, macro.columns):
                columns = min(macro.columns, outputs - output)
                for element in range(0, elements, macro.rows):
                    rows = min(macro.rows, elements - element)
                    rectangles.append((group * elements + element, rows, group * outputs + output, columns))
    table = np.zeros(len(rectangles) * len(parts), tile_dtype())
    places = (first_place + np.arange(len(table))) % (macro.macros * macro.slots)
    table["macro"], table["slot"] = places % macro.macros, places // macro.macros
    corners = np.repeat(np.array(rectangles, np.int64).reshape(-1, 4), len(parts), axis=0)
    for column, name in enumerate(("element", "rows", "output", "columns")):
        table[name] = corners[:, column]
    table["shift"] = np.tile([shift for shift, _ in parts], len(rectangles))
    table["flags"] = np.tile([flags for _, flags in parts], len(rectangles))
    return table
