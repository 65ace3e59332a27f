"""A macro circuit as a list of blocks, for circuits that differ from the generic equations: one model for every chip.

Each block is one of a few kinds with the area, delay and energy of the unit cells and converters (sheet 2.2, 2.3, 3.1).
A circuit adds the energies (scaled by the activity of its data) and areas of its blocks; blocks of one pipeline stage
add their delays, the slowest stage sets the clock. Nothing here is fitted to a chip: a description states what is
built, in the words of its publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from imcflow.targets.crossbar.cells import CELLS_28NM, UnitCells
from imcflow.targets.crossbar.converters import adc_area_um2, adc_delay_ns, adc_energy_fj, dac_energy_fj
from imcflow.targets.crossbar.macro import place_value_adders, tree_adders

_REFERENCE_NODE_NM = 28.0
_UM2_PER_MM2 = 1e6


class BlockKind(StrEnum):
    """What a block is; `bits` and `inputs` mean what the kind says."""

    MULTIPLIERS = "multipliers"
    """`bits` one-bit products."""
    ADDER_TREE = "adder-tree"
    """`inputs` words of `bits`, complete binary tree of ripple-carry adders."""
    PLACE_VALUE_TREE = "place-value-tree"
    """`inputs` words of `bits`, each shifted one place more."""
    ADDER = "adder"
    """Two words of `bits`."""
    ACCUMULATOR = "accumulator"
    """`bits` adders and flip-flops that take words of `input_bits`."""
    REGISTER = "register"
    """`bits` flip-flops written every cycle."""
    LINES = "lines"
    """Wire segments of one cell pitch that are charged every cycle."""
    ADC = "adc"
    """`bits` resolution behind a bit line with `inputs` cells."""
    DAC = "dac"
    """`bits` resolution."""
    CELLS = "cells"
    """Stored bits of `area_um2` each."""


class Activity(StrEnum):
    """Which data makes a block switch."""

    PRODUCTS = "products"
    """Input toggle rate times weight density."""
    INPUTS = "inputs"
    """Input toggle rate."""
    WEIGHTS = "weights"
    """Weight density."""
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Block:
    """`count` equal blocks in the whole chip.

    Args:
        stage: pipeline stage whose delay the block adds to; None when it is not on the critical path.
        energy, area: False for a block that is built but idle, or that stands for the use of another one.
    """

    kind: BlockKind
    count: float
    bits: float = 1.0
    inputs: int = 1
    input_bits: float = 0.0
    area_um2: float = 0.0
    activity: Activity = Activity.ALWAYS
    stage: int | None = 0
    energy: bool = True
    area: bool = True

    @property
    def is_converter(self) -> bool:
        """Converters do not scale with the node like logic does."""
        return self.kind in (BlockKind.ADC, BlockKind.DAC)

    def _full_adders(self) -> float:
        if self.kind is BlockKind.ADDER_TREE:
            return tree_adders(self.inputs, int(self.bits))
        if self.kind is BlockKind.PLACE_VALUE_TREE:
            return place_value_adders(self.inputs, self.bits)
        return self.bits if self.kind in (BlockKind.ADDER, BlockKind.ACCUMULATOR) else 0.0

    def _flip_flops(self) -> float:
        return self.bits if self.kind in (BlockKind.ACCUMULATOR, BlockKind.REGISTER) else 0.0

    def unit_energy_fj(self, cells: UnitCells, supply_v: float) -> float:
        """Energy of one block in one cycle at full activity, fJ."""
        if self.kind is BlockKind.MULTIPLIERS:
            return self.bits * cells.multiplier_energy_fj(supply_v)
        if self.kind is BlockKind.LINES:
            return self.bits * cells.line_energy_fj(supply_v)
        if self.kind is BlockKind.ADC:
            return adc_energy_fj(self.bits, supply_v)
        if self.kind is BlockKind.DAC:
            return dac_energy_fj(int(self.bits), supply_v)
        adders = self._full_adders() * cells.full_adder_energy_fj(supply_v)
        return adders + self._flip_flops() * cells.flip_flop_energy_fj(supply_v)

    def unit_area_um2(self, cells: UnitCells) -> float:
        """Area of one block, um2."""
        if self.kind is BlockKind.MULTIPLIERS:
            return self.bits * cells.gate_area_um2
        if self.kind is BlockKind.ADC:
            return adc_area_um2(self.bits)
        if self.kind is BlockKind.CELLS:
            return self.bits * self.area_um2
        return self._full_adders() * cells.full_adder_area_um2 + self._flip_flops() * cells.flip_flop_area_um2

    def delay_ns(self, cells: UnitCells) -> float:
        """Delay of the block on its path, ns."""
        carry, start, summed = cells.carry_delay_ns, cells.carry_start_delay_ns, cells.sum_delay_ns
        if self.kind is BlockKind.MULTIPLIERS:
            return cells.gate_delay_ns
        if self.kind is BlockKind.ADC:
            return adc_delay_ns(self.bits, self.inputs)
        if self.kind is BlockKind.ADDER_TREE:
            depth = self.inputs.bit_length() - 1
            return (depth - 1) * summed + start + (self.bits + depth - 2) * carry
        if self.kind is BlockKind.PLACE_VALUE_TREE:
            levels = self.inputs.bit_length() - 1
            return (levels - 1) * summed + start + (self.inputs - 1) * carry
        if self.kind is BlockKind.ADDER:
            return start + (self.bits - 1) * carry
        if self.kind is BlockKind.ACCUMULATOR:
            return summed + (self.bits - self.input_bits) * carry
        return 0.0


@dataclass(frozen=True, slots=True)
class Circuit:
    """A chip's datapath and how it is driven.

    Args:
        blocks: what is built.
        macs_per_product: products of one matrix-vector product of the whole chip.
        cycles_per_product: clock cycles of that product.
        transfers_per_cycle: input transfers that follow one another within one clock cycle.
        technology_nm: node; logic energy and area and ADC area scale linearly from 28 nm, delays do not (sheet 2.8).
        supply_v: supply.
    """

    blocks: tuple[Block, ...]
    macs_per_product: float
    cycles_per_product: float
    transfers_per_cycle: int = 1
    technology_nm: float = _REFERENCE_NODE_NM
    supply_v: float = 0.9
    cells: UnitCells = CELLS_28NM

    @property
    def _scale(self) -> float:
        return self.technology_nm / _REFERENCE_NODE_NM

    def energy_fj_per_mac(self, input_toggle: float, weight_density: float) -> float:
        """Energy of one MAC, fJ.

        Args:
            input_toggle: share of input bits that switch.
            weight_density: share of weights (or weight bits) that are not zero.
        """
        factors = {
            Activity.PRODUCTS: input_toggle * weight_density,
            Activity.INPUTS: input_toggle,
            Activity.WEIGHTS: weight_density,
            Activity.ALWAYS: 1.0,
        }
        total = 0.0
        for block in self.blocks:
            if block.energy:
                scale = 1.0 if block.is_converter else self._scale
                unit = block.unit_energy_fj(self.cells, self.supply_v)
                total += block.count * unit * factors[block.activity] * scale
        return total * self.transfers_per_cycle * self.cycles_per_product / self.macs_per_product

    def clock_ns(self) -> float:
        """Clock period: the slowest pipeline stage, ns."""
        stages: dict[int, float] = {}
        for block in self.blocks:
            if block.stage is not None:
                stages[block.stage] = stages.get(block.stage, 0.0) + block.delay_ns(self.cells)
        return max(stages.values(), default=0.0) * self.transfers_per_cycle

    def area_mm2(self) -> float:
        """Area of all blocks, mm2; stored bits are given at their own node."""
        total = 0.0
        for block in self.blocks:
            if block.area:
                scale = 1.0 if block.kind is BlockKind.CELLS else self._scale
                total += block.count * block.unit_area_um2(self.cells) * scale
        return total / _UM2_PER_MM2
