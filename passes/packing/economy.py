"""Energy, latency and area of a network whose weights are packed, and of the same network with its weights reloaded.

Macro energy, clock and area are those of `targets.crossbar`. Every pass of a slice costs the array energy of its rows
and columns and the reading of its inputs from the activation buffer; every output is written there once. Partial sums
of a layer's slices stay in the output registers, so a layer of several slices per macro changes the plane at every
pass. Loading weights is not hidden behind computation. Sheet: weight packing, sections 2.1, 2.3 and 4.4.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import Enum

from imcflow.passes.packing.shapes import MacroGeometry, PackingError, PackingResult
from imcflow.targets.crossbar.array_energy import array_energy_pj
from imcflow.targets.crossbar.conventions import PHYSICAL, Conventions
from imcflow.targets.crossbar.layers import Dim, Layer, Operand
from imcflow.targets.crossbar.macro import Macro
from imcflow.targets.crossbar.mapping import SpatialMapping
from imcflow.targets.crossbar.memory import MemoryLevel, levels_of
from imcflow.targets.crossbar.peak import clock_period_ns, macro_area_mm2
from imcflow.targets.crossbar.target import CrossbarTarget

DEEP_CELL_DELAY_NS_PER_PLANE = 0.00653
"""Clock period per plane of deep cells (weight packing branch of zigzag-imc, commit 827a907)."""

_PJ_PER_UJ = 1e6
_NS_PER_US = 1e3


class WeightSource(Enum):
    """Where the weights of a layer are at the start of each inference."""

    CELLS = "cells"
    SRAM = "sram"
    DRAM = "dram"


@dataclass(frozen=True, slots=True)
class Machine:
    """Macros and the memories that feed them.

    Args:
        macro: the array; its numbers of macros and planes are taken from the placement.
        activation_pj_per_bit: reading or writing the activation buffer.
        output_bits: width of a stored output.
        dram_pj_per_bit: reading DRAM; 50 in the weight-packing study, 3.7 in the ICCAD'23 one.
        dram_bits_per_cycle: width of the DRAM port.
        sram_pj_per_bit: reading the on-chip weight memory, 416.16 pJ per 512 b in the reference hardware files.
        sram_bits_per_cycle: width of its port.
        cell_write_pj_per_bit: writing a weight into the cells, 0.095 pJ per 8 b in the reference hardware files.
        conventions: choices of the macro model.
    """

    macro: Macro
    activation_pj_per_bit: float = 0.5
    output_bits: int = 8
    dram_pj_per_bit: float = 50.0
    dram_bits_per_cycle: int = 256
    sram_pj_per_bit: float = 416.16 / 512
    sram_bits_per_cycle: int = 512
    cell_write_pj_per_bit: float = 0.095 / 8
    conventions: Conventions = PHYSICAL

    @property
    def geometry(self) -> MacroGeometry:
        """The macros with as many planes as packing needs."""
        return MacroGeometry(self.macro.output_channels, self.macro.rows, self.macro.macro_count)

    def load_pj(self, weights: int, source: WeightSource, copies: int = 1) -> float:
        """Energy of reading weights once and writing them into the cells of every copy."""
        if source is WeightSource.CELLS:
            return 0.0
        read = self.sram_pj_per_bit if source is WeightSource.SRAM else self.dram_pj_per_bit
        return weights * self.macro.weight_bits * (read + copies * self.cell_write_pj_per_bit)

    def load_cycles(self, weights: int, source: WeightSource) -> float:
        """Cycles of bringing weights into the cells."""
        if source is WeightSource.CELLS:
            return 0.0
        width = self.sram_bits_per_cycle if source is WeightSource.SRAM else self.dram_bits_per_cycle
        return weights * self.macro.weight_bits / width


def machine_of(target: CrossbarTarget, output_bits: int = 8) -> Machine:
    """The machine of a hardware description.

    Args:
        target: its macro, the innermost buffer of inputs and outputs, and the outermost memory of weights count.
        output_bits: width of a stored output.

    Raises:
        PackingError: no memory level holds both inputs and outputs.
    """
    buffers = [level for level in target.hierarchy if {Operand.INPUT, Operand.OUTPUT} <= set(level.operands)]
    if not buffers:
        raise PackingError(f"{target.name}: no memory level holds both inputs and outputs")
    weights = levels_of(target.hierarchy, Operand.WEIGHT)
    cells, outermost = weights[0], weights[-1]
    return Machine(
        target.macro,
        activation_pj_per_bit=buffers[0].read_energy_pj / _width_bits(buffers[0]),
        output_bits=output_bits,
        dram_pj_per_bit=outermost.read_energy_pj / _width_bits(outermost),
        dram_bits_per_cycle=_width_bits(outermost),
        cell_write_pj_per_bit=cells.write_energy_pj / target.macro.weight_bits,
    )


def _width_bits(level: MemoryLevel) -> int:
    return max(port.max_width_bits for port in level.ports)


@dataclass(frozen=True, slots=True)
class PackedCost:
    """What one inference costs.

    Args:
        array_pj: the macros.
        activations_pj: the activation buffer.
        weights_pj: reading weights from outside and writing them into the cells.
        compute_cycles: passes times cycles per pass.
        weight_cycles: cycles of loading weights.
        clock_ns: clock period.
        area_mm2: the macros with all their planes.
    """

    array_pj: float
    activations_pj: float
    weights_pj: float
    compute_cycles: float
    weight_cycles: float
    clock_ns: float
    area_mm2: float

    @property
    def energy_uj(self) -> float:
        """Energy per inference."""
        return (self.array_pj + self.activations_pj + self.weights_pj) / _PJ_PER_UJ

    @property
    def latency_us(self) -> float:
        """Time per inference."""
        return (self.compute_cycles + self.weight_cycles) * self.clock_ns / _NS_PER_US

    @property
    def edp_uj_us(self) -> float:
        """Energy-delay product, uJ us."""
        return self.energy_uj * self.latency_us


def packed_cost(
    result: PackingResult,
    machine: Machine,
    *,
    planes: int | None = None,
    reloaded: Collection[int] = (),
    source: WeightSource = WeightSource.DRAM,
) -> PackedCost:
    """Cost of one inference with a placement.

    Args:
        result: where the slices are; its number of macros replaces the machine's.
        machine: the macros and memories.
        planes: planes that the macros have; default as many as the placement uses.
        reloaded: indices of layers whose weights are loaded at every inference.
        source: where these come from.
    """
    depth = result.planes if planes is None else planes
    macro = replace(machine.macro, macro_count=result.geometry.macros, weights_per_multiplier=depth)
    array_pj = activations_pj = 0.0
    kinds: list[Counter[tuple[int, int]]] = [Counter() for _ in result.layers]
    for piece in result.slices:
        kinds[piece.layer][piece.channels, piece.reductions] += 1
    for index, (layer, turns) in enumerate(zip(result.layers, result.passes_per_pixel, strict=True)):
        # Copies share the pixels, so that every pixel meets every weight once.
        pixels = layer.output_pixels / result.copies[index]
        stationary = layer.output_pixels if turns == 1 else 1
        for (channels, reductions), count in kinds[index].items():
            array_pj += count * pixels * _pass_energy_pj(macro, channels, reductions, stationary, machine.conventions)
            activations_pj += count * pixels * reductions * macro.activation_bits * machine.activation_pj_per_bit
        outputs = layer.groups * layer.output_channels * layer.output_pixels
        activations_pj += outputs * machine.output_bits * machine.activation_pj_per_bit
    loaded = [(result.layers[index].weights, result.copies[index]) for index in reloaded]
    return PackedCost(
        array_pj=array_pj,
        activations_pj=activations_pj,
        weights_pj=sum(machine.load_pj(weights, source, copies) for weights, copies in loaded),
        compute_cycles=result.total_passes * macro.cycles_per_mac,
        weight_cycles=sum(machine.load_cycles(weights, source) for weights, _ in loaded),
        clock_ns=clock_ns(macro, machine.conventions),
        area_mm2=macro_area_mm2(macro).total,
    )


def clock_ns(macro: Macro, conventions: Conventions = PHYSICAL) -> float:
    """Clock period with the delay that deep cells add; D_m = 1 is the plain macro."""
    depth = macro.weights_per_multiplier
    return clock_period_ns(macro, conventions.clock).total + DEEP_CELL_DELAY_NS_PER_PLANE * (depth if depth > 1 else 0)


def _pass_energy_pj(macro: Macro, channels: int, reductions: int, stationary: int, conventions: Conventions) -> float:
    """Array energy of one slice and one pixel; `stationary` pixels in a row use the same plane."""
    layer = Layer(
        "slice",
        K=channels,
        C=reductions,
        weight_bits=macro.weight_bits,
        activation_bits=macro.activation_bits,
    )
    spatial = SpatialMapping(columns={Dim.K: channels}, rows={Dim.C: reductions})
    return array_energy_pj(macro, layer, spatial, conventions, stationary).total
