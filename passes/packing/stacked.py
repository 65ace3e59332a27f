"""The layouts that packing competes with: no layer shares a plane, or no layer shares a macro."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imcflow.passes.packing.bounds import packing_bounds
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingResult,
    PackingStyle,
    PlacedSlice,
    PlacedTile,
    ceil_div,
    check_planes,
    checked_copies,
    slice_count,
)


def stack_planes(
    layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None
) -> PackingResult:
    """Gives every slice a plane of its own: ceil(S/macros) planes per layer, layers one above the other.

    The result is legal in tile geometry, because every slice sits in the corner of its plane.

    Raises:
        PackingError: there are no layers, a wrong number of copies, or the target has too few planes.
    """
    number_of_copies = checked_copies(layers, copies)
    slices: list[PlacedSlice] = []
    tiles: list[PlacedTile] = []
    first_plane = 0
    for index, layer in enumerate(layers):
        one_copy = _layer_slices(index, layer, geometry)
        pieces = [replace(piece, copy=copy) for copy in range(number_of_copies[index]) for piece in one_copy]
        turns = ceil_div(len(pieces), geometry.macros)
        for number, piece in enumerate(pieces):
            macro, plane = divmod(number, turns)
            slices.append(replace(piece, macro=macro, plane=first_plane + plane))
        width, depth = min(layer.output_channels, geometry.columns), min(layer.reduction, geometry.rows)
        for macro in range(ceil_div(len(pieces), turns)):
            height = min(turns, len(pieces) - macro * turns)
            tiles.append(PlacedTile(index, macro, 0, 0, first_plane, width, depth, height))
        first_plane += turns
    bounds = packing_bounds(layers, geometry, number_of_copies)
    return check_planes(
        PackingResult(tuple(layers), geometry, PackingStyle.TILE, number_of_copies, tuple(slices), tuple(tiles), bounds)
    )


def spread_macros(layers: Sequence[LayerShape], geometry: MacroGeometry) -> PackingResult:
    """Gives every slice a macro of its own: D_m = 1 and as many macros as slices, one pass per output pixel.

    Args:
        layers: the layers to hold.
        geometry: size of a macro; its numbers of macros and planes are replaced.

    Raises:
        PackingError: there are no layers.
    """
    checked_copies(layers, None)
    macros = sum(slice_count(layer, geometry) for layer in layers)
    wide = MacroGeometry(geometry.columns, geometry.rows, macros, 1)
    pieces = [piece for index, layer in enumerate(layers) for piece in _layer_slices(index, layer, geometry)]
    slices = tuple(replace(piece, macro=macro) for macro, piece in enumerate(pieces))
    return PackingResult(
        tuple(layers), wide, PackingStyle.SLICE, checked_copies(layers, None), slices, (), packing_bounds(layers, wide)
    )


def _layer_slices(index: int, layer: LayerShape, geometry: MacroGeometry) -> list[PlacedSlice]:
    """The slices of whole macro size with short rests, all in the first corner of macro 0."""
    return [
        PlacedSlice(
            layer=index,
            copy=0,
            group=group,
            channel=channel,
            channels=min(geometry.columns, layer.output_channels - channel),
            reduction=reduction,
            reductions=min(geometry.rows, layer.reduction - reduction),
            macro=0,
            plane=0,
            column=0,
            row=0,
        )
        for group in range(layer.groups)
        for channel in range(0, layer.output_channels, geometry.columns)
        for reduction in range(0, layer.reduction, geometry.rows)
    ]
