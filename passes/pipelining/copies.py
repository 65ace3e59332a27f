"""Copies of cores for the smallest initiation interval on given crossbars and sites, or for a wanted one.

    copies_l = ceil(pixels_l / II)    crossbars = sum x_l copies_l    sites = sum ceil(x_l copies_l / X)

Both sums fall with II, so the smallest one is found by bisection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from imcflow.passes.pipelining.layers import PipelineError


@dataclass(frozen=True, slots=True)
class Demand:
    """What one core needs.

    Args:
        name: for messages.
        crossbars: of one copy; 0 for a core of the digital unit alone.
        pixels: of one image.
    """

    name: str
    crossbars: int
    pixels: int


@dataclass(frozen=True, slots=True)
class Supply:
    """What there is.

    Args:
        crossbars: at most so many.
        sites: of the fabric; each takes crossbars of one core.
        crossbars_per_site: X.
    """

    crossbars: int
    sites: int
    crossbars_per_site: int


def copies_for_interval(demands: Sequence[Demand], interval: int) -> list[int]:
    """Return the fewest copies with which every core finishes an image within `interval` steps."""
    return [math.ceil(demand.pixels / interval) for demand in demands]


def sites_needed(crossbars: int, crossbars_per_site: int) -> int:
    """Return the sites of a core; one without crossbars takes one for its digital unit."""
    return max(1, math.ceil(crossbars / crossbars_per_site))


def complaint(demands: Sequence[Demand], copies: Sequence[int], supply: Supply) -> str | None:
    """Return by how much the copies exceed what there is; None if they fit."""
    used = [demand.crossbars * count for demand, count in zip(demands, copies, strict=True)]
    if sum(used) > supply.crossbars:
        return f"{sum(used)} crossbars needed, {supply.crossbars} are there"
    sites = sum(sites_needed(crossbars, supply.crossbars_per_site) for crossbars in used)
    if sites > supply.sites:
        return f"{sites} sites of {supply.crossbars_per_site} crossbars needed, {supply.sites} are there"
    return None


def copies_for_supply(demands: Sequence[Demand], supply: Supply) -> tuple[int, list[int]]:
    """Return the smallest interval, in steps, and the fewest copies that reach it.

    Raises:
        PipelineError: not even one copy of every core fits.
    """
    low, high = 1, max(demand.pixels for demand in demands)
    text = complaint(demands, copies_for_interval(demands, high), supply)
    if text is not None:
        raise PipelineError(f"one copy of each layer does not fit: {text}")
    while low < high:
        middle = (low + high) // 2
        if complaint(demands, copies_for_interval(demands, middle), supply) is None:
            high = middle
        else:
            low = middle + 1
    return high, copies_for_interval(demands, high)
