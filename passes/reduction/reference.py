"""Pair elimination in plain numpy: slow and obvious, the oracle of `imcflow.passes.reduction.kernels`.

The same choices in the same order, on a dense array of digits: pairs are counted by matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.reduction.digits import signed_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntMatrix = NDArray[np.integer]


@dataclass(frozen=True)
class Sum:
    """One operation `(lhs << lhs_shift) +/- (rhs << rhs_shift)`; values are numbered after the inputs."""

    lhs: int
    rhs: int
    lhs_shift: int
    rhs_shift: int
    subtract: bool


@dataclass
class PairElimination:
    """Eliminates pairs from the rows of a matrix.

    Attributes:
        digits: int64 [rows, values, shifts], the signed digits -1, 0, 1 that are left; grows with every operation.
        operations: found so far.
    """

    digits: NDArray[np.int64]
    operations: list[Sum] = field(default_factory=list[Sum])

    @staticmethod
    def of(matrix: IntMatrix) -> PairElimination:
        """Start from an integer matrix [rows, inputs]."""
        planes = signed_digits(matrix)
        digits = np.zeros((*matrix.shape, int(planes.shift.max(initial=0)) + 1), dtype=np.int64)
        digits[planes.output, planes.input, planes.shift] = 1 - 2 * planes.negative.astype(np.int64)
        return PairElimination(digits)

    def terms_left(self) -> NDArray[np.int64]:
        """Terms of each row."""
        return np.count_nonzero(self.digits, axis=(1, 2))

    def run(self) -> PairElimination:
        """Replace the most frequent pair until none occurs twice; return self.

        Values wait in stacks, one per bound on the occurrences of their best pair. The top of the highest stack is
        counted exactly: it is eliminated if the bound is reached, else it moves to the stack of its count.
        """
        uses = self._uses()
        stacks: list[list[int]] = [[] for _ in range(int(uses.max(initial=0)) + 1)]
        for value in range(len(uses) - 1, -1, -1):
            stacks[int(uses[value])].append(value)
        level = len(stacks) - 1
        while level >= 2:
            if not stacks[level]:
                level -= 1
                continue
            value = stacks[level].pop()
            count, partner, distance, opposite = self._best_pair(value)
            if count < level:
                if count >= 2:
                    stacks[count].append(value)
                continue
            self._replace(value, partner, distance, opposite)
            uses = self._uses()
            for queued in (value, len(uses) - 1):
                bound = min(level, int(uses[queued]))
                if bound >= 2:
                    stacks[bound].append(queued)
        return self

    def _uses(self) -> NDArray[np.int64]:
        return np.count_nonzero(self.digits, axis=(0, 2))

    def _shifted(self, distance: int) -> NDArray[np.int64]:
        """The digits at shift s + distance, for every s."""
        moved = np.zeros_like(self.digits)
        shifts = self.digits.shape[2]
        if distance >= 0:
            moved[:, :, : shifts - distance] = self.digits[:, :, distance:]
        else:
            moved[:, :, -distance:] = self.digits[:, :, : shifts + distance]
        return moved

    def _best_pair(self, value: int) -> tuple[int, int, int, bool]:
        """Occurrences, partner, relative shift and relative sign of the best pair of a value.

        Ties: fewest remaining terms of the partner, then the lowest partner, shift and sign.
        """
        own = self.digits[:, value, :]
        uses = self._uses()
        reach = self.digits.shape[2] - 1
        best: tuple[int, int, int, int, bool] | None = None
        for distance in range(-reach, reach + 1):
            other = self._shifted(distance)
            signed = np.einsum("rs,rvs->v", own, other)
            both = np.einsum("rs,rvs->v", np.abs(own), np.abs(other))
            for opposite, counts in ((False, (both + signed) // 2), (True, (both - signed) // 2)):
                if distance <= 0:
                    counts[value] = 0
                most = int(counts.max())
                partners = np.flatnonzero(counts == most)
                partner = int(partners[np.argmin(uses[partners])])
                found = (-most, int(uses[partner]), partner, distance, opposite)
                if best is None or found < best:
                    best = found
        assert best is not None
        return -best[0], best[2], best[3], best[4]

    def _replace(self, value: int, partner: int, distance: int, opposite: bool) -> None:
        swapped = opposite and distance < 0
        if swapped:
            self.operations.append(Sum(partner, value, 0, -distance, subtract=True))
        else:
            self.operations.append(Sum(value, partner, max(0, -distance), max(0, distance), subtract=opposite))
        rows, _, shifts = self.digits.shape
        created = np.zeros((rows, 1, shifts), dtype=np.int64)
        for row in range(rows):
            for shift in range(shifts):
                other = shift + distance
                sign = self.digits[row, value, shift]
                wanted = -sign if opposite else sign
                if sign == 0 or not 0 <= other < shifts or self.digits[row, partner, other] != wanted:
                    continue
                created[row, 0, min(shift, other)] = wanted if swapped else sign
                self.digits[row, value, shift] = self.digits[row, partner, other] = 0
        self.digits = np.concatenate([self.digits, created], axis=1)
