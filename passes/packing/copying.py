"""Copies of layers in macros that would idle: each copy works on its own output positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from imcflow.passes.packing.bounds import minimum_passes
from imcflow.passes.packing.economy import Machine, packed_cost
from imcflow.passes.packing.fitted import FittedNetwork, brief_name, fully_resident
from imcflow.passes.packing.packer import fit_weights
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingResult,
    PackingStyle,
    ceil_div,
    slice_count,
)


def with_copies(machine: Machine, geometry: MacroGeometry, style: PackingStyle, plain: PackingResult) -> FittedNetwork:
    """Adds copies one layer at a time, most cycles saved per weight first, while the energy-delay product falls.

    Args:
        machine: macros and memories.
        geometry: the macros with their planes.
        style: geometry of the placement.
        plain: the network without copies.
    """
    layers, planes = plain.layers, geometry.planes or plain.planes
    room = replace(geometry, planes=planes)
    best, cost = plain, packed_cost(plain, machine, planes=planes)
    refused: set[tuple[int, int]] = set()
    while True:
        offers = [
            offer for offer in _offers(layers, best.copies, geometry) if (offer.layer, offer.copies) not in refused
        ]
        if not offers:
            break
        offer = max(offers, key=lambda offer: (offer.gain, -offer.layer))
        copies = list(best.copies)
        copies[offer.layer] = offer.copies
        refused.add((offer.layer, offer.copies))
        tried = fit_weights(layers, room, style, copies)
        if tried is None:
            continue
        tried_cost = packed_cost(tried, machine, planes=planes)
        if tried_cost.edp_uj_us < cost.edp_uj_us:
            best, cost = tried, tried_cost
    copied = [f"{brief_name(layer)} {number}" for layer, number in zip(layers, best.copies, strict=True) if number > 1]
    return fully_resident(best, cost, [f"copies in idle macros: {', '.join(copied)}"] if copied else [])


def idle_copies(layer: LayerShape, geometry: MacroGeometry) -> int:
    """Copies of a layer that fit side by side into macros it would leave idle."""
    return min(layer.output_width, max(1, geometry.macros // slice_count(layer, geometry)))


def _next_copies(layer: LayerShape, copies: int, geometry: MacroGeometry) -> int | None:
    """The next number of copies that shortens a row of outputs, as far as macros would idle without them."""
    steps = ceil_div(layer.output_width, copies)
    for number in range(copies + 1, idle_copies(layer, geometry) + 1):
        if ceil_div(layer.output_width, number) < steps:
            return number
    return None


class _Offer(NamedTuple):
    """More copies of one layer, and the passes they save per weight they add."""

    layer: int
    copies: int
    gain: float


def _offers(layers: Sequence[LayerShape], copies: Sequence[int], geometry: MacroGeometry) -> Iterator[_Offer]:
    for index, (layer, number) in enumerate(zip(layers, copies, strict=True)):
        more = _next_copies(layer, number, geometry)
        if more is None:
            continue
        saved = minimum_passes([layer], geometry, [number]) - minimum_passes([layer], geometry, [more])
        if saved > 0:
            yield _Offer(index, more, saved / (layer.weights * (more - number)))
