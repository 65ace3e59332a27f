"""Expand a placed add/sub program into macro instructions, all at once.

A step becomes at most two instructions: an operation with a shifted operand copies the low bits of the other operand
and adds the rest above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.dialect.placement import StepFlag, StepKind
from imcflow.errors import ImcflowError
from imcflow.passes.allocation.allocate import word_bits
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
    from imcflow.dialect.placement import Placement

    Table = NDArray[np.void]
    Rows = NDArray[np.intp]
    Column = NDArray[np.int64]

IMMEDIATE_LIMIT = (1 << 31) - 1
CARRY_OPCODES = (Opcode.ADD, Opcode.SUB, Opcode.NEG, Opcode.ADD_INTO, Opcode.SUB_FROM)


@dataclass(frozen=True)
class EmissionPoint:
    """Where in a kernel the instructions of one placed program go.

    Attributes:
        array: number of the array inside the kernel.
        port_elements: window elements per kernel input; 0 if there is one input.
        first_output: output channel of the program's output 0.
        loaded_bits: bits in which each window element is loaded [inputs]; None: those of its interval.
        stored_bits, stored_signed: type of the output; 0: wide enough for every sum.
        step_rows: STORE_STEP through row `first_output + output` of the kernel's step table instead of STORE.
    """

    array: int = 0
    port_elements: int = 0
    first_output: int = 0
    loaded_bits: NDArray[np.int32] | None = None
    stored_bits: int = 0
    stored_signed: bool = False
    step_rows: bool = False


def emit_instructions(program: AddSubProgram, placement: Placement, layer: str, at: EmissionPoint) -> Table:
    """Return the instruction table of a placed program.

    Args:
        program: with intervals.
        placement: of that program.
        layer: name for messages.
        at: position in the kernel.

    Raises:
        ImcflowError: a word or an immediate is too long for an instruction.
    """
    if program.values is None or program.outputs is None:
        raise ImcflowError(f"{layer}: a program without intervals cannot be emitted")
    _check_widths(program, layer)
    count = _instructions_per_step(program, placement, at)
    start = np.concatenate([[0], np.cumsum(count)])
    table: Table = np.zeros(int(start[-1]), dtype=instruction_dtype())
    writer = _Writer(program, program.values, program.outputs, placement, table, start[:-1], count)
    writer.clears()
    writer.loads(at)
    writer.operations()
    writer.in_place_operations()
    writer.copies()
    writer.starts()
    writer.accumulations()
    writer.biases()
    writer.lifts(at)
    writer.stores(at)
    carries = placement.tracks - placement.carry // placement.domains
    if carries > 1:
        table = take_carries_in_turn(table, placement.carry, carries, placement.domains)
    else:
        promise_zero_carry(table)
    _relocate(table, at.array * placement.tracks * placement.domains)
    return table


def take_carries_in_turn(table: Table, carry: int, carries: int, domains: int) -> Table:
    """Give consecutive additions different carry cells, cleared together by one CLEAR before each round.

    Args:
        table: instructions that all use the cell `carry`.
        carry: first carry cell.
        carries: number of carry cells, on consecutive tracks.
        domains: cells per track.

    Returns:
        the table with CLEAR instructions; every carry is promised to be 0.
    """
    users = np.flatnonzero(np.isin(table["opcode"], CARRY_OPCODES))
    table["c"][users] = carry + np.arange(len(users)) % carries * domains
    table["flags"][users] |= np.uint8(Flag.C_IS_ZERO)
    rounds = users[::carries]
    position = np.arange(len(table)) + np.searchsorted(rounds, np.arange(len(table)), side="right")
    result: Table = np.zeros(len(table) + len(rounds), dtype=table.dtype)
    result[position] = table
    clears = rounds + np.arange(len(rounds))
    result["opcode"][clears], result["r"][clears] = Opcode.CLEAR, carry
    result["r_bits"][clears], result["imm"][clears] = 1, carries
    return result


def promise_zero_carry(table: Table) -> None:
    """Set C_IS_ZERO where the previous use of the carry cell leaves 0: an unsigned sum with room for its carry.

    Works on the table in place; the rule is that of `docs/instruction-stream.md` section 3.
    """
    users = np.flatnonzero(np.isin(table["opcode"], CARRY_OPCODES))
    users = users[np.argsort(table["c"][users], kind="stable")]
    rows = table[users]
    unsigned = (rows["flags"] & (Flag.A_SIGNED | Flag.B_SIGNED)) == 0
    leaves_zero = (
        (rows["opcode"] == Opcode.ADD) & unsigned & (rows["r_bits"] > np.maximum(rows["a_bits"], rows["b_bits"]))
    )
    same_cell = rows["c"][1:] == rows["c"][:-1]
    promised = users[1:][same_cell & leaves_zero[:-1]]
    table["flags"][promised] |= np.uint8(Flag.C_IS_ZERO)


def _check_widths(program: AddSubProgram, layer: str) -> None:
    from imcflow.runtime.isa import MAX_WORD_BITS

    for what, bounds in (("value", program.values), ("output", program.outputs)):
        if bounds is None:
            continue
        wide = np.flatnonzero(bounds.bits > MAX_WORD_BITS)
        if len(wide):
            raise ImcflowError(
                f"{layer}: {what} {wide[0]} needs {bounds.bits[wide[0]]} bits, an instruction has {MAX_WORD_BITS}"
            )
    large = np.flatnonzero(np.abs(program.bias) > IMMEDIATE_LIMIT)
    if len(large):
        raise ImcflowError(f"{layer}: bias {program.bias[large[0]]} of output {large[0]} does not fit 32 bits")


def _instructions_per_step(program: AddSubProgram, placement: Placement, at: EmissionPoint) -> Column:
    """One instruction per step; shifted operations take two, parts without bits none."""
    count = np.ones(placement.step_count, dtype=np.int64)
    assert program.values is not None
    assert program.outputs is not None
    operates = np.flatnonzero(placement.kind == StepKind.OPERATE)
    operation = placement.index[operates]
    shift = np.maximum(program.lhs_shift[operation], program.rhs_shift[operation])
    bits = program.values.bits[program.input_count + operation]
    count[operates] = 1 + ((shift > 0) & (bits > shift))
    accumulates = np.flatnonzero((placement.kind == StepKind.START) | (placement.kind == StepKind.ACCUMULATE))
    accumulation = placement.index[accumulates]
    room = program.outputs.bits[program.accumulate_output[accumulation]] - program.accumulate_shift[accumulation]
    count[accumulates] = room > 0
    if program.lift is not None:
        lifts = np.flatnonzero(placement.kind == StepKind.LIFT)
        value = placement.index[lifts]
        # A lift beyond the word changes none of its bits: -5 ... -3 are the low bits of 3 ... 5.
        count[lifts] = program.lift[value] <= word_bits(program, at.loaded_bits)[value]
    return count


def _relocate(table: Table, cells: int) -> None:
    """Move all cell fields in use up by `cells`."""
    if cells == 0:
        return
    from imcflow.runtime.isa import OPERANDS

    for opcode, use in OPERANDS.items():
        rows = np.flatnonzero(table["opcode"] == opcode)
        for name in {*use.reads, *use.writes, *use.cells}:
            table[name][rows] += np.uint32(cells)


@dataclass(frozen=True, eq=False)
class _Writer:
    """Writes the instructions of one kind of step after the other."""

    program: AddSubProgram
    values: Bounds
    outputs: Bounds
    placement: Placement
    table: Table
    start: Column
    count: Column

    def _steps(self, kind: StepKind) -> tuple[Rows, NDArray[np.int32], Rows]:
        """Steps of a kind that have instructions, their index, and the first instruction of each."""
        steps = np.flatnonzero((self.placement.kind == kind) & (self.count > 0))
        return steps, self.placement.index[steps], self.start[steps]

    def _put(self, rows: Rows, **fields: Any) -> None:
        for name, column in fields.items():
            self.table[name][rows] = column

    def _zero_flag(self, steps: Rows) -> NDArray[np.uint8]:
        promised = (self.placement.flags[steps] & StepFlag.RESULT_IS_ZERO) > 0
        return np.where(promised, np.uint8(Flag.R_IS_ZERO), np.uint8(0)).astype(np.uint8)

    def _sign_flag(self, values: NDArray[np.integer], flag: Flag) -> NDArray[np.uint8]:
        return np.where(self.values.signed[values], np.uint8(flag), np.uint8(0)).astype(np.uint8)

    def clears(self) -> None:
        steps, words, rows = self._steps(StepKind.CLEAR)
        placed = self.placement
        self._put(rows, opcode=Opcode.CLEAR, r=placed.r[steps], r_bits=placed.b[steps], imm=words)

    def loads(self, at: EmissionPoint) -> None:
        steps, element, rows = self._steps(StepKind.LOAD)
        bits = self.values.bits[: self.program.input_count]
        if at.loaded_bits is not None:
            bits = np.maximum(bits, at.loaded_bits)
        port = element // at.port_elements if at.port_elements else np.zeros_like(element)
        self._put(
            rows,
            opcode=Opcode.LOAD,
            r=self.placement.r[steps],
            r_bits=bits[element],
            port=port,
            imm=element - port * at.port_elements,
        )

    def copies(self) -> None:
        steps, value, rows = self._steps(StepKind.COPY)
        bits = self.values.bits[value]
        self._put(
            rows,
            opcode=Opcode.COPY,
            flags=self._zero_flag(steps) | self._sign_flag(value, Flag.A_SIGNED),
            a=self.placement.a[steps],
            a_bits=bits,
            r=self.placement.r[steps],
            r_bits=bits,
        )

    def operations(self) -> None:
        steps, operation, rows = self._steps(StepKind.OPERATE)
        program, placed = self.program, self.placement
        plain = (program.lhs_shift[operation] == 0) & (program.rhs_shift[operation] == 0)
        chosen, op, row = steps[plain], operation[plain], rows[plain]
        left, right = program.lhs[op], program.rhs[op]
        self._put(
            row,
            opcode=np.where(program.subtract[op], Opcode.SUB, Opcode.ADD),
            flags=self._zero_flag(chosen)
            | self._sign_flag(left, Flag.A_SIGNED)
            | self._sign_flag(right, Flag.B_SIGNED),
            a=placed.a[chosen],
            a_bits=self.values.bits[left],
            b=placed.b[chosen],
            b_bits=self.values.bits[right],
            r=placed.r[chosen],
            r_bits=self.values.bits[program.input_count + op],
            c=placed.carry,
        )
        self._shifted_operations(steps[~plain], operation[~plain], rows[~plain])

    def _shifted_operations(self, steps: Rows, operation: NDArray[np.int32], rows: Rows) -> None:
        """R := L +/- (S << d): the low d bits copy L, the others are (L >> d) +/- S."""
        program, placed, values = self.program, self.placement, self.values
        left_shifted = program.lhs_shift[operation] > 0
        distance = np.maximum(program.lhs_shift[operation], program.rhs_shift[operation]).astype(np.int32)
        low = np.where(left_shifted, program.rhs[operation], program.lhs[operation])
        low_cell = np.where(left_shifted, placed.b[steps], placed.a[steps])
        shifted = np.where(left_shifted, program.lhs[operation], program.rhs[operation])
        shifted_cell = np.where(left_shifted, placed.a[steps], placed.b[steps])
        low_bits, shifted_bits = values.bits[low], values.bits[shifted]
        result_bits = values.bits[program.input_count + operation]
        result = placed.r[steps]
        zero = self._zero_flag(steps)
        self._put(
            rows,
            opcode=Opcode.COPY,
            flags=zero | self._sign_flag(low, Flag.A_SIGNED),
            a=low_cell,
            a_bits=low_bits,
            r=result,
            r_bits=np.minimum(distance, result_bits),
        )
        two = self.count[steps] == 2
        # An unsigned low operand without bits above d leaves S or -S; of a signed one the sign bit remains.
        exhausted = two & (low_bits <= distance) & ~values.signed[low]
        both = two & ~exhausted
        skipped = np.minimum(distance, low_bits - 1)
        self._put(
            rows[both] + 1,
            opcode=np.where(program.subtract[operation], Opcode.SUB, Opcode.ADD)[both],
            flags=(zero | self._sign_flag(low, Flag.A_SIGNED) | self._sign_flag(shifted, Flag.B_SIGNED))[both],
            a=(low_cell + skipped)[both],
            a_bits=(low_bits - skipped)[both],
            b=shifted_cell[both],
            b_bits=shifted_bits[both],
            r=(result + distance)[both],
            r_bits=(result_bits - distance)[both],
            c=placed.carry,
        )
        negative = program.subtract[operation] > 0
        for chosen, opcode, carry in (
            (exhausted & ~negative, Opcode.COPY, 0),
            (exhausted & negative, Opcode.NEG, placed.carry),
        ):
            self._put(
                rows[chosen] + 1,
                opcode=opcode,
                flags=(zero | self._sign_flag(shifted, Flag.A_SIGNED))[chosen],
                a=shifted_cell[chosen],
                a_bits=shifted_bits[chosen],
                r=(result + distance)[chosen],
                r_bits=(result_bits - distance)[chosen],
                c=carry,
            )

    def in_place_operations(self) -> None:
        steps, operation, rows = self._steps(StepKind.OPERATE_IN_PLACE)
        program = self.program
        swapped = (self.placement.flags[steps] & StepFlag.SWAPPED) > 0
        other = np.where(swapped, program.lhs[operation], program.rhs[operation])
        self._put(
            rows,
            opcode=np.where(program.subtract[operation], Opcode.SUB_FROM, Opcode.ADD_INTO),
            flags=self._sign_flag(other, Flag.A_SIGNED),
            a=self.placement.a[steps],
            a_bits=self.values.bits[other],
            r=self.placement.r[steps],
            r_bits=self.values.bits[program.input_count + operation],
            c=self.placement.carry,
        )

    def starts(self) -> None:
        steps, accumulation, rows = self._steps(StepKind.START)
        negative = self.program.accumulate_subtract[accumulation] > 0
        self._accumulate(steps, accumulation, rows, np.where(negative, Opcode.NEG, Opcode.COPY))
        self.table["flags"][rows] |= self._zero_flag(steps)
        self.table["c"][rows[~negative]] = 0

    def accumulations(self) -> None:
        steps, accumulation, rows = self._steps(StepKind.ACCUMULATE)
        negative = self.program.accumulate_subtract[accumulation] > 0
        self._accumulate(steps, accumulation, rows, np.where(negative, Opcode.SUB_FROM, Opcode.ADD_INTO))

    def _accumulate(
        self, steps: Rows, accumulation: NDArray[np.int32], rows: Rows, opcode: NDArray[np.integer]
    ) -> None:
        value = self.program.accumulate_value[accumulation]
        shift = self.program.accumulate_shift[accumulation].astype(np.int32)
        self._put(
            rows,
            opcode=opcode,
            flags=self._sign_flag(value, Flag.A_SIGNED),
            a=self.placement.a[steps],
            a_bits=self.values.bits[value],
            r=self.placement.r[steps] + shift,
            r_bits=self.outputs.bits[self.program.accumulate_output[accumulation]] - shift,
            c=self.placement.carry,
        )

    def biases(self) -> None:
        steps, output, rows = self._steps(StepKind.SET)
        self._put(
            rows,
            opcode=Opcode.SET,
            r=self.placement.r[steps],
            r_bits=self.outputs.bits[output],
            imm=self.program.bias[output],
        )

    def lifts(self, at: EmissionPoint) -> None:
        """A constant power of two: the cell that holds 1 is added at its bit."""
        _, _, ones = self._steps(StepKind.ONE)
        self._put(ones, opcode=Opcode.SET, r=self.placement.r[self.placement.kind == StepKind.ONE], r_bits=1, imm=1)
        steps, value, rows = self._steps(StepKind.LIFT)
        if self.program.lift is None:
            return
        bit = self.program.lift[value] - np.int32(1)
        self._put(
            rows,
            opcode=Opcode.ADD_INTO,
            a=self.placement.a[steps],
            a_bits=1,
            r=self.placement.r[steps] + bit,
            r_bits=word_bits(self.program, at.loaded_bits)[value] - bit,
            c=self.placement.carry,
        )

    def stores(self, at: EmissionPoint) -> None:
        steps, output, rows = self._steps(StepKind.STORE)
        program, placed = self.program, self.placement
        bits, signed = self.outputs.bits[output], self.outputs.signed[output]
        # An output without accumulator is stored from its only value.
        direct = stored_value(program, placed, steps, output)
        from_value = direct >= 0
        bits = np.where(from_value, self.values.bits[direct], bits)
        signed = np.where(from_value, self.values.signed[direct], signed)
        if at.stored_bits and not at.step_rows:
            # Where the type says more about the sum than its interval, the type is right: the low bits hold the sum.
            spare = signed & (not at.stored_signed)
            bits = np.minimum(bits - spare, at.stored_bits - (~signed & at.stored_signed))
            signed = signed & at.stored_signed
        self._put(
            rows,
            opcode=Opcode.STORE_STEP if at.step_rows else Opcode.STORE,
            flags=np.where(signed, np.uint8(Flag.A_SIGNED), np.uint8(0)),
            a=placed.a[steps],
            a_bits=bits,
            imm=output + at.first_output,
        )
        if at.step_rows:
            self.table["imm2"][rows] = output + at.first_output


def stored_value(
    program: AddSubProgram, placement: Placement, steps: Rows, output: NDArray[np.int32]
) -> NDArray[np.int32]:
    """The value that each STORE step reads without accumulator, or -1 where it reads the output's accumulator."""
    own_word = np.zeros(program.output_count, dtype=np.bool_)
    writes = (placement.kind == StepKind.START) | (placement.kind == StepKind.ACCUMULATE)
    own_word[program.accumulate_output[placement.index[writes]]] = True
    own_word[placement.index[placement.kind == StepKind.SET]] = True
    only_value = np.full(program.output_count, -1, dtype=np.int32)
    only_value[program.accumulate_output] = program.accumulate_value
    return np.where(own_word[output], np.int32(-1), only_value[output]).astype(np.int32)
