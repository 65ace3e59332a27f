"""Slices of few inputs as sets of values: search for a smaller set, write it as operations and rows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.reduction.reduce import MOST_INPUTS
from imcflow.passes.reduction.value_sets import ValueSet, search_values, units

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

MOST_VALUES = 2_000
"""Slices with more values are left alone."""


def search_slices(
    rounds: int,
    slice_inputs: I32,
    slice_rows: I64,
    row_start: I64,
    row_length: I32,
    first_length: I32,
    term_value: I32,
    term_code: I32,
    slice_sums: I64,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
) -> None:
    """Search in every slice of few inputs that elimination has left; nothing may be shifted.

    Args:
        rounds: see `search_values`.
        first_length: terms of every row before elimination; the others as for `eliminate_slices`.
    """
    for number in range(len(slice_inputs) - 1):
        rows = slice(int(slice_rows[number]), int(slice_rows[number + 1]))
        begin, end = (int(border) for border in slice_sums[2 * number : 2 * number + 2])
        inputs = int(slice_inputs[number + 1] - slice_inputs[number])
        sums = end - begin + int((row_length[rows] - 1).sum())
        if begin == end or inputs > MOST_INPUTS or sums > MOST_VALUES:
            continue
        # The values of the program as it is: operations, and sums of what is left of the rows.
        codes: list[int] = units(inputs).tolist()
        ones: list[int] = lhs[begin:end].tolist()
        others: list[int] = rhs[begin:end].tolist()
        for one, other, difference in zip(ones, others, subtract[begin:end].tolist(), strict=True):
            codes.append(codes[one] + (-codes[other] if difference else codes[other]))
        outputs: list[int] = []
        lengths: list[int] = row_length[rows].tolist()
        for start, length in zip(row_start[rows].tolist(), lengths, strict=True):
            values_of: list[int] = term_value[start : start + length].tolist()
            negative: list[int] = term_code[start : start + length].tolist()
            terms = zip(values_of, negative, strict=True)
            partial = list(accumulate(-codes[value] if code & 1 else codes[value] for value, code in terms))
            codes += partial[1:]
            outputs.append(partial[-1])
        targets = {abs(code) for code in outputs} - set(codes[:inputs])
        extras = {abs(code) for code in codes[inputs:]} - set(codes[:inputs]) - targets - {0}
        values, count = search_values(
            inputs,
            np.array(sorted(targets), np.int64),
            np.array(sorted(extras), np.int64),
            rounds,
            number,
        )
        if count - inputs < sums and count - inputs <= int(first_length[rows].sum()) // 2 + 1:
            _write(
                _Program(values, inputs, count, outputs),
                (row_start[rows], row_length[rows], term_value, term_code),
                slice_sums[2 * number : 2 * number + 2],
                (lhs, rhs, lhs_shift, rhs_shift, subtract),
            )


@dataclass(frozen=True)
class _Program:
    """The first `count` known values, of which `outputs` are codes."""

    values: ValueSet
    inputs: int
    count: int
    outputs: list[int]

    def parents(self, code: int) -> tuple[int, int, bool]:
        """The codes that a value was derived from, the larger one first, and whether it is their difference."""
        value = self.number[code]
        one, other = (int(self.values.codes[part[value]]) for part in (self.values.left, self.values.right))
        one, other = max(one, other), min(one, other)
        return one, other, one + other != code

    @cached_property
    def number(self) -> dict[int, int]:
        """Values by code."""
        known = self.values.known[: self.count].tolist()
        return dict(zip(self.values.codes[known].tolist(), known, strict=True))


def _write(program: _Program, rows: tuple[I64, I32, I32, I32], sums: I64, columns: tuple[I32, I32, U8, U8, U8]) -> None:
    """Write values as operations from sums[0] on, and outputs as rows; sums[1] becomes the end of the operations.

    A value that is one output and nothing else is left to its row as two terms: the array may add both to the output.
    """
    ordered = list(program.number)
    parents = {code: program.parents(code) for code in ordered[program.inputs :]}
    used = Counter(code for one, other, _ in parents.values() for code in (one, other))
    used.update({code: 2 for code, count in Counter(map(abs, program.outputs)).items() if count > 1})
    place = {code: at for at, code in enumerate(ordered[: program.inputs])}
    lhs, rhs, lhs_shift, rhs_shift, subtract = columns
    at = int(sums[0])
    for code, (one, other, difference) in parents.items():
        if not used[code]:
            continue
        lhs[at], rhs[at], lhs_shift[at], rhs_shift[at], subtract[at] = place[one], place[other], 0, 0, difference
        place[code] = program.inputs + at - int(sums[0])
        at += 1
    sums[1] = at
    row_start, row_length, term_value, term_code = rows
    for row, (start, output) in enumerate(zip(row_start.tolist(), program.outputs, strict=True)):
        code, negative = abs(output), output < 0
        if code in place:
            row_length[row], term_value[start], term_code[start] = 1, place[code], negative
            continue
        one, other, difference = parents[code]
        row_length[row] = 2
        term_value[start : start + 2] = place[one], place[other]
        term_code[start : start + 2] = negative, negative != difference
