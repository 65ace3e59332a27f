"""Which cleared cells are ever read before they are overwritten: a backward walk over the rows of word fidelity.

Streams clear whole tracks, as the hardware does best. On the host most of these zeros are overwritten unread; dropping
them changes no result, because word fidelity overwrites every result word completely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ctypes import CFUNCTYPE, c_int64, c_void_p
from functools import cache
from typing import cast

from imcflow.runtime.isa import INSTRUCTION_BYTES
from imcflow.runtime.kernels.emitter import I8, I64, PTR, FunctionWriter, Value, const
from imcflow.runtime.kernels.layout import Handler, field_layout
from imcflow.runtime.native_code import NativeCode

KeepFunction = Callable[[int, int, int, int], None]
"""(rows, row count, live, kept): addresses of the rows, of one byte per cell (0), and of int64 [rows, 2].

For every CLEAR row `kept` gets its first bit that is read and the number of bits from there to the last one (0: none);
other rows are left alone."""

Words = Sequence[tuple[str, str | None]]
"""(field of the first cell, field of the number of bits or None for one cell)"""

STORES = (
    Handler.STORE_8,
    Handler.STORE_32,
    Handler.STORE_64,
    Handler.STORE_STEP_32,
    Handler.STORE_STEP_64,
    Handler.STORE_STEP_3,
    Handler.STORE_STEP_15,
)
_A, _B, _R = ("a", "a_bits"), ("b", "b_bits"), ("r", "r_bits")
_FUSED: tuple[Words, Words] = ((_R, ("c", None)), (_A, _B, ("imm", None), ("imm2", None)))
_COPY: tuple[Words, Words] = ((_R,), (_A,))
_FLAGS: Words = (("c", None), ("b", None))

# Handler -> words written completely, words read.
EFFECTS: dict[Handler, tuple[Words, Words]] = {
    Handler.FUSED: _FUSED,
    Handler.FUSED_SWAPPED: _FUSED,
    Handler.COPY: _COPY,
    Handler.MOVE: _COPY,
    Handler.SET: ((_R,), ()),
    Handler.LOAD: ((_R,), ()),
    Handler.MAX_INTO: (_FLAGS, (_A, _R)),
    Handler.RELU: ((), (_R,)),
    Handler.STEP: (_FLAGS, (_A, _R)),
    **dict.fromkeys(STORES, ((), (_A,))),
}


@cache
def keep_function() -> KeepFunction:
    """Return the compiled walk."""
    code = NativeCode.of(_ir())
    _modules.append(code)
    return cast("KeepFunction", CFUNCTYPE(None, c_void_p, c_int64, c_void_p, c_void_p)(code.address("keep")))


_modules: list[NativeCode] = []


def _ir() -> str:
    f = FunctionWriter("keep", (PTR, I64, PTR, PTR))
    rows, count, live, kept = f.arguments
    layout = field_layout()

    def walk(step: Value, _: list[Value]) -> list[Value]:
        index = f.sub(f.sub(count, step), 1)
        row = f.offset(rows, f.mul(index, INSTRUCTION_BYTES))

        def field(name: str) -> Value:
            position, size, _ = layout[name]
            return f.convert("zext", f.load(f"i{8 * size}", f.offset(row, position), align=1), I64)

        def mark(word: tuple[str, str | None], value: int) -> None:
            start = field(word[0])

            def body(bit: Value, _: list[Value]) -> list[Value]:
                f.store(const(I8, value), f.offset(live, f.add(start, bit)), align=1)
                return []

            f.loop(const(I64, 0), const(I64, 1) if word[1] is None else field(word[1]), [], body)

        def clear() -> None:
            start, bits = field("r"), field("r_bits")

            def body(bit: Value, carried: list[Value]) -> list[Value]:
                first, last = carried
                cell = f.offset(live, f.add(start, bit))
                read = f.icmp("ne", f.load(I8, cell, align=1), 0)
                f.store(const(I8, 0), cell, align=1)
                first = f.select(read, f.smin(first, bit), first)
                return [first, f.select(read, bit, last)]

            first, last = f.loop(const(I64, 0), bits, [bits, const(I64, -1)], body)
            none = f.icmp("slt", last, 0)
            width = f.select(none, const(I64, 0), f.add(f.sub(last, first), 1))
            target = f.offset(kept, f.mul(index, 16))
            f.store(first, target, align=8)
            f.store(width, f.offset(target, 8), align=8)

        cases = [*EFFECTS, Handler.CLEAR]
        labels = {handler: f.new_label(handler.name.lower()) for handler in cases}
        done = f.new_label("next")
        f.switch(f.load(I8, row, align=1), done, [(int(handler), label) for handler, label in labels.items()])
        for handler in cases:
            f.place(labels[handler])
            if handler is Handler.CLEAR:
                clear()
            else:
                written, read = EFFECTS[handler]
                for word in written:
                    mark(word, 0)
                for word in read:
                    mark(word, 1)
            f.jump(done)
        f.place(done)
        return []

    f.loop(const(I64, 0), count, [], walk)
    f.ret()
    return f.text()
