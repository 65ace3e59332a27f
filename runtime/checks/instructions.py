"""Checks of instruction tables, row by row but vectorised: fields, widths, addresses, ports, elements.

Rules: `docs/instruction-stream.md` sections 2 and 3. Tables are checked in pieces that stay in the cache. Every
refusal names the kernel, the instruction, the field, its value and what is allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.isa import INSTRUCTION_FIELDS, MAX_WORD_BITS, OPERANDS, Flag, Opcode

if TYPE_CHECKING:
    from imcflow.runtime.program import ApKernel, InstructionTable, TargetSummary

    Column = np.ndarray[Any, np.dtype[np.int64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

_CHUNK = 1 << 16
_FLAG_CELL_B = (Opcode.MAX_INTO, Opcode.STEP)


def _used_fields(opcode: Opcode) -> set[str]:
    use = OPERANDS[opcode]
    words = {*use.reads, *use.writes}
    return {"opcode", "flags", *words, *use.cells, *use.immediates, *(f"{word}_bits" for word in words)}


# By opcode number: is the opcode known, which flags it allows, which fields it leaves unused.
_KNOWN = np.zeros(256, dtype=np.bool_)
_ALLOWED_FLAGS = np.zeros(256, dtype=np.uint8)
_UNUSED = {name: np.zeros(256, dtype=np.bool_) for name, _ in INSTRUCTION_FIELDS}
for _opcode in Opcode:
    _KNOWN[_opcode] = True
    _ALLOWED_FLAGS[_opcode] = OPERANDS[_opcode].flags
    for _name in _UNUSED.keys() - _used_fields(_opcode):
        _UNUSED[_name][_opcode] = True
_USED = {name: _KNOWN & ~table for name, table in _UNUSED.items()}


class InstructionCheck:
    """Checks one kernel's instruction table against its windows, outputs, step table and the target's geometry."""

    def __init__(self, kernel: ApKernel, target: TargetSummary, where: str) -> None:
        self.where = where
        self.tracks = target.tracks
        self.domains = target.domains
        self.cells = kernel.array_count * target.tracks * target.domains
        self.kernel = kernel
        self.elements = np.array([window.elements for window in kernel.inputs] or [0], dtype=np.int64)
        self.load_bits = np.array([window.bits for window in kernel.inputs] or [0], dtype=np.int64)
        self.channels = np.array([output.channels for output in kernel.outputs], dtype=np.int64)
        # Unsigned bits that an output's type holds: a two's complement type of n bits holds n - 1.
        self.unsigned_room = np.array([output.bits - output.signed for output in kernel.outputs], dtype=np.int64)
        self.signed_room = np.array([output.bits * output.signed for output in kernel.outputs], dtype=np.int64)
        self.first_element: Column = np.concatenate(([0], np.cumsum(self.channels)))
        self.stores = np.zeros(sum(output.channels for output in kernel.outputs), dtype=np.int64)
        self.start = 0

    def run(self) -> None:
        """Check the whole table.

        Raises:
            ProgramError: on the first rule, in the order of the specification, that some instruction of a piece breaks.
        """
        table = self.kernel.instructions
        for self.start in range(0, len(table), _CHUNK):
            self._check_rows(table[self.start : self.start + _CHUNK])
        wrong = np.flatnonzero(self.stores != 1)
        if len(wrong):
            first = int(wrong[0])
            port = int(np.searchsorted(self.first_element, first, side="right")) - 1
            element, count = first - int(self.first_element[port]), int(self.stores[first])
            raise ProgramError(
                f"{self.where}: element {element} of output {port} is stored {count} times, must be once"
            )

    def _check_rows(self, rows: InstructionTable) -> None:
        opcode = rows["opcode"]
        self._require(_KNOWN[opcode], rows, "opcode", f"{Opcode.LOAD.value} to {max(Opcode).value}")
        self._require(
            (rows["flags"] & ~_ALLOWED_FLAGS[opcode]) == 0, rows, "flags", "only flags that the opcode allows"
        )
        for name, unused in _UNUSED.items():
            values = rows[name]
            if values.any():
                self._require((values == 0) | ~unused[opcode], rows, name, "0, because the opcode does not use it")
        self._check_widths(rows)
        self._check_places(rows)
        self._check_load(rows)
        self._check_store(rows)

    def _check_widths(self, rows: InstructionTable) -> None:
        opcode = rows["opcode"]
        for name in ("a_bits", "b_bits", "r_bits"):
            values = rows[name]
            fits = (values >= 1) & (values <= MAX_WORD_BITS)
            self._require(fits | ~_USED[name][opcode], rows, name, f"1 to {MAX_WORD_BITS}")
        alike = (opcode == Opcode.MAX_INTO) | (opcode == Opcode.MOVE)
        self._require(~alike | (rows["a_bits"] == rows["r_bits"]), rows, "a_bits", "equal to r_bits")

    def _check_places(self, rows: InstructionTable) -> None:
        """Words lie inside the arrays and inside one track; the operands of an instruction meet in one array."""
        opcode = rows["opcode"]
        used: list[tuple[str, Mask, Column]] = []
        for name in ("a", "b", "r", "c"):
            present = _USED[name][opcode]
            if not present.any():
                continue
            cell = rows[name].astype(np.int64)
            self._require((cell < self.cells) | ~present, rows, name, f"0 to {self.cells - 1}")
            bits = 1 if name == "c" else np.maximum(rows[f"{name}_bits"], 1)
            track = cell // self.domains
            room = self.domains - (cell - track * self.domains)
            self._require((bits <= room) | ~present, rows, name, "a word that ends inside its track")
            used.append((name, present, track))
        moves = opcode == Opcode.MOVE
        for i, (first, first_present, first_track) in enumerate(used):
            for second, second_present, second_track in used[i + 1 :]:
                both = first_present & second_present
                rule = f"a track other than that of {first}"
                self._require((first_track != second_track) | ~both, rows, second, rule)
                together = both & ~moves
                same_array = first_track // self.tracks == second_track // self.tracks
                self._require(same_array | ~together, rows, second, f"the array of {first}")
        clears = opcode == Opcode.CLEAR
        if clears.any():
            last = (rows["r"].astype(np.int64) // self.domains) % self.tracks + rows["imm"]
            fits = (rows["imm"] >= 1) & (last <= self.tracks)
            self._require(fits | ~clears, rows, "imm", "at least 1 word, ending in the array of r")
        steps = opcode == Opcode.STEP
        if steps.any():
            a_bits = np.where(steps, rows["a_bits"], 1).astype(np.int64)
            signed = (rows["flags"] & Flag.A_SIGNED) != 0
            low = np.where(signed, -(1 << (a_bits - 1)), 0)
            high = (1 << (a_bits - signed)) - 1
            fits = (rows["imm"] >= low) & (rows["imm"] <= high)
            self._require(fits | ~steps, rows, "imm", "a value of the type of A")

    def _check_load(self, rows: InstructionTable) -> None:
        rows, index = self._select(rows, (Opcode.LOAD,))
        if not len(rows):
            return
        count = len(self.kernel.inputs)
        self._require(rows["port"] < count, rows, "port", f"less than {count}, the number of inputs", index)
        elements = self.elements[rows["port"]]
        fits = (rows["imm"] >= 0) & (rows["imm"] < elements)
        self._require(fits, rows, "imm", "an element of the window of the input", index)
        fits = rows["r_bits"] >= self.load_bits[rows["port"]]
        self._require(fits, rows, "r_bits", "at least the bits of the input's window", index)

    def _check_store(self, rows: InstructionTable) -> None:
        rows, index = self._select(rows, (Opcode.STORE, Opcode.STORE_STEP))
        if not len(rows):
            return
        count = len(self.kernel.outputs)
        self._require(rows["port"] < count, rows, "port", f"less than {count}, the number of outputs", index)
        port = rows["port"].astype(np.int64)
        fits = (rows["imm"] >= 0) & (rows["imm"] < self.channels[port])
        self._require(fits, rows, "imm", "an element of the output", index)
        through_step = rows["opcode"] == Opcode.STORE_STEP
        signed = (rows["flags"] & Flag.A_SIGNED) != 0
        room = np.where(signed, self.signed_room[port], self.unsigned_room[port])
        self._require(
            (rows["a_bits"] <= room) | through_step, rows, "a_bits", "a word that the output's type holds", index
        )
        self.stores += np.bincount(self.first_element[port] + rows["imm"], minlength=len(self.stores))
        if through_step.any():
            rows, index, port = rows[through_step], index[through_step], port[through_step]
            table_rows = len(self.kernel.step_low)
            fits = (rows["imm2"] >= 0) & (rows["imm2"] < table_rows)
            self._require(fits, rows, "imm2", f"a row of the step table, which has {table_rows}", index)
            low = self.kernel.step_low[rows["imm2"]]
            levels = self.kernel.step_thresholds.shape[1]
            signed_output = self.signed_room[port] > 0
            least = np.where(signed_output, -(1 << np.maximum(self.signed_room[port] - 1, 0)), 0)
            greatest = (1 << self.unsigned_room[port]) - 1
            fits = (low >= least) & (low <= greatest - levels)
            self._require(fits, rows, "imm2", "a step whose levels fit the type of the output", index)

    @staticmethod
    def _select(rows: InstructionTable, opcodes: tuple[Opcode, ...]) -> tuple[InstructionTable, Column]:
        index = np.flatnonzero(np.isin(rows["opcode"], opcodes))
        return rows[index], index

    def _require(
        self, holds: Any, rows: InstructionTable, field: str, allowed: str, index: Column | None = None
    ) -> None:
        """Refuse the first row where `holds` is false; `index` are the rows' numbers in the piece."""
        if holds.all():
            return
        at = int(np.argmin(holds))
        row = rows[at]
        number = self.start + (at if index is None else int(index[at]))
        code = int(row["opcode"])
        name = f" ({Opcode(code).name})" if _KNOWN[code] else ""
        raise ProgramError(f"{self.where}: instruction {number}{name}: {field} = {row[field]}, allowed: {allowed}")
