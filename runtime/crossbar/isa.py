"""The instruction set of crossbar macros: opcodes, operand fields and the packed table layout.

`docs/instruction-stream.md` section 8 is the specification; this module is its machine-readable form. A slot of a
macro is a plane of cells; tiles of `rows` x `columns` weights lie in it side by side, each at its `row` and `column`.
A lane is an output position.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    TileTable = np.ndarray[tuple[int], np.dtype[np.void]]
    """Rows of `tile_instruction_dtype()`."""

TILE_INSTRUCTION_BYTES = 48

# Field name, numpy type; little endian, no padding.
TILE_INSTRUCTION_FIELDS: tuple[tuple[str, str], ...] = (
    ("opcode", "u1"),
    ("flags", "u1"),
    ("shift", "u1"),  # ACCUMULATE: places to the left
    ("reserved", "u1"),  # must be 0
    ("macro", "<u4"),
    ("slot", "<u4"),  # which of the weights behind each multiplier
    ("row", "<u4"),  # first row of the macro that the tile lies in
    ("column", "<u4"),  # first column
    ("rows", "<u4"),  # rows of the tile
    ("columns", "<u4"),  # columns (output channels) of the tile
    ("element", "<u4"),  # MULTIPLY: window element on the tile's first row
    ("output", "<u4"),  # ACCUMULATE, STORE: output channel of the first column
    ("lane", "<u4"),  # MULTIPLY: first lane of every image
    ("lanes", "<u4"),  # MULTIPLY: number of lanes of every image; 0: all
    ("imm", "<u4"),  # LOAD: first weight; MULTIPLY: full scale of the converters, in unit cells
)


def tile_instruction_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one instruction row (48 bytes)."""
    import numpy as np

    return np.dtype(list(TILE_INSTRUCTION_FIELDS))


class TileOpcode(IntEnum):
    """Tile operations; P is the result register of a macro, ACC the accumulators, one per output channel and lane."""

    LOAD = 1  # slot[row + r, column + c] := rows x columns weights, column after column, from weight `imm` on
    MULTIPLY = 2  # P[c] := sum over r of x[element + r] * slot[row + r, column + c], in `lanes` lanes from `lane` on
    ACCUMULATE = 3  # ACC[output + c] := (START ? bias[output + c] : ACC[output + c]) +- (P[c] << shift), lanes of P
    STORE = 4  # tensor element output + c := ACC[output + c], or its step function; clamped to the tensor's type


class TileFlag(IntFlag):
    """Bits of the `flags` field."""

    WEIGHTS_SIGNED = 1  # LOAD: the weights are two's complement, so their top column counts negatively
    START = 2  # ACCUMULATE: begin with the bias
    NEGATE = 4  # ACCUMULATE: subtract
    STEP = 8  # STORE: through row output + c of the step table


USED_FIELDS: dict[TileOpcode, tuple[str, ...]] = {
    TileOpcode.LOAD: ("macro", "slot", "row", "column", "rows", "columns", "imm"),
    TileOpcode.MULTIPLY: ("macro", "slot", "row", "column", "rows", "columns", "element", "lane", "lanes", "imm"),
    TileOpcode.ACCUMULATE: ("macro", "columns", "output", "shift"),
    TileOpcode.STORE: ("columns", "output"),
}
"""Fields an opcode reads besides opcode and flags; the others must be 0."""

ALLOWED_FLAGS: dict[TileOpcode, TileFlag] = {
    TileOpcode.LOAD: TileFlag.WEIGHTS_SIGNED,
    TileOpcode.MULTIPLY: TileFlag(0),
    TileOpcode.ACCUMULATE: TileFlag.START | TileFlag.NEGATE,
    TileOpcode.STORE: TileFlag.STEP,
}

MAX_SHIFT = 48
EXACT_SUM = 1 << 53
"""Every sum of a kernel stays below this bound, so float64 holds it exactly."""
