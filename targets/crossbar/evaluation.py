"""One layer under one spatial mapping: energy and cycles of any loop order, with equal data flows computed once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.array_energy import array_energy_pj, cycles_per_product, mapped_array
from imcflow.targets.crossbar.flow import operand_flow, transfer_accesses
from imcflow.targets.crossbar.latency import MovingFlows, layer_cycles, needed_cycles, serial_weight_cycles
from imcflow.targets.crossbar.layers import OPERANDS, RELEVANT, Operand
from imcflow.targets.crossbar.mapping import unroll_operand
from imcflow.targets.crossbar.orders import Candidate, OrderSpace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.flow import OperandFlow
    from imcflow.targets.crossbar.latency import Cycles
    from imcflow.targets.crossbar.layers import Dim, Layer
    from imcflow.targets.crossbar.mapping import OperandUnrolling, SpatialMapping
    from imcflow.targets.crossbar.memory import Hierarchy
    from imcflow.targets.crossbar.orders import Levels, Signature
    from imcflow.targets.crossbar.peak import MacroParts
    from imcflow.targets.crossbar.residency import Placement
    from imcflow.targets.crossbar.target import CrossbarTarget


@dataclass(frozen=True, slots=True)
class _Flows:
    """Data flow of one operand, averaged over uneven tiles and for whole tiles, and what it costs."""

    average: OperandFlow
    whole: OperandFlow
    chain: Hierarchy
    energy_pj: Mapping[str, float]
    total_pj: float
    busy_cycles: float


@dataclass(slots=True)
class Evaluation:
    """Energy and cycles of loop orders of one layer under one spatial mapping.

    Args:
        target, layer, placement, conventions: what is evaluated.
        spatial: nominal unrolling.
    """

    target: CrossbarTarget
    layer: Layer
    placement: Placement
    conventions: Conventions
    spatial: SpatialMapping
    iterations: int = field(init=False)
    pulses: int = field(init=False)
    _chains: dict[Operand, Hierarchy] = field(init=False)
    _average: dict[Operand, OperandUnrolling] = field(init=False)
    _whole: dict[Operand, OperandUnrolling] = field(init=False)
    _trips: dict[Dim, int] = field(init=False)
    _known: dict[tuple[Operand, Signature], _Flows] = field(init=False, default_factory=dict)
    _cycles: dict[tuple[object, ...], Cycles] = field(init=False, default_factory=dict)
    _array: dict[int, MacroParts] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._chains = self.placement.chains(self.target.hierarchy)
        average, whole = self.spatial.average(self.layer), self.spatial.whole(self.layer)
        self._average = {o: unroll_operand(self.layer, o, self._chains[o], average, self.conventions) for o in OPERANDS}
        self._whole = self._average
        if average != whole:
            self._whole = {o: unroll_operand(self.layer, o, self._chains[o], whole, self.conventions) for o in OPERANDS}
        self._trips = self.spatial.temporal_sizes(self.layer)
        self.iterations = math.prod(self._trips.values())
        self.pulses = cycles_per_product(self.target.macro, self.layer)

    @property
    def compute_cycles(self) -> int:
        """Cycles in which the macros compute: a lower bound of the latency of every order."""
        return self.iterations * self.pulses

    def least_cycles(self, candidate: Candidate) -> float:
        """A lower bound of `cycles`: computation, or the time to move all weights through their ports.

        Weights are not hidden before the first product, so a stream of `repeats` periods of `needed` cycles takes at
        least `needed repeats` cycles: what does not stall fits into the computation.
        """
        if self.conventions.serial_weight_loading or not self.conventions.loading_counts:
            return self.compute_cycles
        return max(self.compute_cycles, self._flows(Operand.WEIGHT, candidate).busy_cycles)

    def orders(self) -> OrderSpace:
        """The temporal candidates."""
        return OrderSpace(
            layer=self.layer,
            hierarchy=self.target.hierarchy,
            chains=self._chains,
            unrollings=self._average,
            trips=self._trips,
            conventions=self.conventions,
        )

    def memory_energy_pj(self, candidate: Candidate) -> dict[Operand, Mapping[str, float]]:
        """Access energy per operand and memory level, pJ."""
        return {operand: self._flows(operand, candidate).energy_pj for operand in OPERANDS}

    def energy_pj(self, candidate: Candidate) -> float:
        """Total energy, pJ."""
        memory = sum(self._flows(operand, candidate).total_pj for operand in OPERANDS)
        return self.array_energy_pj(candidate).total + memory

    def array_energy_pj(self, candidate: Candidate) -> MacroParts:
        """Energy of the macros by part, pJ."""
        stationarity = 1
        for dim, trips in candidate.levels[Operand.WEIGHT][0]:
            if dim in RELEVANT[Operand.WEIGHT]:
                break
            stationarity *= trips
        if stationarity not in self._array:
            self._array[stationarity] = array_energy_pj(
                self.target.macro, self.layer, self.spatial, self.conventions, stationarity
            )
        return self._array[stationarity]

    def cycles(self, candidate: Candidate) -> Cycles:
        """Cycles of the layer by phase."""
        chosen = {operand: self._flows(operand, candidate) for operand in OPERANDS}
        key = tuple((flows.average, flows.whole) for flows in chosen.values())
        found = self._cycles.get(key)
        if found is None:
            moving = MovingFlows(
                chains={operand: flows.chain for operand, flows in chosen.items()},
                average={operand: flows.average for operand, flows in chosen.items()},
                whole={operand: flows.whole for operand, flows in chosen.items()},
            )
            found = self._count_cycles(moving, candidate)
            self._cycles[key] = found
        return found

    def _count_cycles(self, moving: MovingFlows, candidate: Candidate) -> Cycles:
        if not self.conventions.serial_weight_loading:
            return layer_cycles(
                moving,
                self.iterations,
                self.pulses,
                ignore_registers=self.conventions.registers_are_wired,
                loading=self.conventions.loading_counts,
            )
        kept = candidate.levels[Operand.WEIGHT][0]
        return serial_weight_cycles(
            moving,
            self.iterations,
            self.pulses,
            mapped_rows=mapped_array(self.layer, self.spatial, self.conventions).rows,
            kept_tiles=math.prod(trips for dim, trips in kept if dim in RELEVANT[Operand.WEIGHT]),
        )

    def _flows(self, operand: Operand, candidate: Candidate) -> _Flows:
        key = (operand, candidate.signatures[operand])
        found = self._known.get(key)
        if found is None:
            found = self._derive_flows(operand, self._kept(operand, candidate.levels[operand]))
            self._known[key] = found
        return found

    def _kept(self, operand: Operand, levels: Levels) -> Levels:
        """The levels that count: outer levels that keep no loop are left out when the conventions say so per layer."""
        if not self.conventions.levels_per_layer or operand is Operand.WEIGHT:
            return levels
        height = len(levels)
        while height > 1 and not levels[height - 1]:
            height -= 1
        return levels[:height]

    def _derive_flows(self, operand: Operand, levels: Levels) -> _Flows:
        chain = self._chains[operand][: len(levels)]
        unrolling = self._average[operand]
        average = operand_flow(self.layer, operand, chain, unrolling, levels, self.conventions)
        whole = average
        if self._whole is not self._average:
            whole = operand_flow(self.layer, operand, chain, self._whole[operand], levels, self.conventions)
        energy = {level.name: 0.0 for level in chain}
        for transfer in average.transfers:
            level = chain[transfer.level]
            unit = level.write_energy_pj if transfer.move.writes else level.read_energy_pj
            if unit:
                accesses = transfer_accesses(transfer, chain, operand, unrolling, self.conventions.rounding)
                energy[level.name] += accesses * unit
        if operand is Operand.WEIGHT and self.conventions.serial_weight_loading:
            energy[chain[0].name] = self._row_write_energy_pj(average)
        busy = max((needed_cycles(t, chain, operand) * int(t.repeats) for t in whole.transfers), default=0)
        return _Flows(average, whole, chain, energy, sum(energy.values()), busy if len(chain) > 1 else 0)

    def _row_write_energy_pj(self, weights: OperandFlow) -> float:
        """Writing whole rows: every column of a mapped row is written at each reload (ICCAD'23)."""
        rows = mapped_array(self.layer, self.spatial, self.conventions).rows
        reloads = sum(t.repeats for t in weights.transfers if t.move.writes and t.level == 0)
        unit = self._chains[Operand.WEIGHT][0].write_energy_pj
        return reloads * rows * self.target.macro.output_channels * unit
