"""Reduce a constant matrix to an add/sub program: signed digits, slices, pair elimination, row sums."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import AddSubError, AddSubProgram, Bounds
from imcflow.passes.reduction.digits import by_slice, signed_digits
from imcflow.passes.reduction.plain import slice_borders

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntMatrix = NDArray[np.integer]
    Int64Array = NDArray[np.int64]
    Int32Array = NDArray[np.int32]
    ByteArray = NDArray[np.uint8]

    from imcflow.passes.reduction.two_scales import ScaledRows

    _Rows = tuple[Int64Array, Int32Array, Int32Array, Int32Array]
    _Columns = tuple[Int32Array, Int32Array, ByteArray, ByteArray, ByteArray]


@dataclass(frozen=True)
class BitCycles:
    """Cycles per bit of what an array does; the defaults are the strict sequences of `imcflow.runtime.microcode`.

    Attributes:
        both, one, minuend_only, neither: R := A +/- B where both, one, only the minuend, or no operand has a bit.
        in_place, ripple: R := R +/- A where A has a bit, or none any more.
        copy: R := A.
        travel: shifts to a bit and back.
    """

    both: int = 10
    one: int = 4
    minuend_only: int = 6
    neither: int = 2
    in_place: int = 8
    ripple: int = 4
    copy: int = 2
    travel: int = 2

    def table(self) -> Int64Array:
        """The costs in the order of the fields, as the compiled loop reads them."""
        return np.array([getattr(self, field.name) for field in fields(self)], dtype=np.int64)


STRICT = BitCycles()
OR_LATCH = BitCycles(both=7, minuend_only=5, in_place=7)
COUNT_ONLY = BitCycles(0, 0, 0, 0, 0, 0, 0, 0)
"""Always sum inside the slice: the program with one accumulation per slice and output."""


SMALL_TERMS = 2_500
"""Matrices with at most so many terms are eliminated from `SMALL_STARTS` starts, within milliseconds."""
SMALL_STARTS = 12
MOST_INPUTS, FEWEST_OUTPUTS = 12, 32
"""Small matrices of at most so many inputs and at least so many outputs are searched for other intermediate values.
With an effort, all slices are that have so few inputs."""
EXCHANGES, EFFORT_OF_EXCHANGES = 4, 19


def output_bounds(matrix: IntMatrix, inputs: Bounds, bias: Int64Array) -> Bounds:
    """Exact intervals of `bias + matrix @ x` for independent x in `inputs`.

    Args:
        matrix: integers [outputs, inputs].
        inputs: intervals [inputs].
        bias: int64 [outputs].
    """
    weights = np.asarray(matrix, dtype=np.int64)
    largest = int(np.abs(weights).max(initial=0)) * int(
        max(np.abs(inputs.low).max(initial=0), inputs.high.max(initial=0))
    )
    # Below 2**53 float64 is exact, and its matrix product is a hundred times as fast.
    dtype = np.float64 if largest * (2 * weights.shape[1] + 1) < 1 << 53 else np.int64
    signed = weights.astype(dtype, copy=False)
    # Twice the middle of each output's interval, and its width: each weight adds its own to both.
    middle = (signed @ (inputs.low + inputs.high).astype(dtype)).astype(np.int64)
    width = (np.abs(signed) @ (inputs.high - inputs.low).astype(dtype)).astype(np.int64)
    return Bounds((middle - width) // 2 + bias, (middle + width) // 2 + bias)


def reduce_matrix(
    matrix: IntMatrix,
    inputs: Bounds,
    *,
    group: int = 0,
    bias: Int64Array | None = None,
    cycles: BitCycles = STRICT,
    share: bool = True,
    repairs_per_term: float = 0.0,
    scale_sums: bool = True,
) -> AddSubProgram:
    """Build the add/sub program of a matrix.

    Args:
        matrix: integers [outputs, inputs].
        inputs: intervals of the window elements [inputs].
        group: window elements per slice, 0 for one slice of all.
        bias: int64 [outputs] added to every output; zeros if missing.
        cycles: what operations cost on the machine; decides between summing in the slice and accumulating at once.
        share: eliminate common pairs; without, every nonzero digit is added on its own (plain unrolling).
        repairs_per_term: effort of the search for fewer operations after elimination; 0 for none, 1 finds most.
        scale_sums: try elimination between signs; without, always between digits.

    Returns:
        a program without intervals and cells; `program.expand()` equals `matrix`. If every output has two scales, it
        is eliminated between digits and between signs, and the program of the shorter words is returned.
    """
    narrow = 0 < min(group or matrix.shape[1], matrix.shape[1]) <= MOST_INPUTS
    searched = share and narrow and repairs_per_term > 0
    options = _Options(inputs, group, bias, cycles, share, repairs_per_term, searched)
    program = _reduce(matrix, options, None)
    largest = int(np.abs(matrix).max(initial=0))
    small = np.count_nonzero(matrix) <= SMALL_TERMS and len(matrix) >= FEWEST_OUTPUTS
    if share and narrow and small and not searched and largest <= 1:
        return _cheaper(program, _reduce(matrix, replace(options, exchange=True), None), options)
    if not share or not scale_sums or largest <= 1:
        return program
    from imcflow.passes.reduction.two_scales import scaled_rows

    scaled = scaled_rows(matrix)
    if scaled is None:
        return program
    return _cheaper(program, _reduce(matrix, options, scaled), options)


def _cheaper(program: AddSubProgram, other: AddSubProgram, options: _Options) -> AddSubProgram:
    try:
        return min(program, other, key=lambda each: _cost(each, options.inputs, options.cycles))
    except AddSubError:
        return program  # words beyond 62 bits: whoever asks for the intervals refuses them


def _cost(program: AddSubProgram, inputs: Bounds, cycles: BitCycles) -> tuple[int, int]:
    """Cycles of a program by the bits of its words, shifts and copies aside, then its operations."""
    from imcflow.passes.reduction.intervals import infer_bounds

    bounded = infer_bounds(program, inputs)
    values, outputs = bounded.values, bounded.outputs
    assert values is not None
    assert outputs is not None
    bits = values.bits.astype(np.int64)
    added = program.accumulate_value
    room = np.maximum(outputs.bits[program.accumulate_output] - program.accumulate_shift.astype(np.int64), 0)
    reach = np.where(values.signed[added], room, np.minimum(bits[added], room))
    total = cycles.both * bits[program.input_count :].sum()
    total += (cycles.in_place * reach + cycles.ripple * (room - reach)).sum()
    return int(total), program.two_input_operations()


@dataclass(frozen=True, eq=False)
class _Options:
    """The arguments of `reduce_matrix`."""

    inputs: Bounds
    group: int
    bias: Int64Array | None
    cycles: BitCycles
    share: bool
    repairs_per_term: float
    exchange: bool = False


def _reduce(matrix: IntMatrix, options: _Options, scaled: ScaledRows | None) -> AddSubProgram:
    """Eliminate between the digits of a matrix, or between the signs of its scaled rows."""
    from imcflow.passes.reduction.slices import eliminate_slices, sum_slices

    inputs, group, cycles, repairs_per_term = (
        options.inputs,
        options.group,
        options.cycles,
        options.repairs_per_term,
    )
    outputs, width = matrix.shape
    offset = np.zeros(outputs, dtype=np.int64) if options.bias is None else np.asarray(options.bias, dtype=np.int64)
    size = group or max(width, 1)
    borders = slice_borders(width, size)
    slices = len(borders) - 1

    digits = signed_digits(matrix if scaled is None else scaled.signs)
    slice_of = digits.input // size
    order = by_slice(digits, slice_of)
    term_slice, term_output = slice_of[order], digits.output[order]
    row_key = term_slice.astype(np.int64) * (int(term_output.max(initial=0)) + 1) + term_output
    row_begin = np.flatnonzero(np.diff(row_key, prepend=-1)).astype(np.int64)
    row_length = np.diff(np.append(row_begin, len(order))).astype(np.int32)

    terms = len(order)
    row_output = term_output[row_begin]
    slice_rows = np.searchsorted(term_slice[row_begin], np.arange(slices + 1)).astype(np.int64)
    term_value = digits.input[order] - borders[term_slice]
    term_code = 2 * digits.shift[order].astype(np.int32) + digits.negative[order]
    slice_sums = np.zeros(2 * slices, dtype=np.int64)
    shared = _operation_columns(terms // 2 + slices + 1)
    rows: _Rows = (row_begin, row_length, term_value, term_code)
    if options.share:
        reach, first_length = int(digits.shift.max(initial=0)), row_length.copy()
        starts = SMALL_STARTS if terms <= SMALL_TERMS else 1
        eliminate_slices(reach, starts, borders, slice_rows, *rows, slice_sums, *shared)
        if repairs_per_term > 0:
            from imcflow.passes.reduction.search import improve_slices

            effort = (reach, float(repairs_per_term), borders, slice_rows, row_begin, row_length, first_length)
            improve_slices(*effort, term_value, term_code, slice_sums, *shared)
        if options.exchange and not reach:
            from imcflow.passes.reduction.exchange import search_slices

            rounds = int(EXCHANGES * (1 + EFFORT_OF_EXCHANGES * options.repairs_per_term))
            widths = (borders, slice_rows, row_begin, row_length, first_length)
            search_slices(rounds, *widths, term_value, term_code, slice_sums, *shared)

    if scaled is not None:
        slice_rows, row_output, rows, shared = _scale(scaled, borders, slice_rows, row_output, rows, slice_sums, shared)
        terms = len(rows[2]) + int(slice_sums.max(initial=0))

    low = np.zeros(width + terms + 1, dtype=np.int64)
    high = np.zeros(width + terms + 1, dtype=np.int64)
    low[:width], high[:width] = inputs.low, inputs.high
    lhs, rhs, lhs_shift, rhs_shift, subtract = columns = _operation_columns(terms + 1)
    slice_operations, slice_accumulations = np.zeros(slices + 1, np.int32), np.zeros(slices + 1, np.int32)
    accumulate_output, accumulate_value, accumulate_code = (np.zeros(terms, dtype=np.int32) for _ in range(3))
    sum_slices(
        borders,
        slice_rows,
        row_output,
        *rows,
        slice_sums,
        *shared,
        low,
        high,
        output_bounds(matrix, inputs, offset).bits,
        cycles.table(),
        *columns,
        slice_operations,
        slice_accumulations,
        accumulate_output,
        accumulate_value,
        accumulate_code,
    )
    operations, accumulations = int(slice_operations[-1]), int(slice_accumulations[-1])
    code = accumulate_code[:accumulations]
    return AddSubProgram(
        input_count=width,
        output_count=outputs,
        lhs=lhs[:operations].copy(),
        rhs=rhs[:operations].copy(),
        lhs_shift=lhs_shift[:operations].copy(),
        rhs_shift=rhs_shift[:operations].copy(),
        subtract=subtract[:operations].copy(),
        accumulate_output=accumulate_output[:accumulations].copy(),
        accumulate_value=accumulate_value[:accumulations].copy(),
        accumulate_shift=(code >> 1).astype(np.uint8),
        accumulate_subtract=(code & 1).astype(np.uint8),
        bias=offset,
        slice_inputs=borders,
        slice_operations=slice_operations,
        slice_accumulations=slice_accumulations,
    )


def _scale(
    scaled: ScaledRows,
    borders: Int32Array,
    slice_rows: Int64Array,
    row_number: Int32Array,
    rows: _Rows,
    slice_sums: Int64Array,
    shared: _Columns,
) -> tuple[Int64Array, Int32Array, _Rows, _Columns]:
    """Turn rows of `scaled` into rows of outputs; `slice_sums` is changed in place. See `scale_rows`."""
    from imcflow.passes.reduction.two_scales import scale_rows

    left = int(rows[1].sum())
    columns = _operation_columns(int((slice_sums[1::2] - slice_sums[::2]).sum()) + left + 1)
    new_slice_rows, new_output = np.zeros_like(slice_rows), np.zeros_like(row_number)
    most = left * int(np.diff(scaled.digit_start).max(initial=1))
    new_rows = (np.zeros_like(rows[0]), np.zeros_like(rows[1]), np.zeros(most, np.int32), np.zeros(most, np.int32))
    scales = (scaled.output, scaled.digit_start, scaled.digit_code)
    before = (borders, slice_rows, row_number, *scales, *rows, slice_sums, *shared)
    count = scale_rows(*before, *columns, new_slice_rows, new_output, *new_rows)
    return new_slice_rows, new_output[:count], (new_rows[0][:count], new_rows[1][:count], *new_rows[2:]), columns


def _operation_columns(room: int) -> _Columns:
    """Room for operations: lhs, rhs, lhs_shift, rhs_shift, subtract."""
    words, bytes_ = np.zeros((2, room), dtype=np.int32), np.zeros((3, room), dtype=np.uint8)
    return words[0], words[1], bytes_[0], bytes_[1], bytes_[2]
