"""Mappings worth trying for a layer: how to spread it over its banks, how fine to cut it, in which order to run it.

A tile holds the whole reduction of its outputs, so partial sums never wait: loops over C, R or S at the bank level make
every output final late (sheet 4.2) and are not proposed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations, product
from typing import TYPE_CHECKING

from imcflow.passes.overlap.nests import OUTPUT_DIMS, Dim, Loop, Mapping, OverlapError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imcflow.passes.overlap.layers import Layer
    from imcflow.passes.overlap.machine import Machine


@dataclass(frozen=True, slots=True)
class CandidateLimits:
    """Which mappings are left out.

    Args:
        most_steps: steps of a bank, at most.
        slowest: own latency, at most this many times the best one.
        count: mappings per layer, at most; the fastest of every grain stay.
    """

    most_steps: int = 1024
    slowest: float = 1.4
    count: int = 64


def candidates(
    layer: Layer, machine: Machine, banks: int, limits: CandidateLimits | None = None
) -> tuple[Mapping, ...]:
    """Mappings of a layer on its banks, the one with the shortest own latency first.

    Args:
        layer: the layer.
        machine: the target.
        banks: banks of the layer.
        limits: what to leave out.

    Raises:
        OverlapError: no mapping fits into the banks.
    """
    bounds = limits or CandidateLimits()
    found: dict[tuple[Loop, ...], Mapping] = {}
    shapes = sorted(_shapes(layer, machine, banks, bounds))
    if not shapes:
        raise OverlapError(f"layer {layer.name}: no mapping fits into {banks} banks of {machine.name}")
    best = shapes[0][0]
    by_grain: dict[int, int] = {}
    for latency, spatial, temporal, ticks in shapes:
        if latency > bounds.slowest * best:
            break
        # Keep several spatial shapes per number of steps, so that the limit leaves coarse and fine ones.
        grain = math.prod(temporal).bit_length()
        by_grain[grain] = by_grain.get(grain, 0) + 1
        if by_grain[grain] > 12:
            continue
        for mapping in _orders(spatial, temporal, ticks):
            found.setdefault(mapping.loops, mapping)
    return tuple(_spread(list(found.values()), bounds.count))


def _spread(mappings: list[Mapping], count: int) -> list[Mapping]:
    """The first mapping and an even choice of the others."""
    if len(mappings) <= count:
        return mappings
    return [mappings[index * len(mappings) // count] for index in range(count)]


def _shapes(
    layer: Layer, machine: Machine, banks: int, limits: CandidateLimits
) -> Iterator[tuple[int, tuple[int, ...], tuple[int, ...], int]]:
    """Own latency, spatial bounds, temporal bounds (both K, P, Q) and step time of every cut that fits."""
    sizes = [layer.size(dim) for dim in OUTPUT_DIMS]
    seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()
    ticks: dict[int, int] = {}
    fits: dict[tuple[int, int], bool] = {}
    for spatial in _spatial_bounds(sizes, banks):
        left = [-(-size // bound) for size, bound in zip(sizes, spatial, strict=True)]
        for temporal in product(*(_cuts(size) for size in left)):
            steps = math.prod(temporal)
            if steps > limits.most_steps or (spatial, temporal) in seen:
                continue
            seen.add((spatial, temporal))
            outputs = math.prod(-(-size // bound) for size, bound in zip(left, temporal, strict=True))
            if outputs not in ticks:
                ticks[outputs] = machine.tile_ticks(outputs, layer.reduction)
            if (outputs, temporal[0]) not in fits:
                fits[outputs, temporal[0]] = machine.fits(outputs, layer.reduction, temporal[0])
            if fits[outputs, temporal[0]]:
                yield steps * ticks[outputs], spatial, temporal, ticks[outputs]


def _cuts(size: int) -> list[int]:
    """Numbers of tiles along a dimension: for every tile size that is a power of two or divides the dimension."""
    tiles = {-(-size // extent) for extent in range(1, size + 1) if size % extent == 0 or extent & (extent - 1) == 0}
    return sorted(tiles)


def _spatial_bounds(sizes: list[int], banks: int) -> Iterator[tuple[int, int, int]]:
    """Ways to use at least four fifths of the banks that a layer of these sizes can use."""
    ways = [
        (channels, rows, columns)
        for channels in _factors(banks, sizes[0])
        for rows in _factors(banks // channels, sizes[1])
        for columns in _factors(banks // (channels * rows), sizes[2])
    ]
    most = max(math.prod(way) for way in ways)
    yield from (way for way in ways if 5 * math.prod(way) >= 4 * most)


def _factors(banks: int, size: int) -> list[int]:
    """Bounds that cut a dimension for up to `banks` banks without an idle one."""
    return sorted({-(-size // (-(-size // bound))) for bound in range(1, min(banks, size) + 1)})


def _orders(spatial: tuple[int, ...], temporal: tuple[int, ...], ticks: int) -> Iterator[Mapping]:
    outer = tuple(Loop(dim, bound, spatial=True) for dim, bound in zip(OUTPUT_DIMS, spatial, strict=True) if bound > 1)
    inner = [Loop(dim, bound) for dim, bound in zip(OUTPUT_DIMS, temporal, strict=True) if bound > 1]
    for order in permutations(inner):
        # Rows outside columns or the other way round, channels outermost or innermost.
        if len(order) == 3 and order[1].dim is Dim.K:
            continue
        yield Mapping((*outer, *order), ticks)
