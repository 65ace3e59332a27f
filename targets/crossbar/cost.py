"""Cost of a layer and of a network on a crossbar target: energy by part, cycles by phase, time and efficiency.

layer_cost(target, layer, mapping)      one layer, with a given mapping or the best one found
network_cost(target, layers)            all layers in order, with what stays on chip between them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.targets.crossbar.array_energy import mapped_array
from imcflow.targets.crossbar.conventions import PHYSICAL, Objective
from imcflow.targets.crossbar.evaluation import Evaluation
from imcflow.targets.crossbar.mapping import LayerMapping, TemporalMapping
from imcflow.targets.crossbar.orders import Candidate
from imcflow.targets.crossbar.peak import clock_period_ns
from imcflow.targets.crossbar.report import EnergySplit, LayerCost, NetworkCost
from imcflow.targets.crossbar.residency import default_placement, network_placements
from imcflow.targets.crossbar.resident import with_resident_weights
from imcflow.targets.crossbar.search import best_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.residency import Placement
    from imcflow.targets.crossbar.target import CrossbarTarget


def layer_cost(
    target: CrossbarTarget,
    layer: Layer,
    mapping: LayerMapping | None = None,
    *,
    placement: Placement | None = None,
    conventions: Conventions = PHYSICAL,
    objective: Objective = Objective.EDP,
) -> LayerCost:
    """What one layer costs.

    Args:
        target: the machine.
        layer: its shape.
        mapping: unrolling and loop order; the best one found when absent.
        placement: memory levels its tensors come from and go to; the innermost buffer that holds them when absent.
        conventions: the choices of the model.
        objective: what the search for a mapping minimises.

    Raises:
        TargetError: the mapping does not fit the array, or none fits the memory.
    """
    placement = placement or default_placement(target, layer)
    if mapping is None:
        evaluation, candidate = best_mapping(target, layer, placement, conventions, objective)
    else:
        mapping.spatial.check(target.macro, layer, mapped_array(layer, mapping.spatial, conventions).rows)
        evaluation = Evaluation(target, layer, placement, conventions, mapping.spatial)
        candidate = Candidate.of(mapping.temporal.levels)
    array, memory = evaluation.array_energy_pj(candidate), evaluation.memory_energy_pj(candidate)
    cycles, clock_ns = evaluation.cycles(candidate), clock_period_ns(target.macro, conventions.clock).total
    return LayerCost(
        name=layer.name,
        macs=layer.macs,
        array_pj=array,
        memory_pj=memory,
        split=EnergySplit.of(array, memory, target, cycles.total * clock_ns),
        cycles=cycles,
        clock_ns=clock_ns,
        used_multipliers=evaluation.spatial.average(layer).used_multipliers,
        multipliers=target.macro.rows * target.macro.output_channels * target.macro.macro_count,
        mapping=mapping or LayerMapping(evaluation.spatial, TemporalMapping(candidate.levels)),
    )


def network_cost(
    target: CrossbarTarget,
    layers: Sequence[Layer],
    *,
    conventions: Conventions = PHYSICAL,
    objective: Objective = Objective.EDP,
) -> NetworkCost:
    """What a network costs, layer by layer in the given order; equal layers are searched once.

    Raises:
        TargetError: a layer has no mapping, or names a source that does not exist.
    """
    placements = network_placements(target, layers, conventions)
    known: dict[tuple[object, ...], LayerCost] = {}

    def cost_of(machine: CrossbarTarget, layer: Layer, placement: Placement) -> LayerCost:
        key = (machine, layer.search_key, placement)
        if key not in known:
            known[key] = layer_cost(machine, layer, placement=placement, conventions=conventions, objective=objective)
        return known[key].renamed(layer.name)

    if conventions.weights_resident:
        costs = with_resident_weights(target, layers, placements, cost_of)
    else:
        costs = [cost_of(target, layer, placement) for layer, placement in zip(layers, placements, strict=True)]
    return NetworkCost(target=target, conventions=conventions.name, layers=tuple(costs))
