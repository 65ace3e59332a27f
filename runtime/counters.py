"""Exact counters of a program, from its instruction streams alone.

Definitions: `docs/instruction-stream.md` section 4. One count is one execution of the stream on one row block; a batch
of n images needs `row_blocks(n)` copies, all of which execute it. Executing a stream in micro fidelity performs exactly
these searches, writes and shifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.array_runs import ArrayRuns, merge_runs
from imcflow.runtime.array_times import array_times, instruction_arrays, move_levels
from imcflow.runtime.cell_writes import CellWrites, cell_writes
from imcflow.runtime.counts import COUNT_NAMES, UNIT_WEIGHTS, Counts, CycleWeights
from imcflow.runtime.crossbar.counters import CrossbarCounters, count_crossbar_kernel
from imcflow.runtime.crossbar.residency import kernel_residencies
from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.microcode import CLEARS_RESULT, USES_CARRY, table_passes
from imcflow.runtime.port_shifts import PortShifts, port_shifts
from imcflow.runtime.program import ApKernel, CrossbarKernel, DigitalOp, Program, Region, TargetSummary

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Column = np.ndarray[Any, np.dtype[np.int64]]
    Times = np.ndarray[Any, np.dtype[np.float64]]


_TIMED = ("searches", "writes", "load_bits", "store_bits", "move_bits", "shift_cycles")
"""Counts that `_weighted_cycles` weighs."""


@dataclass(frozen=True)
class KernelCounters:
    """Counters of one kernel, for one row block.

    Attributes:
        step: number of the step in the program.
        totals: sums over all instructions.
        by_opcode: sums by opcode name, in order of opcodes.
        by_region: sums over the regions of the source map.
        by_array: sums over the instructions of each array; a MOVE between two arrays is its destination's.
        rewind_shifts: moving all ports back to domain 0 at the end; not in `totals`.
        rewind_cycles: shift cycles of that, per array.
        crossing_moves: MOVEs from one array to another.
        move_bits_by_level: bits per lane moved within a tile, between tiles and between banks.
        busy_cycles: weighted cycles of each array's own instructions.
        makespan_cycles: weighted cycles until the last array ends, waits at MOVEs included, rewind included.
        writes_by_cell: most writes of every cell of an array in one row, by cell class, and the average tagged cells.
        runs: what the arrays do between crossing MOVEs; None if there are none.
    """

    step: int
    name: str
    onnx_nodes: tuple[str, ...]
    array_count: int
    lanes_per_image: int
    rows: int
    totals: Counts
    by_opcode: Mapping[str, Counts]
    by_region: tuple[tuple[Region, Counts], ...]
    by_array: tuple[Counts, ...]
    rewind_shifts: int
    rewind_cycles: tuple[int, ...]
    crossing_moves: int
    move_bits_by_level: tuple[int, int, int]
    busy_cycles: tuple[float, ...]
    makespan_cycles: float
    writes_by_cell: CellWrites
    runs: ArrayRuns | None = None

    @property
    def worst_cell_writes(self) -> int:
        """Most writes that one cell of one row takes: a bound over all data."""
        return self.writes_by_cell.most

    @property
    def rewind_shift_cycles(self) -> int:
        """Shift cycles until the ports of every array are back at domain 0."""
        return max(self.rewind_cycles, default=0)

    def can_estimate(self, weights: CycleWeights) -> bool:
        """Whether `estimated_makespan` is exact: no instruction hides its shifts behind its other work."""
        return not weights.shifts_overlap

    def estimated_makespan(self, weights: CycleWeights) -> float:
        """Return the makespan under other weights without counting again; a lower bound unless `can_estimate`."""
        if self.runs is None:
            ends = [
                counts.weighted_cycles(weights) + rewind * weights.shift
                for counts, rewind in zip(self.by_array, self.rewind_cycles, strict=True)
            ]
            return max(ends, default=0.0)
        levels = move_levels(self.runs.owners, self.runs.sources, weights.arrays_per_tile, weights.arrays_per_bank)
        cycles = _weighted_cycles(self.runs.columns, levels, weights)
        _, array_ends, _ = array_times(self.runs.owners, self.runs.sources, cycles, self.array_count)
        return float((array_ends + weights.shift * np.array(self.rewind_cycles)).max(initial=0.0))

    def row_blocks(self, images: int) -> int:
        """Copies of the arrays that `images` images need at once."""
        return -(-images * self.lanes_per_image // self.rows)

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {
            "step": self.step,
            "name": self.name,
            "onnx_nodes": list(self.onnx_nodes),
            "arrays": self.array_count,
            "lanes_per_image": self.lanes_per_image,
            "totals": self.totals.to_json(),
            "by_opcode": {name: counts.to_json() for name, counts in self.by_opcode.items()},
            "by_region": [
                {"text": region.text, "onnx_node": region.onnx_node, "counts": counts.to_json()}
                for region, counts in self.by_region
            ],
            "rewind_shifts": self.rewind_shifts,
            "rewind_shift_cycles": self.rewind_shift_cycles,
            "move_bits_by_level": list(self.move_bits_by_level),
            "makespan_cycles": self.makespan_cycles,
            "worst_cell_writes": self.worst_cell_writes,
            "tagged_cells": self.writes_by_cell.tagged_cells,
        }


@dataclass(frozen=True)
class DigitalCounters:
    """Work of one digital operation, per image.

    Attributes:
        operations: scalar operations; a multiply-accumulate counts as one, moving elements as none.
        elements: elements of the result.
    """

    step: int
    name: str
    op: str
    onnx_nodes: tuple[str, ...]
    operations: int
    elements: int

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {**asdict(self), "onnx_nodes": list(self.onnx_nodes)}


@dataclass(frozen=True)
class ProgramCounters:
    """Counters of every step of a program."""

    kernels: tuple[KernelCounters, ...]
    digital: tuple[DigitalCounters, ...]
    crossbar: tuple[CrossbarCounters, ...] = ()

    def totals(self, images: int | None = None) -> Counts:
        """Return the sum over all kernels: of one row block each, or of all row blocks of a batch of `images`."""
        total = Counts()
        for kernel in self.kernels:
            blocks = 1 if images is None else kernel.row_blocks(images)
            total += Counts(*(getattr(kernel.totals, name) * blocks for name in COUNT_NAMES))
        return total

    def by_opcode(self) -> dict[str, Counts]:
        """Return the sums by opcode name over all kernels, one row block each."""
        result: dict[str, Counts] = {}
        for kernel in self.kernels:
            for name, counts in kernel.by_opcode.items():
                result[name] = result.get(name, Counts()) + counts
        return result

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {
            "totals": self.totals().to_json(),
            "by_opcode": {name: counts.to_json() for name, counts in self.by_opcode().items()},
            "kernels": [kernel.to_json() for kernel in self.kernels],
            "digital": [op.to_json() for op in self.digital],
            "crossbar": [kernel.to_json() for kernel in self.crossbar],
        }


def count_program(program: Program, weights: CycleWeights = UNIT_WEIGHTS) -> ProgramCounters:
    """Count a program.

    Args:
        program: a checked program.
        weights: cycles per event, for the times; the counts do not depend on it.
    """
    kernels: list[KernelCounters] = []
    digital: list[DigitalCounters] = []
    crossbar: list[CrossbarCounters] = []
    residencies = iter(kernel_residencies(program.crossbar_kernels))
    for number, step in enumerate(program.steps):
        if isinstance(step, ApKernel):
            kernels.append(count_kernel(step, program.target, weights, step_number=number))
        elif isinstance(step, CrossbarKernel):
            if program.target.macro is not None:
                residency = next(residencies)
                crossbar.append(count_crossbar_kernel(step, program.target.macro, residency, step_number=number))
        else:
            digital.append(_count_digital(program, step, number))
    return ProgramCounters(tuple(kernels), tuple(digital), tuple(crossbar))


def count_kernel(
    kernel: ApKernel, target: TargetSummary, weights: CycleWeights = UNIT_WEIGHTS, *, step_number: int = 0
) -> KernelCounters:
    """Count one kernel of a checked program; see `KernelCounters`."""
    table = kernel.instructions
    shifts = port_shifts(table, target.domains, target.ports)
    columns = _instruction_counts(table, target, shifts)
    owners, sources = instruction_arrays(table, target.tracks * target.domains)
    levels = move_levels(owners, sources, weights.arrays_per_tile, weights.arrays_per_bank)
    cycles = _weighted_cycles(columns, levels, weights)
    busy, ends, crossing_moves = array_times(owners, sources, cycles, kernel.array_count)
    rewind = shifts.rewind_cycles(kernel.array_count, target.tracks)
    return KernelCounters(
        step=step_number,
        name=kernel.name,
        onnx_nodes=kernel.onnx_nodes,
        array_count=kernel.array_count,
        lanes_per_image=kernel.lanes_per_image,
        rows=target.rows,
        totals=_sum(columns, slice(None)),
        by_opcode=_by_opcode(table, columns),
        by_region=_by_region(kernel.regions, columns),
        by_array=_by_array(owners, columns, kernel.array_count),
        rewind_shifts=int(shifts.final_positions.sum()),
        rewind_cycles=tuple(rewind.tolist()),
        crossing_moves=crossing_moves,
        move_bits_by_level=_by_level(levels, columns["move_bits"]),
        busy_cycles=tuple(busy.tolist()),
        makespan_cycles=float((ends + weights.shift * rewind).max(initial=0.0)),
        writes_by_cell=cell_writes(
            table,
            tracks=target.tracks,
            domains=target.domains,
            array_count=kernel.array_count,
            or_latch=target.or_latch,
        ),
        runs=merge_runs(owners, sources, {name: columns[name] for name in _TIMED}) if crossing_moves else None,
    )


def _instruction_counts(table: InstructionTable, target: TargetSummary, shifts: PortShifts) -> dict[str, Column]:
    """Return one int64 column per name of `Counts`, a row per instruction."""
    opcode = table["opcode"]
    passes = table_passes(table, or_latch=target.or_latch)
    stores = (opcode == Opcode.STORE) | (opcode == Opcode.STORE_STEP)
    return {
        "instructions": np.ones(len(table), np.int64),
        "searches": passes.searches,
        "writes": passes.writes,
        "searched_cells": passes.searched_cells,
        "written_cells": passes.written_cells,
        "cleared_cells": _cleared_cells(table),
        "shifts": shifts.shifts,
        "shift_cycles": shifts.shift_cycles,
        "load_bits": np.where(opcode == Opcode.LOAD, table["r_bits"], 0).astype(np.int64),
        "store_bits": np.where(stores, table["a_bits"], 0).astype(np.int64),
        "move_bits": np.where(opcode == Opcode.MOVE, table["r_bits"], 0).astype(np.int64),
        "step_lookups": (opcode == Opcode.STORE_STEP).astype(np.int64),
    }


def _cleared_cells(table: InstructionTable) -> Column:
    """Cells that an instruction writes in every row, whatever they hold: bulk and result clearing, carry and flags."""
    opcode, flags = table["opcode"], table["flags"]
    r_bits = table["r_bits"].astype(np.int64)
    cells = np.where(opcode == Opcode.CLEAR, r_bits * table["imm"], 0) + np.where(opcode == Opcode.SET, r_bits, 0)
    result = np.isin(opcode, list(CLEARS_RESULT)) & ((flags & Flag.R_IS_ZERO) == 0)
    carry = np.isin(opcode, list(USES_CARRY)) & ((flags & Flag.C_IS_ZERO) == 0)
    two_flags = (opcode == Opcode.MAX_INTO) | (opcode == Opcode.STEP)
    return cells + np.where(result, r_bits, 0) + carry + 2 * two_flags


def _sum(columns: Mapping[str, Column], rows: Any) -> Counts:
    return Counts(*(int(columns[name][rows].sum()) for name in COUNT_NAMES))


def _by_opcode(table: InstructionTable, columns: Mapping[str, Column]) -> dict[str, Counts]:
    present = np.unique(table["opcode"]).tolist()
    return {Opcode(code).name: _sum(columns, table["opcode"] == code) for code in present}


def _by_region(regions: Iterable[Region], columns: Mapping[str, Column]) -> tuple[tuple[Region, Counts], ...]:
    # Prefix sums make the time independent of how many regions there are.
    before = {name: np.concatenate(([0], np.cumsum(column))) for name, column in columns.items()}
    return tuple(
        (region, Counts(*(int(before[name][region.stop] - before[name][region.start]) for name in COUNT_NAMES)))
        for region in regions
    )


def _weighted_cycles(columns: Mapping[str, Column], levels: Column, weights: CycleWeights) -> Times:
    work = columns["searches"] * weights.search + columns["writes"] * weights.write
    work = work + columns["load_bits"] * weights.load + columns["store_bits"] * weights.store
    move = np.array([weights.move, weights.move_between_tiles, weights.move_between_banks])
    work = work + columns["move_bits"] * move[levels]
    shifting = columns["shift_cycles"] * weights.shift
    return np.maximum(work, shifting) if weights.shifts_overlap else work + shifting


def _by_level(levels: Column, bits: Column) -> tuple[int, int, int]:
    near, tiles, banks = np.bincount(levels, weights=bits, minlength=3).tolist()
    return int(near), int(tiles), int(banks)


def _by_array(owners: Column, columns: Mapping[str, Column], array_count: int) -> tuple[Counts, ...]:
    sums = [np.bincount(owners, weights=columns[name], minlength=array_count) for name in COUNT_NAMES]
    return tuple(Counts(*(int(column[array]) for column in sums)) for array in range(array_count))


def _count_digital(program: Program, step: DigitalOp, number: int) -> DigitalCounters:
    from imcflow.runtime.digital_ops import operations_per_image

    shapes = [
        program.constants[value].shape if isinstance(value, str) else (-1, *program.tensors[value].shape)
        for value in step.inputs
    ]
    result = program.tensors[step.output]
    return DigitalCounters(
        step=number,
        name=step.name,
        op=step.op,
        onnx_nodes=step.onnx_nodes,
        operations=operations_per_image(step.op, step.attributes, shapes, result.shape),
        elements=result.size,
    )
