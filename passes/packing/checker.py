"""Independent check of a placement: paints every cell and every weight, and shares no code with the packers."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.packing.shapes import PackingError, PackingResult, PackingStyle, PlacedSlice, PlacedTile


def check_packing(result: PackingResult) -> None:
    """Checks that a placement is complete, free of overlap and inside the target, in O(weights + cells).

    Raises:
        PackingError: the first violation: a slice outside its macro or layer, two slices on one cell, a weight stored
            more or less than once per copy, more planes than the target has, or, under tile geometry, slices that
            leave their layer's box, boxes that overlap, or two boxes of a layer in one macro.
    """
    _check_cells(result)
    _check_weights(result)
    if result.style is PackingStyle.TILE:
        _check_tiles(result)


def count_passes(result: PackingResult) -> tuple[int, ...]:
    """Array passes per inference of each layer, counted from the placement: slices in one macro take turns."""
    per_macro: defaultdict[int, defaultdict[int, int]] = defaultdict(lambda: defaultdict(int))
    for piece in result.slices:
        per_macro[piece.layer][piece.macro] += 1
    passes: list[int] = []
    for index, layer in enumerate(result.layers):
        turns = max(per_macro[index].values())
        steps_per_row = (layer.output_width + result.copies[index] - 1) // result.copies[index]
        passes.append(layer.output_height * steps_per_row * turns)
    return tuple(passes)


def _name(result: PackingResult, piece: PlacedSlice | PlacedTile) -> str:
    return f"layer {result.layers[piece.layer].name}, macro {piece.macro}, plane {piece.plane}"


def _check_cells(result: PackingResult) -> None:
    geometry = result.geometry
    if geometry.planes is not None and result.planes > geometry.planes:
        raise PackingError(f"placement: {result.planes} planes, the target has {geometry.planes}")
    used: NDArray[np.bool_] = np.zeros(
        (geometry.macros, result.planes, geometry.rows, geometry.columns), dtype=np.bool_
    )
    for piece in result.slices:
        inside = (
            0 <= piece.macro < geometry.macros
            and piece.plane >= 0
            and 0 <= piece.column <= geometry.columns - piece.channels
            and 0 <= piece.row <= geometry.rows - piece.reductions
            and piece.channels >= 1
            and piece.reductions >= 1
        )
        if not inside:
            raise PackingError(f"{_name(result, piece)}: the slice leaves the {geometry.label} macros")
        cells = used[
            piece.macro,
            piece.plane,
            piece.row : piece.row + piece.reductions,
            piece.column : piece.column + piece.channels,
        ]
        if cells.any():
            raise PackingError(f"{_name(result, piece)}: the slice overlaps another one")
        cells[...] = True


def _check_weights(result: PackingResult) -> None:
    by_layer: defaultdict[int, list[PlacedSlice]] = defaultdict(list)
    for piece in result.slices:
        by_layer[piece.layer].append(piece)
    for index, layer in enumerate(result.layers):
        shape = (result.copies[index], layer.groups, layer.output_channels, layer.reduction)
        stored: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        for piece in by_layer[index]:
            starts = (piece.copy, piece.group, piece.channel, piece.reduction)
            ends = (1, 1, piece.channels, piece.reductions)
            if any(not 0 <= start <= size - end for start, end, size in zip(starts, ends, shape, strict=True)):
                raise PackingError(f"{_name(result, piece)}: the slice leaves the layer's weights {shape}")
            cells = stored[
                piece.copy,
                piece.group,
                piece.channel : piece.channel + piece.channels,
                piece.reduction : piece.reduction + piece.reductions,
            ]
            if cells.any():
                raise PackingError(f"{_name(result, piece)}: a weight is stored twice")
            cells[...] = 1
        if not stored.all():
            missing = int(stored.size - np.count_nonzero(stored))
            raise PackingError(f"layer {layer.name}: {missing} weights are stored nowhere")


def _check_tiles(result: PackingResult) -> None:
    boxes: dict[tuple[int, int], PlacedTile] = {}
    per_macro: defaultdict[int, list[PlacedTile]] = defaultdict(list)
    for tile in result.tiles:
        if (tile.layer, tile.macro) in boxes:
            raise PackingError(f"{_name(result, tile)}: the layer has two boxes in this macro")
        boxes[tile.layer, tile.macro] = tile
        per_macro[tile.macro].append(tile)
    for tiles in per_macro.values():
        for position, tile in enumerate(tiles):
            for other in tiles[:position]:
                if _overlap(tile, other):
                    raise PackingError(
                        f"{_name(result, tile)}: the box overlaps layer {result.layers[other.layer].name}"
                    )
    offsets: defaultdict[int, set[int]] = defaultdict(set)
    for piece in result.slices:
        box = boxes.get((piece.layer, piece.macro))
        if box is None or not _contains(box, piece):
            raise PackingError(f"{_name(result, piece)}: the slice leaves its layer's box")
        if piece.row != box.row:
            raise PackingError(f"{_name(result, piece)}: row {piece.row}, the box starts at row {box.row}")
        offsets[piece.layer].add(piece.column - box.column)
    for index, columns in offsets.items():
        if columns != {0} and result.layers[index].groups == 1:
            raise PackingError(f"layer {result.layers[index].name}: slices of one group lie side by side in a box")


def _overlap(first: PlacedTile, second: PlacedTile) -> bool:
    return (
        first.column < second.column + second.columns
        and second.column < first.column + first.columns
        and first.row < second.row + second.rows
        and second.row < first.row + first.rows
        and first.plane < second.plane + second.planes
        and second.plane < first.plane + first.planes
    )


def _contains(box: PlacedTile, piece: PlacedSlice) -> bool:
    return (
        box.plane <= piece.plane < box.plane + box.planes
        and box.column <= piece.column
        and piece.column + piece.channels <= box.column + box.columns
        and box.row <= piece.row
        and piece.row + piece.reductions <= box.row + box.rows
    )
