"""The memory layout that the compiled kernels and the Python code that calls them share.

A block is `64 * words` lanes. Its state is [cells][words] 64-bit words: bit j of word w of a cell belongs to lane
64*w + j. The executor numbers the cells that a stream touches densely; instruction rows keep the fields of
`imcflow.runtime.isa` with dense cell numbers and a `Handler` in place of the opcode.
"""

from __future__ import annotations

from enum import IntEnum

from imcflow.runtime.isa import INSTRUCTION_FIELDS

WORD_COUNTS = (1, 2, 4, 8, 16, 32)  # planes of more than one register hide the latency of dependent passes
USUAL_WORDS = 8
ALIGNMENT_BYTES = 64  # of the state and of every buffer
RUN_BYTES = 64  # how much one gather step copies, whatever the length of the run
SCRATCH_SLACK_BYTES = 64  # the last gather step of a block may write this far beyond the lanes
MAX_STEP32_BITS = 30  # words up to this width go through 32-bit lanes without wrapping at any threshold


class Handler(IntEnum):
    """What a prepared row does; the values index the interpreter's jump table."""

    FUSED = 0  # word fidelity: R := A +- B, A has at least as many bits as B
    FUSED_SWAPPED = 1  # word fidelity: R := B - A, likewise
    ADD = 2  # micro fidelity from here ...
    SUB = 3
    NEG = 4
    ADD_INTO = 5
    SUB_FROM = 6  # ... to here
    COPY = 7
    MOVE = 8
    SET = 9
    CLEAR = 10  # one word
    MAX_INTO = 11
    RELU = 12
    STEP = 13
    LOAD = 14
    STORE_32 = 15
    STORE_64 = 16
    STORE_STEP_32 = 17
    STORE_STEP_64 = 18
    STORE_STEP_3 = 19  # at most 3 thresholds, results of one byte: compared plane by plane
    STORE_STEP_15 = 20  # likewise, at most 15 thresholds
    STORE_8 = 21  # words and results of at most one byte


ZERO_CELL = 0
"""Dense cell that always holds 0: stands for the missing bits of an unsigned word."""
RESERVED_CELLS = 1
SUBTRACT_FLAG = 128
"""Flag of FUSED rows: subtract. In these rows `imm` and `imm2` are the cells that stand for the bits beyond A and B."""


class Context(IntEnum):
    """64-bit slots of the context that a kernel call gets."""

    INPUTS = 0  # pointer to InputSlot records
    OUTPUTS = 1  # pointer to OutputSlot records
    THRESHOLDS = 2  # pointer, int64 [table_rows, levels]
    LEVELS = 3
    STEP_BASE = 4  # pointer, int64 [table_rows]
    STEP_SIGN = 5  # pointer, int64 [table_rows]: +1, or -1 for a descending row
    LANE_MASKS = 6  # pointer, a plane per block with ones for its valid lanes, for fidelity `count`
    STEP_MASKS = 7  # pointer, bytes [step rows][bits + 1][thresholds]: see StepMasks in runtime.execution.step_masks
    STEP_MASK_STRIDE = 8  # bytes from one step row to the next
    SIZE = 16


class InputSlot(IntEnum):
    """64-bit slots of one input port."""

    IMAGE = 0  # pointer to byte plane 0 of the padded image
    BYTE_STRIDE = 1  # bytes from one byte plane to the next
    OFFSETS = 2  # pointer, int64 [elements]: byte offset of a window element
    RUN_INDEX = 3  # pointer, int64 [blocks + 1]: first run of each block
    RUNS = 4  # pointer, int64 [runs, 2]: source byte, destination lane
    SIZE = 8


class OutputSlot(IntEnum):
    """64-bit slots of one output port."""

    BASE = 0  # pointer to lane 0 of channel 0
    ROW_STRIDE = 1  # bytes from one channel to the next
    ELEMENT_BYTES = 2  # 1, 2, 4 or 8
    SIZE = 4


class Counter(IntEnum):
    """Slots that the counting kernel adds to: as many 64-bit words each as a plane has, to be added up afterwards."""

    SEARCHES = 0  # passes of every block, in word 0
    WRITES = 1
    MATCHED_ROWS = 2  # rows that match the key, summed over the searches
    TAGGED_ROWS = 3  # rows that a write reaches, summed over the writes behind searches
    TAGGED_CELLS = 4  # the same times the cells of the write
    SIZE = 5


_SIZES = {"u1": 1, "<u2": 2, "<u4": 4, "<i4": 4}


def field_layout() -> dict[str, tuple[int, int, bool]]:
    """Return byte offset, byte size and signedness of every field of an instruction row."""
    layout: dict[str, tuple[int, int, bool]] = {}
    position = 0
    for name, spelling in INSTRUCTION_FIELDS:
        layout[name] = (position, _SIZES[spelling], "i" in spelling)
        position += _SIZES[spelling]
    return layout
