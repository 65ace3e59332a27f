"""Checks of crossbar kernels: fields, places of tiles, weights, lanes, order of operations, exactness of all sums.

Rules: `docs/instruction-stream.md` section 8. A table is walked once in order; it has a few operations per tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.checks.structure import check_output, check_step_tables, check_window
from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.isa import (
    ALLOWED_FLAGS,
    EXACT_SUM,
    MAX_SHIFT,
    TILE_INSTRUCTION_FIELDS,
    USED_FIELDS,
    TileFlag,
    TileOpcode,
    tile_instruction_dtype,
)
from imcflow.runtime.crossbar.stream import lane_range
from imcflow.runtime.limits import (
    MAX_CELLS,
    MAX_GEOMETRY,
    MAX_LANE_SUMS,
    MAX_OPERAND_BITS,
    MAX_TILE_INSTRUCTIONS,
)
from imcflow.runtime.program import CrossbarKernel, ElementType, MacroSummary, Program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import Window

    Bounds = NDArray[np.float64]

WEIGHT_DTYPES = ("|i1", "<i2", "<i4")
_OPERAND_FIELDS = [name for name, _ in TILE_INSTRUCTION_FIELDS if name not in ("opcode", "flags")]


def check_macro(macro: MacroSummary) -> None:
    """The macro of a target has a geometry that can be executed.

    Raises:
        ProgramError: names the field.
    """
    limits = {"weight_bits": MAX_OPERAND_BITS, "activation_bits": MAX_OPERAND_BITS, "bits_per_cycle": MAX_OPERAND_BITS}
    for field in ("rows", "columns", "macros", "slots", *limits):
        value: int = getattr(macro, field)
        if not 1 <= value <= limits.get(field, MAX_GEOMETRY):
            raise ProgramError(f"target: macro {field} must be 1 to {limits.get(field, MAX_GEOMETRY)}, got {value}")
    if macro.rows * macro.columns > MAX_CELLS:
        raise ProgramError(f"target: macro has {macro.rows} x {macro.columns} cells, at most {MAX_CELLS} are allowed")
    if macro.adc_levels != 0 and not 2 <= macro.adc_levels <= MAX_GEOMETRY:
        raise ProgramError(f"target: macro adc_levels must be 0 or 2 to {MAX_GEOMETRY}, got {macro.adc_levels}")
    if not 1 <= macro.cell_bits <= macro.weight_bits:
        raise ProgramError(f"target: macro cell_bits must be 1 to {macro.weight_bits}, got {macro.cell_bits}")
    if macro.cell_bits > 1 and macro.adc_levels < 3:
        raise ProgramError(
            f"target: macro cell_bits {macro.cell_bits}: signed codes need adc_levels of at least 3, "
            f"got {macro.adc_levels}"
        )


def largest_magnitude(window: Window) -> int:
    """Return the largest absolute value of a window element."""
    element = ElementType(window.bits, window.signed)
    return max(-element.minimum, element.maximum)


def check_crossbar_kernel(program: Program, kernel: CrossbarKernel, where: str) -> None:
    """Check one kernel of a program whose tensors and order of steps have been checked.

    Raises:
        ProgramError: names `where`, the instruction and the field.
    """
    macro = program.target.macro
    if macro is None:
        raise ProgramError(f"{where}: the target has no macros")
    _check_frame(program, kernel, macro, where)
    _Walk(kernel, macro, where).run()


def _check_frame(program: Program, kernel: CrossbarKernel, macro: MacroSummary, where: str) -> None:
    table, output = kernel.instructions, kernel.output
    if table.dtype != tile_instruction_dtype() or table.ndim != 1:
        raise ProgramError(f"{where}: instructions have type {table.dtype}, expected tile operations")
    if len(table) > MAX_TILE_INSTRUCTIONS:
        raise ProgramError(f"{where}: {len(table)} instructions, at most {MAX_TILE_INSTRUCTIONS} are allowed")
    if not 1 <= kernel.weight_bits <= macro.weight_bits:
        raise ProgramError(f"{where}: weight_bits {kernel.weight_bits} must be 1 to {macro.weight_bits}")
    size = (output.height, output.width)
    check_window(program.tensors[kernel.window.tensor], kernel.window, size, f"{where}: window")
    check_output(program.tensors[output.tensor], output, size, f"{where}: output")
    if kernel.window.bits > macro.activation_bits:
        raise ProgramError(f"{where}: window: bits {kernel.window.bits}, the macros take {macro.activation_bits}")
    if kernel.weights.dtype.str not in WEIGHT_DTYPES or kernel.weights.ndim != 1:
        raise ProgramError(f"{where}: weights must be I8, I16 or I32 [n], got {_described(kernel.weights)}")
    if kernel.bias.dtype.str != "<i8" or kernel.bias.shape != (output.channels,):
        raise ProgramError(f"{where}: bias must be I64 [{output.channels}], got {_described(kernel.bias)}")
    check_step_tables(kernel, where)
    rows, levels = kernel.step_thresholds.shape
    if rows not in (0, output.channels):
        raise ProgramError(f"{where}: step table has {rows} rows, expected 0 or {output.channels}")
    element = ElementType(output.bits, output.signed)
    if rows and (int(kernel.step_low.min()) < element.minimum or int(kernel.step_low.max()) > element.maximum - levels):
        raise ProgramError(f"{where}: step_low and {levels} levels give values outside {element}")


def _described(array: NDArray[Any]) -> str:
    return f"{array.dtype} {list(array.shape)}"


class _Tile(NamedTuple):
    """Weights in their cells: the rows, the sum of magnitudes per column, and the LOAD that overwrites them (or -1)."""

    rows: int
    sums: Bounds
    overwritten_by: int


class _Result(NamedTuple):
    """What the register of a macro holds: largest magnitude per column, and the lanes."""

    bounds: Bounds
    lanes: tuple[int, int]


class _Sums:
    """The accumulators of some lanes: largest magnitude per channel, and whether the channel is started."""

    def __init__(self, channels: int) -> None:
        self.bound: Bounds = np.zeros(channels)
        self.started = np.zeros(channels, np.bool_)


class _Walk:
    """What is known after each instruction: contents of cells and result registers, bounds of accumulators."""

    def __init__(self, kernel: CrossbarKernel, macro: MacroSummary, where: str) -> None:
        self.kernel, self.macro, self.where = kernel, macro, where
        self.magnitude = float(largest_magnitude(kernel.window))
        self.tiles: dict[tuple[int, int, int, int], _Tile] = {}  # by macro, slot, row and column
        self.registers: dict[int, _Result] = {}
        self.weights_used = 0
        self.overwritten_by: dict[int, int] = {}
        self.sums: dict[tuple[int, int], _Sums] = {}  # by lanes
        self.stored = np.zeros(kernel.output.channels, np.bool_)

    def run(self) -> None:
        """Check all instructions in order."""
        handlers = {
            TileOpcode.LOAD: self._load,
            TileOpcode.MULTIPLY: self._multiply,
            TileOpcode.ACCUMULATE: self._accumulate,
            TileOpcode.STORE: self._store,
        }
        table = self.kernel.instructions
        names = table.dtype.names or ()
        self._check_places()
        for number, values in enumerate(table.tolist()):
            row = dict(zip(names, values, strict=True))
            opcode = TileOpcode(row["opcode"])
            handlers[opcode](row, self._label(number, opcode), number)
        if self.weights_used != len(self.kernel.weights):
            raise ProgramError(f"{self.where}: {self.weights_used} of {len(self.kernel.weights)} weights are loaded")
        if not self.stored.all():
            raise ProgramError(f"{self.where}: output channel {int(np.argmin(self.stored))} is never stored")

    def _label(self, number: int, opcode: TileOpcode) -> str:
        return f"{self.where}: instruction {number} ({opcode.name})"

    def _check_places(self) -> None:
        """Check every field, then find out which tiles share cells and which lanes are told apart."""
        table = self.kernel.instructions
        names = table.dtype.names or ()
        for number, values in enumerate(table.tolist()):
            row = dict(zip(names, values, strict=True))
            if row["opcode"] not in set(TileOpcode):
                raise ProgramError(f"{self.where}: instruction {number}: opcode {row['opcode']} is unknown")
            opcode = TileOpcode(row["opcode"])
            self._check_fields(opcode, row, self._label(number, opcode))
        loads = np.flatnonzero(table["opcode"] == TileOpcode.LOAD)
        cells = int((table["rows"].astype(np.int64) * table["columns"])[loads].sum())
        if cells > len(self.kernel.weights):
            raise ProgramError(
                f"{self.where}: tiles of {cells} weights are loaded, there are {len(self.kernel.weights)}"
            )
        later = shared_cells(table[loads]).overwritten_by
        self.overwritten_by = dict(zip(loads.tolist(), np.where(later < 0, -1, loads[later]).tolist(), strict=True))
        products = table[table["opcode"] == TileOpcode.MULTIPLY]
        fields = np.unique(np.stack([products["lane"], products["lanes"]], axis=1), axis=0).tolist()
        ranges = sorted({lane_range(lane, lanes, self.kernel.lanes_per_image) for lane, lanes in fields})
        channels = self.kernel.output.channels
        if len(ranges) * channels > max(MAX_LANE_SUMS, channels):
            raise ProgramError(
                f"{self.where}: {len(ranges)} ranges of lanes x {channels} channels, at most {MAX_LANE_SUMS}"
            )
        self.sums = {lanes: _Sums(channels) for lanes in ranges}

    def _check_fields(self, opcode: TileOpcode, row: dict[str, int], where: str) -> None:
        if row["flags"] & ~int(ALLOWED_FLAGS[opcode]):
            raise ProgramError(f"{where}: flags {row['flags']}, allowed bits {int(ALLOWED_FLAGS[opcode])}")
        used = USED_FIELDS[opcode]
        for name in _OPERAND_FIELDS:
            if name not in used and row[name]:
                raise ProgramError(f"{where}: {name} {row[name]} must be 0")
        macro, lanes = self.macro, self.kernel.lanes_per_image
        least_most = {
            "macro": (0, macro.macros - 1),
            "slot": (0, macro.slots - 1),
            "row": (0, macro.rows - 1),
            "column": (0, macro.columns - 1),
            "rows": (1, macro.rows),
            "columns": (1, macro.columns),
            "shift": (0, MAX_SHIFT),
            "lane": (0, lanes - 1 if row["lanes"] else 0),
            "lanes": (0, lanes),
        }
        for name in used:
            low, high = least_most.get(name, (0, 1 << 32))
            if not low <= row[name] <= high:
                raise ProgramError(f"{where}: {name} {row[name]} must be {low} to {high}")
        if "row" in used:
            for first, size, limit in (("row", "rows", macro.rows), ("column", "columns", macro.columns)):
                if row[first] + row[size] > limit:
                    raise ProgramError(f"{where}: {first} {row[first]} and {row[size]} {size}, a macro has {limit}")
        if "lane" in used and row["lane"] + row["lanes"] > lanes:
            raise ProgramError(f"{where}: lane {row['lane']} and {row['lanes']} lanes, an image has {lanes}")
        if "output" in used and row["output"] + row["columns"] > self.kernel.output.channels:
            raise ProgramError(
                f"{where}: output {row['output']} and {row['columns']} columns, the kernel has "
                f"{self.kernel.output.channels} output channels"
            )

    def _load(self, row: dict[str, int], where: str, number: int) -> None:
        rows, columns, first = row["rows"], row["columns"], row["imm"]
        if first != self.weights_used or first + rows * columns > len(self.kernel.weights):
            raise ProgramError(
                f"{where}: imm {first} must be {self.weights_used}, with {rows * columns} of "
                f"{len(self.kernel.weights)} weights behind it: tiles are loaded in order"
            )
        self.weights_used += rows * columns
        tile = self.kernel.weights[first : self.weights_used].reshape(columns, rows)
        allowed = ElementType(self.kernel.weight_bits, bool(row["flags"] & TileFlag.WEIGHTS_SIGNED))
        if int(tile.min()) < allowed.minimum or int(tile.max()) > allowed.maximum:
            raise ProgramError(f"{where}: weights {int(tile.min())} ... {int(tile.max())} are outside {allowed}")
        sums: Bounds = np.abs(tile.astype(np.float64)).sum(axis=1)
        self.tiles[_place(row)] = _Tile(rows, sums, self.overwritten_by[number])

    def _multiply(self, row: dict[str, int], where: str, number: int) -> None:
        tile = self.tiles.get(_place(row))
        place = f"row {row['row']}, column {row['column']} of slot {row['slot']} of macro {row['macro']}"
        if tile is None:
            raise ProgramError(f"{where}: {place} holds no weights yet")
        rows, sums, overwritten_by = tile
        if (row["rows"], row["columns"]) != (rows, len(sums)):
            raise ProgramError(f"{where}: {row['rows']} x {row['columns']} weights, {place} holds {rows} x {len(sums)}")
        if 0 <= overwritten_by < number:
            raise ProgramError(f"{where}: the weights at {place} are overwritten by instruction {overwritten_by}")
        if row["element"] + rows > self.kernel.window.elements:
            raise ProgramError(
                f"{where}: element {row['element']} and {rows} rows, the window has {self.kernel.window.elements}"
            )
        macro = self.macro
        top_digit = (1 << macro.bits_per_cycle) - 1
        largest = macro.rows * top_digit * ((1 << macro.cell_bits) - 1)
        low, high = (1, largest) if macro.adc_levels else (0, 0)
        if not low <= row["imm"] <= high:
            raise ProgramError(f"{where}: imm {row['imm']} (full scale of the converters) must be {low} to {high}")
        bounds = sums * self.magnitude
        if macro.adc_levels:
            # The last code in every column of every cycle; signed codes reach one step beyond the full scale.
            places = 2.0 ** (self.kernel.weight_bits + self.kernel.window.bits + macro.bits_per_cycle)
            bounds = np.full(len(sums), 2.0 * max(row["imm"], macro.adc_levels) * places)
        lanes = lane_range(row["lane"], row["lanes"], self.kernel.lanes_per_image)
        self.registers[row["macro"]] = _Result(bounds, lanes)

    def _accumulate(self, row: dict[str, int], where: str, number: int) -> None:
        del number
        result = self.registers.get(row["macro"])
        if result is None or len(result.bounds) != row["columns"]:
            held = "nothing" if result is None else f"{len(result.bounds)} columns"
            raise ProgramError(f"{where}: {row['columns']} columns, the register of macro {row['macro']} holds {held}")
        part, sums = slice(row["output"], row["output"] + row["columns"]), self.sums[result.lanes]
        starts = bool(row["flags"] & TileFlag.START)
        if (sums.started[part] == starts).any() or self.stored[part].any():
            state = "started or stored already" if starts else "not started, or stored already"
            raise ProgramError(f"{where}: output {row['output']}: an accumulator is {state}")
        before = np.abs(self.kernel.bias[part].astype(np.float64)) if starts else sums.bound[part]
        sums.bound[part] = before + result.bounds * 2.0 ** row["shift"]
        sums.started[part] = True
        if float(sums.bound[part].max()) >= EXACT_SUM:
            raise ProgramError(f"{where}: sums of up to {float(sums.bound[part].max()):.4g} exceed 2^53")

    def _store(self, row: dict[str, int], where: str, number: int) -> None:
        del number
        part = slice(row["output"], row["output"] + row["columns"])
        if self.stored[part].any():
            raise ProgramError(f"{where}: output {row['output']}: a channel is stored twice")
        reached = np.zeros(row["columns"], np.int64)
        for (first, last), sums in self.sums.items():
            here = sums.started[part]
            if (reached[here] > first).any():
                raise ProgramError(f"{where}: output {row['output']}: lane {first} has a sum in two ranges of lanes")
            reached[here & (reached == first)] = last
        if (reached != self.kernel.lanes_per_image).any():
            raise ProgramError(f"{where}: output {row['output']}: lane {int(reached.min())} has no sum")
        if row["flags"] & TileFlag.STEP and not len(self.kernel.step_thresholds):
            raise ProgramError(f"{where}: flag STEP without a step table")
        self.stored[part] = True


def _place(row: dict[str, int]) -> tuple[int, int, int, int]:
    return (row["macro"], row["slot"], row["row"], row["column"])
