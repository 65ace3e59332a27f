"""Windows of integer maps as the rows of a floating-point matrix, digit by digit, in one pass.

`imcflow.runtime.crossbar.columns` calls it and has the same in numpy for the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_void_p
from enum import IntEnum
from functools import cache
from typing import cast

from imcflow.runtime.kernels.emitter import DOUBLE, FLOAT, I32, I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.native_code import NativeCode

LANES = 8

UnfoldFunction = Callable[[int, int, int], None]
"""(maps, result, shape): addresses.

Maps are [images, channels, height, width], padding included; the result is [channels, kernel rows, kernel columns,
cycles, images, out height, out width]."""


class UnfoldShape(IntEnum):
    """64-bit slots of the shape; a (shift, mask) pair per cycle follows."""

    IMAGES = 0
    CHANNELS = 1
    HEIGHT = 2
    WIDTH = 3
    KERNEL_ROWS = 4
    KERNEL_COLUMNS = 5
    OUT_HEIGHT = 6
    OUT_WIDTH = 7
    STRIDE_DOWN = 8
    STRIDE_ACROSS = 9
    DILATION_DOWN = 10
    DILATION_ACROSS = 11
    CYCLES = 12
    SIZE = 13


@cache
def unfold_function(*, source_bytes: int, source_signed: bool, wide: bool) -> UnfoldFunction:
    """Return the loop from integers of 1, 2, 4 or 8 bytes to float64 (`wide`) or float32; ask from one thread."""
    code = NativeCode.of(_ir(source_bytes, source_signed=source_signed, wide=wide))
    _modules.append(code)
    return cast("UnfoldFunction", CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)(code.address("unfold")))


_modules: list[NativeCode] = []  # they own the machine code: kept for the life of the process


class _Digit:
    """Shift and mask of one cycle, for one and for many lanes."""

    def __init__(self, f: FunctionWriter, shape: Value, cycle: Value) -> None:
        pair = f.offset(shape, f.mul(f.add(f.mul(cycle, 2), UnfoldShape.SIZE), 8))
        self.shift, self.mask = f.load(I64, pair, align=8), f.load(I64, f.offset(pair, 8), align=8)
        self.shifts, self.masks = (f.splat(f.convert("trunc", value, I32), LANES) for value in (self.shift, self.mask))


def _ir(source_bytes: int, *, source_signed: bool, wide: bool) -> str:
    f = FunctionWriter("unfold", (PTR, PTR, PTR))
    maps, result, shape = f.arguments
    s = {slot: f.load(I64, f.offset(shape, 8 * slot), align=8) for slot in UnfoldShape if slot < UnfoldShape.SIZE}
    element, size = (DOUBLE, 8) if wide else (FLOAT, 4)
    source, extend = f"i{8 * source_bytes}", "sext" if source_signed else "zext"
    # 32 bits hold every shorter integer; wider ones are taken one by one.
    whole = f.and_(s[UnfoldShape.OUT_WIDTH], -LANES) if source_bytes < 4 else const(I64, 0)
    whole = f.select(f.icmp("eq", s[UnfoldShape.STRIDE_ACROSS], 1), whole, const(I64, 0))

    # Strides in bytes of each loop, in the maps and in the result.
    row_bytes = f.mul(s[UnfoldShape.WIDTH], source_bytes)
    plane_bytes = f.mul(row_bytes, s[UnfoldShape.HEIGHT])
    come_strides = [
        plane_bytes,
        f.mul(row_bytes, s[UnfoldShape.DILATION_DOWN]),
        f.mul(s[UnfoldShape.DILATION_ACROSS], source_bytes),
        const(I64, 0),
        f.mul(plane_bytes, s[UnfoldShape.CHANNELS]),
        f.mul(row_bytes, s[UnfoldShape.STRIDE_DOWN]),
    ]
    order = [UnfoldShape.CHANNELS, UnfoldShape.KERNEL_ROWS, UnfoldShape.KERNEL_COLUMNS, UnfoldShape.CYCLES]
    order += [UnfoldShape.IMAGES, UnfoldShape.OUT_HEIGHT]
    to_strides = [f.mul(s[UnfoldShape.OUT_WIDTH], size)]
    for slot in reversed(order[1:]):
        to_strides.insert(0, f.mul(to_strides[0], s[slot]))
    across = f.mul(s[UnfoldShape.STRIDE_ACROSS], source_bytes)
    integers, numbers = vector_type(LANES, I32), vector_type(LANES, element)

    def nest(depth: int, come: Value, to: Value, digit: _Digit) -> None:
        if depth == len(order):
            row(come, to, digit)
            return

        def level(index: Value, _: list[Value]) -> list[Value]:
            inner = _Digit(f, shape, index) if order[depth] is UnfoldShape.CYCLES else digit
            source_at = f.offset(come, f.mul(index, come_strides[depth]))
            nest(depth + 1, source_at, f.offset(to, f.mul(index, to_strides[depth])), inner)
            return []

        f.loop(const(I64, 0), s[order[depth]], [], level)

    def row(come: Value, to: Value, digit: _Digit) -> None:
        def wide_step(x: Value, _: list[Value]) -> list[Value]:
            loaded = f.load(vector_type(LANES, source), f.offset(come, f.mul(x, source_bytes)), align=source_bytes)
            value = f.and_(f.ashr(f.convert(extend, loaded, integers), digit.shifts), digit.masks)
            f.store(f.convert("sitofp", value, numbers), f.offset(to, f.mul(x, size)), align=size)
            return []

        def single_step(x: Value, _: list[Value]) -> list[Value]:
            loaded = f.load(source, f.offset(come, f.mul(x, across)), align=source_bytes)
            value = f.and_(f.ashr(f.convert(extend, loaded, I64), digit.shift), digit.mask)
            f.store(f.convert("sitofp", value, element), f.offset(to, f.mul(x, size)), align=size)
            return []

        if source_bytes < 4:
            f.loop(const(I64, 0), whole, [], wide_step, step=LANES)
        f.loop(whole, s[UnfoldShape.OUT_WIDTH], [], single_step)

    nest(0, maps, result, _Digit(f, shape, const(I64, 0)))
    f.ret()
    return f.text()
