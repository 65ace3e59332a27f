"""Word fidelity: each macro as fused full-adder logic on planes, the carry in a register.

The carry cell and the flag cells get the value that the passes would leave there, so both fidelities agree on every
cell, not only on the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Operand:
    """A source word: where bit 0 is, how many bytes its planes take, and the plane that stands for higher bits."""

    start: Value
    size: Value
    beyond: Value


def _operand(m: Interpreter, name: str, signed: Flag | None) -> _Operand:
    start, bits = m.cell(m.field(name)), m.field(f"{name}_bits")
    size = m.f.mul(bits, m.plane_bytes)
    if signed is None:
        return _Operand(start, size, m.zeros())
    top = m.f.load(m.plane, m.f.offset(start, m.f.sub(size, m.plane_bytes)), align=m.plane_bytes)
    return _Operand(start, size, m.f.select(m.flag(signed), top, m.zeros()))


def _ripple(
    m: Interpreter,
    logic: BitLogic,
    span: tuple[Value, Value],
    operands: tuple[Value | _Operand, Value | _Operand],
    carry: Value,
) -> Value:
    """Run `logic` over a span (byte offsets of planes) of R; an operand is a word or a plane for every bit."""
    r = m.cell(m.field("r"))

    def plane(operand: Value | _Operand, at: Value) -> Value:
        if isinstance(operand, Value):
            return operand
        return m.f.load(m.plane, m.f.offset(operand.start, at), align=m.plane_bytes)

    def body(at: Value, carried: list[Value]) -> list[Value]:
        result, following = logic(m, plane(operands[0], at), plane(operands[1], at), carried[0])
        m.f.store(result, m.f.offset(r, at), align=m.plane_bytes)
        return [following]

    return m.f.loop(*span, [carry], body, step=m.plane_bytes)[0]


def _two_operands(logic: BitLogic, *, long_b: bool) -> Emit:
    """R := A op B in three spans: both words have cells, the longer one has, neither has."""

    def emit(m: Interpreter) -> None:
        a, b = _operand(m, "a", Flag.A_SIGNED), _operand(m, "b", Flag.B_SIGNED)
        end = m.f.mul(m.field("r_bits"), m.plane_bytes)
        short, long = (a, b) if long_b else (b, a)
        first, second = m.f.smin(short.size, end), m.f.smin(long.size, end)
        carry = _ripple(m, logic, (const(I64, 0), first), (a, b), m.zeros())
        middle = (a.beyond, b) if long_b else (a, b.beyond)
        carry = _ripple(m, logic, (first, second), middle, carry)
        m.store(_ripple(m, logic, (second, end), (a.beyond, b.beyond), carry), m.field("c"))

    return emit


def _in_place(logic: BitLogic) -> Emit:
    """R := R op A in two spans: A has cells, A has none."""

    def emit(m: Interpreter) -> None:
        r, a = _operand(m, "r", None), _operand(m, "a", Flag.A_SIGNED)
        split = m.f.smin(a.size, r.size)
        carry = _ripple(m, logic, (const(I64, 0), split), (r, a), m.zeros())
        m.store(_ripple(m, logic, (split, r.size), (r, a.beyond), carry), m.field("c"))

    return emit


def _neg(m: Interpreter) -> None:
    a = _operand(m, "a", Flag.A_SIGNED)
    end = m.f.mul(m.field("r_bits"), m.plane_bytes)
    split = m.f.smin(a.size, end)
    borrow = _ripple(m, _full_sub, (const(I64, 0), split), (m.zeros(), a), m.zeros())
    m.store(_ripple(m, _full_sub, (split, end), (m.zeros(), a.beyond), borrow), m.field("c"))


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
    Handler.ADD: _two_operands(_full_add, long_b=False),
    Handler.SUB: _two_operands(_full_sub, long_b=False),
    Handler.SUB_LONG_B: _two_operands(_full_sub, long_b=True),
    Handler.NEG: _neg,
    Handler.ADD_INTO: _in_place(_full_add),
    Handler.SUB_FROM: _in_place(_full_sub),
    Handler.COPY: copy,
    Handler.MOVE: copy,
    Handler.SET: _set,
    Handler.CLEAR: _clear,
    Handler.RELU: _relu,
    Handler.MAX_INTO: _max_into,
    Handler.STEP: _step,
}
