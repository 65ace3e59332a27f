"""Rows of word fidelity: one fused form for all carries, and no zeros that nothing reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.execution.workspace import address
from imcflow.runtime.isa import Flag
from imcflow.runtime.kernels.layout import SUBTRACT_FLAG, ZERO_CELL, Handler
from imcflow.runtime.kernels.liveness import keep_function

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable


def fuse_arithmetic(rows: InstructionTable) -> None:
    """Rewrite ADD, SUB, NEG, ADD_INTO and SUB_FROM as FUSED rows: R := A +- B with the longer word as A."""
    handlers = rows["opcode"].copy()
    in_place = (handlers == Handler.ADD_INTO) | (handlers == Handler.SUB_FROM)
    negation = handlers == Handler.NEG
    subtraction = (handlers == Handler.SUB) | (handlers == Handler.SUB_FROM) | negation
    chosen = np.flatnonzero(subtraction | (handlers == Handler.ADD) | (handlers == Handler.ADD_INTO))
    part = rows[chosen]
    a = _Words(part["a"], part["a_bits"], (part["flags"] & Flag.A_SIGNED) > 0)
    b = _Words(part["b"], part["b_bits"], (part["flags"] & Flag.B_SIGNED) > 0)
    r = _Words(part["r"], part["r_bits"], np.zeros(len(part), np.bool_))
    zero = np.zeros(len(part), np.uint32)
    nothing = _Words(zero + np.uint32(ZERO_CELL), zero.astype(np.uint8), zero > 0)
    # x +- y: R +- A in place, 0 - A for a negation, else A +- B.
    left = r.where(in_place[chosen], nothing.where(negation[chosen], a))
    right = a.where((in_place | negation)[chosen], b)
    swapped = right.bits > left.bits
    long, short = right.where(swapped, left), left.where(swapped, right)
    part["a"], part["a_bits"], part["imm"] = long.cells, long.bits, long.beyond()
    part["b"], part["b_bits"], part["imm2"] = short.cells, short.bits, short.beyond()
    part["flags"] = np.where(subtraction[chosen], SUBTRACT_FLAG, 0)
    part["opcode"] = np.where(swapped & subtraction[chosen], Handler.FUSED_SWAPPED, Handler.FUSED)
    rows[chosen] = part


def without_unread_clears(rows: InstructionTable, cell_count: int) -> InstructionTable:
    """Shorten every CLEAR to the cells that something reads before they are overwritten; drop the empty ones."""
    rows = np.ascontiguousarray(rows)
    live = np.zeros(cell_count, np.uint8)
    kept = np.zeros((len(rows), 2), np.int64)
    keep_function()(address(rows), len(rows), address(live), address(kept))
    clears = rows["opcode"] == Handler.CLEAR
    rows["r"][clears] += kept[clears, 0].astype(np.uint32)
    rows["r_bits"][clears] = kept[clears, 1].astype(np.uint8)
    return rows[~clears | (kept[:, 1] > 0)]


@dataclass(frozen=True, slots=True)
class _Words:
    """One operand of many rows."""

    cells: NDArray[np.uint32]
    bits: NDArray[np.uint8]
    signed: NDArray[np.bool_]

    def where(self, chosen: NDArray[np.bool_], other: _Words) -> _Words:
        """Return these words where chosen, else the other ones."""
        return _Words(
            np.where(chosen, self.cells, other.cells),
            np.where(chosen, self.bits, other.bits),
            np.where(chosen, self.signed, other.signed),
        )

    def beyond(self) -> NDArray[np.int64]:
        """Return the cells that stand for the bits beyond the words: the sign, or zero."""
        return np.where(self.signed, self.cells.astype(np.int64) + self.bits - 1, ZERO_CELL)
