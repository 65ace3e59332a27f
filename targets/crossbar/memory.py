"""Memory levels around the macros: registers, buffers and DRAM with their ports and access energies.

Each operand sees a chain of levels from the array outwards. Data moves between neighbouring levels in four ways, seen
from one level: written in from above, read out to below, written in from below, read out to above.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.layers import Operand

if TYPE_CHECKING:
    from collections.abc import Iterable


class Move(StrEnum):
    """Direction of a transfer, seen from one memory level."""

    IN_FROM_ABOVE = "in_from_above"
    OUT_TO_BELOW = "out_to_below"
    IN_FROM_BELOW = "in_from_below"
    OUT_TO_ABOVE = "out_to_above"

    @property
    def writes(self) -> bool:
        """True when the level is written, False when it is read."""
        return self in (Move.IN_FROM_ABOVE, Move.IN_FROM_BELOW)


class Axis(StrEnum):
    """The three directions in which an array of macros is unrolled."""

    COLUMNS = "columns"
    ROWS = "rows"
    MACROS = "macros"


AXES = tuple(Axis)
"""Columns, rows, macros, as a tuple."""


class Part(StrEnum):
    """What a level is, for the energy split of a report."""

    CELLS = "cells"
    REGISTERS = "registers"
    SRAM = "sram"
    DRAM = "dram"


@dataclass(frozen=True, slots=True)
class Port:
    """A port moves between `min_width_bits` and `max_width_bits` per cycle and serves some (operand, move) pairs."""

    name: str
    min_width_bits: int
    max_width_bits: int
    serves: frozenset[tuple[Operand, Move]]

    @property
    def shared_by_inputs(self) -> bool:
        """True when activations and weights come through this port."""
        return {Operand.INPUT, Operand.WEIGHT} <= {operand for operand, _ in self.serves}


@dataclass(frozen=True, slots=True)
class MemoryLevel:
    """One kind of memory; every coordinate along an axis outside `shared_axes` has an instance of its own.

    Args:
        size_bits: capacity of one instance.
        read_energy_pj, write_energy_pj: per access of the port's full width.
        area_mm2: of one instance.
        shared_axes: axes along which one instance serves the whole array (a buffer is shared along all).
    """

    name: str
    part: Part
    operands: tuple[Operand, ...]
    size_bits: int
    read_energy_pj: float
    write_energy_pj: float
    ports: tuple[Port, ...]
    shared_axes: frozenset[Axis] = frozenset(Axis)
    area_mm2: float = 0.0

    def __post_init__(self) -> None:
        if self.size_bits < 1:
            raise TargetError(f"memory {self.name}: size_bits is {self.size_bits}, but must be at least 1")
        for key in ("read_energy_pj", "write_energy_pj", "area_mm2"):
            if getattr(self, key) < 0:
                raise TargetError(f"memory {self.name}: {key} is {getattr(self, key)}, but cannot be negative")
        for port in self.ports:
            if not 0 < port.min_width_bits <= port.max_width_bits:
                raise TargetError(
                    f"memory {self.name}: port {port.name} is {port.min_width_bits}..{port.max_width_bits} bits wide, "
                    "but needs 0 < min_width_bits <= max_width_bits"
                )

    def port_for(self, operand: Operand, move: Move) -> Port | None:
        """The port that serves a transfer, or None."""
        return next((port for port in self.ports if (operand, move) in port.serves), None)

    def instances(self, columns: int, rows: int, macros: int) -> int:
        """Instances in an array of the given extent."""
        extents = {Axis.COLUMNS: columns, Axis.ROWS: rows, Axis.MACROS: macros}
        count = 1
        for axis, extent in extents.items():
            if axis not in self.shared_axes:
                count *= extent
        return count


Hierarchy = tuple[MemoryLevel, ...]
"""Levels from the array outwards."""


def levels_of(hierarchy: Iterable[MemoryLevel], operand: Operand) -> Hierarchy:
    """The chain of levels that one operand passes, from the array outwards."""
    return tuple(level for level in hierarchy if operand in level.operands)


def simple_port(name: str, width_bits: int, operands: Iterable[Operand], moves: Iterable[Move]) -> Port:
    """A port of fixed width that serves every given move of every given operand."""
    serves = frozenset((operand, move) for operand in operands for move in moves)
    return Port(name, width_bits, width_bits, serves)


def weight_cells(weight_bits: int, weights_per_multiplier: int, write_energy_pj: float) -> MemoryLevel:
    """The cells as a memory level: D_m weights behind each multiplier, one read/write port of one weight (sheet 2.7).

    Reading costs nothing here: the macro model counts it (bit lines, precharge). Area is the macro's, too.
    """
    moves = (Move.IN_FROM_ABOVE, Move.OUT_TO_BELOW)
    return MemoryLevel(
        name="cells",
        part=Part.CELLS,
        operands=(Operand.WEIGHT,),
        size_bits=weight_bits * weights_per_multiplier,
        read_energy_pj=0.0,
        write_energy_pj=write_energy_pj,
        ports=(simple_port("cells", weight_bits, (Operand.WEIGHT,), moves),),
        shared_axes=frozenset(),
    )
