"""Cost of a layer and of a network on a crossbar target: energy by part, cycles by phase, time and efficiency.

    layer_cost(target, layer, mapping)      one layer, with a given mapping or the best one found
    network_cost(target, layers)            all layers in order, with what stays on chip between them
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.array_energy import array_energy_pj, cycles_per_product, mapped_array
from imcflow.targets.crossbar.conventions import PHYSICAL, Objective
from imcflow.targets.crossbar.flow import OperandFlow, operand_flow, transfer_accesses
from imcflow.targets.crossbar.latency import Cycles, MovingFlows, layer_cycles, serial_weight_cycles
from imcflow.targets.crossbar.layers import RELEVANT, Operand
from imcflow.targets.crossbar.mapping import LayerMapping, OperandUnrolling, TemporalMapping, unroll_operand
from imcflow.targets.crossbar.memory import levels_of
from imcflow.targets.crossbar.orders import OrderSpace
from imcflow.targets.crossbar.peak import MacroParts, clock_period_ns
from imcflow.targets.crossbar.report import EnergySplit, LayerCost, NetworkCost
from imcflow.targets.crossbar.residency import Placement, default_placement, network_placements
from imcflow.targets.crossbar.spatial import spatial_proposals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.mapping import Loop, SpatialMapping
    from imcflow.targets.crossbar.memory import Hierarchy
    from imcflow.targets.crossbar.target import CrossbarTarget

Levels = tuple[tuple["Loop", ...], ...]


@dataclass(slots=True)
class _Evaluation:
    """Everything about one layer under one spatial mapping; flows of equal allocations are computed once."""

    target: CrossbarTarget
    layer: Layer
    placement: Placement
    conventions: Conventions
    spatial: SpatialMapping
    chains: dict[Operand, Hierarchy] = field(init=False)
    average: dict[Operand, OperandUnrolling] = field(init=False)
    whole: dict[Operand, OperandUnrolling] = field(init=False)
    iterations: int = field(init=False)
    pulses: int = field(init=False)
    _flows: dict[tuple[Operand, Levels, bool], OperandFlow] = field(init=False)
    _energy: dict[tuple[Operand, Levels], dict[str, float]] = field(init=False)

    def __post_init__(self) -> None:
        clip = self.conventions.clip_padding
        self.chains = self.placement.chains(self.target.hierarchy)
        average, whole = self.spatial.average(self.layer), self.spatial.whole(self.layer)
        even = average == whole
        self.average, self.whole = {}, {}
        for operand in Operand:
            chain = self.chains[operand]
            self.average[operand] = unroll_operand(self.layer, operand, chain, average, clip=clip)
            self.whole[operand] = (
                self.average[operand] if even else unroll_operand(self.layer, operand, chain, whole, clip=clip)
            )
        self.iterations = math.prod(self.spatial.temporal_sizes(self.layer).values())
        self.pulses = cycles_per_product(self.target.macro, self.layer)
        self._flows, self._energy = {}, {}

    def orders(self) -> OrderSpace:
        """The temporal candidates."""
        return OrderSpace(
            layer=self.layer,
            hierarchy=self.target.hierarchy,
            chains=self.chains,
            unrollings=self.average,
            trips=self.spatial.temporal_sizes(self.layer),
            conventions=self.conventions,
        )

    def kept(self, operand: Operand, levels: Levels) -> Levels:
        """The levels that count: outer levels that keep no loop are left out when the conventions say so per layer."""
        if not self.conventions.levels_per_layer or operand is Operand.WEIGHT:
            return levels
        height = len(levels)
        while height > 1 and not levels[height - 1]:
            height -= 1
        return levels[:height]

    def flow(self, operand: Operand, levels: Levels, *, whole: bool) -> OperandFlow:
        """Data flow of one operand."""
        key = (operand, levels, whole)
        found = self._flows.get(key)
        if found is None:
            unrolling = (self.whole if whole else self.average)[operand]
            chain = self.chains[operand][: len(levels)]
            found = operand_flow(self.layer, operand, chain, unrolling, levels, self.conventions)
            self._flows[key] = found
        return found

    def memory_energy_pj(self, operand: Operand, levels: Levels) -> dict[str, float]:
        """Access energy of one operand by memory level, pJ."""
        key = (operand, levels)
        found = self._energy.get(key)
        if found is None:
            chain = self.chains[operand][: len(levels)]
            unrolling = self.average[operand]
            found = {level.name: 0.0 for level in chain}
            for transfer in self.flow(operand, levels, whole=False).transfers:
                level = chain[transfer.level]
                unit = level.write_energy_pj if transfer.move.writes else level.read_energy_pj
                if unit:
                    accesses = transfer_accesses(transfer, chain, operand, unrolling, self.conventions.rounding)
                    found[level.name] += accesses * unit
            if operand is Operand.WEIGHT and self.conventions.serial_weight_loading:
                found[chain[0].name] = self._row_write_energy_pj(levels)
            self._energy[key] = found
        return found

    def _row_write_energy_pj(self, levels: Levels) -> float:
        """Writing whole rows: every column of a mapped row is written at each reload (ICCAD'23)."""
        flow = self.flow(Operand.WEIGHT, levels, whole=False)
        used = mapped_array(self.layer, self.spatial, self.conventions)
        reloads = sum(t.count for t in flow.transfers if t.move.writes and t.level == 0)
        cell = self.chains[Operand.WEIGHT][0]
        return reloads * used.rows * self.target.macro.output_channels * cell.write_energy_pj

    def array_energy(self, temporal: Mapping[Operand, Levels]) -> MacroParts:
        """Energy of the macros, pJ."""
        stationarity = 1
        for dim, trips in temporal[Operand.WEIGHT][0]:
            if dim in RELEVANT[Operand.WEIGHT]:
                break
            stationarity *= trips
        return array_energy_pj(self.target.macro, self.layer, self.spatial, self.conventions, stationarity)

    def cycles(self, temporal: Mapping[Operand, Levels]) -> Cycles:
        """Cycles of the layer."""
        kept = {operand: self.kept(operand, temporal[operand]) for operand in Operand}
        flows = MovingFlows(
            chains={operand: self.chains[operand][: len(kept[operand])] for operand in Operand},
            average={operand: self.flow(operand, kept[operand], whole=False) for operand in Operand},
            whole={operand: self.flow(operand, kept[operand], whole=True) for operand in Operand},
        )
        if self.conventions.serial_weight_loading:
            used = mapped_array(self.layer, self.spatial, self.conventions)
            tiles = math.prod(t for dim, t in temporal[Operand.WEIGHT][0] if dim in RELEVANT[Operand.WEIGHT])
            return serial_weight_cycles(
                flows, self.iterations, self.pulses, mapped_rows=used.rows, kept_tiles=tiles
            )
        return layer_cycles(
            flows,
            self.iterations,
            self.pulses,
            ignore_registers=self.conventions.registers_are_wired,
            loading=self.conventions.loading_counts,
        )

    def energy_pj(self, temporal: Mapping[Operand, Levels]) -> tuple[MacroParts, dict[Operand, dict[str, float]]]:
        """Energy of the macros and of every operand at every memory level."""
        memory = {operand: self.memory_energy_pj(operand, self.kept(operand, temporal[operand])) for operand in Operand}
        return self.array_energy(temporal), memory


def _best_order(evaluation: _Evaluation, objective: Objective, limit: float) -> tuple[float, dict[Operand, Levels]] | None:
    """The loop order with the least objective below `limit`; cheap energies first, cycles only where they can matter."""
    compute = evaluation.iterations * evaluation.pulses
    ranked: list[tuple[float, int, float, dict[Operand, Levels]]] = []
    for index, temporal in enumerate(evaluation.orders().candidates()):
        array, memory = evaluation.energy_pj(temporal)
        energy = array.total + sum(sum(levels.values()) for levels in memory.values())
        bound = {Objective.ENERGY: energy, Objective.LATENCY: compute, Objective.EDP: energy * compute}[objective]
        ranked.append((bound, index, energy, temporal))
    ranked.sort(key=lambda entry: (entry[0], entry[2], entry[1]))
    best: tuple[float, float, dict[Operand, Levels]] | None = None
    for bound, _, energy, temporal in ranked:
        least = limit if best is None else min(limit, best[0])
        if bound > least or (bound == least and best is None):
            break
        cycles = evaluation.cycles(temporal).total
        value = {Objective.ENERGY: energy, Objective.LATENCY: cycles, Objective.EDP: energy * cycles}[objective]
        second = cycles if objective is Objective.ENERGY else energy
        if value < limit and (best is None or (value, second) < best[:2]):
            best = (value, second, temporal)
    return None if best is None else (best[0], best[2])


def best_mapping(
    target: CrossbarTarget,
    layer: Layer,
    *,
    placement: Placement | None = None,
    conventions: Conventions = PHYSICAL,
    objective: Objective = Objective.EDP,
) -> LayerMapping:
    """The best mapping found: every proposed spatial mapping with every distinct loop order; deterministic.

    Raises:
        TargetError: no order fits the memory levels, or the layer's words are wider than the macro's.
    """
    placement = placement or default_placement(target, layer)
    best: tuple[float, LayerMapping] | None = None
    for spatial in spatial_proposals(target.macro, layer, conventions):
        evaluation = _Evaluation(target, layer, placement, conventions, spatial)
        found = _best_order(evaluation, objective, math.inf if best is None else best[0])
        if found is not None:
            best = (found[0], LayerMapping(spatial, TemporalMapping(found[1])))
    if best is None:
        raise TargetError(f"layer {layer.name}: no mapping onto {target.name} keeps its tiles in the memory levels")
    return best[1]


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
        mapping = best_mapping(target, layer, placement=placement, conventions=conventions, objective=objective)
    else:
        mapping.spatial.check(target.macro, layer, mapped_array(layer, mapping.spatial, conventions).rows)
    evaluation = _Evaluation(target, layer, placement, conventions, mapping.spatial)
    temporal = mapping.temporal.levels
    array, memory = evaluation.energy_pj(temporal)
    cycles = evaluation.cycles(temporal)
    return LayerCost(
        name=layer.name,
        macs=layer.macs,
        array_pj=array,
        memory_pj=memory,
        split=EnergySplit.of(array, memory, target.hierarchy),
        cycles=cycles,
        clock_ns=clock_period_ns(target.macro, conventions.clock).total,
        used_multipliers=mapping.spatial.average(layer).used_multipliers,
        multipliers=target.macro.rows * target.macro.output_channels * target.macro.macro_count,
        mapping=mapping,
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
    known: dict[tuple[object, ...], LayerMapping] = {}
    costs: list[LayerCost] = []
    for layer, placement in zip(layers, placements, strict=True):
        key = (layer.search_key, placement)
        if key not in known:
            known[key] = best_mapping(
                target, layer, placement=placement, conventions=conventions, objective=objective
            )
        costs.append(layer_cost(target, layer, known[key], placement=placement, conventions=conventions))
    return NetworkCost(target=target, conventions=conventions.name, layers=tuple(costs))
