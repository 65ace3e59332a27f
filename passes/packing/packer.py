"""Entry point of the packers."""

from __future__ import annotations

from collections.abc import Sequence

from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingResult, PackingStyle
from imcflow.passes.packing.slice_packer import pack_slices
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
