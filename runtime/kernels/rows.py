"""Copies the rows of maps into padded maps: short runs of bytes, far apart in both, which numpy copies one by one."""

from __future__ import annotations

from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from functools import cache
from typing import cast

from imcflow.runtime.kernels.emitter import I8, I64, PTR, FunctionWriter, Value, const, vector_type
from imcflow.runtime.native_code import NativeCode

CopyRows = Callable[..., None]
"""(target, source, channels, images, rows, count, step, then the target's and the source's bytes from one channel,
image and row to the next): copies `count` bytes of every row, of which the source has one every `step` bytes."""


@cache
def copy_rows_function() -> CopyRows:
    """Return the compiled loops; they hold no interpreter lock."""
    code = NativeCode(_ir())
    _modules.append(code)
    return cast("CopyRows", CFUNCTYPE(None, c_void_p, c_void_p, *[c_int64] * 11)(code.address("copy_rows")))


_modules: list[NativeCode] = []


def _ir() -> str:
    f = FunctionWriter("copy_rows", (PTR, PTR, *[I64] * 11))
    target, source, channels, images, rows, count, step = f.arguments[:7]
    into, out_of = f.arguments[7:10], f.arguments[10:]
    zero = const(I64, 0)

    def nested(depth: int, to: Value, of: Value) -> None:
        if depth == 3:
            row(to, of)
            return

        def body(index: Value, _: list[Value]) -> list[Value]:
            nested(depth + 1, f.offset(to, f.mul(index, into[depth])), f.offset(of, f.mul(index, out_of[depth])))
            return []

        f.loop(zero, (channels, images, rows)[depth], [], body)

    def row(to: Value, of: Value) -> None:
        """Eight bytes at a time where they are neighbours or every other one; the last ones again, or one by one."""
        dense = f.and_(f.icmp("eq", step, 1), f.icmp("sge", count, 8))
        wide, narrow, done = (f.new_label(hint) for hint in ("wide", "narrow", "copied"))
        zero_to_eight = f.select(f.icmp("eq", step, 2), f.sub(count, 8), zero)
        f.branch(dense, wide, narrow)
        f.place(wide)
        last = f.sub(count, 8)

        def eight(at: Value, _: list[Value]) -> list[Value]:
            f.store(f.load(I64, f.offset(of, at), align=1), f.offset(to, at), align=1)
            return []

        f.loop(zero, last, [], eight, step=8)
        eight(last, [])
        f.jump(done)
        f.place(narrow)

        def every_other(at: Value, _: list[Value]) -> list[Value]:
            pairs = f.load(vector_type(16, I8), f.offset(of, f.shl(at, 1)), align=1)
            f.store(f.evens(pairs), f.offset(to, at), align=1)
            return [f.add(at, 8)]

        (done_so_far,) = f.loop(zero, zero_to_eight, [zero], every_other, step=8)

        def single(at: Value, _: list[Value]) -> list[Value]:
            f.store(f.load(I8, f.offset(of, f.mul(at, step)), align=1), f.offset(to, at), align=1)
            return []

        f.loop(done_so_far, count, [], single)
        f.jump(done)
        f.place(done)

    nested(0, target, source)
    f.ret()
    return f.text()
