"""Copies maps into padded maps: short runs of bytes, far apart in both, which numpy copies one by one."""

from __future__ import annotations

from enum import IntEnum
from functools import cache

from imcflow.runtime.kernels.emitter import I8, I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.kernels.interpreter import PARAMETERS
from imcflow.runtime.native_code import NativeCode


class CopySlot(IntEnum):
    """64-bit words of one copy: rows of every channel of an image, or of every image of a channel, into padded maps."""

    PLANE = 0  # pointer to the first padded map
    PLANE_BYTES = 1  # of one map: one channel of one image
    PAD = 2  # byte that is put everywhere in a map before; negative: none
    TARGET = 3  # pointer to where the first row goes
    SOURCE = 4  # pointer to its first byte
    MAPS = 5  # per item: channels if items are images, else images
    ROWS = 6
    COUNT = 7  # bytes of a row
    STEP = 8  # the source has one every so many bytes
    INTO = 9  # bytes from one item, map of it and row to the next in the target
    OUT_OF = 12  # likewise in the source
    SIZE = 16


BYTES_AT_ONCE = (32, 8, 4)
"""How many neighbours are copied at once; rows of seven bytes are common, and so are their multiples."""


@cache
def fill_function() -> int:
    """Return the address of the compiled loops.

    They have the parameters of the kernels: first and last item, pointer to `CopySlot` records, two that are not
    looked at, the number of records, and two more.
    """
    code = NativeCode.of(_ir())
    _modules.append(code)
    return code.address("fill")


_modules: list[NativeCode] = []


def _ir() -> str:
    f = FunctionWriter("fill", PARAMETERS)
    first, last, records, _, _, count = f.arguments[:6]
    zero = const(I64, 0)

    def of_item(item: Value, _: list[Value]) -> list[Value]:
        def of_record(number: Value, _: list[Value]) -> list[Value]:
            _write_copy(f, f.offset(records, f.mul(number, 8 * CopySlot.SIZE)), item)
            return []

        f.loop(zero, count, [], of_record)
        return []

    f.loop(first, last, [], of_item)
    f.ret()
    return "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n" + f.text()


def _write_copy(f: FunctionWriter, record: Value, item: Value) -> None:
    """Pad the maps of an item and copy their rows."""
    zero = const(I64, 0)

    def slot(at: int, type_: str = I64) -> Value:
        return f.load(type_, f.offset(record, 8 * at), align=8)

    pad, plane_bytes, count, step = (
        slot(at) for at in (CopySlot.PAD, CopySlot.PLANE_BYTES, CopySlot.COUNT, CopySlot.STEP)
    )
    into, out_of = ([slot(of + axis) for axis in range(3)] for of in (CopySlot.INTO, CopySlot.OUT_OF))
    plane, target = (f.offset(slot(at, PTR), f.mul(item, into[0])) for at in (CopySlot.PLANE, CopySlot.TARGET))
    source, rows = f.offset(slot(CopySlot.SOURCE, PTR), f.mul(item, out_of[0])), slot(CopySlot.ROWS)

    def of_map(number: Value, _: list[Value]) -> list[Value]:
        moved, of = f.mul(number, into[1]), f.offset(source, f.mul(number, out_of[1]))
        byte = f.convert("trunc", pad, I8)
        f.if_(f.icmp("sge", pad, 0), lambda: f.set_bytes(f.offset(plane, moved), byte, plane_bytes))
        to = f.offset(target, moved)

        def of_row(row: Value, _: list[Value]) -> list[Value]:
            _write_row(f, f.offset(to, f.mul(row, into[2])), f.offset(of, f.mul(row, out_of[2])), count, step)
            return []

        f.loop(zero, rows, [], of_row)
        return []

    f.loop(zero, slot(CopySlot.MAPS), [], of_map)


def _write_row(f: FunctionWriter, to: Value, of: Value, count: Value, step: Value) -> None:
    """Copy many bytes at a time where they are neighbours or every other one; the last ones again, or one by one."""
    zero = const(I64, 0)
    single, done = f.new_label("single"), f.new_label("done")
    neighbours = f.icmp("eq", step, 1)

    def overlapping(size: int) -> None:
        type_ = vector_type(size, I8)
        last = f.sub(count, size)

        def some(at: Value, _: list[Value]) -> list[Value]:
            f.store(f.load(type_, f.offset(of, at), align=1), f.offset(to, at), align=1)
            return []

        f.loop(zero, last, [], some, step=size)
        some(last, [])
        f.jump(done)

    for size in BYTES_AT_ONCE:
        here, less = f.new_label(f"by{size}"), single if size == BYTES_AT_ONCE[-1] else f.new_label("less")
        f.branch(f.and_(neighbours, f.icmp("sge", count, size)), here, less)
        f.place(here)
        overlapping(size)
        f.place(less)

    def every_other(at: Value, _: list[Value]) -> list[Value]:
        pairs = f.load(vector_type(16, I8), f.offset(of, f.shl(at, 1)), align=1)
        f.store(f.evens(pairs), f.offset(to, at), align=1)
        return [f.add(at, 8)]

    def one(at: Value, _: list[Value]) -> list[Value]:
        f.store(f.load(I8, f.offset(of, f.mul(at, step)), align=1), f.offset(to, at), align=1)
        return []

    # Eight pairs are read whole: not the last ones, behind which the map may end.
    (copied,) = f.loop(zero, f.select(f.icmp("eq", step, 2), f.sub(count, 8), zero), [zero], every_other, step=8)
    f.loop(copied, count, [], one)
    f.jump(done)
    f.place(done)
