"""Micro fidelity: every search and every write of the microcode, executed literally through memory.

The code of each bit form is generated from the same pass tables that the counters count. Planes are read and written
with volatile accesses, so that no pass is merged with another or kept out of the array; only the tag is a register.
"""

from __future__ import annotations

from collections.abc import Callable

from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.kernels.emitter import I1, I64, Value, const
from imcflow.runtime.kernels.interpreter import Emit, Interpreter
from imcflow.runtime.kernels.layout import Handler
from imcflow.runtime.kernels.word import copy, operand, reach
from imcflow.runtime.microcode import (
    CLEAR_CARRY,
    CLEAR_MAX_FLAGS,
    CLEAR_RESULT,
    CLEARS_RESULT,
    LSB_FIRST,
    START_STEP_FLAGS,
    USES_CARRY,
    Form,
    Kind,
    Micro,
    Role,
    Sequence,
    form_sequence,
)

Cells = dict[Role, Value]


class MicroWriter:
    """Writes pass sequences for one machine kind.

    Args:
        or_latch: whether a search may OR into the tag.
    """

    def __init__(self, *, or_latch: bool) -> None:
        self._or_latch = or_latch

    def handlers(self) -> dict[Handler, Emit]:
        """Return the handlers of all macros that touch the array."""
        return {
            Handler.ADD: self._arithmetic(Opcode.ADD),
            Handler.SUB: self._arithmetic(Opcode.SUB),
            Handler.NEG: self._arithmetic(Opcode.NEG),
            Handler.ADD_INTO: self._arithmetic(Opcode.ADD_INTO),
            Handler.SUB_FROM: self._arithmetic(Opcode.SUB_FROM),
            Handler.COPY: self._arithmetic(Opcode.COPY),
            Handler.MOVE: copy,
            Handler.SET: self._set,
            Handler.CLEAR: self._clear,
            Handler.RELU: self._relu,
            Handler.MAX_INTO: self._max_into,
            Handler.STEP: self._step,
        }

    # One search or write.

    def _sequence(self, m: Interpreter, micros: Sequence, cells: Cells, tag: Value) -> Value:
        for micro in micros:
            if micro.is_search:
                tag = self._search(m, micro, cells, tag)
            else:
                self._write(m, micro, cells, tag)
        return tag

    def _form(self, m: Interpreter, form: Form, cells: Cells, tag: Value | None = None) -> Value:
        return self._sequence(m, form_sequence(form, self._or_latch), cells, tag or m.zeros())

    def _search(self, m: Interpreter, micro: Micro, cells: Cells, tag: Value) -> Value:
        match: Value | None = None
        for role, bit in micro.cells:
            plane = self._load(m, cells[role])
            literal = plane if bit else m.f.not_(plane)
            match = literal if match is None else m.f.and_(match, literal)
        if match is None:
            raise ValueError("a search needs at least one key cell")
        return m.f.or_(tag, match) if micro.kind is Kind.SEARCH_OR else match

    def _write(self, m: Interpreter, micro: Micro, cells: Cells, tag: Value) -> None:
        everywhere = micro.kind is Kind.WRITE_ALL
        for role, bit in micro.cells:
            self._write_cell(m, cells[role], const(m.plane, -bit), None if everywhere else tag)

    def _write_cell(self, m: Interpreter, cell: Value, value: Value, tag: Value | None) -> None:
        pointer = m.cell(cell)
        if tag is not None:
            value = m.f.mux(tag, value, self._load(m, cell))
        m.f.store(value, pointer, align=m.alignment, volatile=True)

    def _load(self, m: Interpreter, cell: Value) -> Value:
        return m.f.load(m.plane, m.cell(cell), align=m.alignment, volatile=True)

    # Macros.

    def _arithmetic(self, opcode: Opcode) -> Emit:
        """All macros that walk from the least significant bit, by which operands still have a cell at a bit."""
        both, only_a, only_b, neither = LSB_FIRST[opcode]
        uses_carry, clears = opcode in USES_CARRY, opcode in CLEARS_RESULT
        has_b = opcode in (Opcode.ADD, Opcode.SUB)

        def emit(m: Interpreter) -> None:
            f = m.f
            r, r_bits, a_bits, b_bits = m.field("r"), m.field("r_bits"), m.field("a_bits"), m.field("b_bits")
            carry = m.field("c")
            if uses_carry:
                holds_zero = m.flag(Flag.C_IS_ZERO)
                self._unless(m, holds_zero, lambda: self._sequence(m, CLEAR_CARRY, {Role.C: carry}, m.zeros()))
            result_is_zero = m.flag(Flag.R_IS_ZERO)
            a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)
            b_reach = reach(m, b_bits, Flag.B_SIGNED, r_bits) if has_b else const(I64, 0)
            less = f.icmp("slt", a_reach, b_reach)
            first, last = f.select(less, a_reach, b_reach), f.select(less, b_reach, a_reach)

            def run(form: Form, start: Value, stop: Value) -> None:
                def body(bit: Value, _: list[Value]) -> list[Value]:
                    cells = {
                        Role.R: f.add(r, bit),
                        Role.C: carry,
                        Role.A: operand(m, m.field("a"), a_bits, bit),
                        Role.B: operand(m, m.field("b"), b_bits, bit),
                    }
                    if clears:
                        self._unless(m, result_is_zero, lambda: self._sequence(m, CLEAR_RESULT, cells, m.zeros()))
                    self._form(m, form, cells)
                    return []

                f.loop(start, stop, [], body)

            if has_b:
                run(both, const(I64, 0), first)
                run(only_b, first, b_reach)
            run(only_a, first, a_reach)
            run(neither, last, r_bits)

        return emit

    def _unless(self, m: Interpreter, condition: Value, body: Callable[[], object]) -> None:
        def run() -> None:
            body()

        m.f.if_(m.f.xor(condition, const(I1, 1)), run)

    def _set(self, m: Interpreter) -> None:
        self._write_constant(m, m.field("imm"), m.f.not_(m.zeros()), Kind.WRITE_ALL)

    def _clear(self, m: Interpreter) -> None:
        self._write_constant(m, const(I64, 0), m.f.not_(m.zeros()), Kind.WRITE_ALL)

    def _write_constant(self, m: Interpreter, number: Value, tag: Value, kind: Kind) -> None:
        """Write the bits of an integer into R of the tagged rows, one write per bit."""
        r = m.field("r")

        def body(bit: Value, _: list[Value]) -> list[Value]:
            keeps = None if kind is Kind.WRITE_ALL else tag
            self._write_cell(m, m.f.add(r, bit), m.bit_of(number, bit), keeps)
            return []

        m.f.loop(const(I64, 0), m.field("r_bits"), [], body)

    def _relu(self, m: Interpreter) -> None:
        top = m.f.add(m.field("r"), m.f.sub(m.field("r_bits"), 1))
        tag = self._form(m, Form.RELU_SIGN, {Role.R: top})
        self._write_constant(m, const(I64, 0), tag, Kind.WRITE)

    def _max_into(self, m: Interpreter) -> None:
        f = m.f
        a, r, a_wins, r_wins = (m.field(name) for name in ("a", "r", "c", "b"))
        top = f.sub(m.field("r_bits"), 1)

        def cells(bit: Value) -> Cells:
            return {Role.A: f.add(a, bit), Role.R: f.add(r, bit), Role.C: a_wins, Role.B: r_wins}

        def first(form: Form) -> Callable[[], None]:
            def emit() -> None:
                self._form(m, form, cells(top))

            return emit

        signed = m.flag(Flag.R_SIGNED)
        self._sequence(m, CLEAR_MAX_FLAGS, cells(top), m.zeros())
        f.if_(signed, first(Form.MAX_FIRST_SIGNED))
        f.if_(f.xor(signed, const(I1, 1)), first(Form.MAX_FIRST))

        def body(step: Value, _: list[Value]) -> list[Value]:
            self._form(m, Form.MAX_NEXT, cells(f.sub(top, step)))
            return []

        f.loop(const(I64, 1), m.field("r_bits"), [], body)

    def _step(self, m: Interpreter) -> None:
        f = m.f
        a, top, threshold = m.field("a"), f.sub(m.field("a_bits"), 1), m.field("imm")
        flags = {Role.C: m.field("c"), Role.B: m.field("b")}
        self._sequence(m, START_STEP_FLAGS, flags, m.zeros())
        forms = ((Form.STEP_0, Form.STEP_1), (Form.STEP_SIGN_0, Form.STEP_SIGN_1))

        def body(step: Value, _: list[Value]) -> list[Value]:
            bit = f.sub(top, step)
            cells = {Role.A: f.add(a, bit), **flags}
            one = f.icmp("ne", f.and_(f.ashr(threshold, bit), 1), 0)
            sign = f.and_(f.icmp("eq", step, 0), m.flag(Flag.A_SIGNED))
            for at_sign in (0, 1):
                for value in (0, 1):
                    here = f.and_(f.icmp("eq", sign, at_sign), f.icmp("eq", one, value))
                    form = forms[at_sign][value]

                    def emit(form: Form = form) -> None:
                        self._form(m, form, cells)

                    f.if_(here, emit)
            return []

        f.loop(const(I64, 0), m.field("a_bits"), [], body)
        tag = self._form(m, Form.STEP_SELECT, flags)
        self._write_constant(m, m.field("imm2"), tag, Kind.WRITE)
