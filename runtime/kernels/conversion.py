"""The converters of an analog macro in one pass: noise, code, place values, rounding, accumulation.

Sums of columns come from a matrix product. Reading them again for every one of these steps would cost more than the
product; here each sum is read once. `imcflow.runtime.crossbar.serial` is the oracle, in numpy, operation by operation.
"""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_void_p
from enum import IntEnum
from functools import cache
from typing import cast

from imcflow.runtime.kernels.emitter import DOUBLE, FLOAT, I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.kernels.normal_numbers import GATHER, NormalNumbers
from imcflow.runtime.native_code import NativeCode

LANES = 8
"""Lanes of one step: a register of the widest hosts."""

ConvertFunction = Callable[[int, int, int, int], None]
"""(sums, accumulators, scales, shape): addresses of the arrays that `Scale` and `Shape` describe.

Sums are [columns, readings, images, lanes]. Accumulators are float64 [columns, images, stride], beginning at the first
lane to convert."""


class Scale(IntEnum):
    """Leading float64 entries of the scales; `Reading` records follow."""

    STEP = 0  # unit cells of a code
    OFFSET = 1  # what all codes 0 stand for
    FACTOR = 2  # of the result when it is accumulated
    NOISE = 3  # unit cells of a noise of 1
    SIZE = 4


class Reading(IntEnum):
    """Entries of one reading: one physical column of a channel in one cycle."""

    LOW = 0  # unit cells at code 0
    LEAST = 1  # least code
    MOST = 2  # greatest code
    WEIGHT = 3  # place value
    SIZE = 4


class Shape(IntEnum):
    """64-bit slots of the shape."""

    COLUMNS = 0
    READINGS = 1
    IMAGES = 2
    LANES = 3
    STRIDE = 4  # lanes of an image in the accumulators
    KEY = 5  # of the tile's noise
    FIRST_IMAGE = 6  # number in the batch
    QUANTILES = 7  # pointer, pieces of the quantile function
    SIZE = 8


@cache
def convert_function(*, wide: bool, noisy: bool) -> ConvertFunction:
    """Return the compiled loop for float64 (`wide`) or float32 sums, with or without noise; ask from one thread."""
    code = NativeCode.of(_ir(wide=wide, noisy=noisy))
    _modules.append(code)
    signature = CFUNCTYPE(None, c_void_p, c_void_p, c_void_p, c_void_p)
    return cast("ConvertFunction", signature(code.address("convert")))


_modules: list[NativeCode] = []  # they own the machine code: kept for the life of the process


class _Writer:
    """Writes the loop over columns, images and lanes, and in it the one over the readings of a result."""

    def __init__(self, *, wide: bool, noisy: bool) -> None:
        self._f = f = FunctionWriter("convert", (PTR, PTR, PTR, PTR))
        self._sums, self._result, self._scales, shape = f.arguments
        self._shape = {slot: f.load(I64, f.offset(shape, 8 * slot), align=8) for slot in Shape if slot < Shape.SIZE}
        self._element, self._size = (DOUBLE, 8) if wide else (FLOAT, 4)
        quantiles = f.load(PTR, f.offset(shape, 8 * Shape.QUANTILES), align=8)
        self._numbers = NormalNumbers(f, quantiles) if noisy else None

    def text(self) -> str:
        """Return the IR."""
        f, shape = self._f, self._shape
        whole = f.and_(shape[Shape.LANES], -LANES)

        def image(number: Value, column: Value) -> None:
            def step(count: int) -> Callable[[Value, list[Value]], list[Value]]:
                def body(lane: Value, _: list[Value]) -> list[Value]:
                    self._convert(count, column, number, lane)
                    return []

                return body

            f.loop(const(I64, 0), whole, [], step(LANES), step=LANES)
            f.loop(whole, shape[Shape.LANES], [], step(1))

        def column(index: Value, _: list[Value]) -> list[Value]:
            def body(number: Value, _: list[Value]) -> list[Value]:
                image(number, index)
                return []

            f.loop(const(I64, 0), shape[Shape.IMAGES], [], body)
            return []

        f.loop(const(I64, 0), shape[Shape.COLUMNS], [], column)
        f.ret()
        vector = vector_type(LANES, DOUBLE)
        names = f"declare double @{rint_name(1)}(double)\ndeclare {vector} @{rint_name(LANES)}({vector})\n"
        return f.text() + names + (GATHER if self._numbers else "")

    def _convert(self, count: int, column: Value, image: Value, lane: Value) -> None:
        """Convert `count` lanes and add the results to the accumulators."""
        f, shape = self._f, self._shape
        number = DOUBLE if count == 1 else vector_type(count, DOUBLE)
        narrow = self._element if count == 1 else vector_type(count, self._element)

        def entry(base: Value, slot: int) -> Value:
            value = f.load(DOUBLE, f.offset(base, 8 * slot), align=8)
            return value if count == 1 else f.splat(value, count)

        readings, images = shape[Shape.READINGS], shape[Shape.IMAGES]
        first_row = f.mul(column, readings)
        in_batch = f.add(f.mul(f.add(shape[Shape.FIRST_IMAGE], image), shape[Shape.COLUMNS]), column)
        first_noise = f.mul(in_batch, readings)
        records = f.offset(self._scales, 8 * Scale.SIZE)

        def reading(at: Value, carried: list[Value]) -> list[Value]:
            row = f.add(f.mul(f.add(first_row, at), images), image)
            position = f.add(f.mul(row, shape[Shape.LANES]), lane)
            loaded = f.load(narrow, f.offset(self._sums, f.mul(position, self._size)), align=self._size)
            value = f.convert("fpext", loaded, number)
            if self._numbers is not None:
                drawn = self._numbers.draw(shape[Shape.KEY], f.add(first_noise, at), lane, count)
                value = f.fadd(value, f.fmul(f.convert("fpext", drawn, number), entry(self._scales, Scale.NOISE)))
            record = f.offset(records, f.mul(at, 8 * Reading.SIZE))
            code = f.fdiv(f.fsub(value, entry(record, Reading.LOW)), entry(self._scales, Scale.STEP))
            code = f.call(number, rint_name(count), code)
            code = f.fmax(f.fmin(code, entry(record, Reading.MOST)), entry(record, Reading.LEAST))
            return [f.fadd(carried[0], f.fmul(code, entry(record, Reading.WEIGHT)))]

        zero = Value(number, "zeroinitializer" if count > 1 else "0.0")
        total = f.loop(const(I64, 0), readings, [zero], reading)[0]
        total = f.fadd(f.fmul(total, entry(self._scales, Scale.STEP)), entry(self._scales, Scale.OFFSET))
        total = f.fmul(f.call(number, rint_name(count), total), entry(self._scales, Scale.FACTOR))
        at = f.add(f.mul(f.add(f.mul(column, images), image), shape[Shape.STRIDE]), lane)
        target = f.offset(self._result, f.mul(at, 8))
        f.store(f.fadd(f.load(number, target, align=8), total), target, align=8)


def _ir(*, wide: bool, noisy: bool) -> str:
    return _Writer(wide=wide, noisy=noisy).text()


def rint_name(count: int) -> str:
    """Return the intrinsic that rounds float64 to integers, half to even."""
    return f"llvm.rint.{'' if count == 1 else f'v{count}'}f64"
