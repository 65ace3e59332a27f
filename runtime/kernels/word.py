"""Word fidelity: each macro as fused full-adder logic on planes, the carry in a register.

The carry cell and the flag cells get the value that the passes would leave there, so both fidelities agree on every
cell that anything reads, not only on the results.
"""

from __future__ import annotations

from imcflow.runtime.isa import Flag
from imcflow.runtime.kernels.emitter import I64, Value, const
from imcflow.runtime.kernels.interpreter import Emit, Interpreter
from imcflow.runtime.kernels.layout import SUBTRACT_FLAG, Handler


def _fused(*, swapped: bool) -> Emit:
    """R := A + B or A - B in three spans: both words have cells, A alone has, neither has.

    With s all ones for a subtraction, A - B = ~(~A + B): one formula for both, so that the interpreter does not jump
    by the kind of operation. Swapped, it is B - A; then A is the operand that is not complemented.
    """

    def emit(m: Interpreter) -> None:
        f = m.f
        a, b, r = (m.cell(m.field(name)) for name in ("a", "b", "r"))
        beyond_a, beyond_b = m.load(m.field("imm")), m.load(m.field("imm2"))
        end = f.mul(m.field("r_bits"), m.plane_bytes)
        first = f.smin(f.mul(m.field("b_bits"), m.plane_bytes), end)
        second = f.smin(f.mul(m.field("a_bits"), m.plane_bytes), end)
        subtract = f.and_(f.lshr(m.field("flags"), SUBTRACT_FLAG.bit_length() - 1), 1)
        complement = m.splat(f.sub(const(I64, 0), subtract))

        def span(start: Value, stop: Value, a_word: bool, b_word: bool, carry: Value) -> Value:
            def body(at: Value, carried: list[Value]) -> list[Value]:
                x = f.load(m.plane, f.offset(a, at), align=m.alignment) if a_word else beyond_a
                y = f.load(m.plane, f.offset(b, at), align=m.alignment) if b_word else beyond_b
                differ = f.xor(f.xor(x, complement), y)
                result = f.xor(f.xor(differ, carried[0]), complement)
                f.store(result, f.offset(r, at), align=m.alignment)
                return [f.mux(differ, carried[0], x if swapped else y)]

            return f.loop(start, stop, [carry], body, step=m.plane_bytes)[0]

        carry = span(const(I64, 0), first, True, True, m.zeros())
        carry = span(first, second, True, False, carry)
        m.store(span(second, end, False, False, carry), m.field("c"))

    return emit


def reach(m: Interpreter, bits: Value, flag: Flag, r_bits: Value) -> Value:
    """Return for how many result bits an operand has a cell (its top cell again, if it is signed)."""
    return m.f.select(m.flag(flag), r_bits, m.f.smin(bits, r_bits))


def operand(m: Interpreter, base: Value, bits: Value, bit: Value) -> Value:
    """Return the cell of bit `bit`, the top cell beyond the end."""
    return m.f.add(base, m.f.smin(bit, m.f.sub(bits, 1)))


def copy(m: Interpreter) -> None:
    """R := A, extended."""
    r, r_bits, a, a_bits = m.field("r"), m.field("r_bits"), m.field("a"), m.field("a_bits")
    a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)

    def body(bit: Value, _: list[Value]) -> list[Value]:
        m.store(m.load(operand(m, a, a_bits, bit)), m.f.add(r, bit))
        return []

    m.f.loop(const(I64, 0), a_reach, [], body)
    _fill(m, a_reach, r_bits)


def _fill(m: Interpreter, start: Value, stop: Value) -> None:
    """Clear the result bits from `start` on."""
    r = m.field("r")

    def body(bit: Value, _: list[Value]) -> list[Value]:
        m.store(m.zeros(), m.f.add(r, bit))
        return []

    m.f.loop(start, stop, [], body)


def _set(m: Interpreter) -> None:
    r, number = m.field("r"), m.field("imm")

    def body(bit: Value, _: list[Value]) -> list[Value]:
        m.store(m.bit_of(number, bit), m.f.add(r, bit))
        return []

    m.f.loop(const(I64, 0), m.field("r_bits"), [], body)


def _clear(m: Interpreter) -> None:
    _fill(m, const(I64, 0), m.field("r_bits"))


def _relu(m: Interpreter) -> None:
    r, r_bits = m.field("r"), m.field("r_bits")
    keep = m.f.not_(m.load(m.f.add(r, m.f.sub(r_bits, 1))))

    def body(bit: Value, _: list[Value]) -> list[Value]:
        cell = m.f.add(r, bit)
        m.store(m.f.and_(m.load(cell), keep), cell)
        return []

    m.f.loop(const(I64, 0), r_bits, [], body)


def _max_into(m: Interpreter) -> None:
    f = m.f
    a, r, top = m.field("a"), m.field("r"), m.f.sub(m.field("r_bits"), 1)

    def body(step: Value, carried: list[Value]) -> list[Value]:
        a_wins, r_wins = carried
        bit = f.sub(top, step)
        a_bit, r_bit = m.load(f.add(a, bit)), m.load(f.add(r, bit))
        flip = m.splat(m.sign_bit(bit, top, Flag.R_SIGNED))
        a_high = f.and_(f.xor(a_bit, flip), f.xor(r_bit, f.not_(flip)))
        r_high = f.and_(f.xor(r_bit, flip), f.xor(a_bit, f.not_(flip)))
        open_ = f.not_(f.or_(a_wins, r_wins))
        a_wins, r_wins = f.or_(a_wins, f.and_(open_, a_high)), f.or_(r_wins, f.and_(open_, r_high))
        m.store(f.mux(a_wins, a_bit, r_bit), f.add(r, bit))
        return [a_wins, r_wins]

    a_wins, r_wins = f.loop(const(I64, 0), m.field("r_bits"), [m.zeros(), m.zeros()], body)
    m.store(a_wins, m.field("c"))
    m.store(r_wins, m.field("b"))


def _step(m: Interpreter) -> None:
    f = m.f
    a, top, threshold = m.field("a"), f.sub(m.field("a_bits"), 1), m.field("imm")

    def compare(step: Value, carried: list[Value]) -> list[Value]:
        greater, equal = carried
        bit = f.sub(top, step)
        flip = m.splat(m.sign_bit(bit, top, Flag.A_SIGNED))
        a_bit = f.xor(m.load(f.add(a, bit)), flip)
        t_bit = f.xor(m.bit_of(threshold, bit), flip)
        greater = f.or_(greater, f.and_(equal, f.and_(a_bit, f.not_(t_bit))))
        return [greater, f.and_(equal, f.not_(f.xor(a_bit, t_bit)))]

    greater, equal = f.loop(const(I64, 0), m.field("a_bits"), [m.zeros(), f.not_(m.zeros())], compare)
    reached = f.or_(greater, equal)
    m.store(equal, m.field("c"))
    m.store(reached, m.field("b"))
    r, number = m.field("r"), m.field("imm2")

    def write(bit: Value, _: list[Value]) -> list[Value]:
        cell = f.add(r, bit)
        m.store(f.mux(reached, m.bit_of(number, bit), m.load(cell)), cell)
        return []

    f.loop(const(I64, 0), m.field("r_bits"), [], write)


WORD_HANDLERS: dict[Handler, Emit] = {
    Handler.FUSED: _fused(swapped=False),
    Handler.FUSED_SWAPPED: _fused(swapped=True),
    Handler.COPY: copy,
    Handler.MOVE: copy,
    Handler.SET: _set,
    Handler.CLEAR: _clear,
    Handler.RELU: _relu,
    Handler.MAX_INTO: _max_into,
    Handler.STEP: _step,
}
