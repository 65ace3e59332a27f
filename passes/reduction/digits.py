"""Weights as canonical-signed-digit planes: every weight is a sum of signed powers of two, no two of them adjacent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SignedDigits:
    """The nonzero digits of a matrix: `W[output, input] = sum of +/- 2**shift`, in order of shift, output, input.

    Attributes:
        output, input: int32 [digits].
        shift: uint8 [digits].
        negative: uint8 [digits], 1 for the digit -1.
    """

    output: NDArray[np.int32]
    input: NDArray[np.int32]
    shift: NDArray[np.uint8]
    negative: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.output)


def by_slice(digits: SignedDigits, slice_of: NDArray[np.integer]) -> NDArray[np.intp]:
    """Return the order of digits by slice, output, input and shift.

    Args:
        digits: of a matrix.
        slice_of: the slice of every digit [digits].
    """
    if digits.shift.any():
        return np.lexsort((digits.shift, digits.input, digits.output, slice_of))
    # Digits of one shift are in the order of the matrix. Sorting numbers of 16 bits takes linear time.
    narrow = slice_of.astype(np.uint16) if slice_of.max(initial=0) < 1 << 16 else slice_of
    return np.argsort(narrow, kind="stable")


def signed_digits(matrix: NDArray[np.integer]) -> SignedDigits:
    """Decompose integers into canonical signed digits (the non-adjacent form, which has the fewest nonzero digits).

    A ternary matrix is its own single plane. The digit at the lowest set bit of w is 2 - (w mod 4), after which w minus
    the digit is divisible by 4 (Reitwiesner 1960).

    Args:
        matrix: integers [outputs, inputs].
    """
    rows, columns = np.nonzero(matrix)
    rest = np.asarray(matrix)[rows, columns].astype(np.int64)
    outputs: list[NDArray[np.int32]] = []
    inputs: list[NDArray[np.int32]] = []
    shifts: list[NDArray[np.uint8]] = []
    negatives: list[NDArray[np.uint8]] = []
    shift = 0
    while len(rest):
        digit = np.where(rest & 1, 2 - (rest & 3), 0)
        has_digit = digit != 0
        outputs.append(rows[has_digit].astype(np.int32))
        inputs.append(columns[has_digit].astype(np.int32))
        shifts.append(np.full(len(outputs[-1]), shift, dtype=np.uint8))
        negatives.append((digit[has_digit] < 0).astype(np.uint8))
        rest = (rest - digit) >> 1
        left = rest != 0
        rows, columns, rest = rows[left], columns[left], rest[left]
        shift += 1
    if not outputs:
        empty32, empty8 = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.uint8)
        return SignedDigits(empty32, empty32, empty8, empty8)
    return SignedDigits(
        np.concatenate(outputs), np.concatenate(inputs), np.concatenate(shifts), np.concatenate(negatives)
    )
