"""Fidelity `count`: what the searches and writes of every bit step find and leave, and in how many rows.

The logic of a bit step comes from the truth tables of its pass sequence (`truth_tables`): one plane per written cell,
and one or two planes whose ones are the rows that match and that are written. Only rows of the batch are counted, not
the lanes that fill its last block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imcflow.runtime.isa import Flag, Opcode
from imcflow.runtime.kernels.emitter import I1, I64, Value, const, vector_type
from imcflow.runtime.kernels.interpreter import Emit, Interpreter
from imcflow.runtime.kernels.layout import Counter, Handler
from imcflow.runtime.kernels.truth_tables import PlaneLogic, Table, sequence_effect
from imcflow.runtime.kernels.word import WORD_HANDLERS, copy, operand, reach
from imcflow.runtime.microcode import (
    CLEAR_MAX_FLAGS,
    CLEARS_RESULT,
    LSB_FIRST,
    START_STEP_FLAGS,
    USES_CARRY,
    Form,
    Role,
    Sequence,
    form_sequence,
)

Planes = dict[Role, Value]

_ROW_COUNTERS = (Counter.MATCHED_ROWS, Counter.TAGGED_ROWS, Counter.TAGGED_CELLS)
_PASS_COUNTERS = (Counter.SEARCHES, Counter.WRITES)


def _ones_name(words: int) -> str:
    return f"llvm.ctpop.{'' if words == 1 else f'v{words}'}i64"


def declarations(words: int) -> str:
    """Return the LLVM IR that declares what the kernel counts ones with."""
    plane = I64 if words == 1 else vector_type(words, I64)
    return f"declare {plane} @{_ones_name(words)}({plane})\n"


@dataclass
class _Counts:
    """Running sums while handlers are written: a plane per counter of rows, a word per counter of passes."""

    rows: list[Value]
    passes: list[Value]

    def values(self) -> list[Value]:
        """Return all sums, as a loop carries them."""
        return [*self.rows, *self.passes]

    @staticmethod
    def of(values: list[Value]) -> _Counts:
        """Return what `values` gave."""
        return _Counts(list(values[: len(_ROW_COUNTERS)]), list(values[len(_ROW_COUNTERS) :]))

    @staticmethod
    def zero(m: Interpreter) -> _Counts:
        """Return sums that start at 0."""
        return _Counts([m.zeros() for _ in _ROW_COUNTERS], [const(I64, 0) for _ in _PASS_COUNTERS])


class CountWriter:
    """Writes the handlers.

    Args:
        or_latch: whether a search may OR into the tag.
    """

    def __init__(self, *, or_latch: bool) -> None:
        self._or_latch = or_latch

    def handlers(self) -> dict[Handler, Emit]:
        """Return the handlers of all macros that touch the array."""
        arithmetic = {Handler[opcode.name]: self._arithmetic(opcode) for opcode in LSB_FIRST}
        return {
            **arithmetic,
            Handler.MOVE: copy,
            Handler.SET: _counted_constant(Handler.SET),
            Handler.CLEAR: _counted_constant(Handler.CLEAR),
            Handler.RELU: self._relu,
            Handler.MAX_INTO: self._max_into,
            Handler.STEP: self._step,
        }

    def _form(self, m: Interpreter, form: Form, planes: Planes, counts: _Counts) -> Value:
        return _run(m, form_sequence(form, self._or_latch), planes, counts)

    def _arithmetic(self, opcode: Opcode) -> Emit:
        """All macros that walk from the least significant bit; their carry stays in a register.

        Where the microcode clears the result cell first it is 0 afterwards, and where it does not the loader has proved
        that it is 0: either way it starts as 0 here. The same holds for the carry.
        """
        both, only_a, only_b, neither = LSB_FIRST[opcode]
        has_b = opcode in (Opcode.ADD, Opcode.SUB)

        def emit(m: Interpreter) -> None:
            f = m.f
            r, r_bits, a_bits, b_bits = m.field("r"), m.field("r_bits"), m.field("a_bits"), m.field("b_bits")
            a_reach = reach(m, a_bits, Flag.A_SIGNED, r_bits)
            b_reach = reach(m, b_bits, Flag.B_SIGNED, r_bits) if has_b else const(I64, 0)
            less = f.icmp("slt", a_reach, b_reach)
            first, last = f.select(less, a_reach, b_reach), f.select(less, b_reach, a_reach)
            state = [m.zeros(), *_Counts.zero(m).values()]

            def span(form: Form, start: Value, stop: Value, carried: list[Value]) -> list[Value]:
                def body(bit: Value, before: list[Value]) -> list[Value]:
                    cell, counts = f.add(r, bit), _Counts.of(before[1:])
                    planes = {Role.C: before[0]}
                    if opcode not in CLEARS_RESULT:
                        planes[Role.R] = m.load(cell)
                    if form in (both, only_a):
                        planes[Role.A] = m.load(operand(m, m.field("a"), a_bits, bit))
                    if has_b and form in (both, only_b):
                        planes[Role.B] = m.load(operand(m, m.field("b"), b_bits, bit))
                    self._form(m, form, planes, counts)
                    m.store(planes.get(Role.R, m.zeros()), cell)
                    return [planes[Role.C], *counts.values()]

                return f.loop(start, stop, carried, body)

            if has_b:
                state = span(both, const(I64, 0), first, state)
                state = span(only_b, first, b_reach, state)
            state = span(only_a, first, a_reach, state)
            state = span(neither, last, r_bits, state)
            counts = _Counts.of(state[1:])
            if opcode in CLEARS_RESULT:
                _add_writes(m, counts, f.select(m.flag(Flag.R_IS_ZERO), const(I64, 0), r_bits))
            if opcode in USES_CARRY:
                m.store(state[0], m.field("c"))
                _add_writes(m, counts, f.select(m.flag(Flag.C_IS_ZERO), const(I64, 0), const(I64, 1)))
            _keep(m, counts)

        return emit

    def _relu(self, m: Interpreter) -> None:
        counts = _Counts.zero(m)
        top = m.f.add(m.field("r"), m.f.sub(m.field("r_bits"), 1))
        tag = self._form(m, Form.RELU_SIGN, {Role.R: m.load(top)}, counts)
        _keep(m, _write_constant(m, const(I64, 0), tag, counts))

    def _max_into(self, m: Interpreter) -> None:
        f = m.f
        a, r, top = m.field("a"), m.field("r"), m.f.sub(m.field("r_bits"), 1)
        signed = m.flag(Flag.R_SIGNED)

        def step(form: Form, bit: Value, flags: tuple[Value, Value], counts: _Counts) -> Planes:
            planes = {Role.A: m.load(f.add(a, bit)), Role.R: m.load(f.add(r, bit)), Role.C: flags[0], Role.B: flags[1]}
            self._form(m, form, planes, counts)
            m.store(planes[Role.R], f.add(r, bit))
            return planes

        def first(form: Form) -> Callable[[], None]:
            def emit() -> None:
                counts = _Counts.zero(m)
                planes: Planes = {}
                _run(m, CLEAR_MAX_FLAGS, planes, counts)
                planes = step(form, top, (planes[Role.C], planes[Role.B]), counts)
                m.store(planes[Role.C], m.field("c"))
                m.store(planes[Role.B], m.field("b"))
                _keep(m, counts)

            return emit

        f.if_(signed, first(Form.MAX_FIRST_SIGNED))
        f.if_(f.xor(signed, const(I1, 1)), first(Form.MAX_FIRST))

        def body(index: Value, before: list[Value]) -> list[Value]:
            counts = _Counts.of(before[2:])
            planes = step(Form.MAX_NEXT, f.sub(top, index), (before[0], before[1]), counts)
            return [planes[Role.C], planes[Role.B], *counts.values()]

        flags = [m.load(m.field("c")), m.load(m.field("b"))]
        a_wins, r_wins, *sums = f.loop(const(I64, 1), m.field("r_bits"), [*flags, *_Counts.zero(m).values()], body)
        m.store(a_wins, m.field("c"))
        m.store(r_wins, m.field("b"))
        _keep(m, _Counts.of(sums))

    def _step(self, m: Interpreter) -> None:
        f = m.f
        a, top, threshold = m.field("a"), f.sub(m.field("a_bits"), 1), m.field("imm")
        equal, greater = m.field("c"), m.field("b")
        forms = ((Form.STEP_0, Form.STEP_1), (Form.STEP_SIGN_0, Form.STEP_SIGN_1))
        start, counts = Planes(), _Counts.zero(m)
        _run(m, START_STEP_FLAGS, start, counts)
        m.store(start[Role.C], equal)
        m.store(start[Role.B], greater)
        _keep(m, counts)

        def body(step: Value, _: list[Value]) -> list[Value]:
            bit = f.sub(top, step)
            one = f.icmp("ne", f.and_(f.ashr(threshold, bit), 1), 0)
            sign = f.and_(f.icmp("eq", step, 0), m.flag(Flag.A_SIGNED))
            for at_sign in (0, 1):
                for value in (0, 1):
                    here = f.and_(f.icmp("eq", sign, at_sign), f.icmp("eq", one, value))

                    def emit(form: Form = forms[at_sign][value]) -> None:
                        counts = _Counts.zero(m)
                        planes = {Role.A: m.load(f.add(a, bit)), Role.C: m.load(equal), Role.B: m.load(greater)}
                        self._form(m, form, planes, counts)
                        m.store(planes[Role.C], equal)
                        m.store(planes[Role.B], greater)
                        _keep(m, counts)

                    f.if_(here, emit)
            return []

        f.loop(const(I64, 0), m.field("a_bits"), [], body)
        counts, planes = _Counts.zero(m), {Role.C: m.load(equal), Role.B: m.load(greater)}
        tag = self._form(m, Form.STEP_SELECT, planes, counts)
        m.store(planes[Role.B], greater)
        _keep(m, _write_constant(m, m.field("imm2"), tag, counts))


def _run(m: Interpreter, micros: Sequence, planes: Planes, counts: _Counts) -> Value:
    """Run searches and writes on `planes` in place, add to `counts`, return the last tag; roles missing are 0."""
    effect = sequence_effect(micros, frozenset(Role).difference(planes))
    logic = PlaneLogic(m.f, m.plane, [planes[role] for role in effect.inputs])
    more_cells = tuple(cells - rows for cells, rows in zip(effect.tagged_cells, effect.tagged_rows, strict=True))
    matched = _ones(m, logic, effect.matches)
    reached = matched if effect.tagged_rows == effect.matches else _ones(m, logic, effect.tagged_rows)
    for slot, amounts in enumerate((matched, reached, [*reached, *_ones(m, logic, more_cells)])):
        for amount in amounts:
            counts.rows[slot] = m.f.add(counts.rows[slot], amount)
    for slot, number in enumerate((effect.searches, effect.writes)):
        if number:
            counts.passes[slot] = m.f.add(counts.passes[slot], number)
    planes.update({role: logic.plane(table) for role, table in effect.cells.items()})
    return logic.plane(effect.tag)


def _ones(m: Interpreter, logic: PlaneLogic, table: Table) -> list[Value]:
    """Return planes of numbers that add up to a table's over the valid lanes of every word."""
    f, ones = m.f, list[Value]()
    for weight, plane in logic.bits(table):
        count = f.call(m.plane, _ones_name(m.words), f.and_(plane, m.valid))
        ones.append(f.shl(count, weight.bit_length() - 1) if weight > 1 else count)
    return ones


def _write_constant(m: Interpreter, number: Value, tag: Value, counts: _Counts) -> _Counts:
    """Write the bits of an integer into R of the tagged rows, one write per bit; return the counts with it."""
    f = m.f
    reached = f.call(m.plane, _ones_name(m.words), f.and_(tag, m.valid))

    def body(bit: Value, before: list[Value]) -> list[Value]:
        cell, after = f.add(m.field("r"), bit), _Counts.of(before)
        m.store(f.mux(tag, m.bit_of(number, bit), m.load(cell)), cell)
        after.rows[1:] = [f.add(after.rows[1], reached), f.add(after.rows[2], reached)]
        _add_writes(m, after, const(I64, 1))
        return after.values()

    return _Counts.of(f.loop(const(I64, 0), m.field("r_bits"), counts.values(), body))


def _counted_constant(handler: Handler) -> Emit:
    """SET or CLEAR: as in word fidelity, a write per bit. Its rows are all rows, which needs no counting."""

    def emit(m: Interpreter) -> None:
        WORD_HANDLERS[handler](m)
        counts = _Counts.zero(m)
        # A row with `reserved` set continues the CLEAR before it: the same writes on one more track.
        alone = m.f.icmp("eq", m.field("reserved"), 0)
        _add_writes(m, counts, m.f.select(alone, m.field("r_bits"), const(I64, 0)))
        _keep(m, counts, rows=False)

    return emit


def _add_writes(m: Interpreter, counts: _Counts, number: Value) -> None:
    counts.passes[1] = m.f.add(counts.passes[1], number)


def _keep(m: Interpreter, counts: _Counts, *, rows: bool = True) -> None:
    """Add the sums to those in memory."""
    f = m.f
    if rows:
        for counter, value in zip(_ROW_COUNTERS, counts.rows, strict=True):
            slot = f.offset(m.counters, m.plane_bytes * counter)
            f.store(f.add(f.load(m.plane, slot, align=m.alignment), value), slot, align=m.alignment)
    for counter, value in zip(_PASS_COUNTERS, counts.passes, strict=True):
        slot = f.offset(m.counters, m.plane_bytes * counter)
        f.store(f.add(f.load(I64, slot, align=8), value), slot, align=8)
