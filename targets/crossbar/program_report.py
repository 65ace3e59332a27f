"""What a crossbar program costs: per step and in all, as numbers, as tables and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from imcflow.targets.cost_text import aligned, shortened, with_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imcflow.runtime.counters import ProgramCounters


@dataclass(frozen=True, slots=True)
class ProgramEnergy:
    """Joules by part.

    Attributes:
        cells: multipliers, bit lines, precharge and weight writes.
        converters: DAC and ADC.
        adders: adder trees and place-value trees.
        accumulators: shift accumulators, and adding up row blocks and slices.
        registers: at the rows and behind the columns.
        sram: the activation buffer.
        dram: weights and activations that do not stay on chip.
        links: partial sums between macros, where the target gives their energy.
        digital: the digital unit, step look-ups included, where the target has one.
        idle: idle power over the time, where the target states it.
    """

    cells: float = 0.0
    converters: float = 0.0
    adders: float = 0.0
    accumulators: float = 0.0
    registers: float = 0.0
    sram: float = 0.0
    dram: float = 0.0
    links: float = 0.0
    digital: float = 0.0
    idle: float = 0.0

    @property
    def total(self) -> float:
        """Sum of all parts."""
        return sum(getattr(self, item.name) for item in fields(self))

    def __add__(self, other: ProgramEnergy) -> ProgramEnergy:
        return ProgramEnergy(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def to_json(self) -> dict[str, float]:
        """Joules by name, with `total`."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True, slots=True)
class StepCycles:
    """Macro clock cycles of a step by phase, one after the other.

    Attributes:
        load: writing weights that did not stay in the cells, as far as it does not hide behind products.
        compute: the busiest macro.
        stall: macros wait for the buffer or the outermost memory.
    """

    load: int = 0
    compute: int = 0
    stall: int = 0

    @property
    def total(self) -> int:
        """All phases."""
        return self.load + self.compute + self.stall

    def __add__(self, other: StepCycles) -> StepCycles:
        return StepCycles(self.load + other.load, self.compute + other.compute, self.stall + other.stall)


@dataclass(frozen=True, slots=True)
class CrossbarStepCost:
    """Cost of one step for a whole batch, in the steady state: weights that stay are in the cells already.

    Attributes:
        unit: "crossbar" or the name of the digital operation.
        macs: products of a weight and an activation, all images together; 0 for digital operations.
        tiles: products in the stream; `rounds`: how often cells are filled anew within the step.
        utilisation: share of all multipliers that work, on average over the compute cycles.
        resident_weights, reloaded_weights: written once per program, and once per batch.
        cycles: of the macros; 0 for digital operations.
        seconds: time, look-ups of the digital unit included.
    """

    name: str
    unit: str
    onnx_nodes: tuple[str, ...]
    macs: int
    tiles: int
    rounds: int
    utilisation: float
    resident_weights: int
    reloaded_weights: int
    cycle_split: StepCycles
    seconds: float
    energy: ProgramEnergy

    @property
    def cycles(self) -> int:
        """Macro clock cycles."""
        return self.cycle_split.total

    def to_json(self) -> dict[str, object]:
        """A JSON object with stable keys."""
        return {
            "name": self.name,
            "unit": self.unit,
            "onnx_nodes": list(self.onnx_nodes),
            "macs": self.macs,
            "tiles": self.tiles,
            "rounds": self.rounds,
            "utilisation": self.utilisation,
            "resident_weights": self.resident_weights,
            "reloaded_weights": self.reloaded_weights,
            "cycles": self.cycles,
            "cycles_by_phase": asdict(self.cycle_split),
            "seconds": self.seconds,
            "energy_j": self.energy.to_json(),
        }


@dataclass(frozen=True)
class CrossbarProgramCost:
    """Cost of one batch on a crossbar target, from the counters of its streams.

    Attributes:
        clock_ns: of the macros.
        area_mm2_by_part: macros and every memory level, every instance counted.
        start_seconds, start_joules: writing the resident weights, once before the first batch.
        tensors_outside: activations that did not fit the buffer.
        unpriced_operations: scalar operations of the digital unit of one batch that the target does not price.
        counters: the counts behind the figures, for one image.
    """

    program: str
    target: str
    images: int
    clock_ns: float
    steps: tuple[CrossbarStepCost, ...]
    area_mm2_by_part: Mapping[str, float]
    start_seconds: float
    start_joules: float
    tensors_outside: tuple[str, ...]
    unpriced_operations: int
    counters: ProgramCounters

    @property
    def energy(self) -> ProgramEnergy:
        """Joules of the batch by part."""
        return sum((step.energy for step in self.steps), ProgramEnergy())

    @property
    def cycle_split(self) -> StepCycles:
        """Macro clock cycles of the batch by phase."""
        return sum((step.cycle_split for step in self.steps), StepCycles())

    @property
    def cycles(self) -> int:
        """Macro clock cycles of the batch."""
        return self.cycle_split.total

    @property
    def seconds(self) -> float:
        """Time of the batch: steps one after the other."""
        return sum(step.seconds for step in self.steps)

    @property
    def macs(self) -> int:
        """Products of a weight and an activation on the macros."""
        return sum(step.macs for step in self.steps)

    @property
    def area_mm2(self) -> float:
        """Macros, registers and buffer."""
        return sum(self.area_mm2_by_part.values())

    @property
    def tops(self) -> float:
        """Tera-operations per second, two operations per product."""
        return 2 * self.macs / self.seconds / 1e12 if self.seconds else 0.0

    @property
    def tops_per_watt(self) -> float:
        """Tera-operations per joule, two operations per product."""
        total = self.energy.total
        return 2 * self.macs / total / 1e12 if total else 0.0

    @property
    def edp_joule_seconds(self) -> float:
        """Energy-delay product."""
        return self.energy.total * self.seconds

    def cycles_by_kind(self) -> dict[str, int]:
        """Macro clock cycles of the batch by phase."""
        return asdict(self.cycle_split)

    def to_json(self) -> dict[str, object]:
        """A JSON object with stable keys."""
        return {
            "program": self.program,
            "target": self.target,
            "images": self.images,
            "clock_ns": self.clock_ns,
            "macs": self.macs,
            "cycles": self.cycles,
            "cycles_by_kind": self.cycles_by_kind(),
            "seconds": self.seconds,
            "energy_j": self.energy.to_json(),
            "tops": self.tops,
            "tops_per_watt": self.tops_per_watt,
            "edp_joule_seconds": self.edp_joule_seconds,
            "area_mm2": {**self.area_mm2_by_part, "total": self.area_mm2},
            "start_seconds": self.start_seconds,
            "start_joules": self.start_joules,
            "tensors_outside": list(self.tensors_outside),
            "unpriced_operations": self.unpriced_operations,
            "steps": [step.to_json() for step in self.steps],
            "counters": self.counters.to_json(),
        }

    def table(self) -> str:
        """Facts, one row per step, cycles by phase and energy by part, as text."""
        energy = self.energy
        total = energy.total or 1.0
        parts = [item.name for item in fields(ProgramEnergy) if getattr(energy, item.name)]
        rows = [_row(step, parts) for step in self.steps]
        summed = CrossbarStepCost(
            "total",
            "",
            (),
            self.macs,
            0,
            0,
            _mean_utilisation(self.steps),
            0,
            0,
            self.cycle_split,
            self.seconds,
            energy,
        )
        rows.append([*_row(summed, parts)[:3], "", *_row(summed, parts)[4:]])
        shares = [
            [name, with_unit(getattr(energy, name), "J"), f"{100 * getattr(energy, name) / total:.1f} %"]
            for name in parts
        ]
        split = self.cycle_split
        phases = [
            [name, f"{cycles:,}", f"{100 * cycles / max(split.total, 1):.1f} %"]
            for name, cycles in asdict(split).items()
        ]
        header = ["layer", "unit", "MACs", "tiles x rounds", "use %", "load", "compute", "stall", "time", "energy"]
        return "\n\n".join(
            [
                "\n".join(self._facts()),
                aligned([*header, *(f"{part} %" for part in parts)], rows),
                aligned(["cycles", "count", "share"], phases),
                aligned(["energy", "joules", "share"], shares),
            ]
        )

    def _facts(self) -> list[str]:
        resident = sum(step.resident_weights for step in self.steps)
        reloaded = sum(step.reloaded_weights for step in self.steps)
        facts = [
            f"{self.program} on {self.target}, {self.images} image{'s' if self.images > 1 else ''}; "
            f"clock {self.clock_ns:.4g} ns, area {self.area_mm2:.4g} mm2",
            f"{self.tops:.4g} TOPS, {self.tops_per_watt:.4g} TOPS/W, two operations per MAC",
            f"weights: {resident:,} stay in the cells (written once: {with_unit(self.start_seconds, 's')}, "
            f"{with_unit(self.start_joules, 'J')}), {reloaded:,} are written for every batch",
        ]
        if self.tensors_outside:
            facts.append(f"activations that do not fit the buffer: {', '.join(self.tensors_outside)}")
        if self.unpriced_operations:
            facts.append(
                f"{self.unpriced_operations:,} operations of the digital unit cost nothing here: the target has no "
                "digital_unit"
            )
        return facts


def _mean_utilisation(steps: Sequence[CrossbarStepCost]) -> float:
    busy = sum(step.utilisation * step.cycle_split.compute for step in steps)
    return busy / max(1, sum(step.cycle_split.compute for step in steps))


def _row(step: CrossbarStepCost, parts: Sequence[str]) -> list[str]:
    total = step.energy.total or 1.0
    crossbar = step.macs > 0
    return [
        shortened(step.name),
        step.unit,
        f"{step.macs:,}" if crossbar else "",
        f"{step.tiles} x {step.rounds}" if crossbar else "",
        f"{100 * step.utilisation:.1f}" if crossbar else "",
        *(f"{cycles:,}" if crossbar else "" for cycles in asdict(step.cycle_split).values()),
        with_unit(step.seconds, "s"),
        with_unit(step.energy.total, "J"),
        *(f"{100 * getattr(step.energy, part) / total:.1f}" for part in parts),
    ]
