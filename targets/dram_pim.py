"""Description of a DRAM that computes bit-serially in its banks, and the time of one tile.

Operands lie vertically: one number per column, one bit per row; every column of a bank works at the same time. A tile
gives x columns to each output; each column does `ceil(reduction / x)` multiply-accumulate operations, then log2 x
levels of additions join the columns. Op counts and timings are those of the PIMeval simulator (UVA-LavaLab/PIMeval-
PIMbench), whose op time is reads * tRow + writes * tRow + logic * tLogic with tRow = tCK (tRAS + tRP) and
tLogic = tCK tCCD_S.
"""

from __future__ import annotations

import math

from pydantic import Field, model_validator

from imcflow.errors import TargetError
from imcflow.targets.schema import Quantity, StrictModel, TargetDescription

PICOSECONDS_PER_NS = 1000


class DramGeometry(StrictModel):
    """Banks and their size."""

    channels: int = Field(ge=1, le=4096)
    """Independent channels."""
    bank_groups_per_channel: int = Field(ge=1, le=64)
    """Bank groups of a channel."""
    banks_per_group: int = Field(ge=1, le=64)
    """Banks of a group."""
    rows_per_bank: int = Field(ge=128, le=1 << 24)
    """Rows: bits above each other in a column."""
    columns_per_row: int = Field(ge=1, le=1 << 20)
    """Columns: numbers that a bank computes on at once."""
    source: str = Field(min_length=1)
    """Where the values of this part come from."""


class DramTiming(StrictModel):
    """Times of the row commands a bit-serial operation is made of."""

    clock_ns: Quantity
    """tCK."""
    row_active_cycles: Quantity
    """tRAS, cycles that a row stays open."""
    row_precharge_cycles: Quantity
    """tRP, cycles to close it."""
    column_command_cycles: Quantity
    """tCCD_S, cycles of one logic step on the open row."""
    column_shift_ns_per_level: Quantity
    """Time to move the partial sums of one level of a reduction to the columns they are added in."""


class BitSerialOperation(StrictModel):
    """Row operations of one arithmetic operation on all columns at once."""

    bits: int = Field(ge=1, le=64)
    """Width of the operands."""
    row_reads: int = Field(ge=0, le=1 << 20)
    """Rows read."""
    row_writes: int = Field(ge=0, le=1 << 20)
    """Rows written."""
    logic_steps: int = Field(ge=0, le=1 << 20)
    """Logic steps beside the sense amplifiers."""
    source: str = Field(min_length=1)
    """Where the counts come from."""


class DramLink(StrictModel):
    """What carries data between banks when a schedule moves tiles."""

    bytes_per_ns: Quantity
    """Bandwidth of the link of one layer's banks."""

    @model_validator(mode="after")
    def _moves_data(self) -> DramLink:
        if self.bytes_per_ns.value == 0:
            raise ValueError("bytes_per_ns must be above 0")
        return self


class DramPimTarget(TargetDescription):
    """A bit-serial DRAM. Analysis level: the bank; a tick is a picosecond."""

    kind: str = Field(pattern=r"^dram-pim$")
    geometry: DramGeometry
    timing: DramTiming
    multiply: BitSerialOperation
    accumulate: BitSerialOperation
    link: DramLink

    @property
    def banks(self) -> int:
        """All banks."""
        return self.geometry.channels * self.geometry.bank_groups_per_channel * self.geometry.banks_per_group

    @property
    def row_access_ns(self) -> float:
        """tRow: open, hold and close a row."""
        timing = self.timing
        return timing.clock_ns.value * (timing.row_active_cycles.value + timing.row_precharge_cycles.value)

    @property
    def logic_step_ns(self) -> float:
        """tLogic."""
        return self.timing.clock_ns.value * self.timing.column_command_cycles.value

    def operation_ns(self, operation: BitSerialOperation) -> float:
        """Time of an operation, for every column of a bank at once."""
        accesses = operation.row_reads + operation.row_writes
        return accesses * self.row_access_ns + operation.logic_steps * self.logic_step_ns

    @property
    def mac_ns(self) -> float:
        """Multiply and accumulate."""
        return self.operation_ns(self.multiply) + self.operation_ns(self.accumulate)

    @property
    def level_ns(self) -> float:
        """One level of a reduction over columns: shift, then add."""
        return self.timing.column_shift_ns_per_level.value + self.operation_ns(self.accumulate)

    def tile_ticks(self, outputs: int, reduction: int) -> int:
        """Time of a tile on one bank with the best number of columns per output, in picoseconds.

        Args:
            outputs: outputs of the tile, at least 1.
            reduction: products per output, at least 1.
        """
        return self._best(outputs, reduction)[0]

    def columns_per_output(self, outputs: int, reduction: int) -> int:
        """Columns x that each output of a tile gets."""
        return self._best(outputs, reduction)[1]

    def fits(self, outputs: int, reduction: int, weight_tiles: int) -> bool:
        """Whether a bank has rows for a tile: resident weights, inputs, product and two accumulators per column.

        Args:
            outputs: outputs of the tile.
            reduction: products per output.
            weight_tiles: tiles with different weights that the bank works on.
        """
        columns = self.columns_per_output(outputs, reduction)
        passes = math.ceil(outputs * columns / self.geometry.columns_per_row)
        products = math.ceil(reduction / columns)
        operands = self.multiply.bits * products * (weight_tiles * passes + 1)
        return operands + 2 * self.multiply.bits + 2 * self.accumulate.bits <= self.geometry.rows_per_bank

    def link_ticks(self, size_bytes: int) -> int:
        """Time of a transfer, in picoseconds."""
        return math.ceil(size_bytes / self.link.bytes_per_ns.value * PICOSECONDS_PER_NS)

    def _best(self, outputs: int, reduction: int) -> tuple[int, int]:
        if outputs < 1 or reduction < 1:
            raise TargetError(f"{self.name}: a tile of {outputs} outputs and {reduction} products per output")
        best = (0, 0)
        levels = 0
        while levels == 0 or 1 << (levels - 1) < min(reduction, self.geometry.columns_per_row):
            columns = 1 << levels
            passes = math.ceil(outputs * columns / self.geometry.columns_per_row)
            time_ns = passes * (math.ceil(reduction / columns) * self.mac_ns + levels * self.level_ns)
            ticks = round(time_ns * PICOSECONDS_PER_NS)
            if best == (0, 0) or ticks < best[0]:
                best = (ticks, columns)
            levels += 1
        return best
