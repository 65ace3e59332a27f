"""Lower bounds on planes, macros and passes.

All bounds on planes hold for every split of a layer into its fewest slices, even or uneven, so that no packing with
the minimum number of passes beats them; the volume bound holds for any number of passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.packing.dual_feasible import DualFeasibleFunction, dual_feasible_family
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingBounds,
    ceil_div,
    checked_copies,
    layer_passes,
    slice_count,
)

MOST_CLIQUE_SEEDS = 32
"""Greedy cliques are grown from this many kinds of slices; each of them gives a valid bound."""


@dataclass(frozen=True, slots=True)
class SplitRectangle:
    """A rectangle that is cut into `column_parts` x `row_parts` slices before it is packed, `count` times.

    A rectangle that is packed whole has one part in each direction.
    """

    width: int
    height: int
    count: int = 1
    column_parts: int = 1
    row_parts: int = 1


def packing_bounds(
    layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None
) -> PackingBounds:
    """All lower bounds for packing the layers at the minimum number of passes.

    Raises:
        PackingError: `copies` does not match the layers.
    """
    number_of_copies = checked_copies(layers, copies)
    rectangles = [
        SplitRectangle(
            layer.output_channels,
            layer.reduction,
            layer.groups * number,
            ceil_div(layer.output_channels, geometry.columns),
            ceil_div(layer.reduction, geometry.rows),
        )
        for layer, number in zip(layers, number_of_copies, strict=True)
    ]
    volume = sum(layer.weights * number for layer, number in zip(layers, number_of_copies, strict=True))
    slices = [slice_count(layer, geometry) * number for layer, number in zip(layers, number_of_copies, strict=True)]
    everywhere = conflict_bound(rectangles, geometry.columns, geometry.rows)
    return PackingBounds(
        volume=ceil_div(volume, geometry.macros * geometry.plane_weights),
        dual_feasible=dual_feasible_bound(rectangles, geometry.columns, geometry.rows, geometry.macros),
        conflict=max(ceil_div(everywhere, geometry.macros), _single_macro_bound(rectangles, slices, geometry)),
        passes_per_pixel=tuple(ceil_div(number, geometry.macros) for number in slices),
    )


def minimum_passes(layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None) -> int:
    """Array passes per inference that no placement of these copies can undercut."""
    return sum(
        layer_passes(layer, number, ceil_div(slice_count(layer, geometry) * number, geometry.macros))
        for layer, number in zip(layers, checked_copies(layers, copies), strict=True)
    )


def dual_feasible_bound(rectangles: Sequence[SplitRectangle], columns: int, rows: int, macros: int = 1) -> int:
    """Bins per macro from pairs of dual feasible functions, minimised over all splits of the rectangles."""
    by_width = _least_images(columns, [(r.width, r.column_parts) for r in rectangles])
    by_height = _least_images(rows, [(r.height, r.row_parts) for r in rectangles])
    counts = np.array([r.count for r in rectangles], dtype=np.int64)
    sums = (by_width.images * counts) @ by_height.images.T
    units = by_width.units[:, None] * by_height.units[None, :] * macros
    return int(np.max(-(-sums // units)))


@dataclass(frozen=True, eq=False, slots=True)
class _ImageTable:
    """Rows: functions; columns: rectangles; `units` holds the unit of each function."""

    images: NDArray[np.int64]
    units: NDArray[np.int64]


def _least_images(length: int, splits: Sequence[tuple[int, int]]) -> _ImageTable:
    sizes = {size for total, parts in splits for size in least_parts(total, parts, length)}
    sizes |= {total - (parts - 1) * length for total, parts in splits}
    family = dual_feasible_family(length, sizes)
    distinct = sorted(set(splits))
    column = {split: index for index, split in enumerate(distinct)}
    table = np.array([[_image(function, split) for split in distinct] for function in family], dtype=np.int64)
    units = np.array([function.unit for function in family], dtype=np.int64)
    return _ImageTable(table[:, [column[split] for split in splits]], units)


def _image(function: DualFeasibleFunction, split: tuple[int, int]) -> int:
    return function.least_image(*split)


def least_parts(total: int, parts: int, length: int) -> list[int]:
    """Lower bounds that hold together on the parts, largest first, of any split into `parts` of at most `length`."""
    return [ceil_div(total - before * length, parts - before) for before in range(parts)]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Slices of at least this size; `weight` of them exclude each other."""

    width: int
    height: int
    weight: int


def conflict_bound(rectangles: Iterable[SplitRectangle], columns: int, rows: int) -> int:
    """Number of slices no two of which fit into one bin: neither side by side nor one above the other.

    Slices above half of both sides are the best known such set; slices that are full in one direction join it.
    """
    counts: defaultdict[tuple[int, int], int] = defaultdict(int)
    for rectangle in rectangles:
        widths = least_parts(rectangle.width, rectangle.column_parts, columns)
        heights = least_parts(rectangle.height, rectangle.row_parts, rows)
        for width in widths:
            for height in heights:
                counts[width, height] += rectangle.count
    return _largest_clique(counts, columns, rows)


def _single_macro_bound(rectangles: Sequence[SplitRectangle], slices: Sequence[int], geometry: MacroGeometry) -> int:
    """Planes of a macro that holds what every macro must hold, and the full share of one more layer.

    With at most ceil(S/macros) slices of a layer in each macro, every macro holds at least
    S - (macros - 1) * ceil(S/macros) of them, and some macro holds ceil(S/macros).
    """
    if geometry.macros == 1:
        return 0
    smallest: list[tuple[int, int]] = []
    certain: list[int] = []
    share: list[int] = []
    for rectangle, number in zip(rectangles, slices, strict=True):
        width = least_parts(rectangle.width, rectangle.column_parts, geometry.columns)[-1]
        height = least_parts(rectangle.height, rectangle.row_parts, geometry.rows)[-1]
        smallest.append((width, height))
        share.append(ceil_div(number, geometry.macros))
        certain.append(max(0, number - (geometry.macros - 1) * share[-1]))
    counts: defaultdict[tuple[int, int], int] = defaultdict(int)
    for size, number in zip(smallest, certain, strict=True):
        counts[size] += number
    best = _largest_clique(counts, geometry.columns, geometry.rows)
    tried: set[tuple[int, int, int]] = set()
    for size, least, most in zip(smallest, certain, share, strict=True):
        extra = (*size, most - least)
        if most > least and extra not in tried:
            tried.add(extra)
            best = max(best, _largest_clique({**counts, size: counts[size] + most - least}, *_sides(geometry)))
    return best


def _sides(geometry: MacroGeometry) -> tuple[int, int]:
    return geometry.columns, geometry.rows


def _largest_clique(counts: dict[tuple[int, int], int], columns: int, rows: int) -> int:
    """Weight of a large (not always the largest) set of slices that pairwise exclude each other."""
    kinds = [
        _Kind(width, height, count if 2 * width > columns and 2 * height > rows else 1)
        for (width, height), count in counts.items()
        if count
    ]
    kinds.sort(key=lambda kind: (-kind.weight, -kind.width * kind.height, kind.width))
    best = 0
    for seed in kinds[:MOST_CLIQUE_SEEDS]:
        clique = [seed]
        for kind in kinds:
            if kind is not seed and all(_exclude(kind, member, columns, rows) for member in clique):
                clique.append(kind)
        best = max(best, sum(member.weight for member in clique))
    return best


def _exclude(first: _Kind, second: _Kind, columns: int, rows: int) -> bool:
    return first.width + second.width > columns and first.height + second.height > rows
