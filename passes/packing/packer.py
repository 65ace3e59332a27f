"""Entry point of the packers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from imcflow.passes.packing.bounds import packing_bounds
from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingResult, PackingStyle
from imcflow.passes.packing.slice_packer import fit_slices, pack_slices
from imcflow.passes.packing.tile_packer import pack_tiles


def pack_weights(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    style: PackingStyle = PackingStyle.SLICE,
    copies: Sequence[int] | None = None,
) -> PackingResult:
    """Places all weights of the layers with the minimum number of passes and few planes.

    Args:
        layers: the layers to hold; indices in the result refer to this sequence.
        geometry: the macros; with `planes` None as many planes as needed are used.
        style: what the target can do, see `PackingStyle`.
        copies: copies per layer, each working on its own output columns; default 1.

    Raises:
        PackingError: no layers, a wrong number of copies, or the target has too few planes.
    """
    if style is PackingStyle.TILE:
        return pack_tiles(layers, geometry, copies)
    return pack_slices(layers, geometry, copies)


FITTING_EFFORT = 30
"""Changes that the local search of tile geometry tries where it only counts whether a network fits."""


def fit_weights(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    style: PackingStyle,
    copies: Sequence[int] | None = None,
) -> PackingResult | None:
    """Packs the layers into the planes that the target has, in any way; None if that does not work out quickly.

    Args:
        layers: the layers to hold.
        geometry: the macros with their planes.
        style: what the target can do.
        copies: copies per layer, default 1.

    Raises:
        PackingError: no layers, or a wrong number of copies.
    """
    if style is PackingStyle.SLICE:
        return fit_slices(layers, geometry, copies)
    planes = geometry.planes or 1
    if packing_bounds(layers, geometry, copies).planes > planes:
        return None
    roomy = replace(geometry, planes=None)
    packed = pack_tiles(layers, roomy, copies, effort=FITTING_EFFORT, enough=planes)
    return replace(packed, geometry=geometry) if packed.planes <= planes else None
