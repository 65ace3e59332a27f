"""The placed add/sub program: every step in execution order, with the cells of its words, as arrays.

A placement belongs to one `AddSubProgram` with intervals and to one associative-processor array. Cells are those of
the array itself: `cell = track * domains + domain`, a word of b bits lies in b consecutive domains of one track.
Import only where numpy may be imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Int32Array = NDArray[np.int32]
    ByteArray = NDArray[np.uint8]

NO_CELL = -1


class StepKind(IntEnum):
    """What one step of a placement does; `index` counts inputs, operations, accumulations or outputs."""

    CLEAR = 0  # `index` consecutive tracks from cell r on: `b` domains := 0
    LOAD = 1  # r := window element `index`
    OPERATE = 2  # r := operation `index` on the words a and b
    OPERATE_IN_PLACE = 3  # r := operation `index`, r holds one of its operands, a the other one
    COPY = 4  # r := value `index` in a, because two operands of the next operation share a track
    START = 5  # r := +/- a << shift, accumulation `index`, the first one of its output
    ACCUMULATE = 6  # r := r +/- a << shift, accumulation `index`
    SET = 7  # r := bias of output `index`
    STORE = 8  # output `index` := a
    LIFT = 9  # r: the lift of value `index` is added; a holds 1
    ONE = 10  # the cell r := 1


class StepFlag(IntEnum):
    """Bits of `flags`."""

    RESULT_IS_ZERO = 1  # the cells of r hold 0 before the step
    NEGATED = 2  # STORE: a holds minus the output
    SWAPPED = 4  # OPERATE_IN_PLACE: r holds the right operand


@dataclass(frozen=True, eq=False)
class Placement:
    """See the module docstring.

    Attributes:
        tracks, domains: geometry of the array.
        carry: the first carry cell; its track and all tracks above it hold one carry cell each and nothing else.
        kind, flags: uint8 [steps].
        index, a, b, r: int32 [steps]; unused cells are -1.
    """

    tracks: int
    domains: int
    carry: int
    kind: ByteArray
    flags: ByteArray
    index: Int32Array
    a: Int32Array
    b: Int32Array
    r: Int32Array

    @property
    def step_count(self) -> int:
        """Number of steps."""
        return len(self.kind)
