"""Machine code that lets threads share ranges of work without the interpreter lock.

Between two short kernels a thread that must first get the lock begins some 50 us late. Here helpers look at a board in
memory, take ranges from it by compare-and-swap and run them; the interpreter is not involved until all are done.
Every worker begins with its own part of the ranges, whose data the last step left in its cache, and then helps others.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from imcflow.runtime.native_code import NativeCode

_LINE = 8  # 64-bit words of a cache line: what threads write to in turn lies apart


class BoardSlot(IntEnum):
    """64-bit words of a board."""

    DONE = 0  # ranges that have run
    RANGES = _LINE  # from here on: what the caller says about the ranges
    ITEMS = _LINE + 1
    ITEMS_PER_RANGE = _LINE + 2
    BY_RANGE = _LINE + 3  # 1: the table has a row per range; 0: a row per worker
    TABLE = _LINE + 4  # pointer to rows of `CallSlot`
    WORKERS = _LINE + 5
    TICKETS = 2 * _LINE  # a cache line per worker, whose first word is its ticket


TICKET_BITS = 26
"""A ticket is (workers << 52 | next range << 26 | range behind the last): the ranges that a worker takes first.

One word, changed by compare-and-swap: whoever takes a range knows that it is one of the ranges that are open now, and
that it may take it.
"""
TICKET_MASK = (1 << TICKET_BITS) - 1


class CallSlot(IntEnum):
    """64-bit words of one row of the table: a function of the kernels' signature and what it is called with."""

    FUNCTION = 0
    BASE = 1  # added to the first and the last item of the range
    ARGUMENTS = 2  # state, scratch, rows, row count, context, counters
    SIZE = 8


_HINTS = {"x86_64": "llvm.x86.sse2.pause()", "amd64": "llvm.x86.sse2.pause()"}
"""What a thread that looks on tells the core, so that a sibling on it runs faster."""


def _ir() -> str:
    slot, call = BoardSlot, CallSlot
    hint = _HINTS.get(platform.machine().lower())
    declare, pause = ("", "") if hint is None else (f"declare void @{hint}", f"call void @{hint}")
    arguments = ("ptr", "ptr", "ptr", "i64", "ptr", "ptr")
    loads = "\n".join(
        f"  %a{i}.at = getelementptr i64, ptr %call, i64 {call.ARGUMENTS + i}\n  %a{i} = load {kind}, ptr %a{i}.at"
        for i, kind in enumerate(arguments)
    )
    passed = ", ".join(f"{kind} %a{i}" for i, kind in enumerate(arguments))

    def word(name: str, at: int, kind: str = "i64") -> str:
        return f"  %{name}.at = getelementptr i64, ptr %board, i64 {int(at)}\n  %{name} = load {kind}, ptr %{name}.at"

    def store(name: str, at: int, value: str) -> str:
        return f"  %{name}.at = getelementptr i64, ptr %board, i64 {int(at)}\n  store {value}, ptr %{name}.at"

    return f"""
{declare}

define void @run_range(ptr %table, i64 %row, i64 %first, i64 %last) nounwind {{
  %offset = mul i64 %row, {int(call.SIZE)}
  %call = getelementptr i64, ptr %table, i64 %offset
  %function = load ptr, ptr %call
  %base.at = getelementptr i64, ptr %call, i64 {int(call.BASE)}
  %base = load i64, ptr %base.at
  %from = add i64 %base, %first
  %to = add i64 %base, %last
{loads}
  call void %function(i64 %from, i64 %to, {passed})
  ret void
}}

define internal i1 @take(ptr %board, i64 %worker) nounwind {{
entry:
{word("workers", slot.WORKERS)}
  br label %look
look:
  %others = phi i64 [ 0, %entry ], [ %more.others, %next ]
  %sum = add i64 %worker, %others
  %beyond = icmp uge i64 %sum, %workers
  %less = sub i64 %sum, %workers
  %of = select i1 %beyond, i64 %less, i64 %sum
  %line = mul i64 %of, {_LINE}
  %at = add i64 %line, {int(slot.TICKETS)}
  %ticket.at = getelementptr i64, ptr %board, i64 %at
  br label %read
read:
  %ticket = load atomic i64, ptr %ticket.at acquire, align 8
  %shifted = lshr i64 %ticket, {TICKET_BITS}
  %range = and i64 %shifted, {TICKET_MASK}
  %stop = and i64 %ticket, {TICKET_MASK}
  %some = icmp ult i64 %range, %stop
  %may.take = lshr i64 %ticket, {2 * TICKET_BITS}
  %one.of.them = icmp ult i64 %worker, %may.take
  %may = and i1 %some, %one.of.them
  br i1 %may, label %try, label %next
next:
  %more.others = add i64 %others, 1
  %left = icmp ult i64 %more.others, %workers
  br i1 %left, label %look, label %none
try:
  %following = add i64 %ticket, {1 << TICKET_BITS}
  %pair = cmpxchg ptr %ticket.at, i64 %ticket, i64 %following acq_rel acquire, align 8
  %won = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %won, label %run, label %read
run:
{word("items", slot.ITEMS)}
{word("per.range", slot.ITEMS_PER_RANGE)}
{word("by.range", slot.BY_RANGE)}
{word("table", slot.TABLE, "ptr")}
  %has.row = icmp ne i64 %by.range, 0
  %row = select i1 %has.row, i64 %range, i64 %worker
  %first = mul i64 %range, %per.range
  %end = add i64 %first, %per.range
  %inside = icmp slt i64 %end, %items
  %last = select i1 %inside, i64 %end, i64 %items
  call void @run_range(ptr %table, i64 %row, i64 %first, i64 %last)
  %done.at = getelementptr i64, ptr %board, i64 {int(slot.DONE)}
  %before = atomicrmw add ptr %done.at, i64 1 acq_rel
  ret i1 true
none:
  ret i1 false
}}

define void @serve(ptr %board, i64 %worker, ptr %cell, i64 %old, i64 %looks) nounwind {{
entry:
  br label %look
look:
  %count = phi i64 [ 0, %entry ], [ 0, %try ], [ %more, %idle ]
  %now = load atomic i64, ptr %cell acquire, align 8
  %same = icmp eq i64 %now, %old
  br i1 %same, label %try, label %out
try:
  %ran = call i1 @take(ptr %board, i64 %worker)
  br i1 %ran, label %look, label %idle
idle:
  {pause}
  %more = add i64 %count, 1
  %patient = icmp ult i64 %more, %looks
  br i1 %patient, label %look, label %out
out:
  ret void
}}

define void @work(ptr %board, i64 %most, i64 %looks) nounwind {{
entry:
  br label %begin
begin:
  %count = phi i64 [ 0, %entry ], [ %counted, %ran ]
  %ran.one = call i1 @take(ptr %board, i64 0)
  br i1 %ran.one, label %ran, label %finish
ran:
  %counted = add i64 %count, 1
  %go.on = icmp ult i64 %counted, %most
  br i1 %go.on, label %begin, label %out
finish:
{word("ranges", slot.RANGES)}
  %done.at = getelementptr i64, ptr %board, i64 {int(slot.DONE)}
  br label %wait
wait:
  %looked = phi i64 [ 0, %finish ], [ %more, %again ]
  %done = load atomic i64, ptr %done.at acquire, align 8
  %open = icmp ne i64 %done, %ranges
  br i1 %open, label %again, label %out
again:
  {pause}
  %more = add i64 %looked, 1
  %patient = icmp ult i64 %more, %looks
  br i1 %patient, label %wait, label %out
out:
  ret void
}}

define void @open(ptr %board, i64 %workers, i64 %ranges, i64 %items, i64 %each, i64 %by.range, ptr %table) nounwind {{
entry:
{store("done", slot.DONE, "i64 0")}
{store("ranges", slot.RANGES, "i64 %ranges")}
{store("items", slot.ITEMS, "i64 %items")}
{store("each", slot.ITEMS_PER_RANGE, "i64 %each")}
{store("by.range", slot.BY_RANGE, "i64 %by.range")}
{store("table", slot.TABLE, "ptr %table")}
{store("workers", slot.WORKERS, "i64 %workers")}
  %may.take = shl i64 %workers, {2 * TICKET_BITS}
  br label %worker
worker:
  %number = phi i64 [ 0, %entry ], [ %following, %worker ]
  %following = add i64 %number, 1
  %share = mul i64 %number, %ranges
  %first = udiv i64 %share, %workers
  %next.share = mul i64 %following, %ranges
  %last = udiv i64 %next.share, %workers
  %next = shl i64 %first, {TICKET_BITS}
  %part = or i64 %next, %last
  %ticket = or i64 %part, %may.take
  %line = mul i64 %number, {_LINE}
  %at = add i64 %line, {int(slot.TICKETS)}
  %ticket.at = getelementptr i64, ptr %board, i64 %at
  store atomic i64 %ticket, ptr %ticket.at release, align 8
  %more = icmp ult i64 %following, %workers
  br i1 %more, label %worker, label %out
out:
  ret void
}}

define void @withdraw(ptr %board) nounwind {{
entry:
{word("workers", slot.WORKERS)}
  %done.at = getelementptr i64, ptr %board, i64 {int(slot.DONE)}
  br label %worker
worker:
  %number = phi i64 [ 0, %entry ], [ %following, %worker ]
  %following = add i64 %number, 1
  %line = mul i64 %number, {_LINE}
  %at = add i64 %line, {int(slot.TICKETS)}
  %ticket.at = getelementptr i64, ptr %board, i64 %at
  %ticket = atomicrmw xchg ptr %ticket.at, i64 0 acq_rel
  %shifted = lshr i64 %ticket, {TICKET_BITS}
  %next = and i64 %shifted, {TICKET_MASK}
  %stop = and i64 %ticket, {TICKET_MASK}
  %left = sub i64 %stop, %next
  %before = atomicrmw add ptr %done.at, i64 %left acq_rel
  %more = icmp ult i64 %following, %workers
  br i1 %more, label %worker, label %out
out:
  ret void
}}
"""


@dataclass(frozen=True, slots=True)
class Sharing:
    """The functions; all numbers are addresses or integers.

    Attributes:
        run_range: (table, row, first item, last item) runs one range in the calling thread.
        serve: (board, worker, cell, old, looks) takes ranges until the cell no longer holds `old`, or until there were
            none for so many looks; at least one look.
        work: (board, ranges, looks) takes at most so many ranges as worker 0, then waits that long for the others.
        open: (board, workers, ranges, items, items per range, whether by range, table) shows ranges to the helpers. One
            call, because an interrupt must not find a board half-written.
        withdraw: (board) takes all ranges that are left without running them.
    """

    run_range: Callable[[int, int, int, int], None]
    serve: Callable[[int, int, int, int, int], None]
    work: Callable[[int, int, int], None]
    open: Callable[[int, int, int, int, int, int, int], None]
    withdraw: Callable[[int], None]


@cache
def sharing() -> Sharing:
    """Return the compiled functions; they hold no interpreter lock."""
    code = NativeCode.of(_ir())
    _modules.append(code)

    def function(name: str, pointers: str) -> Callable[..., None]:
        kinds = [c_void_p if kind == "p" else c_int64 for kind in pointers]
        return CFUNCTYPE(None, *kinds)(code.address(name))

    return Sharing(
        function("run_range", "piii"),
        function("serve", "pipii"),
        function("work", "pii"),
        function("open", "piiiiip"),
        function("withdraw", "p"),
    )


_modules: list[NativeCode] = []
