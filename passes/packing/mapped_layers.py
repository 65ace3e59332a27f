"""Mapped crossbar layers as packing sees them, and placements as the tiles of these layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.crossbar_tables import TilePart, tile_dtype
from imcflow.dialect.locations import node_names
from imcflow.dialect.types import shape_of
from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PlacedSlice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.ops_crossbar import CrossbarLinearOp


@dataclass(frozen=True, slots=True)
class MappedLayer:
    """A crossbar layer and how its weights are stored.

    Args:
        name: of its ONNX node.
        outputs: output channels of a group.
        elements: window elements that a group reads.
        groups: groups of the convolution.
        height: rows of the output map.
        width: columns of the output map.
        parts: shift and `TilePart` flags of every part that the weights are stored in.
    """

    name: str
    outputs: int
    elements: int
    groups: int
    height: int
    width: int
    parts: tuple[tuple[int, int], ...]

    @property
    def lanes(self) -> int:
        """Output positions of an image."""
        return self.height * self.width

    def alternatives(self, geometry: MacroGeometry) -> list[LayerShape]:
        """Ways to cut the layer: from as many groups side by side as a macro takes down to one.

        Groups side by side lie on the diagonal of one rectangle, whose other cells hold 0: they are computed together,
        and take as many times the cells. Parts of weights are packed like further groups.
        """
        most = max(1, min(geometry.rows // self.elements, geometry.columns // self.outputs, self.groups))
        together = [number for number in range(most, 0, -1) if self.groups % number == 0]
        return [
            LayerShape(
                self.name,
                number * self.outputs,
                number * self.elements,
                self.groups // number * len(self.parts),
                self.height,
                self.width,
            )
            for number in together
        ]


def mapped_layer(op: CrossbarLinearOp, name: str) -> MappedLayer:
    """What packing needs to know of a layer that `imc-map-crossbar` has cut into tiles.

    Args:
        op: the layer.
        name: for a layer without ONNX node.
    """
    names, groups = node_names(op), op.groups.value.data
    outputs, *size = shape_of(op.result)[1:]
    table = op.tiles.table()
    parts = dict.fromkeys(
        (shift, flags & ~int(TilePart.RESIDENT))
        for shift, flags in zip(table["shift"].tolist(), table["flags"].tolist(), strict=True)
    )
    return MappedLayer(
        name=names[0] if names else name,
        outputs=outputs // groups,
        elements=op.elements // groups,
        groups=groups,
        height=prod(size[:-1]),
        width=prod(size[-1:]),
        parts=tuple(parts),
    )


def tiles_of(
    layer: MappedLayer, shape: LayerShape, copies: int, slices: Sequence[PlacedSlice], *, resident: bool
) -> NDArray[np.void]:
    """Return the tiles of a placed layer, all of the same output channels in one run.

    Args:
        layer: the layer.
        shape: which of its alternatives was placed.
        copies: of the layer; they share the lanes evenly.
        slices: the placement of this layer.
        resident: whether the weights stay in their cells.
    """
    table = np.zeros(len(slices), tile_dtype())
    for tile, piece in zip(table, slices, strict=True):
        block, part = divmod(piece.group, len(layer.parts))
        shift, flags = layer.parts[part]
        tile["flags"], tile["shift"] = flags | (TilePart.RESIDENT if resident else 0), shift
        tile["macro"], tile["slot"], tile["row"], tile["column"] = piece.macro, piece.plane, piece.row, piece.column
        tile["element"], tile["rows"] = block * shape.reduction + piece.reduction, piece.reductions
        tile["output"], tile["columns"] = block * shape.output_channels + piece.channel, piece.channels
        if copies > 1:
            first, last = (layer.lanes * (piece.copy + step) // copies for step in (0, 1))
            tile["lane"], tile["lanes"] = first, last - first
    return table[np.lexsort([table[name] for name in ("flags", "shift", "element", "lane", "output")])]


def unique_names(layers: Sequence[MappedLayer]) -> list[MappedLayer]:
    """The layers, with a number behind names that occur again."""
    seen: dict[str, int] = {}
    named: list[MappedLayer] = []
    for layer in layers:
        seen[layer.name] = seen.get(layer.name, 0) + 1
        number = seen[layer.name]
        named.append(layer if number == 1 else replace(layer, name=f"{layer.name}.{number}"))
    return named
