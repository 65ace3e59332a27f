"""Executes a packed layer pass by pass on the cells of the macros: what a placement means, in integers.

A pass activates one slice per macro: its rows receive the inputs that the slice belongs to, all other rows zero, and
its columns are read, all others ignored. That is why slices of different layers may share rows or columns of a plane.
The sums are exact, as in a digital macro or an ideal analog one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.packing.shapes import PackingError, PackingResult, PlacedSlice

Cells = NDArray[np.int64]
"""[macros, planes, rows, columns]"""


def load_cells(result: PackingResult, weights: Sequence[NDArray[np.int64]]) -> Cells:
    """The content of all cells.

    Args:
        result: the placement.
        weights: per layer an array [groups, output channels, reduction].

    Raises:
        PackingError: an array does not have its layer's shape.
    """
    geometry = result.geometry
    cells: Cells = np.zeros((geometry.macros, result.planes, geometry.rows, geometry.columns), dtype=np.int64)
    for layer, array in zip(result.layers, weights, strict=True):
        shape = (layer.groups, layer.output_channels, layer.reduction)
        if array.shape != shape:
            raise PackingError(f"layer {layer.name}: weights of shape {array.shape}, expected {shape}")
    for piece in result.slices:
        held = weights[piece.layer][piece.group, _channels(piece), _reductions(piece)]
        cells[piece.macro, piece.plane, _rows(piece), _columns(piece)] = held.T
    return cells


def execute_layer(result: PackingResult, cells: Cells, layer: int, inputs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Outputs [pixels, groups, output channels] of one layer.

    Args:
        result: the placement.
        cells: what `load_cells` returned.
        layer: index of the layer.
        inputs: [pixels, groups, reduction], the window of every output pixel; neighbouring pixels of a row go to
            different copies.

    Raises:
        PackingError: the inputs do not have the layer's shape.
    """
    shape = result.layers[layer]
    if inputs.shape != (shape.output_pixels, shape.groups, shape.reduction):
        expected = (shape.output_pixels, shape.groups, shape.reduction)
        raise PackingError(f"layer {shape.name}: inputs of shape {inputs.shape}, expected {expected}")
    copies = result.copies[layer]
    columns_of_copy = np.arange(shape.output_pixels) % shape.output_width % copies
    outputs = np.zeros((shape.output_pixels, shape.groups, shape.output_channels), dtype=np.int64)
    for turn in schedule(result, layer):
        for piece in turn:
            pixels = np.flatnonzero(columns_of_copy == piece.copy)
            driven = np.zeros((len(pixels), result.geometry.rows), dtype=np.int64)
            driven[:, _rows(piece)] = inputs[pixels, piece.group, _reductions(piece)]
            sums = driven @ cells[piece.macro, piece.plane]
            outputs[pixels, piece.group, _channels(piece)] += sums[:, _columns(piece)]
    return outputs


def schedule(result: PackingResult, layer: int) -> list[list[PlacedSlice]]:
    """The passes of one output pixel: at most one slice per macro in each, planes in rising order."""
    waiting: defaultdict[int, list[PlacedSlice]] = defaultdict(list)
    for piece in result.slices:
        if piece.layer == layer:
            waiting[piece.macro].append(piece)
    for pieces in waiting.values():
        pieces.sort(key=lambda piece: (piece.plane, piece.row, piece.column))
    in_order = [waiting[macro] for macro in sorted(waiting)]
    turns = max(len(pieces) for pieces in in_order)
    return [[pieces[turn] for pieces in in_order if turn < len(pieces)] for turn in range(turns)]


def _rows(piece: PlacedSlice) -> slice:
    return slice(piece.row, piece.row + piece.reductions)


def _columns(piece: PlacedSlice) -> slice:
    return slice(piece.column, piece.column + piece.channels)


def _channels(piece: PlacedSlice) -> slice:
    return slice(piece.channel, piece.channel + piece.channels)


def _reductions(piece: PlacedSlice) -> slice:
    return slice(piece.reduction, piece.reduction + piece.reductions)
