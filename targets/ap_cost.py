"""What a program costs on an associative-processor target: cycles, seconds, joules, arrays, endurance.

Everything follows from the exact counters of the streams (`imcflow.runtime.counters`) and the quantities of the
description; nothing is fitted. Model:

- time: a layer needs `row_blocks` copies of its arrays. If the target has fewer arrays, the copies run in `rounds`.
  Layers run one after the other; a layer takes rounds * makespan, plus its look-ups in the digital unit.
- energy: counts are per row; every physical row of every copy is searched, shifted and cleared, filled or not, while
  bits are loaded, stored and moved for occupied lanes only. Writes behind searches reach as many cells as they would
  on uniformly random bits (`imcflow.runtime.cell_writes`) times `tagged_rows_factor`, or as many as they did in a
  counted run; rows without a lane are taken to behave like the others.
- accumulation: a row block begins at a tile; a MOVE costs what its way within a tile, between tiles or banks costs.
- endurance: the writes of every cell, worst case over all data, added up over all layers and rounds; where a layer
  uses several arrays, the one that writes a place most is assumed to be the same in every layer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import TargetError
from imcflow.runtime.cell_writes import CELL_CLASSES
from imcflow.runtime.counters import KernelCounters, ProgramCounters, count_program
from imcflow.runtime.counts import CycleWeights
from imcflow.targets.ap import ApTarget
from imcflow.targets.sensitivity import Sensitivity, by_swing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imcflow.runtime.execution.match_counts import StepMatches
    from imcflow.runtime.program import Program
    from imcflow.targets.schema import TargetDescription

_FJ = 1e-15
_NS = 1e-9
_SECONDS_PER_YEAR = 365.25 * 24 * 3600
_UM2_PER_MM2 = 1e6
_FACTOR = "energy.tagged_rows_factor"


@dataclass(frozen=True)
class EnergySplit:
    """Joules by cause.

    Attributes:
        search, write, shift: array instructions.
        movement: loading activations into the arrays and storing results.
        accumulation: moving partial sums from array to array.
        digital: the digital unit, step look-ups included.
    """

    search: float = 0.0
    write: float = 0.0
    shift: float = 0.0
    movement: float = 0.0
    accumulation: float = 0.0
    digital: float = 0.0

    @property
    def total(self) -> float:
        """Sum of all causes."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: EnergySplit) -> EnergySplit:
        return EnergySplit(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, float]:
        """Return joules by name, with `total`."""
        return {**asdict(self), "total": self.total}


@dataclass(frozen=True)
class StepCost:
    """Cost of one step for a whole batch.

    Attributes:
        unit: "array" or the name of the digital operation.
        arrays: arrays of one row block; 0 for digital operations.
        row_blocks: copies that the batch needs; `rounds`: how often the target's arrays are filled to run them.
        cycles: array cycles of one round, waits included, times rounds.
        seconds: time, the digital unit's share included.
    """

    name: str
    unit: str
    onnx_nodes: tuple[str, ...]
    arrays: int
    row_blocks: int
    rounds: int
    cycles: float
    seconds: float
    energy: EnergySplit

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {
            "name": self.name,
            "unit": self.unit,
            "onnx_nodes": list(self.onnx_nodes),
            "arrays": self.arrays,
            "row_blocks": self.row_blocks,
            "rounds": self.rounds,
            "cycles": self.cycles,
            "seconds": self.seconds,
            "energy_j": self.energy.to_json(),
        }


@dataclass(frozen=True)
class CellWear:
    """Wear of one class of cells while a batch runs again and again, worst case over all data.

    Attributes:
        cells: "carry", "result" or "input": the role in which these cells are written most.
        count: cells of one row of an array that are written at all.
        most_writes: per batch, of the most written of them.
        mean_writes: per batch, over all of them.
        lifetime_years: non-stop operation until the most written one wears out.
    """

    cells: str
    count: int
    most_writes: int
    mean_writes: float
    lifetime_years: float

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return asdict(self)


@dataclass(frozen=True)
class ProgramCost:
    """Cost of one batch.

    Attributes:
        arrays_needed: arrays that the widest layer fills at once, all copies together.
        arrays_available: arrays of the target.
        area_mm2: area of all arrays and the digital unit, or None where the target does not say.
        wear: the most written cells by class.
        sensitivity: one entry per assumed quantity, what moves the result most first.
        counters: the counts behind the figures.
        activity: the counted run that says how many rows writes reach; empty: the description's factor does.
    """

    program: str
    target: str
    energy_class: str
    images: int
    steps: tuple[StepCost, ...]
    arrays_needed: int
    arrays_available: int
    area_mm2: float | None
    wear: tuple[CellWear, ...]
    counters: ProgramCounters
    sensitivity: tuple[Sensitivity, ...]
    activity: tuple[StepMatches, ...] = ()

    @property
    def tagged_rows_factor(self) -> float | None:
        """Cells that writes behind searches reached over those of uniformly random bits; None: not counted."""
        random = {kernel.step: kernel.writes_by_cell.tagged_cells for kernel in self.counters.kernels}
        expected = sum(random[step.step] * step.rows for step in self.activity)
        return sum(step.tagged_cells for step in self.activity) / expected if expected else None

    @property
    def cycles(self) -> float:
        """Array cycles of all layers, one after the other."""
        return sum(step.cycles for step in self.steps)

    @property
    def seconds(self) -> float:
        """Time for the batch."""
        return sum(step.seconds for step in self.steps)

    @property
    def energy(self) -> EnergySplit:
        """Energy of the batch."""
        return sum((step.energy for step in self.steps), start=EnergySplit())

    @property
    def lifetime_years(self) -> float | None:
        """Bound on non-stop operation until the most written cell wears out; None if nothing is written."""
        return min((wear.lifetime_years for wear in self.wear), default=None)

    @property
    def movement_share(self) -> float:
        """Share of the energy that brings activations into the arrays and takes results out of them."""
        energy = self.energy
        return energy.movement / energy.total if energy.total else 0.0

    def cycles_by_kind(self) -> dict[str, int]:
        """Return unweighted cycles of one row block by kind, all layers and arrays added up."""
        totals = self.counters.totals()
        return {
            "search": totals.searches,
            "write": totals.writes,
            "shift": totals.shift_cycles,
            "load": totals.load_bits,
            "store": totals.store_bits,
            "move": totals.move_bits,
        }

    def by_onnx_node(self) -> dict[str, dict[str, float]]:
        """Return cycles, seconds and joules by ONNX node; a step of several nodes counts for the first of them."""
        result: dict[str, dict[str, float]] = {}
        for step in self.steps:
            node = step.onnx_nodes[0] if step.onnx_nodes else step.name
            entry = result.setdefault(node, {"cycles": 0.0, "seconds": 0.0, "joules": 0.0})
            entry["cycles"] += step.cycles
            entry["seconds"] += step.seconds
            entry["joules"] += step.energy.total
        return result

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {
            "program": self.program,
            "target": self.target,
            "energy_class": self.energy_class,
            "images": self.images,
            "cycles": self.cycles,
            "cycles_by_kind": self.cycles_by_kind(),
            "seconds": self.seconds,
            "energy_j": self.energy.to_json(),
            "energy_delay_js": self.energy.total * self.seconds,
            "movement_share": self.movement_share,
            "arrays_needed": self.arrays_needed,
            "arrays_available": self.arrays_available,
            "area_mm2": self.area_mm2,
            "lifetime_years": self.lifetime_years,
            "wear": [wear.to_json() for wear in self.wear],
            "steps": [step.to_json() for step in self.steps],
            "by_onnx_node": self.by_onnx_node(),
            "sensitivity": [entry.to_json() for entry in self.sensitivity],
            "counters": self.counters.to_json(),
            "tagged_rows_factor": self.tagged_rows_factor,
            "activity": [step.to_json() for step in self.activity],
        }

    def table(self) -> str:
        """Return the report as text: layers, totals, energy split, assumptions that matter."""
        from imcflow.targets.cost_text import cost_report

        # A check of this file by its own path takes the imported module for another one.
        return cost_report(self)  # pyright: ignore[reportArgumentType]


def program_cost(
    program: Program,
    target: TargetDescription,
    *,
    images: int = 1,
    counters: ProgramCounters | None = None,
    activity: Sequence[StepMatches] | None = None,
) -> ProgramCost:
    """Return what a batch costs.

    Args:
        program: a checked program.
        target: the description it was compiled for, or one of the same geometry with other prices.
        images: size of the batch.
        counters: the program's counters under the target's `cycle_weights()`, where they are at hand.
        activity: rows that the writes of every array step reached in a run; None: `tagged_rows_factor` says.

    Raises:
        TargetError: the target is no associative processor, differs in geometry or latch, or has too few arrays; or
            the activity is that of another program.
    """
    machine = _checked(program, target)
    counters = counters or count_program(program, machine.cycle_weights())
    tagged = _tagged_cells(counters, activity)
    steps = _steps(counters, machine, images, None, tagged)
    arrays = machine.hierarchy.arrays
    seconds = sum(step.seconds for step in steps)
    area = machine.area
    return ProgramCost(
        program=program.name,
        target=machine.name,
        energy_class=machine.energy.energy_class,
        images=images,
        steps=steps,
        arrays_needed=max((step.arrays * step.row_blocks for step in steps), default=0),
        arrays_available=arrays,
        area_mm2=None if area is None else (area.array_um2.value * arrays + area.digital_unit_um2.value) / _UM2_PER_MM2,
        wear=_wear(counters, steps, machine, seconds),
        counters=counters,
        sensitivity=_sensitivity(program, counters, machine, images, steps, tagged),
        activity=tuple(activity or ()),
    )


def _tagged_cells(counters: ProgramCounters, activity: Sequence[StepMatches] | None) -> Mapping[int, float] | None:
    """Return per step the cells that writes behind searches reach in a row, as counted; None: not counted."""
    if activity is None:
        return None
    tagged = {step.step: step.tagged_cells_per_row for step in activity if step.rows}
    for kernel in counters.kernels:
        if kernel.step not in tagged:
            raise TargetError(
                f"the activity says nothing on step '{kernel.name}': count at least one image of this program"
            )
    return tagged


def _checked(program: Program, target: TargetDescription) -> ApTarget:
    if not isinstance(target, ApTarget):
        raise TargetError(f"target '{target.name}' is of kind {target.kind}; program '{program.name}' needs kind ap")
    own, other = program.target, target.summary()
    for field in ("rows", "tracks", "domains", "ports", "or_latch"):
        if getattr(own, field) != getattr(other, field):
            raise TargetError(
                f"target '{target.name}': {field} is {getattr(other, field)}, "
                f"program '{program.name}' was compiled for {getattr(own, field)}"
            )
    most = max((kernel.array_count for kernel in program.kernels), default=0)
    if most > target.hierarchy.arrays:
        raise TargetError(f"target '{target.name}': a layer needs {most} arrays, there are {target.hierarchy.arrays}")
    return target


def _steps(
    counters: ProgramCounters,
    target: ApTarget,
    images: int,
    weights: CycleWeights | None,
    tagged: Mapping[int, float] | None,
) -> tuple[StepCost, ...]:
    """Return the steps in order; `weights` estimates the times anew instead of taking the counted ones."""
    steps: dict[int, StepCost] = {}
    for kernel in counters.kernels:
        random = kernel.writes_by_cell.tagged_cells * target.energy.tagged_rows_factor.value
        reached = random if tagged is None else tagged[kernel.step]
        steps[kernel.step] = _kernel_cost(kernel, target, images, weights, reached)
    digital = target.digital_unit
    for op in counters.digital:
        operations = op.operations * images
        steps[op.step] = StepCost(
            name=op.name,
            unit=op.op,
            onnx_nodes=op.onnx_nodes,
            arrays=0,
            row_blocks=0,
            rounds=0,
            cycles=0.0,
            seconds=_digital_seconds(operations, target),
            energy=EnergySplit(digital=operations * digital.operation_fj.value * _FJ),
        )
    return tuple(steps[number] for number in sorted(steps))


def _kernel_cost(
    kernel: KernelCounters, target: ApTarget, images: int, weights: CycleWeights | None, tagged_cells: float
) -> StepCost:
    blocks = kernel.row_blocks(images)
    copies = max(1, target.hierarchy.arrays // kernel.array_count)
    rounds = -(-blocks // copies)
    cycles = (kernel.makespan_cycles if weights is None else kernel.estimated_makespan(weights)) * rounds
    lanes = images * kernel.lanes_per_image
    rows = blocks * kernel.rows
    totals, energy, digital = kernel.totals, target.energy, target.digital_unit
    lookups = totals.step_lookups * lanes
    written = totals.cleared_cells + tagged_cells
    loads = totals.load_bits * energy.load_fj_per_bit.value
    stores = totals.store_bits * energy.store_fj_per_bit.value
    return StepCost(
        name=kernel.name,
        unit="array",
        onnx_nodes=kernel.onnx_nodes,
        arrays=kernel.array_count,
        row_blocks=blocks,
        rounds=rounds,
        cycles=cycles,
        seconds=cycles * target.timing.cycle_ns.value * _NS + lookups / (digital.lanes * digital.clock_ghz.value) * _NS,
        energy=EnergySplit(
            search=totals.searched_cells * rows * energy.search_fj_per_cell.value * _FJ,
            write=written * rows * energy.write_fj_per_cell.value * _FJ,
            shift=(totals.shifts + kernel.rewind_shifts) * rows * energy.shift_fj_per_step.value * _FJ,
            movement=(loads + stores) * lanes * _FJ,
            accumulation=sum(
                bits * price for bits, price in zip(kernel.move_bits_by_level, energy.move_fj(), strict=True)
            )
            * lanes
            * _FJ,
            digital=lookups * digital.step_lookup_fj.value * _FJ,
        ),
    )


def _digital_seconds(operations: int, target: ApTarget) -> float:
    digital = target.digital_unit
    return -(-operations // digital.lanes) / digital.clock_ghz.value * _NS


def _wear(
    counters: ProgramCounters, steps: tuple[StepCost, ...], target: ApTarget, seconds: float
) -> tuple[CellWear, ...]:
    """Return the wear of the most written cell of each class, a batch at a time; a cell is of its busiest role."""
    rounds = {step.name: step.rounds for step in steps}
    by_role = {
        name: sum(kernel.writes_by_cell.worst[name] * rounds[kernel.name] for kernel in counters.kernels)
        for name in CELL_CLASSES
    }
    if not counters.kernels:
        return ()
    roles = np.stack([np.asarray(by_role[name], np.int64) for name in CELL_CLASSES])
    total, busiest = roles.sum(axis=0), roles.argmax(axis=0)
    wear: list[CellWear] = []
    for number, name in enumerate(CELL_CLASSES):
        members = total[(busiest == number) & (total > 0)]
        if len(members):
            most = int(members.max())
            years = target.endurance_writes_per_cell.value / most * seconds / _SECONDS_PER_YEAR
            wear.append(CellWear(name, len(members), most, float(members.mean()), years))
    return tuple(wear)


def _sensitivity(
    program: Program,
    counters: ProgramCounters,
    target: ApTarget,
    images: int,
    steps: tuple[StepCost, ...],
    tagged: Mapping[int, float] | None,
) -> tuple[Sensitivity, ...]:
    entries: list[Sensitivity] = []
    seconds, joules = sum(step.seconds for step in steps), sum(step.energy.total for step in steps)
    for key, quantity in target.assumptions().items():
        if key == _FACTOR and tagged is not None:
            continue
        ends: list[tuple[float, float]] = []
        for value in (quantity.low, quantity.high):
            changed = target.with_value(key, quantity.value if value is None else value)
            weights = changed.cycle_weights()
            recount = weights != target.cycle_weights()
            exact = all(kernel.can_estimate(weights) for kernel in counters.kernels)
            counted = count_program(program, weights) if recount and not exact else counters
            moved = _steps(counted, changed, images, weights if recount and exact else None, tagged)
            ends.append((sum(step.seconds for step in moved), sum(step.energy.total for step in moved)))
        entries.append(
            Sensitivity(
                key=key,
                assumption=quantity.assumption or "",
                low=quantity.value if quantity.low is None else quantity.low,
                value=quantity.value,
                high=quantity.value if quantity.high is None else quantity.high,
                seconds=seconds,
                seconds_at_low=ends[0][0],
                seconds_at_high=ends[1][0],
                joules=joules,
                joules_at_low=ends[0][1],
                joules_at_high=ends[1][1],
            )
        )
    return by_swing(entries)
