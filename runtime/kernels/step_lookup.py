"""Integer sums to stored bytes through step functions: a bucket says where to start, few comparisons do the rest."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from enum import IntEnum
from functools import cache
from typing import cast

from imcflow.runtime.kernels.emitter import DOUBLE, FLOAT, I32, I64, PTR, FunctionWriter, Value, const
from imcflow.runtime.native_code import NativeCode

FEWEST_COMPARISONS = 2

LookupFunction = Callable[[int, int, int, int, int, int, int], None]
"""(sums, result, records, channels, images, positions, comparisons): addresses and counts.

Sums are float32 or float64 [channels, images, positions], the result [images, channels, positions]; a `StepRecord` per
channel. There are at least `FEWEST_COMPARISONS` comparisons."""


class StepRecord(IntEnum):
    """64-bit slots of one channel."""

    BIAS = 0  # added to the sum first
    LOW = 1  # sums are at least this ...
    HIGH = 2  # ... and at most this when they choose a bucket
    SHIFT = 3  # a bucket is 2**shift sums
    BUCKETS = 4  # pointer, int32: per bucket, thresholds that every sum in it has reached
    THRESHOLDS = 5  # pointer, int64 ascending; as many more entries that no sum reaches as there are comparisons
    VALUES = 6  # pointer, int32: result by number of thresholds reached
    SIZE = 8


@cache
def lookup_function(*, wide: bool, result_bytes: int) -> LookupFunction:
    """Return the loop for float64 (`wide`) or float32 sums and integers of 1, 2, 4 or 8 bytes; ask from one thread."""
    code = NativeCode.of(_ir(wide=wide, result_bytes=result_bytes))
    _modules.append(code)
    types = [c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int64, c_int64]
    return cast("LookupFunction", CFUNCTYPE(None, *types)(code.address("lookup")))


_modules: list[NativeCode] = []  # they own the machine code: kept for the life of the process


def _ir(*, wide: bool, result_bytes: int) -> str:
    f = FunctionWriter("lookup", (PTR, PTR, PTR, I64, I64, I64, I64))
    sums, result, records, channels, images, positions, comparisons = f.arguments
    element, size = (DOUBLE, 8) if wide else (FLOAT, 4)

    def channel(index: Value, _: list[Value]) -> list[Value]:
        record = f.offset(records, f.mul(index, 8 * StepRecord.SIZE))

        def slot(number: StepRecord, type_: str = I64) -> Value:
            return f.load(type_, f.offset(record, 8 * number), align=8)

        bias, low, high = slot(StepRecord.BIAS), slot(StepRecord.LOW), slot(StepRecord.HIGH)
        shift, buckets = slot(StepRecord.SHIFT), slot(StepRecord.BUCKETS, PTR)
        thresholds, values = slot(StepRecord.THRESHOLDS, PTR), slot(StepRecord.VALUES, PTR)

        def image(number: Value, _: list[Value]) -> list[Value]:
            source = f.offset(sums, f.mul(f.mul(f.add(f.mul(index, images), number), positions), size))
            place = f.mul(f.add(f.mul(number, channels), index), positions)
            target = f.offset(result, f.mul(place, result_bytes))

            def position(at: Value, _: list[Value]) -> list[Value]:
                loaded = f.load(element, f.offset(source, f.mul(at, size)), align=size)
                value = f.add(f.convert("fptosi", loaded, I64), bias)
                inside = f.smin(value, high)
                inside = f.select(f.icmp("sgt", inside, low), inside, low)
                bucket = f.lshr(f.sub(inside, low), shift)
                first = f.convert("sext", f.load(I32, f.offset(buckets, f.mul(bucket, 4)), align=4), I64)
                here = f.offset(thresholds, f.mul(first, 8))

                def compare(step: Value, carried: list[Value]) -> list[Value]:
                    threshold = f.load(I64, f.offset(here, f.mul(step, 8)), align=8)
                    return [f.add(carried[0], f.convert("zext", f.icmp("sge", value, threshold), I64))]

                # A loop of one or two turns costs more than they do.
                reached = first
                for step in range(FEWEST_COMPARISONS):
                    (reached,) = compare(const(I64, step), [reached])
                reached = f.loop(const(I64, FEWEST_COMPARISONS), comparisons, [reached], compare)[0]
                found = f.load(I32, f.offset(values, f.mul(reached, 4)), align=4)
                type_ = f"i{8 * result_bytes}"
                found = f.convert("sext" if result_bytes > 4 else "trunc", found, type_)
                f.store(found, f.offset(target, f.mul(at, result_bytes)), align=result_bytes)
                return []

            f.loop(const(I64, 0), positions, [], position)
            return []

        f.loop(const(I64, 0), images, [], image)
        return []

    f.loop(const(I64, 0), channels, [], channel)
    f.ret()
    return f.text()
