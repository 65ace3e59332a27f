"""The packed add/sub program: a constant integer matrix unrolled into two-input additions, as arrays.

Import this module only where numpy may be imported (passes and lowering); the IR attribute that carries it is
`imcflow.dialect.attributes_ap.AddSubAttr`.

A program computes, for one output position of a layer, `out[o] = bias[o] + sum_k W[o, k] * x[k]` from the K window
elements `x[k]`, k = (channel * kernel_height + kernel_row) * kernel_width + kernel_column:

* value v < K is window element v; value K + j is the result of operation j;
* operation j: `v = (lhs << lhs_shift) +/- (rhs << rhs_shift)`, its operands are earlier values (causality). At most
  one of the two shifts is not 0, and a subtraction shifts only its subtrahend, so that the low bits of every result
  are a plain copy of one operand;
* lift: 2^k added to a value where it is made, so that it is never negative (offset binary); the constant that this adds
  to an output is taken back in its bias, or belongs to the meaning of the program;
* accumulation: `out[o] +/-= v << shift`, at most `MAX_SHIFT`;
* slice: a range of window elements, the operations that need only these (and no other slice's), and the accumulations
  that need only these. A kernel streams slice by slice.

Signs stay symbolic: -(x + y) is never formed, its users subtract x + y.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Int32Array = NDArray[np.int32]
    Int64Array = NDArray[np.int64]
    ByteArray = NDArray[np.uint8]

FORMAT_VERSION = 1
MAX_SHIFT = 31
MAX_LIFT = 62
NO_CELL = -1


class AddSubError(ImcflowError, ValueError):
    """An add/sub program is malformed: the message names the column, the row and the limit."""


@dataclass(frozen=True, eq=False)
class Bounds:
    """Exact intervals, both ends included, and the word format that they need.

    Attributes:
        low, high: int64 [n].
    """

    low: Int64Array
    high: Int64Array

    @cached_property
    def signed(self) -> NDArray[np.bool_]:
        """Which words need two's complement, [n]."""
        return self.low < 0

    def pairs(self) -> list[tuple[int, int]]:
        """(low, high) of every word, as integers; for small programs."""
        rows: list[list[int]] = np.stack([self.low, self.high], axis=1).tolist()
        return [(row[0], row[1]) for row in rows]

    @cached_property
    def bits(self) -> Int32Array:
        """Bits of each word, [n]; at least 1."""
        magnitude = np.maximum(self.high, -self.low - 1)
        bits = np.zeros(magnitude.shape, dtype=np.int32)
        # frexp is exact below 2**53; wider words are refused by the emission (MAX_WORD_BITS) long before.
        bits[:] = np.frexp(magnitude.astype(np.float64))[1]
        return np.maximum(bits + self.signed, 1).astype(np.int32)


@dataclass(frozen=True, eq=False)
class AddSubProgram:
    """See the module docstring; all arrays are one-dimensional.

    Attributes:
        input_count: K.
        output_count: number of outputs.
        lhs, rhs: int32 [operations], values.
        lhs_shift, rhs_shift: uint8 [operations], left shifts in bits.
        subtract: uint8 [operations], 1 where rhs is subtracted.
        accumulate_output, accumulate_value: int32 [accumulations].
        accumulate_shift: uint8 [accumulations].
        accumulate_subtract: uint8 [accumulations], 1 where the value is subtracted.
        bias: int64 [output_count].
        slice_inputs, slice_operations, slice_accumulations: int32 [slices + 1], range borders, from 0 to the count.
        values: intervals of all K + operations values, when `imc-infer-widths` has run.
        outputs: intervals of all outputs, when `imc-infer-widths` has run.
        lift: uint8 [K + operations], 0 or 1 + k where 2^k is added to the value; None: nowhere.
        value_cells, output_cells: int32, cell of bit 0 within the array, or -1; when `imc-allocate-tracks` has run.
    """

    input_count: int
    output_count: int
    lhs: Int32Array
    rhs: Int32Array
    lhs_shift: ByteArray
    rhs_shift: ByteArray
    subtract: ByteArray
    accumulate_output: Int32Array
    accumulate_value: Int32Array
    accumulate_shift: ByteArray
    accumulate_subtract: ByteArray
    bias: Int64Array
    slice_inputs: Int32Array
    slice_operations: Int32Array
    slice_accumulations: Int32Array
    values: Bounds | None = None
    outputs: Bounds | None = None
    lift: ByteArray | None = None

    @property
    def lifts(self) -> Int64Array:
        """What is added to each value, [K + operations]."""
        if self.lift is None:
            return np.zeros(self.input_count + self.operation_count, dtype=np.int64)
        return np.where(self.lift > 0, np.int64(1) << np.maximum(self.lift.astype(np.int64) - 1, 0), 0)

    @property
    def operation_count(self) -> int:
        """Number of two-input operations."""
        return len(self.lhs)

    @property
    def accumulation_count(self) -> int:
        """Number of accumulations; the first one of each output is an assignment."""
        return len(self.accumulate_output)

    @property
    def slice_count(self) -> int:
        """Number of slices."""
        return len(self.slice_inputs) - 1

    def operation_rows(self) -> list[tuple[int, int, int, int, int]]:
        """(lhs, rhs, lhs_shift, rhs_shift, subtract) of every operation, as integers; for small programs."""
        columns = (self.lhs, self.rhs, self.lhs_shift, self.rhs_shift, self.subtract)
        rows: list[list[int]] = np.stack([column.astype(np.int64) for column in columns], axis=1).tolist()
        return [(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def accumulation_rows(self) -> list[tuple[int, int, int, int]]:
        """(output, value, shift, subtract) of every accumulation, as integers; for small programs."""
        columns = (self.accumulate_output, self.accumulate_value, self.accumulate_shift, self.accumulate_subtract)
        rows: list[list[int]] = np.stack([column.astype(np.int64) for column in columns], axis=1).tolist()
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def two_input_operations(self) -> int:
        """Operations plus accumulations, less the first accumulation of each output (an assignment).

        The count by which published add/sub lists are compared; a bias is not counted.
        """
        touched = len(np.unique(self.accumulate_output))
        return self.operation_count + self.accumulation_count - touched

    def with_bounds(self, values: Bounds, outputs: Bounds) -> AddSubProgram:
        """Return the same program with intervals."""
        return replace(self, values=values, outputs=outputs)

    def verify(self) -> None:
        """Check causality, ranges and slices.

        Raises:
            AddSubError: naming the first wrong row.
        """
        _verify(self)

    def expand(self) -> Int64Array:
        """Return the integer matrix [output_count, input_count] that the program computes: the oracle of every pass.

        Works by evaluating the program on the unit vectors, in blocks of window elements to bound memory.
        """
        matrix = np.zeros((self.output_count, self.input_count), dtype=np.int64)
        if self.operation_count == 0:
            weight = np.int64(1) << self.accumulate_shift.astype(np.int64)
            signed = np.where(self.accumulate_subtract, -weight, weight)
            np.add.at(matrix, (self.accumulate_output, self.accumulate_value), signed)
            return matrix
        constant = self.constant()[:, None]
        block = max(1, min(self.input_count, 64_000_000 // (8 * (self.input_count + self.operation_count + 1))))
        for begin in range(0, self.input_count, block):
            end = min(begin + block, self.input_count)
            units = np.zeros((self.input_count, end - begin), dtype=np.int64)
            units[np.arange(begin, end), np.arange(end - begin)] = 1
            matrix[:, begin:end] = evaluate(self, units) - constant
        return matrix

    def constant(self) -> Int64Array:
        """Return the outputs of the input 0: bias and lifts."""
        if self.lift is None:
            return self.bias
        return evaluate(self, np.zeros((self.input_count, 1), dtype=np.int64))[:, 0]


def evaluate(program: AddSubProgram, inputs: Int64Array) -> Int64Array:
    """Run the program on integers, one operation after the other: slow and obvious.

    Args:
        program: a verified program.
        inputs: int64 [input_count, lanes].

    Returns:
        int64 [output_count, lanes].
    """
    lanes = inputs.shape[1]
    values = np.zeros((program.input_count + program.operation_count, lanes), dtype=np.int64)
    lifts: list[int] = program.lifts.tolist()
    values[: program.input_count] = inputs + program.lifts[: program.input_count, None]
    for row, (lhs, rhs, lhs_shift, rhs_shift, subtract) in enumerate(program.operation_rows(), program.input_count):
        right = values[rhs] << rhs_shift
        values[row] = (values[lhs] << lhs_shift) + (-right if subtract else right) + lifts[row]
    outputs = np.repeat(program.bias[:, None], lanes, axis=1)
    sign = 1 - 2 * program.accumulate_subtract.astype(np.int64)
    terms = (values[program.accumulate_value] << program.accumulate_shift[:, None].astype(np.int64)) * sign[:, None]
    np.add.at(outputs, program.accumulate_output, terms)
    return outputs


def _verify(program: AddSubProgram) -> None:
    operations, inputs = program.operation_count, program.input_count
    for names, length in (
        (("lhs", "rhs", "lhs_shift", "rhs_shift", "subtract"), operations),
        (
            ("accumulate_output", "accumulate_value", "accumulate_shift", "accumulate_subtract"),
            program.accumulation_count,
        ),
        (("bias",), program.output_count),
        (("slice_inputs", "slice_operations", "slice_accumulations"), program.slice_count + 1),
    ):
        for name in names:
            _check_length(program, name, length)
    results = np.arange(inputs, inputs + operations)
    _check("lhs", (program.lhs < 0) | (program.lhs >= results), "names a value that is not computed before it")
    _check("rhs", (program.rhs < 0) | (program.rhs >= results), "names a value that is not computed before it")
    _check("lhs_shift", (program.lhs_shift > 0) & (program.rhs_shift > 0), "both operands are shifted")
    _check("lhs_shift", (program.lhs_shift > 0) & (program.subtract > 0), "the minuend of a subtraction is shifted")
    for name in ("lhs_shift", "rhs_shift", "accumulate_shift"):
        _check(name, getattr(program, name) > MAX_SHIFT, f"is larger than {MAX_SHIFT}")
    for name in ("subtract", "accumulate_subtract"):
        _check(name, getattr(program, name) > 1, "is neither 0 nor 1")
    output, value = program.accumulate_output, program.accumulate_value
    _check("accumulate_output", (output < 0) | (output >= program.output_count), "names an output that does not exist")
    _check("accumulate_value", (value < 0) | (value >= inputs + operations), "names a value that does not exist")
    if program.lift is not None:
        if len(program.lift) != inputs + operations:
            raise AddSubError(f"add/sub program: {len(program.lift)} lifts for {inputs + operations} values")
        _check("lift", program.lift > MAX_LIFT, f"adds more than 2^{MAX_LIFT - 1}")
    _verify_slices(program)
    for name, bounds, length in (
        ("values", program.values, inputs + operations),
        ("outputs", program.outputs, program.output_count),
    ):
        if bounds is None:
            continue
        if len(bounds.low) != length or len(bounds.high) != length:
            raise AddSubError(f"add/sub program: {name} has intervals for {len(bounds.low)} words, expected {length}")
        _check(name, bounds.low > bounds.high, "has an empty interval")


def _verify_slices(program: AddSubProgram) -> None:
    for name, count in (
        ("slice_inputs", program.input_count),
        ("slice_operations", program.operation_count),
        ("slice_accumulations", program.accumulation_count),
    ):
        borders: Int32Array = getattr(program, name)
        if len(borders) < 2 or borders[0] != 0 or borders[-1] != count or bool(np.any(np.diff(borders) < 0)):
            raise AddSubError(f"add/sub program: {name} must rise from 0 to {count}, in one range per slice")
    slice_of_value = np.concatenate(
        [
            np.repeat(np.arange(program.slice_count), np.diff(program.slice_inputs)),
            np.repeat(np.arange(program.slice_count), np.diff(program.slice_operations)),
        ]
    )
    own = slice_of_value[program.input_count :]
    _check("lhs", slice_of_value[program.lhs] != own, "comes from another slice")
    _check("rhs", slice_of_value[program.rhs] != own, "comes from another slice")
    slice_of_accumulation = np.repeat(np.arange(program.slice_count), np.diff(program.slice_accumulations))
    foreign = slice_of_value[program.accumulate_value] != slice_of_accumulation
    _check("accumulate_value", foreign, "comes from another slice")


def _check_length(program: AddSubProgram, name: str, length: int) -> None:
    actual = len(getattr(program, name))
    if actual != length:
        raise AddSubError(f"add/sub program: column {name} has {actual} rows, expected {length}")


def _check(name: str, wrong: NDArray[np.bool_], text: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise AddSubError(f"add/sub program: {name}[{rows[0]}] {text}")


COLUMNS: Sequence[str] = tuple(f.name for f in fields(AddSubProgram))
