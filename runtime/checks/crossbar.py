"""Checks of crossbar kernels: fields, tile coordinates, weights, order of operations, exactness of all sums.

Rules: `docs/instruction-stream.md` section 8. A table is walked once in order; it has a few operations per tile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.checks.structure import check_output, check_step_tables, check_window
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
from imcflow.runtime.limits import MAX_GEOMETRY, MAX_OPERAND_BITS, MAX_TILE_INSTRUCTIONS
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
    if macro.adc_levels != 0 and not 2 <= macro.adc_levels <= MAX_GEOMETRY:
        raise ProgramError(f"target: macro adc_levels must be 0 or 2 to {MAX_GEOMETRY}, got {macro.adc_levels}")


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


class _Walk:
    """What is known after each instruction: contents of slots, result registers, bounds of accumulators."""

    def __init__(self, kernel: CrossbarKernel, macro: MacroSummary, where: str) -> None:
        self.kernel, self.macro, self.where = kernel, macro, where
        self.magnitude = float(largest_magnitude(kernel.window))
        self.slots: dict[tuple[int, int], tuple[int, Bounds]] = {}  # rows, sum of magnitudes per column
        self.registers: dict[int, Bounds] = {}
        self.weights_used = 0
        channels = kernel.output.channels
        self.bound: Bounds = np.zeros(channels)
        self.started = np.zeros(channels, np.bool_)
        self.stored = np.zeros(channels, np.bool_)

    def run(self) -> None:
        handlers = {
            TileOpcode.LOAD: self._load,
            TileOpcode.MULTIPLY: self._multiply,
            TileOpcode.ACCUMULATE: self._accumulate,
            TileOpcode.STORE: self._store,
        }
        names = self.kernel.instructions.dtype.names or ()
        for number, values in enumerate(self.kernel.instructions.tolist()):
            row = dict(zip(names, values, strict=True))
            where = f"{self.where}: instruction {number}"
            if row["opcode"] not in handlers:
                raise ProgramError(f"{where}: opcode {row['opcode']} is unknown")
            opcode = TileOpcode(row["opcode"])
            where = f"{where} ({opcode.name})"
            self._check_fields(opcode, row, where)
            handlers[opcode](row, where)
        if self.weights_used != len(self.kernel.weights):
            raise ProgramError(f"{self.where}: {self.weights_used} of {len(self.kernel.weights)} weights are loaded")
        if not self.stored.all():
            raise ProgramError(f"{self.where}: output channel {int(np.argmin(self.stored))} is never stored")

    def _check_fields(self, opcode: TileOpcode, row: dict[str, int], where: str) -> None:
        if row["flags"] & ~int(ALLOWED_FLAGS[opcode]):
            raise ProgramError(f"{where}: flags {row['flags']}, allowed bits {int(ALLOWED_FLAGS[opcode])}")
        used = USED_FIELDS[opcode]
        for name in _OPERAND_FIELDS:
            if name not in used and row[name]:
                raise ProgramError(f"{where}: {name} {row[name]} must be 0")
        macro = self.macro
        least_most = {
            "macro": (0, macro.macros - 1),
            "slot": (0, macro.slots - 1),
            "rows": (1, macro.rows),
            "columns": (1, macro.columns),
            "shift": (0, MAX_SHIFT),
        }
        for name in used:
            low, high = least_most.get(name, (0, 1 << 32))
            if not low <= row[name] <= high:
                raise ProgramError(f"{where}: {name} {row[name]} must be {low} to {high}")
        if "output" in used and row["output"] + row["columns"] > self.kernel.output.channels:
            raise ProgramError(
                f"{where}: output {row['output']} and {row['columns']} columns, the kernel has "
                f"{self.kernel.output.channels} output channels"
            )

    def _load(self, row: dict[str, int], where: str) -> None:
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
        self.slots[row["macro"], row["slot"]] = (rows, np.abs(tile.astype(np.float64)).sum(axis=1))

    def _multiply(self, row: dict[str, int], where: str) -> None:
        held = self.slots.get((row["macro"], row["slot"]))
        if held is None:
            raise ProgramError(f"{where}: slot {row['slot']} of macro {row['macro']} holds no weights yet")
        rows, sums = held
        if (row["rows"], row["columns"]) != (rows, len(sums)):
            raise ProgramError(
                f"{where}: {row['rows']} x {row['columns']} weights, slot {row['slot']} of macro {row['macro']} holds "
                f"{rows} x {len(sums)}"
            )
        if row["element"] + rows > self.kernel.window.elements:
            raise ProgramError(
                f"{where}: element {row['element']} and {rows} rows, the window has {self.kernel.window.elements}"
            )
        macro = self.macro
        top_digit = (1 << macro.bits_per_cycle) - 1
        low, high = (1, macro.rows * top_digit) if macro.adc_levels else (0, 0)
        if not low <= row["imm"] <= high:
            raise ProgramError(f"{where}: imm {row['imm']} (full scale of the converters) must be {low} to {high}")
        bounds = sums * self.magnitude
        if macro.adc_levels:
            # Full scale in every column of every cycle.
            places = 2.0 ** (self.kernel.weight_bits + self.kernel.window.bits + macro.bits_per_cycle)
            bounds = np.full(len(sums), row["imm"] * places)
        self.registers[row["macro"]] = bounds

    def _accumulate(self, row: dict[str, int], where: str) -> None:
        result = self.registers.get(row["macro"])
        if result is None or len(result) != row["columns"]:
            held = "nothing" if result is None else f"{len(result)} columns"
            raise ProgramError(f"{where}: {row['columns']} columns, the register of macro {row['macro']} holds {held}")
        part = slice(row["output"], row["output"] + row["columns"])
        starts = bool(row["flags"] & TileFlag.START)
        if (self.started[part] == starts).any() or self.stored[part].any():
            state = "started or stored already" if starts else "not started, or stored already"
            raise ProgramError(f"{where}: output {row['output']}: an accumulator is {state}")
        before = np.abs(self.kernel.bias[part].astype(np.float64)) if starts else self.bound[part]
        self.bound[part] = before + result * 2.0 ** row["shift"]
        self.started[part] = True
        if float(self.bound[part].max()) >= EXACT_SUM:
            raise ProgramError(f"{where}: sums of up to {float(self.bound[part].max()):.4g} exceed 2^53")

    def _store(self, row: dict[str, int], where: str) -> None:
        part = slice(row["output"], row["output"] + row["columns"])
        if not self.started[part].all() or self.stored[part].any():
            raise ProgramError(f"{where}: output {row['output']}: a channel has no sum or is stored twice")
        if row["flags"] & TileFlag.STEP and not len(self.kernel.step_thresholds):
            raise ProgramError(f"{where}: flag STEP without a step table")
        self.stored[part] = True
