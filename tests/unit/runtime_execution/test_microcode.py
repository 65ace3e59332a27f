"""Every pass sequence on its full truth table, and every macro on all pairs of small words."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from imcflow.runtime.execution.oracle import OracleResult, macro_of, run_steps, word_value
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype
from imcflow.runtime.microcode import (
    Form,
    Kind,
    Macro,
    Role,
    Sequence,
    expand,
    form_sequence,
    passes_per_word,
    sequence,
    sequence_counts,
    table_passes,
)

LATCHES = [pytest.param(False, id="strict"), pytest.param(True, id="or_latch")]


def apply(micros: Sequence, cells: dict[Role, int]) -> dict[Role, int]:
    """Run a sequence on one row."""
    cells = dict(cells)
    tag = False
    for micro in micros:
        if micro.is_search:
            match = all(cells[role] == bit for role, bit in micro.cells)
            tag = tag or match if micro.kind is Kind.SEARCH_OR else match
        elif tag or micro.kind is Kind.WRITE_ALL:
            cells.update(micro.cells)
    return cells


C, A, B, R = Role.C, Role.A, Role.B, Role.R


def full(total: int) -> tuple[int, int]:
    """(result bit, carry or borrow) of a bit sum."""
    return total & 1, int(total < 0 or total > 1)


# form -> (roles read, clears R first, function of the read cells giving (R, C))
ARITHMETIC = {
    Form.ADD_AB: ("CAB", lambda c, a, b: full(a + b + c)),
    Form.ADD_A: ("CA", lambda c, a: full(a + c)),
    Form.ADD_B: ("CB", lambda c, b: full(b + c)),
    Form.ADD_0: ("C", lambda c: full(c)),
    Form.SUB_AB: ("CAB", lambda c, a, b: full(a - b - c)),
    Form.SUB_A: ("CA", lambda c, a: full(a - c)),
    Form.SUB_B: ("CB", lambda c, b: full(-b - c)),
    Form.SUB_0: ("C", lambda c: full(-c)),
    Form.NEG_A: ("CA", lambda c, a: full(-a - c)),
    Form.INTO_A: ("CAR", lambda c, a, r: full(r + a + c)),
    Form.INTO_0: ("CR", lambda c, r: full(r + c)),
    Form.FROM_A: ("CAR", lambda c, a, r: full(r - a - c)),
    Form.FROM_0: ("CR", lambda c, r: full(r - c)),
}


def arithmetic_holds(micros: Sequence, form: Form) -> bool:
    names, function = ARITHMETIC[form]
    roles = [Role[name] for name in names]
    for bits in itertools.product((0, 1), repeat=len(roles)):
        before = {C: 0, A: 0, B: 0, R: 0} | dict(zip(roles, bits, strict=True))
        after = apply(micros, before)
        if (after[R], after[C]) != function(*bits) or (after[A], after[B]) != (before[A], before[B]):
            return False
    return True


@pytest.mark.parametrize("or_latch", LATCHES)
@pytest.mark.parametrize("form", ARITHMETIC)
def test_arithmetic_forms_on_their_truth_tables(form: Form, or_latch: bool) -> None:
    assert arithmetic_holds(form_sequence(form, or_latch), form)


@pytest.mark.parametrize(
    ("form", "correct", "total"),
    [(Form.INTO_A, 6, 24), (Form.FROM_A, 6, 24), (Form.ADD_AB, 60, 120), (Form.SUB_AB, 60, 120)],
)
def test_number_of_correct_pass_orders(form: Form, correct: int, total: int) -> None:
    micros = form_sequence(form, or_latch=False)
    passes = [micros[i : i + 2] for i in range(0, len(micros), 2)]
    orders = [sum(order, ()) for order in itertools.permutations(passes)]
    assert len(orders) == total
    assert sum(arithmetic_holds(order, form) for order in orders) == correct


def test_ripple_forms_have_one_order_only() -> None:
    for form in (Form.INTO_0, Form.FROM_0):
        micros = form_sequence(form, or_latch=False)
        assert not arithmetic_holds((*micros[2:], *micros[:2]), form)


@pytest.mark.parametrize(
    ("form", "strict", "or_latch"),
    [
        (Form.INTO_A, (4, 4), (4, 3)),
        (Form.FROM_A, (4, 4), (4, 3)),
        (Form.ADD_AB, (5, 5), (5, 2)),
        (Form.SUB_AB, (5, 5), (5, 2)),
        (Form.INTO_0, (2, 2), (2, 2)),
        (Form.FROM_0, (2, 2), (2, 2)),
    ],
)
def test_costs_equal_the_optima_of_exhaustive_search(
    form: Form, strict: tuple[int, int], or_latch: tuple[int, int]
) -> None:
    assert sequence_counts(form_sequence(form, or_latch=False))[:2] == strict
    assert sequence_counts(form_sequence(form, or_latch=True))[:2] == or_latch


def test_maximum_forms_on_their_truth_tables() -> None:
    for a, r in itertools.product((0, 1), repeat=2):
        first = apply(form_sequence(Form.MAX_FIRST, False), {C: 0, A: a, B: 0, R: r})
        assert (first[R], first[C], first[B]) == (a | r, int(a > r), int(r > a))
        signed = apply(form_sequence(Form.MAX_FIRST_SIGNED, False), {C: 0, A: a, B: 0, R: r})
        assert (signed[R], signed[C], signed[B]) == (a & r, int(a < r), int(r < a))
        for a_wins, r_wins in ((0, 0), (1, 0), (0, 1)):
            after = apply(form_sequence(Form.MAX_NEXT, False), {C: a_wins, A: a, B: r_wins, R: r})
            undecided = not a_wins and not r_wins
            expected = a if a_wins else r if r_wins else a | r
            flags = (a_wins or int(undecided and a > r), r_wins or int(undecided and r > a))
            assert (after[R], (after[C], after[B])) == (expected, flags)


def test_strict_sequences_never_use_the_or_latch() -> None:
    assert all(m.kind is not Kind.SEARCH_OR for form in Form for m in form_sequence(form, or_latch=False))


def test_in_place_reverse_subtraction_has_no_one_write_per_row_order() -> None:
    passes = [sequence(text) for text in ("?C0R0A1 !R1", "?C0R1A1 !R0", "?C0R1A0 !C1R1", "?C1R0A0 !C1R1")]
    correct = 0
    for order in itertools.permutations(passes):
        micros = sum(order, ())
        rows = itertools.product((0, 1), repeat=3)
        states = [(apply(micros, {C: c, A: a, B: 0, R: r}), full(a - r - c)) for c, a, r in rows]
        correct += all((after[R], after[C]) == want for after, want in states)
    assert correct == 0


# Whole words. One row per pair of values; the words lie on tracks of 64 cells.
A_AT, B_AT, R_AT, C_AT, D_AT = 0, 64, 128, 192, 256


def run_macro(macro: Macro, or_latch: bool, **words: tuple[np.ndarray, int, int]) -> tuple[np.ndarray, OracleResult]:
    """Run on planes that hold the given (values, address, bits); all other cells start at 1 to show missing clears."""
    lanes = len(next(iter(words.values()))[0])
    planes = np.ones((320, lanes), np.bool_)
    for values, address, bits in words.values():
        planes[address : address + bits] = values >> np.arange(bits)[:, None] & 1
    result = OracleResult([])
    run_steps(list(expand(macro, or_latch=or_latch)), planes, np.ones(lanes, np.bool_), result)
    return planes, result


def pairs(first_bits: int, second_bits: int) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.meshgrid(np.arange(1 << first_bits), np.arange(1 << second_bits))
    return first.reshape(-1), second.reshape(-1)


def as_type(values: np.ndarray, bits: int, signed: bool) -> np.ndarray:
    wrapped = values & ((1 << bits) - 1)
    return np.where(wrapped >> (bits - 1) & 1, wrapped - (1 << bits), wrapped) if signed else wrapped


@pytest.mark.parametrize("or_latch", LATCHES)
@pytest.mark.parametrize("r_bits", [3, 4, 5, 7])
@pytest.mark.parametrize("b_signed", [False, True])
@pytest.mark.parametrize("a_signed", [False, True])
@pytest.mark.parametrize("opcode", [Opcode.ADD, Opcode.SUB])
def test_out_of_place_arithmetic_on_all_pairs(
    opcode: Opcode, a_signed: bool, b_signed: bool, r_bits: int, or_latch: bool
) -> None:
    for a_bits, b_bits in ((4, 4), (4, 2), (2, 4)):
        a, b = pairs(a_bits, b_bits)
        flags = (Flag.A_SIGNED if a_signed else Flag(0)) | (Flag.B_SIGNED if b_signed else Flag(0))
        macro = Macro(opcode, flags, a_bits, b_bits, r_bits, A_AT, B_AT, R_AT, C_AT)
        planes, result = run_macro(macro, or_latch, a=(a, A_AT, a_bits), b=(b, B_AT, b_bits))
        sign = 1 if opcode is Opcode.ADD else -1
        expected = as_type(a, a_bits, a_signed) + sign * as_type(b, b_bits, b_signed)
        assert np.array_equal(word_value(planes[R_AT : R_AT + r_bits], False), expected & ((1 << r_bits) - 1))
        assert (result.searches, result.writes) == passes_per_word(opcode, flags, a_bits, b_bits, r_bits, or_latch)


@pytest.mark.parametrize("or_latch", LATCHES)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("opcode", [Opcode.ADD_INTO, Opcode.SUB_FROM])
def test_accumulation_on_all_pairs(opcode: Opcode, signed: bool, or_latch: bool) -> None:
    a, r = pairs(4, 6)
    flags = Flag.A_SIGNED if signed else Flag(0)
    planes, result = run_macro(
        Macro(opcode, flags, 4, 0, 6, a=A_AT, r=R_AT, c=C_AT), or_latch, a=(a, A_AT, 4), r=(r, R_AT, 6)
    )
    sign = 1 if opcode is Opcode.ADD_INTO else -1
    assert np.array_equal(word_value(planes[R_AT : R_AT + 6], False), (r + sign * as_type(a, 4, signed)) & 63)
    if not or_latch:  # the word-level rules: 8m + 4(w - m) + 1 unsigned, 8w + 1 signed
        assert result.searches + result.writes == (49 if signed else 41)


@pytest.mark.parametrize("or_latch", LATCHES)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("r_bits", [3, 4, 6])
def test_one_operand_macros_on_all_words(r_bits: int, signed: bool, or_latch: bool) -> None:
    a = np.arange(16)
    flags = Flag.A_SIGNED if signed else Flag(0)
    for opcode, expected in ((Opcode.NEG, -as_type(a, 4, signed)), (Opcode.COPY, as_type(a, 4, signed))):
        planes, _ = run_macro(Macro(opcode, flags, 4, 0, r_bits, A_AT, r=R_AT, c=C_AT), or_latch, a=(a, A_AT, 4))
        assert np.array_equal(word_value(planes[R_AT : R_AT + r_bits], False), expected & ((1 << r_bits) - 1))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [1, 4])
def test_maximum_on_all_pairs(bits: int, signed: bool) -> None:
    a, r = pairs(bits, bits)
    flags = Flag.R_SIGNED if signed else Flag(0)
    macro = Macro(Opcode.MAX_INTO, flags, bits, 0, bits, A_AT, D_AT, R_AT, C_AT)
    planes, _ = run_macro(macro, False, a=(a, A_AT, bits), r=(r, R_AT, bits))
    expected = np.maximum(as_type(a, bits, signed), as_type(r, bits, signed))
    assert np.array_equal(word_value(planes[R_AT : R_AT + bits], signed), expected)


@pytest.mark.parametrize("or_latch", LATCHES)
@pytest.mark.parametrize("signed", [False, True])
def test_step_on_all_six_bit_values_and_thresholds(signed: bool, or_latch: bool) -> None:
    x = np.arange(64)
    before = np.full(64, 5)
    for threshold in range(-32, 32) if signed else range(64):
        macro = Macro(
            Opcode.STEP,
            Flag.A_SIGNED if signed else Flag(0),
            a_bits=6,
            r_bits=4,
            a=A_AT,
            b=D_AT,
            r=R_AT,
            c=C_AT,
            imm=threshold,
            imm2=10,
        )
        planes, _ = run_macro(macro, or_latch, a=(x, A_AT, 6), r=(before, R_AT, 4))
        reached = as_type(x, 6, signed) >= threshold
        assert np.array_equal(word_value(planes[R_AT : R_AT + 4], False), np.where(reached, 10, 5))
        assert np.array_equal(planes[D_AT], reached)


def test_relu_set_and_clear() -> None:
    x = np.arange(64)
    planes, result = run_macro(Macro(Opcode.RELU, r_bits=6, r=R_AT), False, r=(x, R_AT, 6))
    assert np.array_equal(word_value(planes[R_AT : R_AT + 6], True), np.maximum(as_type(x, 6, True), 0))
    assert (result.searches, result.writes) == (1, 6)
    planes, _ = run_macro(Macro(Opcode.SET, r_bits=6, r=R_AT, imm=-5), False, r=(x, R_AT, 6))
    assert np.array_equal(word_value(planes[R_AT : R_AT + 6], True), np.full(64, -5))
    planes, result = run_macro(Macro(Opcode.CLEAR, r_bits=6, r=A_AT, imm=3), False, r=(x, R_AT, 6))
    assert not any(planes[start : start + 6].any() for start in (A_AT, B_AT, R_AT))
    assert planes[6:64].all()
    assert result.writes == 6


@pytest.mark.parametrize("or_latch", LATCHES)
def test_closed_form_counts_equal_the_expansion(or_latch: bool) -> None:
    rng = np.random.default_rng(7)
    table = np.zeros(600, instruction_dtype())
    array_opcodes = [op for op in Opcode if op not in (Opcode.LOAD, Opcode.STORE, Opcode.STORE_STEP, Opcode.MOVE)]
    for row in table:
        row["opcode"] = opcode = rng.choice(array_opcodes)
        row["flags"] = rng.integers(32)
        row["a_bits"], row["b_bits"], row["r_bits"] = rng.integers(1, 63, 3)
        row["imm"] = rng.integers(1, 40) if opcode == Opcode.CLEAR else rng.integers(-(2**31), 2**31)
    counts = table_passes(table, or_latch=or_latch)
    for i, row in enumerate(table):
        steps = list(expand(macro_of(row), or_latch=or_latch))
        micros = [micro for step in steps for micro in step.micros]
        searches = [m for m in micros if m.is_search]
        assert counts.searches[i] == len(searches)
        assert counts.writes[i] == len(micros) - len(searches)
        assert counts.searched_cells[i] == sum(len(m.cells) for m in searches)
        written = sum(len(s.cells[role]) for s in steps for m in s.micros if not m.is_search for role, _ in m.cells)
        assert counts.written_cells[i] == written
