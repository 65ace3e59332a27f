"""Forward pass over the cells of a kernel: nothing is read before it is written, and promised zeros are zeros.

Instructions become *events* on words, in order: reads, proofs of zero, writes. Two bitmaps over all cells, "written"
and "known zero", are carried through the events by a small compiled loop, which stops at the first event that does
not hold. Cell addresses must have been checked before.
"""

from __future__ import annotations

import ctypes
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.native_code import NativeCode

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Events = np.ndarray[Any, np.dtype[np.uint32]]
    Column = np.ndarray[Any, np.dtype[Any]]
    Bitmap = np.ndarray[Any, np.dtype[np.uint64]]

NONE, READ, NEED_ZERO, WRITE, WRITE_ZERO = range(5)
"""Event kinds. WRITE leaves unknown values, WRITE_ZERO leaves 0."""

EVENTS_PER_INSTRUCTION = 7
_EVENT_FIELDS = ("a", "b", "r", "c", "r", "c", "b")
_CHUNK = 1 << 16

_READS_A = (
    Opcode.STORE,
    Opcode.STORE_STEP,
    Opcode.COPY,
    Opcode.ADD,
    Opcode.SUB,
    Opcode.NEG,
    Opcode.ADD_INTO,
    Opcode.SUB_FROM,
    Opcode.MAX_INTO,
    Opcode.STEP,
    Opcode.MOVE,
)
_READS_B = (Opcode.ADD, Opcode.SUB)
_READS_R = (Opcode.ADD_INTO, Opcode.SUB_FROM, Opcode.MAX_INTO, Opcode.RELU, Opcode.STEP)
_WRITES_NOTHING = (Opcode.STORE, Opcode.STORE_STEP)
_WRITES_C = (
    Opcode.ADD,
    Opcode.SUB,
    Opcode.NEG,
    Opcode.ADD_INTO,
    Opcode.SUB_FROM,
    Opcode.MAX_INTO,
    Opcode.STEP,
)
_WRITES_B = (Opcode.MAX_INTO, Opcode.STEP)


def _membership(opcodes: tuple[Opcode, ...]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    table = np.zeros(256, dtype=np.bool_)
    table[list(opcodes)] = True
    return table


_TABLES = {
    name: _membership(opcodes)
    for name, opcodes in (
        ("a", _READS_A),
        ("b", _READS_B),
        ("r", _READS_R),
        ("nothing", _WRITES_NOTHING),
        ("write_c", _WRITES_C),
        ("write_b", _WRITES_B),
    )
}


def check_flow(instructions: InstructionTable, *, cells: int, domains: int, where: str) -> None:
    """Check causality and the flags R_IS_ZERO and C_IS_ZERO.

    Args:
        instructions: rows whose fields and addresses have been checked.
        cells: number of cells of all arrays.
        domains: cells per track.
        where: how errors name the kernel.

    Raises:
        ProgramError: a cell is read before it is written, or a promised zero is not proven.
    """
    flow = compiled_flow()
    written = np.zeros(cells // 64 + 2, dtype=np.uint64)
    zero = np.zeros_like(written)
    for start in range(0, len(instructions), _CHUNK):
        chunk = instructions[start : start + _CHUNK]
        events = flow_events(chunk)
        failed = flow(events, domains, written, zero)
        if failed >= 0:
            index, slot = divmod(failed, EVENTS_PER_INSTRUCTION)
            _refuse(chunk[index], start + index, slot, f"{where}: instruction {start + index}")


def _refuse(row: Any, index: int, slot: int, where: str) -> None:
    field = _EVENT_FIELDS[slot]
    opcode = Opcode(int(row["opcode"])).name
    cell = int(row[field])
    promised_zero = slot == 3 or (slot == 2 and not _TABLES["r"][int(row["opcode"])])
    if promised_zero:
        flag = Flag.C_IS_ZERO if field == "c" else Flag.R_IS_ZERO
        raise ProgramError(f"{where} ({opcode}): flag {flag.name} promises zeros at cell {field}={cell}, not proven")
    bits = int(row[f"{field}_bits"])
    raise ProgramError(f"{where} ({opcode}): reads {bits} bits at cell {field}={cell} before all are written")


def flow_events(instructions: InstructionTable) -> Events:
    """Return uint32 [n * EVENTS_PER_INSTRUCTION, 2]: first cell; kind | bits << 3 | words << 9.

    An event with several words covers the same domains of as many consecutive tracks.
    """
    events = np.zeros((len(instructions), EVENTS_PER_INSTRUCTION, 2), dtype=np.uint32)
    opcode = instructions["opcode"]
    flags = instructions["flags"]
    a_bits, b_bits, r_bits = (instructions[name].astype(np.uint32) for name in ("a_bits", "b_bits", "r_bits"))

    def put(slot: int, kind: Column | int, bits: Column | int, where: Column, words: Column | int = 1) -> None:
        events[:, slot, 0] = instructions[_EVENT_FIELDS[slot]]
        events[:, slot, 1] = np.where(where, kind | bits << 3 | words << 9, 0)

    put(0, READ, a_bits, _TABLES["a"][opcode])
    put(1, READ, b_bits, _TABLES["b"][opcode])
    reads_r = _TABLES["r"][opcode]
    put(2, np.where(reads_r, READ, NEED_ZERO), r_bits, reads_r | ((flags & Flag.R_IS_ZERO) != 0))
    put(3, NEED_ZERO, 1, (flags & Flag.C_IS_ZERO) != 0)

    clears = opcode == Opcode.CLEAR
    leaves_zero = clears | ((opcode == Opcode.SET) & (instructions["imm"] == 0))
    words = np.where(clears, instructions["imm"], 1).astype(np.uint32)
    put(4, np.where(leaves_zero, WRITE_ZERO, WRITE), r_bits, ~_TABLES["nothing"][opcode], words)
    unsigned = (flags & (Flag.A_SIGNED | Flag.B_SIGNED)) == 0
    no_carry_out = (opcode == Opcode.ADD) & unsigned & (r_bits > np.maximum(a_bits, b_bits))
    put(5, np.where(no_carry_out, WRITE_ZERO, WRITE), 1, _TABLES["write_c"][opcode])
    put(6, WRITE, 1, _TABLES["write_b"][opcode])
    return events.reshape(-1, 2)


# i64 flow(events, count, domains, written, zero): the number of the first event that does not hold, or -1. A word of up
# to 62 bits touches at most two 64-bit pieces of a bitmap: `low` and `high` are its masks in them.
_FLOW_IR = f"""
define i64 @flow(ptr %events, i64 %count, i64 %domains, ptr %written, ptr %zero) {{
entry:
  br label %event
event:
  %i = phi i64 [ 0, %entry ], [ %i.next, %next ]
  %more = icmp ult i64 %i, %count
  br i1 %more, label %decode, label %done
decode:
  %event.ptr = getelementptr {{ i32, i32 }}, ptr %events, i64 %i
  %info.ptr = getelementptr {{ i32, i32 }}, ptr %events, i64 %i, i32 1
  %cell.32 = load i32, ptr %event.ptr
  %info.32 = load i32, ptr %info.ptr
  %cell.first = zext i32 %cell.32 to i64
  %info = zext i32 %info.32 to i64
  %kind = and i64 %info, 7
  %bits.up = lshr i64 %info, 3
  %bits = and i64 %bits.up, 63
  %words = lshr i64 %info, 9
  %one.bits = shl i64 1, %bits
  %mask = sub i64 %one.bits, 1
  %reads = icmp eq i64 %kind, {READ}
  %needs = icmp eq i64 %kind, {NEED_ZERO}
  %write.any = icmp eq i64 %kind, {WRITE}
  %write.zero = icmp eq i64 %kind, {WRITE_ZERO}
  %writes = or i1 %write.any, %write.zero
  br label %word
word:
  %w = phi i64 [ 0, %decode ], [ %w.next, %keep ]
  %cell = phi i64 [ %cell.first, %decode ], [ %cell.next, %keep ]
  %inside = icmp ult i64 %w, %words
  br i1 %inside, label %test, label %next
test:
  %piece = lshr i64 %cell, 6
  %piece.high = add i64 %piece, 1
  %shift = and i64 %cell, 63
  %low = shl i64 %mask, %shift
  %mask.half = lshr i64 %mask, 1
  %shift.rest = sub i64 63, %shift
  %high = lshr i64 %mask.half, %shift.rest
  %written.low.ptr = getelementptr i64, ptr %written, i64 %piece
  %written.high.ptr = getelementptr i64, ptr %written, i64 %piece.high
  %zero.low.ptr = getelementptr i64, ptr %zero, i64 %piece
  %zero.high.ptr = getelementptr i64, ptr %zero, i64 %piece.high
  %written.low = load i64, ptr %written.low.ptr
  %written.high = load i64, ptr %written.high.ptr
  %zero.low = load i64, ptr %zero.low.ptr
  %zero.high = load i64, ptr %zero.high.ptr
  %known.low.z = select i1 %needs, i64 %zero.low, i64 -1
  %known.high.z = select i1 %needs, i64 %zero.high, i64 -1
  %known.low = select i1 %reads, i64 %written.low, i64 %known.low.z
  %known.high = select i1 %reads, i64 %written.high, i64 %known.high.z
  %not.low = xor i64 %known.low, -1
  %not.high = xor i64 %known.high, -1
  %missing.low = and i64 %not.low, %low
  %missing.high = and i64 %not.high, %high
  %missing = or i64 %missing.low, %missing.high
  %fails = icmp ne i64 %missing, 0
  br i1 %fails, label %refuse, label %keep
keep:
  %set.low = select i1 %writes, i64 %low, i64 0
  %set.high = select i1 %writes, i64 %high, i64 0
  %written.low.new = or i64 %written.low, %set.low
  %written.high.new = or i64 %written.high, %set.high
  %keep.low = xor i64 %set.low, -1
  %keep.high = xor i64 %set.high, -1
  %zero.low.kept = and i64 %zero.low, %keep.low
  %zero.high.kept = and i64 %zero.high, %keep.high
  %make.low = select i1 %write.zero, i64 %low, i64 0
  %make.high = select i1 %write.zero, i64 %high, i64 0
  %zero.low.new = or i64 %zero.low.kept, %make.low
  %zero.high.new = or i64 %zero.high.kept, %make.high
  store i64 %written.low.new, ptr %written.low.ptr
  store i64 %written.high.new, ptr %written.high.ptr
  store i64 %zero.low.new, ptr %zero.low.ptr
  store i64 %zero.high.new, ptr %zero.high.ptr
  %w.next = add i64 %w, 1
  %cell.next = add i64 %cell, %domains
  br label %word
next:
  %i.next = add i64 %i, 1
  br label %event
refuse:
  ret i64 %i
done:
  ret i64 -1
}}
"""


class CompiledFlow:
    """The compiled loop; owns the machine code."""

    def __init__(self) -> None:
        self._code = NativeCode.of(_FLOW_IR)
        word, pointer = ctypes.c_int64, ctypes.c_void_p
        self._function = ctypes.CFUNCTYPE(word, pointer, word, word, pointer, pointer)(self._code.address("flow"))

    def __call__(self, events: Events, domains: int, written: Bitmap, zero: Bitmap) -> int:
        """Apply `events` to the bitmaps; return the number of the first one that does not hold, or -1.

        Bitmaps have one bit per cell and one spare word; the caller guarantees that all cells lie inside.
        """
        return self._function(events.ctypes.data, len(events), domains, written.ctypes.data, zero.ctypes.data)


@lru_cache(maxsize=1)
def compiled_flow() -> CompiledFlow:
    """Compile the loop once per process (about 20 ms)."""
    return CompiledFlow()
