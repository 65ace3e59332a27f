"""Sizes of macros weighed for networks: energy-delay product against area, and which sizes nothing beats."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from imcflow.passes.packing.space import DesignSpace
from imcflow.tools.progress import OnProgress, ignore_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imcflow.passes.packing.economy import Machine
    from imcflow.passes.packing.shapes import LayerShape
    from imcflow.passes.packing.sweep import DesignPoint

WIDTH_PX, HEIGHT_PX, MARGIN_PX = 640.0, 420.0, 56.0


@dataclass(frozen=True)
class ExploredPoint:
    """One architecture for one network.

    Attributes:
        network: its name.
        point: size and cost.
        reloaded: layers that are loaded at every inference.
        on_front: no other architecture has less area and a smaller energy-delay product for this network.
    """

    network: str
    point: DesignPoint
    reloaded: int
    on_front: bool

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        geometry, cost = self.point.geometry, self.point.cost
        return {
            "network": self.network,
            "columns": geometry.columns,
            "rows": geometry.rows,
            "macros": geometry.macros,
            "planes": geometry.planes,
            "area_mm2": cost.area_mm2,
            "energy_uj": cost.energy_uj,
            "latency_us": cost.latency_us,
            "edp_uj_us": cost.edp_uj_us,
            "reloaded_layers": self.reloaded,
            "on_front": self.on_front,
        }


@dataclass(frozen=True)
class Exploration:
    """All points inside the area budget, network by network, smallest area first."""

    space: DesignSpace
    points: tuple[ExploredPoint, ...]

    def to_json(self) -> dict[str, object]:
        """Return the space and its points as one JSON object."""
        return {"space": self.space.model_dump(mode="json"), "points": [point.to_json() for point in self.points]}

    def table(self, *, everything: bool = False) -> str:
        """Return the fronts, or every point, as a text table."""
        from imcflow.tools.output import table

        shown = [point for point in self.points if everything or point.on_front]
        rows = [
            [
                explored.network,
                f"{geometry.columns} x {geometry.rows} x {geometry.macros}",
                geometry.planes or 0,
                explored.reloaded,
                cost.area_mm2,
                cost.energy_uj,
                cost.latency_us,
                cost.edp_uj_us,
                "front" if explored.on_front else "",
            ]
            for explored in shown
            for geometry, cost in [(explored.point.geometry, explored.point.cost)]
        ]
        header = ["network", "columns x rows x macros", "planes", "reloaded", "mm2", "uJ", "us", "EDP uJ us", ""]
        return table(header, rows)

    def svg(self) -> str:
        """Return area against energy-delay product on logarithmic axes: all points, and the front of each network."""
        return _picture(self.points)


def explore(space: DesignSpace, *, on_progress: OnProgress = ignore_progress) -> Exploration:
    """Weigh every architecture of a space for every network.

    Args:
        space: the grid.
        on_progress: called before every architecture.

    Raises:
        ImcflowError: the target or a network is unknown or wrong, or no architecture is inside the budget.
    """
    from imcflow.errors import ImcflowError
    from imcflow.passes.packing.machines import load_machine
    from imcflow.passes.packing.sweep import pareto_front

    machine, _, _ = load_machine(space.target)
    found: list[ExploredPoint] = []
    done = 0
    for network in space.networks:
        layers = _network_layers(network)
        points: list[tuple[DesignPoint, int]] = []
        for sized, planes in _architectures(space, machine):
            on_progress(done, space.points, f"{network} {sized.geometry.label}")
            done += 1
            point, reloaded = _weighed(layers, sized, planes, space)
            if point.cost.area_mm2 <= space.most_area_mm2:
                points.append((point, reloaded))
        front = pareto_front(point for point, _ in points)
        points.sort(key=lambda item: (item[0].cost.area_mm2, item[0].cost.edp_uj_us))
        name = Path(network).stem if network.endswith(".onnx") else network
        found += [ExploredPoint(name, point, reloaded, point in front) for point, reloaded in points]
    if not found:
        raise ImcflowError(f"explore: no architecture of the space is inside {space.most_area_mm2:g} mm2")
    return Exploration(space, tuple(found))


def _architectures(space: DesignSpace, machine: Machine) -> Iterator[tuple[Machine, int | None]]:
    for width, depth, count, planes in product(space.columns, space.rows, space.macros, space.planes or [None]):
        macro = replace(machine.macro, output_channels=width, rows=depth, macro_count=count)
        yield replace(machine, macro=macro), planes


def _weighed(
    layers: Sequence[LayerShape], machine: Machine, planes: int | None, space: DesignSpace
) -> tuple[DesignPoint, int]:
    from imcflow.passes.packing.economy import WeightSource, packed_cost
    from imcflow.passes.packing.fitting import fit_network
    from imcflow.passes.packing.packer import pack_weights
    from imcflow.passes.packing.shapes import PackingStyle
    from imcflow.passes.packing.sweep import DesignPoint

    style = PackingStyle(space.layout)
    if planes is None:
        placement = pack_weights(layers, machine.geometry, style)
        return DesignPoint(replace(machine.geometry, planes=placement.planes), packed_cost(placement, machine)), 0
    fitted = fit_network(layers, machine, planes, style, WeightSource(space.source))
    return DesignPoint(replace(machine.geometry, planes=planes), fitted.cost), len(fitted.reloaded_layers)


def _network_layers(network: str) -> tuple[LayerShape, ...]:
    """Layers of a reference network, or of an `.onnx` file with integer layers."""
    from imcflow.errors import ImcflowError
    from imcflow.passes.packing.networks import reference_network

    if not network.endswith(".onnx"):
        return reference_network(network)
    from imcflow.api import import_file, run_pipeline
    from imcflow.passes.packing.module_layers import weighted_layers

    module = import_file(Path(network), {})
    run_pipeline(module, "imc-verify-network,imc-canonicalize,imc-lift-scales")
    layers = tuple(layer.shape for layer in weighted_layers(module))
    if not layers:
        raise ImcflowError(f"{network}: no convolution or matrix product on integers with constant weights")
    return layers


def _picture(points: Sequence[ExploredPoint]) -> str:
    areas = [math.log10(explored.point.cost.area_mm2) for explored in points]
    products = [math.log10(explored.point.cost.edp_uj_us) for explored in points]
    left, right = math.floor(min(areas)), max(math.ceil(max(areas)), math.floor(min(areas)) + 1)
    low, high = math.floor(min(products)), max(math.ceil(max(products)), math.floor(min(products)) + 1)

    def x(area: float) -> float:
        return MARGIN_PX + (area - left) / (right - left) * (WIDTH_PX - 2 * MARGIN_PX)

    def y(value: float) -> float:
        return HEIGHT_PX - MARGIN_PX - (value - low) / (high - low) * (HEIGHT_PX - 2 * MARGIN_PX)

    body: list[str] = []
    for power in range(left, right + 1):
        body.append(
            f'<line x1="{x(power):.1f}" x2="{x(power):.1f}" y1="{y(low):.1f}" y2="{y(high):.1f}" stroke="#ddd"/>'
        )
        body.append(f'<text x="{x(power):.1f}" y="{y(low) + 16:.1f}" text-anchor="middle">1e{power}</text>')
    for power in range(low, high + 1):
        body.append(
            f'<line x1="{x(left):.1f}" x2="{x(right):.1f}" y1="{y(power):.1f}" y2="{y(power):.1f}" stroke="#ddd"/>'
        )
        body.append(f'<text x="{x(left) - 6:.1f}" y="{y(power) + 4:.1f}" text-anchor="end">1e{power}</text>')
    body.append(
        f'<text x="{WIDTH_PX / 2:g}" y="{HEIGHT_PX - 12:g}" text-anchor="middle">area of the macros, mm2</text>'
    )
    body.append(f'<text x="12" y="{MARGIN_PX - 24:g}">energy-delay product, uJ us</text>')
    for number, network in enumerate(dict.fromkeys(explored.network for explored in points)):
        colour = f"hsl({number * 137.508 % 360:.0f},60%,45%)"
        front: list[str] = []
        for explored, area, value in zip(points, areas, products, strict=True):
            if explored.network != network:
                continue
            place = f"{x(area):.1f},{y(value):.1f}"
            front += [place] if explored.on_front else []
            geometry = explored.point.geometry
            fill = colour if explored.on_front else "none"
            body.append(
                f'<circle cx="{x(area):.1f}" cy="{y(value):.1f}" r="3" fill="{fill}" stroke="{colour}">'
                f"<title>{escape(network)} {geometry.label}, {geometry.planes} planes</title></circle>"
            )
        body.append(f'<polyline points="{" ".join(front)}" fill="none" stroke="{colour}"/>')
        body.append(
            f'<text x="{WIDTH_PX - MARGIN_PX:g}" y="{MARGIN_PX + 14 * number:g}" text-anchor="end" fill="{colour}">'
            f"{escape(network)}</text>"
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX:g} {HEIGHT_PX:g}" font-family="sans-serif" '
        'font-size="11">\n' + "\n".join(body) + "\n</svg>\n"
    )
