"""Tile geometry: in every macro a layer owns one box of planes at one row and column offset.

A layer's slices (and the groups of a depthwise layer) are dealt to the macros; those of one macro lie on top of each
other, groups also side by side, in a box. Boxes of different layers share planes. The packer chooses for every layer
how finely it is cut (footprint against height), deals the boxes to macros, packs every macro, and improves the choice
by a seeded local search that may spend passes where the caller allows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import NamedTuple

from imcflow.passes.packing.bounds import minimum_passes, packing_bounds
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingError,
    PackingResult,
    PackingStyle,
    PlacedSlice,
    PlacedTile,
    ceil_div,
    check_planes,
    checked_copies,
    layer_passes,
    slice_count,
)
from imcflow.passes.packing.spaces import BoxSize, PackedColumn, pack_column

DEFAULT_EFFORT = 200
"""Changes that the local search tries; each costs a few milliseconds at most."""

MOST_CUTS = 8
"""A layer is cut into at most this many times its fewest row parts or column parts."""

COARSER_CUTS = 8
"""Of the coarser cuts of a layer, this many coarsest and about as many between are tried once planes are settled."""


@dataclass(frozen=True, slots=True)
class TileCut:
    """One way of cutting a layer into boxes.

    Args:
        width: columns of a slice.
        depth: rows of a slice.
        side_by_side: groups next to each other in a box.
        shares: slices in each box, largest first; every box is in a macro of its own.
        passes: array passes per inference.
    """

    width: int
    depth: int
    side_by_side: int
    shares: tuple[int, ...]
    passes: int

    def box(self, share: int) -> BoxSize:
        """The box of that many slices."""
        return BoxSize(self.side_by_side * self.width, self.depth, ceil_div(share, self.side_by_side))

    @property
    def slices(self) -> int:
        """Number of slices of the layer; each costs an array pass per pixel, so fewer cost less energy."""
        return sum(self.shares)

    @property
    def volume(self) -> int:
        """Weights that the boxes reserve."""
        planes = sum(ceil_div(share, self.side_by_side) for share in self.shares)
        return self.side_by_side * self.width * self.depth * planes


class _Member(NamedTuple):
    """A layer's box in one macro and the number of slices in it."""

    layer: int
    share: int


@dataclass(frozen=True, slots=True)
class _Plan:
    """A choice of cuts, the layers in the order in which they are dealt to macros, and what came of it."""

    cuts: tuple[TileCut, ...]
    order: tuple[int, ...]
    members: tuple[tuple[_Member, ...], ...]
    columns: tuple[PackedColumn, ...]

    @property
    def planes(self) -> int:
        return max(column.planes for column in self.columns)

    @property
    def passes(self) -> int:
        return sum(cut.passes for cut in self.cuts)

    @property
    def cost(self) -> tuple[int, int, int]:
        heights = [column.planes for column in self.columns]
        return (max(heights), heights.count(max(heights)), sum(cut.volume for cut in self.cuts))


def pack_tiles(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    copies: Sequence[int] | None = None,
    *,
    most_passes: int | None = None,
    effort: int = DEFAULT_EFFORT,
    enough: int = 0,
) -> PackingResult:
    """Packs all layers in tile geometry into few planes.

    Args:
        layers: the layers to hold, in any order; the result keeps it.
        geometry: the macros; with `planes` None as many planes as needed are used.
        copies: copies per layer, each working on its own output columns; default 1.
        most_passes: array passes per inference that may be spent; the default is the fewest possible.
        effort: number of changes that the local search tries.
        enough: planes at which the search stops; it stops at the lower bound anyway.

    Returns:
        A placement with at most `most_passes` passes. The same input gives the same output.

    Raises:
        PackingError: a wrong number of copies, `most_passes` below the minimum, or too few planes in the target.
    """
    number_of_copies = checked_copies(layers, copies)
    least = minimum_passes(layers, geometry, number_of_copies)
    budget = least if most_passes is None else most_passes
    if budget < least:
        raise PackingError(f"packing: {budget} passes are allowed, these layers need at least {least}")
    bounds = packing_bounds(layers, geometry, number_of_copies)
    search = _Search(layers, geometry, number_of_copies, budget)
    plan = search.run(max(enough, bounds.planes if budget == least else bounds.volume), effort)
    tiles = tuple(_placed_tiles(plan))
    slices = tuple(_placed_slices(layers, number_of_copies, plan, tiles))
    return check_planes(
        PackingResult(tuple(layers), geometry, PackingStyle.TILE, number_of_copies, slices, tiles, bounds)
    )


def tile_cuts(layer: LayerShape, copies: int, geometry: MacroGeometry, most_passes: int) -> list[TileCut]:
    """All cuts worth trying, those with the least volume first."""
    found: dict[tuple[int, ...], TileCut] = {}
    for width, column_parts in _equal_parts(layer.output_channels, geometry.columns):
        for depth, row_parts in _equal_parts(layer.reduction, geometry.rows):
            slices = layer.groups * copies * column_parts * row_parts
            per_macro = ceil_div(slices, geometry.macros)
            passes = layer_passes(layer, copies, per_macro)
            if passes > most_passes:
                break
            widest = min(layer.groups, geometry.columns // width) if column_parts == 1 else 1
            for across in range(1, widest + 1):
                if ceil_div(per_macro, ceil_div(per_macro, across)) != across:
                    continue
                for shares in _shares(slices, per_macro, geometry.macros):
                    cut = TileCut(width, depth, across, shares, passes)
                    boxes = (across * width, depth, *(ceil_div(share, across) for share in shares))
                    known = found.get(boxes)
                    if known is None or cut.passes < known.passes:
                        found[boxes] = cut
    return sorted(
        found.values(), key=lambda cut: (cut.volume, cut.passes, cut.box(cut.shares[0]).planes, cut.width, cut.depth)
    )


def _equal_parts(total: int, most: int) -> list[tuple[int, int]]:
    """Sizes of at most `most`, largest first, and the number of parts of each: equal parts but for a shorter last."""
    fewest = ceil_div(total, most)
    parts = {ceil_div(total, ceil_div(total, count)) for count in range(fewest, min(total, MOST_CUTS * fewest) + 1)}
    return [(ceil_div(total, count), count) for count in sorted(parts)]


def _shares(slices: int, per_macro: int, macros: int) -> list[tuple[int, ...]]:
    """Ways of dealing slices to macros: in full boxes as far as they reach, or evenly over all macros."""
    full, rest = divmod(slices, per_macro)
    packed = (per_macro,) * full + ((rest,) if rest else ())
    low, more = divmod(slices, macros)
    even = (low + 1,) * more + ((low,) * (macros - more) if low else ())
    return [packed] if packed == even else [packed, even]


class _Search:
    """Local search over cuts and over the order in which layers are dealt to macros."""

    def __init__(
        self, layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int], most_passes: int
    ) -> None:
        self._geometry = geometry
        self._most_passes = most_passes
        self._packed: dict[tuple[BoxSize, ...], PackedColumn] = {}
        least = [
            layer_passes(layer, number, ceil_div(slice_count(layer, geometry) * number, geometry.macros))
            for layer, number in zip(layers, copies, strict=True)
        ]
        spare = most_passes - sum(least)
        self._cuts = [
            tile_cuts(layer, number, geometry, passes + spare)
            for layer, number, passes in zip(layers, copies, least, strict=True)
        ]
        self._fewest_passes = [
            next(cut for cut in cuts if cut.passes == passes) for cuts, passes in zip(self._cuts, least, strict=True)
        ]

    def run(self, enough: int, effort: int) -> _Plan:
        """The best plan found; stops at `enough` planes."""
        random = Random(len(self._cuts))
        cuts = tuple(self._fewest_passes)
        by_volume = sorted(range(len(cuts)), key=lambda layer: (-cuts[layer].volume, layer))
        best = current = self._evaluated(cuts, tuple(by_volume), enough)
        movable = [layer for layer, choices in enumerate(self._cuts) if len(choices) > 1]
        for _ in range(effort):
            if best.planes <= enough:
                break
            changed = list(current.cuts)
            order = list(current.order)
            if movable and random.random() < 0.75:
                for _ in range(random.choice((1, 1, 2))):
                    layer = random.choice(movable)
                    choices = self._cuts[layer]
                    changed[layer] = choices[min(int(random.expovariate(0.25)), len(choices) - 1)]
            else:
                first, second = random.randrange(len(order)), random.randrange(len(order))
                order[first], order[second] = order[second], order[first]
            if sum(cut.passes for cut in changed) > self._most_passes:
                continue
            plan = self._evaluated(tuple(changed), tuple(order), enough)
            if plan.cost <= current.cost:
                current = plan
            if (plan.planes, plan.passes) < (best.planes, best.passes):
                best = plan
        return self._coarsened(best)

    def _coarsened(self, plan: _Plan) -> _Plan:
        """The plan with layers cut into fewer slices wherever that costs neither planes nor passes."""
        for layer in [*range(len(self._cuts))] * 2:
            known = plan.cuts[layer]
            coarser = [cut for cut in self._cuts[layer] if cut.slices < known.slices and cut.passes <= known.passes]
            coarser.sort(key=lambda cut: (cut.slices, cut.volume))
            some = coarser[:COARSER_CUTS] + coarser[COARSER_CUTS :: max(1, len(coarser) // COARSER_CUTS)]
            for cut in some:
                cuts = (*plan.cuts[:layer], cut, *plan.cuts[layer + 1 :])
                tried = self._evaluated(cuts, plan.order, plan.planes)
                if tried.planes <= plan.planes:
                    plan = tried
                    break
        return plan

    def _evaluated(self, cuts: tuple[TileCut, ...], order: tuple[int, ...], enough: int) -> _Plan:
        members: list[list[_Member]] = [[] for _ in range(self._geometry.macros)]
        load = [0] * self._geometry.macros
        for layer in order:
            cut = cuts[layer]
            lightest = sorted(range(self._geometry.macros), key=load.__getitem__)
            for macro, share in zip(lightest, cut.shares, strict=False):
                box = cut.box(share)
                members[macro].append(_Member(layer, share))
                load[macro] += box.columns * box.rows * box.planes
        columns = tuple(self._column([cuts[layer].box(share) for layer, share in inside], enough) for inside in members)
        return _Plan(cuts, order, tuple(tuple(inside) for inside in members), columns)

    def _column(self, boxes: Sequence[BoxSize], enough: int) -> PackedColumn:
        key = tuple(boxes)
        packed = self._packed.get(key)
        if packed is None:
            packed = pack_column(key, self._geometry.columns, self._geometry.rows, enough)
            self._packed[key] = packed
        return packed


def _placed_tiles(plan: _Plan) -> list[PlacedTile]:
    tiles: list[PlacedTile] = []
    for macro, (inside, column) in enumerate(zip(plan.members, plan.columns, strict=True)):
        for member, corner in zip(inside, column.corners, strict=True):
            box = plan.cuts[member.layer].box(member.share)
            tiles.append(PlacedTile(member.layer, macro, corner.column, corner.row, corner.plane, *box))
    tiles.sort(key=lambda tile: (tile.layer, tile.macro))
    return tiles


def _placed_slices(
    layers: Sequence[LayerShape], copies: Sequence[int], plan: _Plan, tiles: Sequence[PlacedTile]
) -> Iterator[PlacedSlice]:
    shares = {(member.layer, macro): member.share for macro, inside in enumerate(plan.members) for member in inside}
    pieces = [_layer_slices(layer, number, cut) for layer, number, cut in zip(layers, copies, plan.cuts, strict=True)]
    for tile in tiles:
        cut = plan.cuts[tile.layer]
        for turn, piece in enumerate(islice(pieces[tile.layer], shares[tile.layer, tile.macro])):
            plane, across = divmod(turn, cut.side_by_side)
            yield PlacedSlice(
                tile.layer,
                *piece,
                tile.macro,
                tile.plane + plane,
                tile.column + across * cut.width,
                tile.row,
            )


class _Piece(NamedTuple):
    """Copy, group, first and number of output channels, first and number of inputs of a slice."""

    copy: int
    group: int
    channel: int
    channels: int
    reduction: int
    reductions: int


def _layer_slices(layer: LayerShape, copies: int, cut: TileCut) -> Iterator[_Piece]:
    for copy in range(copies):
        for group in range(layer.groups):
            for channel in range(0, layer.output_channels, cut.width):
                channels = min(cut.width, layer.output_channels - channel)
                for reduction in range(0, layer.reduction, cut.depth):
                    reductions = min(cut.depth, layer.reduction - reduction)
                    yield _Piece(copy, group, channel, channels, reduction, reductions)
