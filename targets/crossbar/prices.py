"""What one event of a program costs on a crossbar target, in picojoules, and how wide the ports are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.pulse import precharge_unit_energy_fj

if TYPE_CHECKING:
    from imcflow.targets.crossbar.macro import Macro
    from imcflow.targets.crossbar.models import CrossbarDescription

_PJ_PER_FJ = 1e-3


@dataclass(frozen=True, slots=True)
class Prices:
    """Energies per event and widths of ports.

    Attributes:
        macro: the array, for the energy of its cycles.
        accumulator_bits: width of the register behind a column, and of a partial sum in the buffer.
        register_pj_per_bit, adder_pj_per_bit: a flip-flop written, a full adder used.
        buffer_read_pj_per_bit, buffer_write_pj_per_bit, dram_read_pj_per_bit, dram_write_pj_per_bit: an access of the
            full width, by its width.
        cell_write_pj_per_bit: a weight written into its cells, by its bits.
        link_pj_per_bit: between two macros; 0 where the description gives none.
        buffer_width_bits, dram_width_bits: per cycle.
        buffer_size_bits: for activations.
        dram_holds_activations: whether activations may leave the buffer.
        digital_lanes, digital_ghz, operation_pj, lookup_pj: the digital unit; all 0 where the description has none.
        idle_power_mw: drawn all the time.
    """

    macro: Macro
    accumulator_bits: int
    register_pj_per_bit: float
    adder_pj_per_bit: float
    buffer_read_pj_per_bit: float
    buffer_write_pj_per_bit: float
    dram_read_pj_per_bit: float
    dram_write_pj_per_bit: float
    cell_write_pj_per_bit: float
    link_pj_per_bit: float
    buffer_width_bits: int
    dram_width_bits: int
    buffer_size_bits: int
    dram_holds_activations: bool
    digital_lanes: int
    digital_ghz: float
    operation_pj: float
    lookup_pj: float
    idle_power_mw: float

    def precharge_pj(self, weight_bits: int) -> float:
        """Changing the weight behind one multiplier."""
        return precharge_unit_energy_fj(self.macro, weight_bits) * _PJ_PER_FJ


def prices(target: CrossbarDescription) -> Prices:
    """Return the prices of a description.

    Raises:
        TargetError: the description has no memory, or cells of several bits.
    """
    target.check_costed()
    memory = target.memory
    if memory is None:
        raise TargetError(f"target {target.name} describes a macro without memory: no program can be costed on it")
    macro, unit, digital = target.crossbar_macro(), target.macro, target.digital_unit
    supply = macro.supply_v
    return Prices(
        macro=macro,
        accumulator_bits=memory.output_register_bits,
        register_pj_per_bit=macro.cells.flip_flop_energy_fj(supply) * _PJ_PER_FJ,
        adder_pj_per_bit=macro.cells.full_adder_energy_fj(supply) * _PJ_PER_FJ,
        buffer_read_pj_per_bit=memory.buffer_read_energy_pj.value / memory.buffer_width_bits,
        buffer_write_pj_per_bit=memory.buffer_write_energy_pj.value / memory.buffer_width_bits,
        dram_read_pj_per_bit=memory.dram_read_energy_pj.value / memory.dram_width_bits,
        dram_write_pj_per_bit=memory.dram_write_energy_pj.value / memory.dram_width_bits,
        cell_write_pj_per_bit=unit.cell_write_energy_pj_per_weight.value / unit.weight_bits,
        link_pj_per_bit=0.0 if unit.link_energy_fj_per_bit is None else unit.link_energy_fj_per_bit.value * _PJ_PER_FJ,
        buffer_width_bits=memory.buffer_width_bits,
        dram_width_bits=memory.dram_width_bits,
        buffer_size_bits=memory.buffer_size_bits,
        dram_holds_activations=memory.dram_holds == "everything",
        digital_lanes=0 if digital is None else digital.lanes,
        digital_ghz=0.0 if digital is None else digital.clock_ghz.value,
        operation_pj=0.0 if digital is None else digital.operation_fj.value * _PJ_PER_FJ,
        lookup_pj=0.0 if digital is None else digital.step_lookup_fj.value * _PJ_PER_FJ,
        idle_power_mw=0.0 if unit.idle_power_mw is None else unit.idle_power_mw.value,
    )
