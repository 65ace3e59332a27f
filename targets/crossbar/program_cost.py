"""What a compiled program costs on a crossbar target, from its own instruction streams.

Every MULTIPLY is costed by the equations of the closed-form model (`pulse`), so both agree wherever a mapping and a
stream describe the same thing. Around the macros:

- weights: LOADs of tiles that stay in the cells happen once per program and are reported apart; the others are read
  from the outermost memory and written once per batch. A macro writes one row of cells per cycle; the words pass the
  port of the outermost memory. Loading hides behind the products of the round before it where it writes other slots.
- activations: each lane reads its window elements from the buffer into the registers at the rows; results are written
  to the buffer once. Unfinished sums wait in registers or in the buffer (`stream_schedule`).
- steps run one after the other; the digital unit works on what the macros leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.runtime.counters import count_program
from imcflow.runtime.crossbar.residency import kernel_residencies
from imcflow.runtime.program import CrossbarKernel, tensors_read, tensors_written
from imcflow.targets.crossbar.models import CrossbarDescription
from imcflow.targets.crossbar.peak import MacroParts, clock_period_ns
from imcflow.targets.crossbar.prices import prices
from imcflow.targets.crossbar.program_report import CrossbarProgramCost, CrossbarStepCost, ProgramEnergy, StepCycles
from imcflow.targets.crossbar.pulse import Rectangle, added, pulse_energy_fj, scaled
from imcflow.targets.crossbar.stream_schedule import Demand, Sizes, Sums, round_demand
from imcflow.targets.crossbar.stream_work import kernel_work
from imcflow.targets.crossbar.tensor_levels import tensor_bits, tensors_outside

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imcflow.runtime.counters import DigitalCounters
    from imcflow.runtime.crossbar.counters import CrossbarCounters
    from imcflow.runtime.crossbar.residency import KernelResidency
    from imcflow.runtime.program import MacroSummary, Program, Step
    from imcflow.targets.crossbar.prices import Prices
    from imcflow.targets.crossbar.stream_work import KernelWork, Round, TileLoad
    from imcflow.targets.schema import TargetDescription

_J_PER_PJ = 1e-12
_FJ_PER_PJ = 1e3
_S_PER_NS = 1e-9


def crossbar_program_cost(program: Program, target: TargetDescription, *, images: int = 1) -> CrossbarProgramCost:
    """Return what a batch costs in the steady state.

    Args:
        program: a checked program.
        target: the description it was compiled for, or one of the same geometry with other prices.
        images: size of the batch.

    Raises:
        TargetError: the target is no crossbar, differs in geometry, has no memory, or cannot hold the activations.
    """
    description, macro = _checked(program, target)
    price = prices(description)
    clock_ns = clock_period_ns(price.macro).total
    outside = tensors_outside(program, price, images)
    counters = count_program(program)
    residencies = dict(
        zip(
            (counted.step for counted in counters.crossbar),
            kernel_residencies(program.crossbar_kernels),
            strict=True,
        )
    )
    machine = _Machine(program, macro, price, clock_ns, outside, images)
    crossbar = {counted.step: counted for counted in counters.crossbar}
    digital = {counted.step: counted for counted in counters.digital}
    steps: list[CrossbarStepCost] = []
    for number, step in enumerate(program.steps):
        if isinstance(step, CrossbarKernel):
            steps.append(machine.kernel(step, residencies[number], crossbar[number]))
        elif number in digital:
            steps.append(machine.digital(step, digital[number]))
    loads = [
        (kernel.weight_bits, load)
        for kernel, residency in zip(program.crossbar_kernels, residencies.values(), strict=True)
        for part in kernel_work(kernel, residency).rounds
        for load in part.loads
        if load.resident
    ]
    start_bits = sum(bits * load.rows * load.columns for bits, load in loads)
    start_cycles = max(-(-start_bits // price.dram_width_bits), _busiest_rows(load for _, load in loads))
    operations = sum(counted.operations for counted in counters.digital) * images
    return CrossbarProgramCost(
        program=program.name,
        target=description.name,
        images=images,
        clock_ns=clock_ns,
        steps=tuple(steps),
        area_mm2_by_part=description.crossbar_target().area_mm2(),
        start_seconds=start_cycles * clock_ns * _S_PER_NS,
        start_joules=start_bits * (price.dram_read_pj_per_bit + price.cell_write_pj_per_bit) * _J_PER_PJ,
        tensors_outside=tuple(program.tensors[number].name for number in sorted(outside)),
        unpriced_operations=0 if price.digital_lanes else operations,
        counters=counters,
    )


def _checked(program: Program, target: TargetDescription) -> tuple[CrossbarDescription, MacroSummary]:
    own = program.target.macro
    if not isinstance(target, CrossbarDescription) or target.kind != program.target.kind or own is None:
        raise TargetError(
            f"target '{target.name}' is of kind {target.kind}; "
            f"program '{program.name}' needs kind {program.target.kind}"
        )
    other = target.macro_summary()
    for field in ("rows", "columns", "macros", "slots", "weight_bits", "activation_bits", "bits_per_cycle"):
        if getattr(own, field) != getattr(other, field):
            raise TargetError(
                f"target '{target.name}': {field} is {getattr(other, field)}, "
                f"program '{program.name}' was compiled for {getattr(own, field)}"
            )
    return target, own


def _busiest_rows(loads: Iterable[TileLoad]) -> int:
    """Rows of cells that the macro with most of them writes, one per cycle."""
    rows: dict[int, int] = {}
    for load in loads:
        rows[load.macro] = rows.get(load.macro, 0) + load.rows
    return max(rows.values(), default=0)


class _Machine:
    """Costs the steps of one program and batch."""

    def __init__(
        self,
        program: Program,
        macro: MacroSummary,
        price: Prices,
        clock_ns: float,
        outside: frozenset[int],
        images: int,
    ) -> None:
        self._program, self._macro, self._price = program, macro, price
        self._clock_ns, self._outside, self._images = clock_ns, outside, images

    def kernel(self, kernel: CrossbarKernel, residency: KernelResidency, counted: CrossbarCounters) -> CrossbarStepCost:
        """One layer on the macros."""
        price, images, work = self._price, self._images, kernel_work(kernel, residency)
        sizes = Sizes(images, kernel.window.bits, counted.cycles_per_product, kernel.weight_bits)
        demand, load_cycles = self._rounds(kernel, work, sizes)
        stored_bits = counted.stores * kernel.output.bits * images
        outside = self._bits_outside(kernel)
        busy = demand.compute_cycles + demand.stall_cycles
        writing = -(-(stored_bits + demand.partial_write_bits) // price.buffer_width_bits)
        moving = -(-sum(outside) // price.dram_width_bits)
        stall = demand.stall_cycles + max(0, writing - busy, moving - busy)
        cycles = StepCycles(load_cycles, demand.compute_cycles, stall)
        lookups = counted.stores * images if kernel.step_thresholds.size else 0
        seconds = cycles.total * self._clock_ns * _S_PER_NS + self._digital_seconds(lookups)
        memory_pj = self._memory_pj(demand, counted, residency.reloaded_weights, stored_bits, outside, sizes)
        energy = (
            self._macro_energy(work, counted, sizes)
            + _joules(memory_pj)
            + _joules({"digital": lookups * price.lookup_pj, "idle": price.idle_power_mw * seconds / _S_PER_NS})
        )
        multipliers = self._macro.rows * self._macro.columns * self._macro.macros
        product_turns = max(1, demand.compute_cycles) / counted.cycles_per_product
        return CrossbarStepCost(
            name=kernel.name,
            unit="crossbar",
            onnx_nodes=kernel.onnx_nodes,
            macs=work.macs * images,
            tiles=counted.tiles,
            rounds=len(work.rounds),
            utilisation=work.macs * images / product_turns / multipliers,
            resident_weights=residency.resident_weights,
            reloaded_weights=residency.reloaded_weights,
            cycle_split=cycles,
            seconds=seconds,
            energy=energy,
        )

    def _rounds(self, kernel: CrossbarKernel, work: KernelWork, sizes: Sizes) -> tuple[Demand, int]:
        """What the rounds of a kernel need together, and the cycles in which they wait for weights."""
        sums = Sums.of([p for part in work.rounds for p in part.products], kernel.output.channels)
        demand, load_cycles = Demand(), 0
        before: tuple[Round, int] | None = None
        for part in work.rounds:
            needed, sums = round_demand(part.products, sums, sizes, self._price)
            load_cycles += self._waiting_for_weights(part, sizes.weight_bits, before)
            before = (part, needed.compute_cycles + needed.stall_cycles)
            demand += needed
        return demand, load_cycles

    def _macro_energy(self, work: KernelWork, counted: CrossbarCounters, sizes: Sizes) -> ProgramEnergy:
        """Every product by the equations of the closed-form model, and adding up row blocks and slices."""
        price, parts = self._price, MacroParts()
        for part in work.rounds:
            for product in part.products:
                tile = Rectangle(product.rows, product.tree_inputs, product.columns, sizes.weight_bits)
                pulses = product.lanes * sizes.images * sizes.cycles_per_product
                parts = added(parts, scaled(pulse_energy_fj(price.macro, tile), pulses / _FJ_PER_PJ))
        additions = (counted.accumulations - counted.stores) * sizes.images
        return _joules(
            {
                "cells": parts.multipliers + parts.bit_lines,
                "converters": parts.dac + parts.adc,
                "adders": parts.adder_tree + parts.place_value,
                "accumulators": parts.accumulators + additions * price.accumulator_bits * price.adder_pj_per_bit,
            }
        )

    def _memory_pj(
        self,
        demand: Demand,
        counted: CrossbarCounters,
        reloaded_weights: int,
        stored_bits: int,
        outside: tuple[int, int],
        sizes: Sizes,
    ) -> dict[str, float]:
        """Weights, activations and sums on their way, by part."""
        price, written = self._price, reloaded_weights * sizes.weight_bits
        read_outside, write_outside = outside
        accumulated_bits = counted.accumulations * sizes.images * price.accumulator_bits
        return {
            "cells": demand.weight_changes * price.precharge_pj(sizes.weight_bits)
            + written * price.cell_write_pj_per_bit,
            "registers": (demand.register_bits + accumulated_bits) * price.register_pj_per_bit,
            "sram": (demand.read_bits + demand.partial_read_bits + write_outside) * price.buffer_read_pj_per_bit
            + (stored_bits + demand.partial_write_bits + read_outside) * price.buffer_write_pj_per_bit,
            "dram": (written + read_outside) * price.dram_read_pj_per_bit + write_outside * price.dram_write_pj_per_bit,
            "links": demand.link_bits * price.link_pj_per_bit,
        }

    def digital(self, step: Step, counted: DigitalCounters) -> CrossbarStepCost:
        """One operation of the digital unit; its tensors pass the buffer."""
        price, operations = self._price, counted.operations * self._images
        read = sum(tensor_bits(self._program, number, self._images) for number in set(tensors_read(step)))
        written = sum(tensor_bits(self._program, number, self._images) for number in tensors_written(step))
        read_outside, write_outside = self._bits_outside(step)
        seconds = self._digital_seconds(operations)
        energy_pj = {
            "sram": (read + write_outside) * price.buffer_read_pj_per_bit
            + (written + read_outside) * price.buffer_write_pj_per_bit,
            "dram": read_outside * price.dram_read_pj_per_bit + write_outside * price.dram_write_pj_per_bit,
            "digital": operations * price.operation_pj,
            "idle": price.idle_power_mw * seconds / _S_PER_NS,
        }
        if not operations:  # moving elements is a matter of addresses
            energy_pj = {}
        return CrossbarStepCost(
            counted.name, counted.op, counted.onnx_nodes, 0, 0, 0, 0.0, 0, 0, StepCycles(), seconds, _joules(energy_pj)
        )

    def _waiting_for_weights(self, part: Round, weight_bits: int, before: tuple[Round, int] | None) -> int:
        """Cycles in which the macros wait for the weights of a round.

        Loads into slots that the round before does not use run beside its products, one port for all.
        """

        def cycles(loads: list[TileLoad]) -> int:
            bits = sum(load.rows * load.columns for load in loads) * weight_bits
            return max(-(-bits // self._price.dram_width_bits), _busiest_rows(loads))

        reloaded = [load for load in part.loads if not load.resident]
        if before is None:
            return cycles(reloaded)
        used = {(product.macro, product.slot) for product in before[0].products}
        free = [load for load in reloaded if (load.macro, load.slot) not in used]
        return cycles(reloaded) - min(cycles(free), before[1])

    def _bits_outside(self, step: Step) -> tuple[int, int]:
        """Bits of a step's tensors read from and written to the outermost memory."""
        read = sum(
            tensor_bits(self._program, number, self._images)
            for number in set(tensors_read(step))
            if number in self._outside
        )
        written = sum(
            tensor_bits(self._program, number, self._images)
            for number in tensors_written(step)
            if number in self._outside
        )
        return read, written

    def _digital_seconds(self, operations: int) -> float:
        price = self._price
        if not price.digital_lanes:
            return 0.0
        return -(-operations // price.digital_lanes) / price.digital_ghz * _S_PER_NS


def _joules(energy_pj: dict[str, float]) -> ProgramEnergy:
    return ProgramEnergy(**{name: value * _J_PER_PJ for name, value in energy_pj.items()})
