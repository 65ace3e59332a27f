"""The layouts that `imc-pack-weights` can be asked for, and what is reported about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum

from imcflow.passes.packing.baselines import WeightPolicy, policy_cost
from imcflow.passes.packing.economy import Machine, WeightSource, packed_cost
from imcflow.passes.packing.fitted import FittedNetwork, fully_resident
from imcflow.passes.packing.fitting import Alternatives, fit_network
from imcflow.passes.packing.pictures import packing_summary
from imcflow.passes.packing.reloading import all_reloaded
from imcflow.passes.packing.shapes import PackingError, PackingResult, PackingStyle, slice_count
from imcflow.passes.packing.stacked import spread_macros, stack_planes

MOST_EXACT_SLICES = 40
"""Networks of more slices get the bound of the pattern program instead of the solver's optimum."""

BASELINES = (WeightPolicy.RELOAD_DRAM, WeightPolicy.RELOAD_SRAM, WeightPolicy.STACKED, WeightPolicy.SPREAD)


class Layout(Enum):
    """How the weights of a network meet the macros."""

    SLICE = "slice"
    """Packed, at a free row and column per product."""
    TILE = "tile"
    """Packed, at one row and column per layer and macro."""
    STACKED = "stacked"
    """Baseline: resident, every slice has a plane of its own."""
    SPREAD = "spread"
    """Baseline: resident, every slice has a macro of its own."""
    RELOAD = "reload"
    """Baseline: every layer is loaded at every inference."""


def laid_out(
    layers: Sequence[Alternatives], machine: Machine, planes: int, layout: Layout, source: WeightSource
) -> FittedNetwork:
    """Places a network in the macros.

    Args:
        layers: alternatives of each layer.
        machine: macros and memories.
        planes: planes per macro.
        layout: packed in one of the geometries at the least cost, or a baseline.
        source: where reloaded weights come from.

    Raises:
        PackingError: the baseline needs more planes or macros than there are.
    """
    if layout in (Layout.SLICE, Layout.TILE):
        return fit_network(layers, machine, planes, PackingStyle(layout.value), source)
    widest = [alternatives[0] for alternatives in layers]
    geometry = replace(machine.geometry, planes=planes)
    if layout is Layout.RELOAD:
        return all_reloaded(widest, machine, geometry, source)
    placement = stack_planes(widest, geometry) if layout is Layout.STACKED else spread_macros(widest, geometry)
    if placement.geometry.macros > geometry.macros:
        raise PackingError(f"spread: {placement.geometry.macros} macros are needed, the target has {geometry.macros}")
    return fully_resident(placement, packed_cost(placement, machine, planes=planes), ())


def layout_lines(
    fitted: FittedNetwork, layers: Sequence[Alternatives], machine: Machine, *, exact: bool
) -> Iterator[str]:
    """Say what was done, how far it is from the bounds, and what the baselines would cost.

    Args:
        fitted: the result.
        layers: what it was chosen from.
        machine: macros and memories.
        exact: also solve small cases exactly and bound large ones with patterns (extra `exact`).

    Raises:
        PackingError: OR-tools is needed and not installed.
    """
    if fitted.resident is not None:
        yield packing_summary(fitted.resident)
        if exact:
            yield _exact_line(fitted.resident)
    yield from fitted.steps
    cost = fitted.cost
    yield f"EDP {cost.edp_uj_us:.3g} uJ us: {cost.energy_uj:.3g} uJ x {cost.latency_us:.3g} us per inference"
    widest = [alternatives[0] for alternatives in layers]
    factors = [
        f"{policy.value} {policy_cost(widest, machine, policy).edp_uj_us / cost.edp_uj_us:.3g}" for policy in BASELINES
    ]
    yield f"EDP of the baselines on macros as deep or as many as they need, relative to this: {', '.join(factors)}"


def _exact_line(placement: PackingResult) -> str:
    layers, geometry, copies = placement.layers, replace(placement.geometry, planes=None), placement.copies
    if placement.planes == placement.bounds.planes:
        return f"{placement.planes} planes are optimal: the bound is met"
    slices = sum(slice_count(layer, geometry) * number for layer, number in zip(layers, copies, strict=True))
    if slices > MOST_EXACT_SLICES:
        from imcflow.passes.packing.patterns import pattern_bound

        bound = pattern_bound(layers, geometry, copies)
        return f"pattern bound, for slices of whole planes and one rest: {bound.planes} planes"
    from imcflow.passes.packing.exact import exact_slice_planes, exact_tile_planes

    solve = exact_slice_planes if placement.style is PackingStyle.SLICE else exact_tile_planes
    solved = solve(layers, geometry, copies)
    if solved.proved:
        return f"CP-SAT: {solved.planes} planes are the optimum"
    return f"CP-SAT: at least {solved.lower_bound} planes, at most {solved.planes}"
