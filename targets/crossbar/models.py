"""Descriptions of crossbar targets: the kinds `aimc` and `dimc`.

A description states a macro, optionally the memory around it, and, for a published chip, its circuit, the activity it
was measured at and what was measured. Every number of physics carries its source; groups of structural numbers carry
one for the group.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from imcflow.errors import TargetError
from imcflow.runtime.program import MacroSummary
from imcflow.targets.crossbar.cells import cells_scaled_linearly
from imcflow.targets.crossbar.datapath import Activity, Block, BlockKind, Circuit
from imcflow.targets.crossbar.fabric import FabricModel
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.macro import Macro, MacroKind, is_power_of_two
from imcflow.targets.crossbar.memory import Axis, Hierarchy, MemoryLevel, Move, Part, Port, simple_port, weight_cells
from imcflow.targets.crossbar.target import CrossbarTarget
from imcflow.targets.schema import PositiveQuantity, Quantity, StrictModel, TargetDescription

_ACTIVATIONS = (Operand.INPUT, Operand.OUTPUT)
_FJ_PER_PJ = 1e3
_UM2_PER_MM2 = 1e6


class MacroModel(StrictModel):
    """The computing array; symbols R, N, H, D_m, B_w, B_a, b of the cost model."""

    source: str = Field(min_length=1)
    """Where the structural numbers come from."""
    rows: int = Field(ge=1, le=65536)
    """R, inputs that one column adds."""
    output_channels: int = Field(ge=1, le=65536)
    """N, output channels of one macro; each is `weight_bits` physical columns wide."""
    macro_count: int = Field(default=1, ge=1, le=65536)
    """H, macros that work side by side."""
    weights_per_multiplier: int = Field(default=1, ge=1, le=65536)
    """D_m, weights stored behind each multiplier."""
    tile_offsets: Literal["per-product", "per-layer"] = "per-product"
    """When the row and column of a tile inside the macro may change: from product to product, or only per layer."""
    weight_bits: int = Field(default=8, ge=1, le=32)
    """B_w."""
    activation_bits: int = Field(default=8, ge=1, le=32)
    """B_a."""
    bits_per_cycle: int = Field(default=1, ge=1, le=32)
    """b, activation bits fed per cycle."""
    cell_bits: int = Field(default=1, ge=1, le=16)
    """Bits of a weight in one cell, as the difference of two conductances if more than one; analog macros only."""
    adc_bits: float | None = Field(default=None, gt=0, le=16)
    """A, one ADC per physical column; analog macros only."""
    technology_nm: float = Field(default=28.0, ge=3, le=180)
    """Node; area and capacitance of the 28 nm unit cells are scaled by node / 28, delays are not."""
    supply_v: PositiveQuantity
    """V."""
    cell_area_um2_per_bit: Quantity | None = None
    """Area of a stored bit; absent: the table for square arrays."""
    cell_write_energy_pj_per_weight: Quantity
    """Writing one weight into its cells."""
    adc_energy_fj_per_conversion: Quantity | None = None
    """Of a given converter; absent: the survey formula."""
    idle_power_mw: Quantity | None = None
    """Drawn all the time (leakage, clock); absent: not counted."""
    link_energy_fj_per_bit: Quantity | None = None
    """Bringing a partial sum from one macro to the accumulators of another; absent: not counted."""

    @field_validator("rows", "weight_bits")
    @classmethod
    def _complete_trees(cls, value: int, info: ValidationInfo) -> int:
        if not is_power_of_two(value):
            raise ValueError(f"{info.field_name} must be a power of two, because the adder trees are complete")
        return value

    @model_validator(mode="after")
    def _whole_cycles(self) -> MacroModel:
        if self.activation_bits % self.bits_per_cycle:
            raise ValueError(f"bits_per_cycle {self.bits_per_cycle} must divide activation_bits {self.activation_bits}")
        return self

    @model_validator(mode="after")
    def _signed_cells(self) -> MacroModel:
        if self.cell_bits > self.weight_bits:
            raise ValueError(f"cell_bits {self.cell_bits} must be at most weight_bits {self.weight_bits}")
        if self.cell_bits > 1 and (self.adc_bits is None or self.adc_bits < 2):
            raise ValueError(
                f"cell_bits {self.cell_bits}: cells of several bits need converters of at least 2 adc_bits"
            )
        return self


class MemoryModel(StrictModel):
    """Registers at rows and columns, an activation buffer, and DRAM (or the top memory for weights).

    Register energy and area follow from the unit cells: E_FF and A_FF per bit. A buffer port takes accesses of
    `buffer_min_width_bits` to `buffer_width_bits`; energies are per access of the full width.
    """

    source: str = Field(min_length=1)
    """Where the sizes and widths come from."""
    input_register_bits: int = Field(ge=1, le=65536)
    """Register of one row."""
    output_register_bits: int = Field(ge=1, le=65536)
    """Register of one output channel."""
    buffer_size_bits: int = Field(ge=1)
    """Capacity of the activation buffer."""
    buffer_width_bits: int = Field(ge=1, le=1 << 20)
    """Widest access."""
    buffer_min_width_bits: int = Field(ge=1, le=1 << 20)
    """Narrowest access; transfers are rounded up to it under the reference conventions."""
    buffer_ports: Literal["shared", "separate"]
    """shared: one read and one write port; separate: a port for each stream."""
    buffer_read_energy_pj: Quantity
    """Per access of the full width."""
    buffer_write_energy_pj: Quantity
    """Per access of the full width."""
    buffer_area_mm2: Quantity
    """Area of the buffer."""
    dram_size_bits: int = Field(ge=1)
    """Capacity of the outermost memory."""
    dram_width_bits: int = Field(ge=1, le=1 << 20)
    """Bits per cycle of its port."""
    dram_read_energy_pj: Quantity
    """Per access of the full width."""
    dram_write_energy_pj: Quantity
    """Per access of the full width."""
    dram_holds: Literal["weights", "everything"]
    """Operands that may live there."""

    @model_validator(mode="after")
    def _ordered_widths(self) -> MemoryModel:
        if self.buffer_min_width_bits > self.buffer_width_bits:
            raise ValueError(
                f"buffer_min_width_bits {self.buffer_min_width_bits} exceeds buffer_width_bits {self.buffer_width_bits}"
            )
        return self


class DigitalUnitModel(StrictModel):
    """The digital unit beside the macros: step functions, pooling, additions and everything in floating point."""

    lanes: int = Field(ge=1, le=1 << 20)
    """Scalar operations per cycle."""
    clock_ghz: PositiveQuantity
    """Clock of the digital unit."""
    operation_fj: Quantity
    """One scalar operation."""
    step_lookup_fj: Quantity
    """One look-up in a step table."""


class BlockModel(StrictModel):
    """One kind of block of a published circuit; see `datapath.Block`."""

    kind: Literal[
        "multipliers",
        "adder-tree",
        "place-value-tree",
        "adder",
        "accumulator",
        "register",
        "lines",
        "adc",
        "dac",
        "cells",
    ]
    """What the block is."""
    count: float = Field(gt=0)
    """Blocks in the whole chip."""
    bits: float = Field(default=1.0, gt=0)
    """Width or resolution."""
    inputs: int = Field(default=1, ge=1)
    """Inputs of a tree, or cells on the bit line of an ADC."""
    input_bits: float = Field(default=0.0, ge=0)
    """Width of the words an accumulator takes."""
    area_um2: float = Field(default=0.0, ge=0)
    """Area of one stored bit (cells only)."""
    activity: Literal["products", "inputs", "weights", "always"] = "always"
    """Data that makes it switch."""
    stage: int = Field(default=0, ge=0, le=15)
    """Pipeline stage."""
    critical: bool = True
    """Whether its delay adds to its stage."""
    energy: bool = True
    """Whether its energy counts."""
    area: bool = True
    """Whether its area counts."""
    note: str | None = Field(default=None, min_length=1)
    """Why it is there."""

    def block(self) -> Block:
        """The block for the model."""
        return Block(
            kind=BlockKind(self.kind),
            count=self.count,
            bits=self.bits,
            inputs=self.inputs,
            input_bits=self.input_bits,
            area_um2=self.area_um2,
            activity=Activity(self.activity),
            stage=self.stage if self.critical else None,
            energy=self.energy,
            area=self.area,
        )


class MeasurementModel(StrictModel):
    """A published chip: its circuit, the data it was measured with, the measured and the earlier modelled figures."""

    publication: str = Field(min_length=1)
    """Where the chip is published."""
    circuit_source: str = Field(min_length=1)
    """Where the circuit is drawn."""
    macs_per_product: float = Field(gt=0)
    """MACs of one matrix-vector product of the whole chip."""
    cycles_per_product: float = Field(gt=0)
    """Clock cycles of that product."""
    transfers_per_cycle: int = Field(default=1, ge=1, le=16)
    """Input transfers within one clock cycle."""
    circuit: tuple[BlockModel, ...] = Field(min_length=1)
    """Blocks of the circuit."""
    input_toggle: Quantity
    """Share of input bits that switch in the measurement."""
    weight_density: Quantity
    """Share of weights that are not zero in the measurement."""
    activity_published: bool
    """Whether the chip reports both."""
    energy_fj_per_mac: Quantity
    """Measured, at peak efficiency."""
    clock_ns: Quantity
    """Measured clock period."""
    area_mm2: Quantity
    """Measured area."""
    earlier_energy_ratio: Quantity
    """Model over silicon of the earlier validation, one script per chip."""
    earlier_clock_ratio: Quantity
    """The same for the clock period."""
    earlier_area_ratio: Quantity
    """The same for the area."""
    deviations: str = Field(min_length=1)
    """Named circuit differences behind every larger deviation."""

    @field_validator("circuit", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


class CrossbarDescription(TargetDescription):
    """What both kinds share."""

    macro: MacroModel
    """The computing array."""
    memory: MemoryModel | None = None
    """Registers, buffer and DRAM around it."""
    digital_unit: DigitalUnitModel | None = None
    """What runs the operations that no macro does; absent: they cost neither time nor energy, as in the references."""
    measurement: MeasurementModel | None = None
    """What was published, for a chip."""
    fabric: FabricModel | None = None
    """Sites and links, for layers that stream pixels to each other."""

    @model_validator(mode="after")
    def _sites_hold_the_macros(self) -> CrossbarDescription:
        if self.fabric is not None and self.fabric.sites * self.fabric.crossbars_per_site != self.macro.macro_count:
            raise ValueError(
                f"fabric: {self.fabric.sites} sites of {self.fabric.crossbars_per_site} crossbars are not the "
                f"{self.macro.macro_count} of macro_count"
            )
        return self

    def macro_kind(self) -> MacroKind:
        """Analog or digital."""
        return MacroKind(self.kind)

    def macro_summary(self) -> MacroSummary:
        """The geometry that a program carries."""
        macro = self.macro
        return MacroSummary(
            rows=macro.rows,
            columns=macro.output_channels,
            macros=macro.macro_count,
            slots=macro.weights_per_multiplier,
            weight_bits=macro.weight_bits,
            activation_bits=macro.activation_bits,
            bits_per_cycle=macro.bits_per_cycle,
            adc_levels=0 if macro.adc_bits is None else max(2, int(2.0**macro.adc_bits)),
            cell_bits=macro.cell_bits,
        )

    def crossbar_macro(self) -> Macro:
        """The macro for the cost model; its prices hold for one-bit cells, see `check_costed`."""
        area, converter = self.macro.cell_area_um2_per_bit, self.macro.adc_energy_fj_per_conversion
        return Macro(
            kind=self.macro_kind(),
            rows=self.macro.rows,
            output_channels=self.macro.output_channels,
            weight_bits=self.macro.weight_bits,
            activation_bits=self.macro.activation_bits,
            bits_per_cycle=self.macro.bits_per_cycle,
            adc_bits=self.macro.adc_bits,
            macro_count=self.macro.macro_count,
            weights_per_multiplier=self.macro.weights_per_multiplier,
            supply_v=self.macro.supply_v.value,
            cell_area_um2_per_bit=None if area is None else area.value,
            adc_energy_fj_per_conversion=None if converter is None else converter.value,
            cells=cells_scaled_linearly(self.macro.technology_nm),
        )

    def check_costed(self) -> None:
        """The cost model covers the cells.

        Raises:
            TargetError: cells hold several bits.
        """
        if self.macro.cell_bits > 1:
            raise TargetError(f"target {self.name}: cells of {self.macro.cell_bits} bits run, but are not costed")

    def crossbar_target(self) -> CrossbarTarget:
        """Macro and memory for the cost model.

        Raises:
            TargetError: the description has no memory, or cells of several bits.
        """
        self.check_costed()
        if self.memory is None:
            raise TargetError(f"target {self.name} describes a macro without memory: no layer can be costed on it")
        idle = self.macro.idle_power_mw
        return CrossbarTarget(
            name=self.name,
            macro=self.crossbar_macro(),
            hierarchy=_hierarchy(self.macro, self.memory),
            idle_power_mw=0.0 if idle is None else idle.value,
        )

    def circuit(self) -> Circuit:
        """The published circuit.

        Raises:
            TargetError: the description is of no published chip.
        """
        if self.measurement is None:
            raise TargetError(f"target {self.name} is no measured chip")
        return Circuit(
            blocks=tuple(block.block() for block in self.measurement.circuit),
            macs_per_product=self.measurement.macs_per_product,
            cycles_per_product=self.measurement.cycles_per_product,
            transfers_per_cycle=self.measurement.transfers_per_cycle,
            technology_nm=self.macro.technology_nm,
            supply_v=self.macro.supply_v.value,
        )


class AimcTarget(CrossbarDescription):
    """Analog in-memory computing: DACs, bit-line sums, ADCs."""

    kind: str = Field(pattern=r"^aimc$")

    @model_validator(mode="after")
    def _has_converters(self) -> AimcTarget:
        if self.macro.adc_bits is None:
            raise ValueError("macro.adc_bits is missing: an analog macro needs it")
        return self


class DimcTarget(CrossbarDescription):
    """Digital in-memory computing: one-bit multipliers and adder trees."""

    kind: str = Field(pattern=r"^dimc$")

    @model_validator(mode="after")
    def _one_tree_per_bit(self) -> DimcTarget:
        if self.macro.adc_bits is not None:
            raise ValueError("macro.adc_bits is set, but a digital macro has no ADC")
        if not is_power_of_two(self.macro.bits_per_cycle):
            raise ValueError("macro.bits_per_cycle must be a power of two: one adder tree per bit, joined by a tree")
        return self


def _hierarchy(macro: MacroModel, memory: MemoryModel) -> Hierarchy:
    """Memory levels from the array outwards: cells, input registers, output registers, buffer, DRAM."""
    cells_at_node = cells_scaled_linearly(macro.technology_nm)
    flip_flop_pj = cells_at_node.flip_flop_energy_fj(macro.supply_v.value) / _FJ_PER_PJ
    flip_flop_mm2 = cells_at_node.flip_flop_area_um2 / _UM2_PER_MM2

    def registers(name: str, operand: Operand, bits: int, shared: Axis, moves: tuple[Move, ...]) -> MemoryLevel:
        return MemoryLevel(
            name=name,
            part=Part.REGISTERS,
            operands=(operand,),
            size_bits=bits,
            read_energy_pj=0.0,
            write_energy_pj=bits * flip_flop_pj,
            ports=tuple(simple_port(move.value, bits, (operand,), (move,)) for move in moves),
            shared_axes=frozenset({shared}),
            area_mm2=bits * flip_flop_mm2,
        )

    input_moves = (Move.OUT_TO_BELOW, Move.IN_FROM_ABOVE)
    cells = weight_cells(macro.weight_bits, macro.weights_per_multiplier, macro.cell_write_energy_pj_per_weight.value)
    inputs = registers("input registers", Operand.INPUT, memory.input_register_bits, Axis.COLUMNS, input_moves)
    outputs = registers("output registers", Operand.OUTPUT, memory.output_register_bits, Axis.ROWS, tuple(Move))
    buffer = MemoryLevel(
        name="buffer",
        part=Part.SRAM,
        operands=_ACTIVATIONS,
        size_bits=memory.buffer_size_bits,
        read_energy_pj=memory.buffer_read_energy_pj.value,
        write_energy_pj=memory.buffer_write_energy_pj.value,
        ports=_buffer_ports(memory),
        area_mm2=memory.buffer_area_mm2.value,
    )
    held = tuple(Operand) if memory.dram_holds == "everything" else (Operand.WEIGHT,)
    dram = MemoryLevel(
        name="DRAM",
        part=Part.DRAM,
        operands=held,
        size_bits=memory.dram_size_bits,
        read_energy_pj=memory.dram_read_energy_pj.value,
        write_energy_pj=memory.dram_write_energy_pj.value,
        ports=(simple_port("bus", memory.dram_width_bits, held, tuple(Move)),),
    )
    return (cells, inputs, outputs, buffer, dram)


def _buffer_ports(memory: MemoryModel) -> tuple[Port, ...]:
    narrow, wide = memory.buffer_min_width_bits, memory.buffer_width_bits
    streams = [
        (Operand.INPUT, Move.OUT_TO_BELOW),
        (Operand.INPUT, Move.IN_FROM_ABOVE),
        *((Operand.OUTPUT, move) for move in Move),
    ]
    if memory.buffer_ports == "separate":
        return tuple(Port(f"{o}-{m}", narrow, wide, frozenset({(o, m)})) for o, m in streams)
    reads = frozenset(stream for stream in streams if not stream[1].writes)
    writes = frozenset(stream for stream in streams if stream[1].writes)
    return (Port("read", narrow, wide, reads), Port("write", narrow, wide, writes))
