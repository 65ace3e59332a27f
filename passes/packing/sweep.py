"""Sizes of macros under an area budget: which energy-delay products and areas are not beaten by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from imcflow.passes.packing.economy import Machine, PackedCost, packed_cost
from imcflow.passes.packing.packer import pack_weights
from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingError, PackingStyle


@dataclass(frozen=True, slots=True)
class DesignPoint:
    """One architecture with the whole network resident.

    Args:
        geometry: columns, rows, macros and the planes that the network needs.
        cost: energy, latency and macro area.
    """

    geometry: MacroGeometry
    cost: PackedCost


def sweep_macros(
    layers: Sequence[LayerShape],
    machine: Machine,
    columns: Iterable[int],
    rows: Iterable[int],
    macros: Iterable[int],
    most_area_mm2: float,
    style: PackingStyle = PackingStyle.SLICE,
) -> Iterator[DesignPoint]:
    """All architectures of the grid that hold the network within the area, with as many planes as it needs.

    Args:
        layers: the network.
        machine: bits, voltage and memories; its macro sizes are replaced.
        columns: values of D_o.
        rows: values of D_i, powers of two.
        macros: values of D_h.
        most_area_mm2: area budget of the macros.
        style: geometry of the placements.

    Raises:
        PackingError: the budget is not positive, or there are no layers.
        TargetError: a number of rows is no power of two.
    """
    if most_area_mm2 <= 0:
        raise PackingError(f"sweep: most_area_mm2 is {most_area_mm2}, allowed is more than 0")
    for width, depth, count in product(columns, rows, macros):
        macro = replace(machine.macro, output_channels=width, rows=depth, macro_count=count)
        sized = replace(machine, macro=macro)
        placement = pack_weights(layers, sized.geometry, style)
        cost = packed_cost(placement, sized)
        if cost.area_mm2 <= most_area_mm2:
            yield DesignPoint(replace(sized.geometry, planes=placement.planes), cost)


def pareto_front(points: Iterable[DesignPoint]) -> list[DesignPoint]:
    """The points that no other beats in both energy-delay product and area, smallest area first."""
    front: list[DesignPoint] = []
    for point in sorted(points, key=lambda point: (point.cost.area_mm2, point.cost.edp_uj_us)):
        if not front or point.cost.edp_uj_us < front[-1].cost.edp_uj_us:
            front.append(point)
    return front
