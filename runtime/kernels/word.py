"""Word fidelity: each macro as fused full-adder logic on planes, the carry in a register.

The carry cell and the flag cells get the value that the passes would leave there, so both fidelities agree on every
cell, not only on the results.
"""

from __future__ import annotations

from collections.abc import Callable

from imcflow.runtime.isa import Flag
from imcflow.runtime.kernels.emitter import I64, Value, const
from imcflow.runtime.kernels.interpreter import Emit, Interpreter
from imcflow.runtime.kernels.layout import Handler

BitLogic = Callable[[Interpreter, Value, Value, Value], tuple[Value, Value]]
"""(machine, x, y, carry) -> (result bit, next carry)"""


def _full_add(m: Interpreter, x: Value, y: Value, carry: Value) -> tuple[Value, Value]:
    differ = m.f.xor(x, y)
    return m.f.xor(differ, carry), m.f.mux(differ, carry, x)


def _full_sub(m: Interpreter, x: Value, y: Value, borrow: Value) -> tuple[Value, Value]:
    differ = m.f.xor(x, y)
    return m.f.xor(differ, borrow), m.f.mux(differ, y, borrow)


def _half_add(m: Interpreter, x: Value, _: Value, carry: Value) -> tuple[Value, Value]:
    return m.f.xor(x, carry), m.f.and_(x, carry)


def _half_sub(m: Interpreter, x: Value, _: Value, borrow: Value) -> tuple[Value, Value]:
    return m.f.xor(x, borrow), m.f.and_(m.f.not_(x), borrow)


def _negate(m: Interpreter, x: Value, _: Value, borrow: Value) -> tuple[Value, Value]:
    return m.f.xor(x, borrow), m.f.or_(x, borrow)


def reach(m: Interpreter, bits: Value, flag: Flag, r_bits: Value) -> Value:
    """Return for how many result bits an operand has a cell (its top cell again, if it is signed)."""
    return m.f.select(m.flag(flag), r_bits, m.f.smin(bits, r_bits))


def operand(m: Interpreter, base: Value, bits: Value, bit: Value) -> Value:
    """Return the cell of bit `bit`, the top cell beyond the end."""
    return m.f.add(base, m.f.smin(bit, m.f.sub(bits, 1)))


def _ripple(
    m: Interpreter,
    start: Value,
    stop: Value,
    carry: Value,
    logic: BitLogic,
    x: tuple[Value, Value] | None,
    y: tuple[Value, Value] | None,
) -> Value:
    """Run `logic` over result bits start..stop; x and y are (base cell, bits) or None for zeros."""
    r = m.field("r")

    def body(bit: Value, carried: list[Value]) -> list[Value]:
        x_bit = m.load(operand(m, *x, bit)) if x else m.zeros()
        y_bit = m.load(operand(m, *y, bit)) if y else m.zeros()
        result, following = logic(m, x_bit, y_bit, carried[0])
        m.store(result, m.f.add(r, bit))
        return [following]

    return m.f.loop(start, stop, [carry], body)[0]


def _carry_out(m: Interpreter, start: Value, r_bits: Value, carry: Value, *, stays: bool) -> Value:
    """Write the carry into bit `start` and, if a borrow stays set, into all bits above; zeros otherwise."""
    r = m.field("r")

    def body(bit: Value, carried: list[Value]) -> list[Value]:
        m.store(carried[0], m.f.add(r, bit))
        return [carried[0] if stays else m.zeros()]

    return m.f.loop(start, r_bits, [carry], body)[0]


def _two_operands(logic: BitLogic, rest: BitLogic, *, long_b: bool, stays: bool) -> Emit:
    def emit(m: Interpreter) -> None:
        r_bits, a_bits, b_bits = m.field("r_bits"), m.field("a_bits"), m.field("b_bits")
        a, b = (m.field("a"), a_bits), (m.field("b"), b_bits)
        a_reach, b_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits), reach(m, b_bits, Flag.B_SIGNED, r_bits)
        both, either = (a_reach, b_reach) if long_b else (b_reach, a_reach)
        carry = _ripple(m, const(I64, 0), both, m.zeros(), logic, a, b)
        carry = _ripple(m, both, either, carry, rest, b if long_b else a, None)
        m.store(_carry_out(m, either, r_bits, carry, stays=stays), m.field("c"))

    return emit


def _in_place(logic: BitLogic, rest: BitLogic) -> Emit:
    def emit(m: Interpreter) -> None:
        r_bits, a_bits = m.field("r_bits"), m.field("a_bits")
        r = (m.field("r"), r_bits)
        a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)
        carry = _ripple(m, const(I64, 0), a_reach, m.zeros(), logic, r, (m.field("a"), a_bits))
        m.store(_ripple(m, a_reach, r_bits, carry, rest, r, None), m.field("c"))

    return emit


def _neg(m: Interpreter) -> None:
    r_bits, a_bits = m.field("r_bits"), m.field("a_bits")
    a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)
    borrow = _ripple(m, const(I64, 0), a_reach, m.zeros(), _negate, (m.field("a"), a_bits), None)
    m.store(_carry_out(m, a_reach, r_bits, borrow, stays=True), m.field("c"))


def copy(m: Interpreter) -> None:
    """R := A, extended."""
    r, r_bits, a, a_bits = m.field("r"), m.field("r_bits"), m.field("a"), m.field("a_bits")
    a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)

    def body(bit: Value, _: list[Value]) -> list[Value]:
        m.store(m.load(operand(m, a, a_bits, bit)), m.f.add(r, bit))
        return []

    m.f.loop(const(I64, 0), a_reach, [], body)
    _carry_out(m, a_reach, r_bits, m.zeros(), stays=True)


def _set(m: Interpreter) -> None:
    r, number = m.field("r"), m.field("imm")

    def body(bit: Value, _: list[Value]) -> list[Value]:
        m.store(m.bit_of(number, bit), m.f.add(r, bit))
        return []

    m.f.loop(const(I64, 0), m.field("r_bits"), [], body)


def _clear(m: Interpreter) -> None:
    _carry_out(m, const(I64, 0), m.field("r_bits"), m.zeros(), stays=True)


def _relu(m: Interpreter) -> None:
    r, r_bits = m.field("r"), m.field("r_bits")
    keep = m.f.not_(m.load(m.f.add(r, m.f.sub(r_bits, 1))))

    def body(bit: Value, _: list[Value]) -> list[Value]:
        cell = m.f.add(r, bit)
        m.store(m.f.and_(m.load(cell), keep), cell)
        return []

    m.f.loop(const(I64, 0), r_bits, [], body)


def _sign_flip(m: Interpreter, bit: Value, top: Value, flag: Flag) -> Value:
    """Return all ones at the sign bit of a signed word: there the roles of 0 and 1 swap in a comparison."""
    at_sign = m.f.and_(m.f.icmp("eq", bit, top), m.flag(flag))
    return m.splat(m.f.convert("sext", at_sign, I64))


def _max_into(m: Interpreter) -> None:
    f = m.f
    a, r, top = m.field("a"), m.field("r"), m.f.sub(m.field("r_bits"), 1)

    def body(step: Value, carried: list[Value]) -> list[Value]:
        a_wins, r_wins = carried
        bit = f.sub(top, step)
        a_bit, r_bit = m.load(f.add(a, bit)), m.load(f.add(r, bit))
        flip = _sign_flip(m, bit, top, Flag.R_SIGNED)
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
        flip = _sign_flip(m, bit, top, Flag.A_SIGNED)
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
    Handler.ADD: _two_operands(_full_add, _half_add, long_b=False, stays=False),
    Handler.SUB: _two_operands(_full_sub, _half_sub, long_b=False, stays=True),
    Handler.SUB_LONG_B: _two_operands(_full_sub, _negate, long_b=True, stays=True),
    Handler.NEG: _neg,
    Handler.ADD_INTO: _in_place(_full_add, _half_add),
    Handler.SUB_FROM: _in_place(_full_sub, _half_sub),
    Handler.COPY: copy,
    Handler.MOVE: copy,
    Handler.SET: _set,
    Handler.CLEAR: _clear,
    Handler.RELU: _relu,
    Handler.MAX_INTO: _max_into,
    Handler.STEP: _step,
}
