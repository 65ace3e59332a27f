"""From an instruction table to rows that the kernels run: dense cells, one handler per row, every index checked.

The loader has checked the program. The checks here are those that memory safety of compiled code rests on, repeated
on the very numbers that reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ProgramError
from imcflow.runtime.execution.fusion import fuse_arithmetic, without_unread_clears
from imcflow.runtime.execution.step_masks import StepMasks, step_masks
from imcflow.runtime.isa import MAX_WORD_BITS, OPERANDS, Flag, Opcode
from imcflow.runtime.kernels.layout import (
    MAX_STEP32_BITS,
    RESERVED_CELLS,
    Handler,
)
from imcflow.runtime.program import ApKernel, ApOutput

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

MAX_PREPARED_ROWS = 1 << 24  # 512 MiB
MAX_CELLS = (1 << 31) - 1  # cell numbers also stand in the signed immediates


@dataclass(frozen=True, slots=True, eq=False)
class PreparedKernel:
    """A stream ready to run on any batch.

    Attributes:
        kernel: what it was made from.
        rows: instruction rows with handlers and dense cell numbers.
        cell_count: cells of the dense state.
        byte_planes: per input port, bytes that its loads reach.
        thresholds: int64 [table_rows, levels].
        step_base: int64 [table_rows]; a value is base + sign * (thresholds reached).
        step_sign: int64 [table_rows].
        masks: the step tables once more, as the kernels for few thresholds read them.
    """

    kernel: ApKernel
    rows: InstructionTable
    cell_count: int
    byte_planes: tuple[int, ...]
    thresholds: NDArray[np.int64]
    step_base: NDArray[np.int64]
    step_sign: NDArray[np.int64]
    masks: StepMasks

    @property
    def resident_bytes(self) -> int:
        """Memory held besides the program itself."""
        return self.rows.nbytes + self.thresholds.nbytes + self.masks.bytes.nbytes


_HANDLERS: dict[Opcode, Handler] = {
    Opcode.LOAD: Handler.LOAD,
    Opcode.STORE: Handler.STORE_32,
    Opcode.STORE_STEP: Handler.STORE_STEP_32,
    Opcode.CLEAR: Handler.CLEAR,
    Opcode.SET: Handler.SET,
    Opcode.COPY: Handler.COPY,
    Opcode.ADD: Handler.ADD,
    Opcode.SUB: Handler.SUB,
    Opcode.NEG: Handler.NEG,
    Opcode.ADD_INTO: Handler.ADD_INTO,
    Opcode.SUB_FROM: Handler.SUB_FROM,
    Opcode.MAX_INTO: Handler.MAX_INTO,
    Opcode.RELU: Handler.RELU,
    Opcode.STEP: Handler.STEP,
    Opcode.MOVE: Handler.MOVE,
}
_CELL_FIELDS = ("a", "b", "r", "c")


def prepare_kernel(kernel: ApKernel, domains: int, *, fused: bool) -> PreparedKernel:
    """Check a stream and renumber its cells.

    Args:
        kernel: the stream.
        domains: cells per track.
        fused: prepare for word fidelity, whose arithmetic has rows of its own.

    Raises:
        ProgramError: an index, width or port of an instruction is outside its range.
    """
    table = _expand_clears(kernel, domains)
    _check(kernel, table)
    widths = _operand_widths(table)
    rows = table.copy()
    cell_count = _renumber(table, rows, widths)
    if cell_count > MAX_CELLS:
        raise ProgramError(f"kernel '{kernel.name}' uses {cell_count} cells, at most {MAX_CELLS}")
    byte_planes = [1] * len(kernel.inputs)
    loads = table[table["opcode"] == Opcode.LOAD]
    for port in range(len(kernel.inputs)):
        bits = loads["r_bits"][loads["port"] == port]
        byte_planes[port] = -(-int(bits.max(initial=1)) // 8)
    step_base = kernel.step_low.astype(np.int64)
    step_sign = np.where(kernel.step_descending, -1, 1).astype(np.int64)
    levels = kernel.step_thresholds.shape[1] if kernel.step_thresholds.ndim == 2 else 0
    step_base = step_base + np.where(kernel.step_descending, levels, 0)
    narrow = _choose_handlers(table, rows, kernel.outputs, step_base, levels)
    masks = _mask_steps(kernel, table, rows)
    if fused:
        fuse_arithmetic(rows)
        rows = without_unread_clears(rows, cell_count)
    thresholds = kernel.step_thresholds.astype(np.int64)
    if narrow:  # words of at most MAX_STEP32_BITS never reach these bounds, so clipping changes no comparison
        thresholds = np.clip(thresholds, -(2**31 - 1), 2**31 - 1)
    return PreparedKernel(
        kernel,
        np.ascontiguousarray(rows),
        cell_count,
        tuple(byte_planes),
        np.ascontiguousarray(thresholds),
        np.ascontiguousarray(step_base),
        step_sign,
        masks,
    )


def _expand_clears(kernel: ApKernel, domains: int) -> InstructionTable:
    """Give every word of a CLEAR its own row; `reserved` marks the rows that continue one instruction."""
    table = kernel.instructions
    is_clear = table["opcode"] == Opcode.CLEAR
    counts = np.where(is_clear, table["imm"].astype(np.int64), 1)
    if (counts < 1).any():
        row = int(np.argmax(counts < 1))
        raise ProgramError(f"kernel '{kernel.name}', instruction {row}: imm={int(counts[row])}, CLEAR needs at least 1")
    total = int(counts.sum())
    if total > MAX_PREPARED_ROWS:
        raise ProgramError(f"kernel '{kernel.name}': {total} words to process, at most {MAX_PREPARED_ROWS}")
    if total == len(table):
        return table
    source = np.repeat(np.arange(len(table)), counts)
    within = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    expanded = table[source]
    expanded["r"] = (expanded["r"].astype(np.int64) + within * domains).astype(np.uint32)
    expanded["reserved"] = within > 0
    return expanded


def _operand_widths(table: InstructionTable) -> dict[str, NDArray[np.int64]]:
    """Return per cell field how many consecutive cells an instruction uses there (0: field unused)."""
    widths = {name: np.zeros(len(table), np.int64) for name in _CELL_FIELDS}
    for opcode, use in OPERANDS.items():
        rows = np.flatnonzero(table["opcode"] == opcode)
        for name in {*use.reads, *use.writes}:
            widths[name][rows] = table[f"{name}_bits"][rows]
        for name in use.cells:
            widths[name][rows] = 1
    return widths


def _check(kernel: ApKernel, table: InstructionTable) -> None:
    def require(holds: NDArray[np.bool_], rows: NDArray[np.intp], field: str, limit: str) -> None:
        if not holds.all():
            row = table[rows[int(np.argmin(holds))]]
            name = Opcode(int(row["opcode"])).name
            raise ProgramError(f"kernel '{kernel.name}': {name} with {field}={int(row[field])}, allowed: {limit}")

    known = np.isin(table["opcode"], [int(opcode) for opcode in Opcode])
    if not known.all():
        raise ProgramError(f"kernel '{kernel.name}': unknown opcode {int(table['opcode'][int(np.argmin(known))])}")
    for opcode, use in OPERANDS.items():
        rows = np.flatnonzero(table["opcode"] == opcode)
        part = table[rows]
        for name in {*use.reads, *use.writes}:
            bits = part[f"{name}_bits"]
            require((bits >= 1) & (bits <= MAX_WORD_BITS), rows, f"{name}_bits", f"1..{MAX_WORD_BITS}")
        if opcode is Opcode.MAX_INTO:
            require(part["a_bits"] == part["r_bits"], rows, "a_bits", "the same as r_bits")
        if "port" in use.immediates:
            ports = kernel.inputs if opcode is Opcode.LOAD else kernel.outputs
            require(part["port"] < len(ports), rows, "port", f"below {len(ports)}")
            sizes = [port.elements if opcode is Opcode.LOAD else port.channels for port in ports]  # pyright: ignore
            limits = np.array([*sizes, 0], np.int64)[part["port"].astype(np.intp)]
            require((part["imm"] >= 0) & (part["imm"] < limits), rows, "imm", "an element of the port")
        if opcode is Opcode.STORE_STEP:
            table_rows = min(len(kernel.step_thresholds), len(kernel.step_low), len(kernel.step_descending))
            require((part["imm2"] >= 0) & (part["imm2"] < table_rows), rows, "imm2", f"0..{table_rows - 1}")


def _renumber(table: InstructionTable, rows: InstructionTable, widths: dict[str, NDArray[np.int64]]) -> int:
    """Number the used cells densely, keeping the cells of a word together; return how many there are."""
    words = [
        np.stack([table[name][widths[name] > 0].astype(np.int64), widths[name][widths[name] > 0]])
        for name in _CELL_FIELDS
    ]
    first, width = np.concatenate(words, axis=1)
    if not len(first):
        return RESERVED_CELLS
    # 64-bit keys: cell addresses have 32 bits, widths 6.
    keys = np.sort(first << 6 | width)  # np.unique would import numpy.ma, which takes longer than this
    keys = keys[np.append(True, keys[1:] != keys[:-1])]
    first, stop = keys >> 6, (keys >> 6) + (keys & 63)
    reach = np.maximum.accumulate(stop)
    opens = np.ones(len(first), np.bool_)
    opens[1:] = first[1:] > reach[:-1]
    starts = first[opens]
    ends = reach[np.append(np.flatnonzero(opens)[1:] - 1, len(first) - 1)]
    dense = RESERVED_CELLS + np.cumsum(ends - starts) - (ends - starts)
    for name in _CELL_FIELDS:
        used = np.flatnonzero(widths[name] > 0)
        cells = table[name][used].astype(np.int64)
        interval = np.searchsorted(starts, cells, side="right") - 1
        rows[name][used] = (dense[interval] + cells - starts[interval]).astype(np.uint32)
    return RESERVED_CELLS + int((ends - starts).sum())


def _choose_handlers(
    table: InstructionTable,
    rows: InstructionTable,
    outputs: Sequence[ApOutput],
    step_base: NDArray[np.int64],
    levels: int,
) -> bool:
    """Replace opcodes by handlers; return whether all steps fit 32 bits."""
    opcodes = table["opcode"]
    handlers = np.zeros(256, np.uint8)
    for opcode, handler in _HANDLERS.items():
        handlers[opcode] = handler
    rows["opcode"] = handlers[opcodes]
    stores = opcodes == Opcode.STORE
    rows["opcode"][stores & (table["a_bits"] > 32)] = Handler.STORE_64
    byte_ports = np.array([*(port.bits <= 8 for port in outputs), *[False] * (256 - len(outputs))], np.bool_)
    rows["opcode"][stores & (table["a_bits"] <= 8) & byte_ports[table["port"]]] = Handler.STORE_8
    steps = opcodes == Opcode.STORE_STEP
    narrow = bool((table["a_bits"][steps] <= MAX_STEP32_BITS).all())
    narrow = narrow and bool((np.abs(step_base) + levels < 2**31).all())
    if not narrow:
        rows["opcode"][steps] = Handler.STORE_STEP_64
    return narrow


def _mask_steps(kernel: ApKernel, table: InstructionTable, rows: InstructionTable) -> StepMasks:
    """Let STORE_STEP with few thresholds and one-byte results compare planes; `r` numbers these rows."""
    levels = kernel.step_thresholds.shape[1] if kernel.step_thresholds.ndim == 2 else 0
    byte_ports = np.array([port.bits <= 8 for port in kernel.outputs], np.bool_)
    steps = np.flatnonzero(table["opcode"] == Opcode.STORE_STEP)
    handler, compared = (Handler.STORE_STEP_3, 3) if levels <= 3 else (Handler.STORE_STEP_15, 15)
    chosen = steps[byte_ports[table["port"][steps]]] if levels <= compared else steps[:0]
    part = table[chosen]
    rows["opcode"][chosen] = handler
    rows["r"][chosen] = np.arange(len(chosen), dtype=np.uint32)
    thresholds = kernel.step_thresholds.astype(np.int64)[part["imm2"]] if len(chosen) else np.zeros((0, 0), np.int64)
    return step_masks(thresholds, part["a_bits"], (part["flags"] & Flag.A_SIGNED) > 0, compared)
