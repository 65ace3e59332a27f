"""Mappings: which loops are unrolled over the array, and where the remaining loops are kept in the memory hierarchy.

A `SpatialMapping` unrolls loops along columns, rows and macros. It comes in three readings, which differ when a
dimension does not divide evenly: nominal (full tiles), average (the mean over full and partial tiles, for energy) and
whole (its integer part, for transfer times under the ZigZag conventions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.conventions import Rounding
from imcflow.targets.crossbar.layers import DIMS, Dim, Operand
from imcflow.targets.crossbar.memory import AXES, Axis

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.macro import Macro
    from imcflow.targets.crossbar.memory import Hierarchy

Loop = tuple[Dim, int]
"""One temporal loop: dimension and trip count."""


@dataclass(frozen=True, slots=True)
class SpatialMapping:
    """Unrolling factors along the three axes of the array; an axis lists only dimensions unrolled more than once."""

    columns: Mapping[Dim, float] = field(default_factory=dict[Dim, float])
    rows: Mapping[Dim, float] = field(default_factory=dict[Dim, float])
    macros: Mapping[Dim, float] = field(default_factory=dict[Dim, float])

    def along(self, axis: Axis) -> Mapping[Dim, float]:
        """The factors along one axis."""
        if axis is Axis.COLUMNS:
            return self.columns
        return self.rows if axis is Axis.ROWS else self.macros

    def factor(self, dim: Dim) -> float:
        """Total unrolling of a dimension over all axes."""
        return self.columns.get(dim, 1) * self.rows.get(dim, 1) * self.macros.get(dim, 1)

    @property
    def in_macro(self) -> float:
        """U: product of all factors unrolled inside one macro."""
        return math.prod(self.columns.values()) * math.prod(self.rows.values())

    @property
    def used_multipliers(self) -> float:
        """Multipliers in use over all macros."""
        return self.in_macro * math.prod(self.macros.values())

    def temporal_sizes(self, layer: Layer) -> dict[Dim, int]:
        """Trip counts that remain after unrolling, dimensions with more than one iteration only."""
        remaining: dict[Dim, int] = {}
        for dim in _DIM_ORDER:
            trips = layer.size(dim)
            if trips == 1:
                continue
            for factors in (self.columns, self.rows, self.macros):
                if dim in factors:
                    trips = math.ceil(trips / factors[dim])
            if trips > 1:
                remaining[dim] = trips
        return remaining

    def average(self, layer: Layer) -> SpatialMapping:
        """The mean unrolling over full and partial tiles: the largest factor of a dimension becomes a fraction."""
        return self._adjusted(layer, whole=False)

    def whole(self, layer: Layer) -> SpatialMapping:
        """The integer part of `average`."""
        return self._adjusted(layer, whole=True)

    def _adjusted(self, layer: Layer, *, whole: bool) -> SpatialMapping:
        adjusted: dict[Axis, dict[Dim, float]] = {axis: dict(self.along(axis)) for axis in AXES}
        for dim in {dim for axis in AXES for dim in self.along(axis)}:
            factors = [self.along(axis).get(dim, 0) for axis in AXES]
            largest = list(AXES)[factors.index(max(factors))]
            before = 1.0
            for axis in AXES:
                if axis is largest:
                    break
                before *= self.along(axis).get(dim, 1)
            trips = math.ceil(layer.size(dim) / (self.along(largest)[dim] * before))
            mean = layer.size(dim) / trips / before
            adjusted[largest][dim] = int(mean) if whole else mean
        return SpatialMapping(adjusted[Axis.COLUMNS], adjusted[Axis.ROWS], adjusted[Axis.MACROS])

    def check(self, macro: Macro, layer: Layer, mapped_rows: float) -> None:
        """Refuse a mapping that does not fit the array or the layer.

        Raises:
            TargetError: names the axis or dimension, its use and its limit.
        """
        columns = math.prod(self.columns.values())
        if columns > macro.output_channels:
            raise TargetError(
                f"layer {layer.name}: {columns:g} columns mapped, but a macro has {macro.output_channels}"
            )
        if mapped_rows > macro.rows:
            raise TargetError(f"layer {layer.name}: {mapped_rows:g} rows mapped, but a macro has {macro.rows}")
        macros = math.prod(self.macros.values())
        if macros > macro.macro_count:
            raise TargetError(f"layer {layer.name}: {macros:g} macros mapped, but there are {macro.macro_count}")
        for dim in DIMS:
            if self.factor(dim) > layer.size(dim):
                raise TargetError(
                    f"layer {layer.name}: {dim} unrolled {self.factor(dim):g} times, but its size is {layer.size(dim)}"
                )

    def __str__(self) -> str:
        def text(factors: Mapping[Dim, float]) -> str:
            return " ".join(f"{dim}{factor:g}" for dim, factor in factors.items() if factor != 1) or "-"

        return f"columns {text(self.columns)}, rows {text(self.rows)}, macros {text(self.macros)}"


_DIM_ORDER = (Dim.B, Dim.K, Dim.G, Dim.OX, Dim.OY, Dim.C, Dim.FX, Dim.FY)


@dataclass(frozen=True, slots=True)
class TemporalMapping:
    """For each operand, the loops kept at each level of its chain, innermost first."""

    levels: Mapping[Operand, tuple[tuple[Loop, ...], ...]]

    def __str__(self) -> str:
        def text(levels: Iterable[tuple[Loop, ...]]) -> str:
            return " | ".join(" ".join(f"{dim}{trips}" for dim, trips in loops) or "-" for loops in levels)

        return "; ".join(f"{operand}: {text(levels)}" for operand, levels in self.levels.items())


@dataclass(frozen=True, slots=True)
class LayerMapping:
    """A complete mapping of a layer."""

    spatial: SpatialMapping
    temporal: TemporalMapping


@dataclass(frozen=True, slots=True)
class OperandUnrolling:
    """Spatial loops of one operand, split by the level of its chain that shares them.

    Position a of each tuple lies between level a - 1 (a = 0: the multipliers) and level a; the last position holds
    loops that no level shares.

    Args:
        tiles: cumulative spatial tile below and at each position, as factors per dimension.
        unit_counts: instances in use of what lies below each position, copies included.
        ratios: distinct tiles below per instance above, at each position; a fraction where windows overlap.
        boosts: the same, rounded as the conventions do.
    """

    tiles: tuple[dict[Dim, float], ...]
    unit_counts: tuple[float, ...]
    ratios: tuple[float, ...]
    boosts: tuple[float, ...]


def unroll_operand(
    layer: Layer, operand: Operand, chain: Hierarchy, spatial: SpatialMapping, conventions: Conventions
) -> OperandUnrolling:
    """Split the spatial loops of a mapping over the levels of an operand's chain."""
    clip = conventions.clip_padding
    positions = _positions(operand, chain, spatial, conventions)
    tile: dict[Dim, float] = dict.fromkeys(DIMS, 1.0)
    tiles: list[dict[Dim, float]] = []
    distinct: list[float] = []
    for factors in positions:
        if factors or not tiles:
            tile = dict(tile)
            for dim, factor in factors.items():
                tile[dim] *= factor
            distinct.append(layer.tile_elements(operand, tile, clip=clip))
        else:
            distinct.append(distinct[-1])
        tiles.append(tile)
    total = distinct[-1]
    unique = [total] + [total / below for below in distinct[:-1]]
    counts: list[float] = []
    product = 1.0
    for position in range(len(positions) - 1, -1, -1):
        product *= math.prod(positions[position].values())
        if conventions.diagonal_rows and operand is Operand.INPUT:
            copies = math.prod(factors.get(Dim.K, 1) for factors in positions[position:])
            counts.append(copies * unique[position])
        else:
            counts.append(round(round(product, 3)))
    counts.reverse()
    ratios = [*(unique[a] / unique[a + 1] for a in range(len(unique) - 1)), 1.0]
    boosts = [_rounded(ratio, conventions.rounding) for ratio in ratios]
    return OperandUnrolling(tuple(tiles), tuple(counts), tuple(ratios), tuple(boosts))


def _positions(
    operand: Operand, chain: Hierarchy, spatial: SpatialMapping, conventions: Conventions
) -> list[dict[Dim, float]]:
    """Spatial factors between neighbouring levels of a chain, and those that no level shares."""
    remaining = list(AXES)
    positions: list[dict[Dim, float]] = []
    deferred: dict[Dim, float] = {}
    for level in chain:
        merged, deferred = deferred, {}
        for axis in [axis for axis in remaining if axis in level.shared_axes]:
            remaining.remove(axis)
            on_diagonal = conventions.diagonal_rows and operand is Operand.INPUT and axis is Axis.COLUMNS
            for dim, factor in spatial.along(axis).items():
                into = deferred if on_diagonal and dim is not Dim.K and Axis.ROWS in remaining else merged
                into[dim] = into.get(dim, 1) * factor
        positions.append(merged)
    for axis in remaining:
        for dim, factor in spatial.along(axis).items():
            deferred[dim] = deferred.get(dim, 1) * factor
    positions.append(deferred)
    return positions


def _rounded(ratio: float, rounding: Rounding) -> float:
    if rounding is Rounding.EXACT:
        return ratio
    return round(ratio) if rounding is Rounding.PORT_MINIMUM else int(ratio)
