"""Mapping search: every proposed spatial mapping with every distinct loop order, deterministic."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.conventions import Objective
from imcflow.targets.crossbar.evaluation import Evaluation
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.spatial import spatial_proposals

if TYPE_CHECKING:
    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.orders import Candidate
    from imcflow.targets.crossbar.residency import Placement
    from imcflow.targets.crossbar.target import CrossbarTarget


def best_mapping(
    target: CrossbarTarget,
    layer: Layer,
    placement: Placement,
    conventions: Conventions,
    objective: Objective,
) -> tuple[Evaluation, Candidate]:
    """The mapping with the least objective, with its evaluation; the first one proposed wins a tie.

    Raises:
        TargetError: no order fits the memory levels, or the layer's words are wider than the macro's.
    """
    least = math.inf
    best: tuple[Evaluation, Candidate] | None = None
    for spatial in spatial_proposals(target.macro, layer, conventions):
        evaluation = Evaluation(target, layer, placement, conventions, spatial)
        found = best_order(evaluation, objective, least)
        if found is not None:
            least, candidate = found
            best = (evaluation, candidate)
    if best is None:
        raise TargetError(f"layer {layer.name}: no mapping onto {target.name}: {_obstacle(target, layer, placement)}")
    return best


def _obstacle(target: CrossbarTarget, layer: Layer, placement: Placement) -> str:
    """The first level that cannot hold one element, else a general reason."""
    widths = {
        Operand.INPUT: layer.activation_bits,
        Operand.WEIGHT: layer.weight_bits,
        Operand.OUTPUT: layer.partial_sum_bits,
    }
    for operand, chain in placement.chains(target.hierarchy).items():
        for level in chain:
            if level.size_bits < widths[operand]:
                return f"{level.name} of {level.size_bits} bits cannot hold one {operand} of {widths[operand]} bits"
    return "no loop order keeps its tiles in the memory levels"


def best_order(evaluation: Evaluation, objective: Objective, limit: float) -> tuple[float, Candidate] | None:
    """The loop order with the least objective, or None when none is below `limit`.

    Energies are cheap, so they come first; cycles are counted only while their lower bound leaves a chance.
    """
    ranked: list[tuple[float, float, int, Candidate]] = []
    for index, candidate in enumerate(evaluation.orders().candidates()):
        energy = evaluation.energy_pj(candidate)
        ranked.append((_value(objective, energy, evaluation.least_cycles(candidate)), energy, index, candidate))
    ranked.sort(key=lambda entry: entry[:3])
    best: tuple[float, float, Candidate] | None = None
    for bound, energy, _, candidate in ranked:
        if bound > limit or (best is not None and bound > best[0]):
            break
        cycles = evaluation.cycles(candidate).total
        value = _value(objective, energy, cycles)
        second = cycles if objective is Objective.ENERGY else energy
        if value < limit and (best is None or (value, second) < best[:2]):
            best = (value, second, candidate)
    return None if best is None else (best[0], best[2])


def _value(objective: Objective, energy_pj: float, cycles: float) -> float:
    if objective is Objective.ENERGY:
        return energy_pj
    if objective is Objective.LATENCY:
        return cycles
    return energy_pj * cycles
