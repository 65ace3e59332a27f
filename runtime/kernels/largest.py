"""The largest bytes of windows in one pass; numpy combines whole maps once per window element, far from the cache.

`imcflow.runtime.digital.pooling` calls it and has the same in numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_void_p
from enum import IntEnum
from functools import cache
from typing import cast

from imcflow.runtime.kernels.emitter import I8, I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.native_code import NativeCode

LargestFunction = Callable[[int, int, int, int], None]
"""(maps, result, row, shape): addresses.

Maps are [images, channels, height, width] in any strides but that of columns, which are neighbours; the result is
packed. `row` is room for a padded row and `ROW_SLACK_BYTES`."""

ROW_SLACK_BYTES = 64
WIDE, OUT = 32, 16  # bytes of a map row and of a result row at once


class LargestShape(IntEnum):
    """64-bit slots of the shape."""

    IMAGES = 0
    CHANNELS = 1
    HEIGHT = 2
    WIDTH = 3
    IMAGE_STRIDE = 4  # bytes
    CHANNEL_STRIDE = 5
    ROW_STRIDE = 6
    KERNEL_ROWS = 7
    KERNEL_COLUMNS = 8
    STRIDE_DOWN = 9
    STRIDE_ACROSS = 10
    DILATION_DOWN = 11
    DILATION_ACROSS = 12
    TOP = 13
    LEFT = 14
    OUT_HEIGHT = 15
    OUT_WIDTH = 16
    ROW_BYTES = 17  # a row with padding, as far as windows reach
    LEAST = 18  # byte that stands for padding
    SIZE = 19


@cache
def largest_function(*, signed: bool) -> LargestFunction:
    """Return the loops for bytes with or without sign; ask from one thread. They hold no interpreter lock."""
    code = NativeCode.of(_Writer(signed=signed).text())
    _modules.append(code)
    return cast("LargestFunction", CFUNCTYPE(None, *[c_void_p] * 4)(code.address("largest")))


_modules: list[NativeCode] = []


class _Writer:
    """Writes the function: down the columns of a window into one padded row, then along that row."""

    def __init__(self, *, signed: bool) -> None:
        self._greater = "sgt" if signed else "ugt"
        self._f = FunctionWriter("largest", (PTR, PTR, PTR, PTR))
        self._maps, self._result, self._row, shape = self._f.arguments
        self._shape = {slot: self._f.load(I64, self._f.offset(shape, 8 * slot), align=8) for slot in LargestShape}

    def text(self) -> str:
        f, shape = self._f, self._shape
        rows = f.mul(shape[LargestShape.CHANNELS], shape[LargestShape.OUT_HEIGHT])
        self._each(LargestShape.IMAGES, lambda image: self._image(image, rows))
        f.ret()
        return "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n" + f.text()

    def _each(self, count: LargestShape, body: Callable[[Value], None]) -> None:
        def run(index: Value, _: list[Value]) -> list[Value]:
            body(index)
            return []

        self._f.loop(const(I64, 0), self._shape[count], [], run)

    def _image(self, image: Value, rows: Value) -> None:
        f, shape = self._f, self._shape
        source = f.offset(self._maps, f.mul(image, shape[LargestShape.IMAGE_STRIDE]))
        before = f.mul(image, rows)

        def channel(number: Value) -> None:
            plane = f.offset(source, f.mul(number, shape[LargestShape.CHANNEL_STRIDE]))
            first = f.add(before, f.mul(number, shape[LargestShape.OUT_HEIGHT]))

            def out_row(y: Value) -> None:
                self._down(plane, y)
                out_width = shape[LargestShape.OUT_WIDTH]
                self._along(f.offset(self._result, f.mul(f.add(first, y), out_width)), out_width)

            self._each(LargestShape.OUT_HEIGHT, out_row)

        self._each(LargestShape.CHANNELS, channel)

    def _down(self, plane: Value, y: Value) -> None:
        """The largest of every column of the windows of a result row, into the padded row."""
        f, shape = self._f, self._shape
        f.set_bytes(self._row, f.convert("trunc", shape[LargestShape.LEAST], I8), shape[LargestShape.ROW_BYTES])
        into = f.offset(self._row, shape[LargestShape.LEFT])
        top = f.sub(f.mul(y, shape[LargestShape.STRIDE_DOWN]), shape[LargestShape.TOP])

        def window_row(number: Value) -> None:
            at = f.add(top, f.mul(number, shape[LargestShape.DILATION_DOWN]))
            inside = f.and_(f.icmp("sge", at, 0), f.icmp("slt", at, shape[LargestShape.HEIGHT]))
            source = f.offset(plane, f.mul(at, shape[LargestShape.ROW_STRIDE]))

            def merge(type_: str, x: Value) -> None:
                to = f.offset(into, x)
                here, there = f.load(type_, to, align=1), f.load(type_, f.offset(source, x), align=1)
                f.store(self._larger(here, there), to, align=1)

            f.if_(inside, lambda: self._chunks(shape[LargestShape.WIDTH], WIDE, merge))

        self._each(LargestShape.KERNEL_ROWS, window_row)

    def _along(self, target: Value, count: Value) -> None:
        """The largest of every window of the padded row."""
        f, shape = self._f, self._shape
        stride = shape[LargestShape.STRIDE_ACROSS]
        cases = {1: f.new_label("each"), 2: f.new_label("other")}
        single, done = f.new_label("single"), f.new_label("along")
        f.switch(stride, single, list(cases.items()))

        def windows(type_: str, load: Callable[[Value], Value]) -> Callable[[str, Value], None]:
            def write(chunk: str, x: Value) -> None:
                scalar = chunk == I8

                def column(number: Value, so_far: list[Value]) -> list[Value]:
                    at = f.add(f.mul(x, stride), f.mul(number, shape[LargestShape.DILATION_ACROSS]))
                    pointer = f.offset(self._row, at)
                    return [self._larger(so_far[0], f.load(I8, pointer, align=1) if scalar else load(pointer))]

                least = f.convert("trunc", shape[LargestShape.LEAST], I8)
                start = least if scalar else f.splat(least, OUT)
                (best,) = f.loop(const(I64, 0), shape[LargestShape.KERNEL_COLUMNS], [start], column)
                f.store(best, f.offset(target, x), align=1)

            return write

        byte_row = vector_type(OUT, I8)
        for step, label in cases.items():
            f.place(label)

            def load(pointer: Value, step: int = step) -> Value:
                loaded = f.load(vector_type(step * OUT, I8), pointer, align=1)
                return f.evens(loaded) if step == 2 else loaded

            self._chunks(count, OUT, windows(byte_row, load))
            f.jump(done)
        f.place(single)
        scalars = windows(I8, lambda pointer: f.load(I8, pointer, align=1))

        def one(x: Value, _: list[Value]) -> list[Value]:
            scalars(I8, x)
            return []

        f.loop(const(I64, 0), count, [], one)
        f.jump(done)
        f.place(done)

    def _larger(self, left: Value, right: Value) -> Value:
        return self._f.select(self._f.icmp(self._greater, left, right), left, right)

    def _chunks(self, count: Value, size: int, body: Callable[[str, Value], None]) -> None:
        """Run `body` on `size` bytes at a time, the last ones overlapping; byte by byte where there are fewer."""
        f = self._f
        many, few, done = (f.new_label(hint) for hint in ("many", "few", "chunks"))
        f.branch(f.icmp("sge", count, size), many, few)
        f.place(many)
        last = f.sub(count, size)

        def chunk(at: Value, _: list[Value]) -> list[Value]:
            body(vector_type(size, I8), at)
            return []

        f.loop(const(I64, 0), last, [], chunk, step=size)
        chunk(last, [])
        f.jump(done)
        f.place(few)

        def single(at: Value, _: list[Value]) -> list[Value]:
            body(I8, at)
            return []

        f.loop(const(I64, 0), count, [], single)
        f.jump(done)
        f.place(done)
