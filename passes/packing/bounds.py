"""Lower bounds on planes, macros and passes.

The volume bound holds for any number of passes. The others hold at the minimum number of passes, however the layers are
cut: a layer whose fewest slices fill all macros' turns must be cut into exactly that many, evenly or not; any other
layer may be cut into as many slices as there are turns, so that only the least sizes of its largest slices are known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.packing.dual_feasible import dual_feasible_family
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
    volume = sum(layer.weights * number for layer, number in zip(layers, number_of_copies, strict=True))
    volume_bound = ceil_div(volume, geometry.macros * geometry.plane_weights)
    everywhere: list[SplitRectangle] = []
    somewhere: list[list[SplitRectangle]] = []
    passes_per_pixel: list[int] = []
    for layer, number in zip(layers, number_of_copies, strict=True):
        slices = slice_count(layer, geometry) * number
        turns = ceil_div(slices, geometry.macros)
        passes_per_pixel.append(turns)
        if slices == turns * geometry.macros:
            everywhere.append(_fewest_slices(layer, number, geometry))
        else:
            somewhere.append(_largest_slices(layer, number, turns * geometry.macros, geometry))
    known = everywhere + [rectangle for rectangles in somewhere for rectangle in rectangles]
    return PackingBounds(
        volume=volume_bound,
        dual_feasible=max(volume_bound, dual_feasible_bound(known, geometry.columns, geometry.rows, geometry.macros)),
        conflict=max(
            ceil_div(conflict_bound(known, geometry.columns, geometry.rows), geometry.macros),
            _single_macro_bound(everywhere, [rectangles[0] for rectangles in somewhere], geometry),
        ),
        passes_per_pixel=tuple(passes_per_pixel),
    )


def _fewest_slices(layer: LayerShape, copies: int, geometry: MacroGeometry) -> SplitRectangle:
    return SplitRectangle(
        layer.output_channels,
        layer.reduction,
        layer.groups * copies,
        ceil_div(layer.output_channels, geometry.columns),
        ceil_div(layer.reduction, geometry.rows),
    )


def _largest_slices(layer: LayerShape, copies: int, slices: int, geometry: MacroGeometry) -> list[SplitRectangle]:
    """Sizes that the slices reach at least, largest first, if the layer is cut into at most so many slices.

    The m-th largest of n areas that sum to A and are at most P is at least (A - (m-1)P) / (n-m+1), and a slice of
    area a is at least a / (greatest height) wide.
    """
    area = layer.weights * copies
    widest = min(layer.output_channels, geometry.columns)
    highest = min(layer.reduction, geometry.rows)
    counts: Counter[tuple[int, int]] = Counter()
    for larger in range(slices):
        rest = area - larger * widest * highest
        if rest <= 0:
            break
        least = ceil_div(rest, slices - larger)
        counts[ceil_div(least, highest), ceil_div(least, widest)] += 1
    return [SplitRectangle(width, height, count) for (width, height), count in counts.items()]


def minimum_passes(layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None) -> int:
    """Array passes per inference that no placement of these copies can undercut."""
    return sum(
        layer_passes(layer, number, ceil_div(slice_count(layer, geometry) * number, geometry.macros))
        for layer, number in zip(layers, checked_copies(layers, copies), strict=True)
    )


def dual_feasible_bound(rectangles: Sequence[SplitRectangle], columns: int, rows: int, macros: int = 1) -> int:
    """Bins per macro from pairs of dual feasible functions, minimised over all splits of the rectangles."""
    by_width, width_units = _least_images(columns, [(r.width, r.column_parts) for r in rectangles])
    by_height, height_units = _least_images(rows, [(r.height, r.row_parts) for r in rectangles])
    counts = np.array([r.count for r in rectangles], dtype=np.int64)
    sums = (by_width * counts) @ by_height.T
    units = width_units[:, None] * height_units[None, :] * macros
    return int(np.max(-(-sums // units)))


def _least_images(length: int, splits: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Images [functions, rectangles] of one side of every rectangle, and the units [functions]."""
    distinct = sorted(set(splits))
    sizes = {size for total, parts in distinct for size in least_parts(total, parts, length)}
    sizes |= {total - (parts - 1) * length for total, parts in distinct}
    family = dual_feasible_family(length, sizes)
    columns = [family.least_images(total, parts) for total, parts in distinct]
    position = {split: index for index, split in enumerate(distinct)}
    return np.stack([columns[position[split]] for split in splits], axis=1), family.units


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
    counts: Counter[tuple[int, int]] = Counter()
    for rectangle in rectangles:
        widths = least_parts(rectangle.width, rectangle.column_parts, columns)
        heights = least_parts(rectangle.height, rectangle.row_parts, rows)
        for width in widths:
            for height in heights:
                counts[width, height] += rectangle.count
    return _largest_clique(counts, columns, rows)


def _single_macro_bound(
    everywhere: Sequence[SplitRectangle], somewhere: Sequence[SplitRectangle], geometry: MacroGeometry
) -> int:
    """Planes of a macro that holds what every macro must hold, and one slice of one more layer.

    Args:
        everywhere: layers that give every macro the same number of slices.
        somewhere: the largest slice of each other layer; some macro holds it.
        geometry: the macros.
    """
    if geometry.macros == 1:
        return 0
    columns, rows = geometry.columns, geometry.rows
    counts: Counter[tuple[int, int]] = Counter()
    for rectangle in everywhere:
        width = least_parts(rectangle.width, rectangle.column_parts, columns)[-1]
        height = least_parts(rectangle.height, rectangle.row_parts, rows)[-1]
        counts[width, height] += rectangle.count * rectangle.column_parts * rectangle.row_parts // geometry.macros
    best = _largest_clique(counts, columns, rows)
    for size in {(rectangle.width, rectangle.height) for rectangle in somewhere}:
        best = max(best, _largest_clique(counts + Counter([size]), columns, rows))
    return best


def _largest_clique(counts: Counter[tuple[int, int]], columns: int, rows: int) -> int:
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
