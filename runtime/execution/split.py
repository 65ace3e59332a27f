"""A stream of word fidelity in two halves that run at the same time, and what joins them.

    first half, on cells 0 ... N-1        second half, on cells N ... 2N-1; sums that it goes on with begin at 0
                        then: sums added up, other words that are still read copied, results stored

The last layers of a network have few lanes and long streams: one block, for one worker. Slices of input channels use
words of their own and add into the outputs, so between two slices nothing but these sums goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.execution.workspace import address
from imcflow.runtime.kernels.dependence import cover_function, first_function
from imcflow.runtime.kernels.layout import RESERVED_CELLS, ZERO_CELL, Handler
from imcflow.runtime.kernels.liveness import STORES

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Ints = NDArray[np.int64]

MOST_OF_WHOLE = 0.75  # of the time; streams that cannot be cut better than that stay whole
ROWS_WORTH_ANOTHER = 200  # that join both halves: they run longer than another worker needs to begin
_LOAD_COST = 6  # a LOAD gathers bytes and takes them apart: about six additions
_COPY_BITS = 62
_CELL_FIELDS = ("a", "b", "r", "c")
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class SplitRows:
    """Rows of a stream that was cut.

    Attributes:
        first: rows of one worker.
        second: rows of another one, at the same time.
        last: rows to run when both are done: streams of one or two workers.
        cell_count: cells of the dense state that all three share.
    """

    first: InstructionTable
    second: InstructionTable
    last: tuple[InstructionTable, ...]
    cell_count: int

    @property
    def resident_bytes(self) -> int:
        """Memory held besides the stream itself."""
        return sum(part.nbytes for part in (self.first, self.second, *self.last))


def split_rows(rows: InstructionTable, cell_count: int) -> SplitRows | None:
    """Cut a stream; return None if there is no place for it that saves a quarter of the time.

    Results are stored behind both halves, or by each half, whichever takes less time.

    Args:
        rows: prepared rows of word fidelity.
        cell_count: cells of their dense state.
    """
    stores = _stores(rows)
    if not len(stores) or 2 * cell_count >= 1 << 31:
        return None
    rows = _stores_last(rows, stores, cell_count)
    stores = _stores(rows)
    cost = np.where(rows["opcode"] == Handler.LOAD, _LOAD_COST, 1).cumsum()
    found = [(*_cut(rows, end, cost, cell_count), end) for end in (int(stores[0]), len(rows))]
    for time, cut, end in sorted(found):
        split = _split_at(rows, cut, end, cell_count) if time <= MOST_OF_WHOLE * cost[-1] else None
        if split is not None:
            return split
    return None


def _stores(rows: InstructionTable) -> NDArray[np.intp]:
    """Which rows store results."""
    return np.flatnonzero(np.isin(rows["opcode"], [int(handler) for handler in STORES]))


def _stores_last(rows: InstructionTable, stores: NDArray[np.intp], cell_count: int) -> InstructionTable:
    """The same rows, but stores of words that nobody changes afterwards at the end: two workers can share those."""
    first_sum, first_write, _ = _firsts(rows[::-1], cell_count)
    last_change = len(rows) - 1 - np.minimum(first_sum, first_write)  # negative: never
    later = np.zeros(len(rows), np.bool_)
    for row, begin, bits in zip(stores, rows["a"][stores], rows["a_bits"][stores], strict=True):
        later[row] = (last_change[begin : begin + bits] < row).all()
    return np.concatenate([rows[~later], rows[later]])


def _cut(rows: InstructionTable, end: int, cost: Ints, cell_count: int) -> tuple[float, int]:
    """Return the least time, and the row before which the second half begins: nothing but sums and zeros goes on."""
    cover, _ = _walked(rows[:end], cell_count)
    free = np.flatnonzero(np.cumsum(cover)[1:end] == 0)  # a cut before row n + 1
    if not len(free):
        return math.inf, 0
    times = np.maximum(cost[free], cost[end - 1] - cost[free]) + cost[-1] - cost[end - 1]
    best = int(times.argmin())
    return float(times[best]), int(free[best]) + 1


def _walked(rows: InstructionTable, cell_count: int) -> tuple[Ints, Ints]:
    """Return `cover` of `imcflow.runtime.kernels.dependence`, and by cell the row whose value it holds in the end."""
    cover = np.zeros(len(rows) + 1, np.int64)
    writer, shape = np.full(cell_count, -1, np.int64), np.zeros(cell_count, np.int64)
    rows = np.ascontiguousarray(rows)
    cover_function()(address(rows), len(rows), address(writer), address(shape), address(cover))
    return cover, writer


def _split_at(rows: InstructionTable, cut: int, end: int, cell_count: int) -> SplitRows | None:
    """Rows before `cut`, rows up to `end` on cells of their own, and what joins them before the rows behind."""
    body, tail = rows[cut:end], rows[end:]
    words = _sums(body)
    first_sum, first_write, first_read = _firsts(body, cell_count)
    goes_on, overwritten = first_sum < first_write, first_write < _NEVER
    last_sum, last_write, last_read = _firsts(tail, cell_count)
    read = np.minimum(last_sum, last_read)
    wanted = (read < _NEVER) & (read <= last_write)
    # What both halves add up is joined if it is whole in the end. Nothing reads it in between: the cut sees to that.
    joined = _all_of(words, goes_on & ~overwritten)
    in_joined = _covered(words[joined], cell_count)
    if (wanted & goes_on & ~overwritten & ~in_joined).any():
        return None  # parts of a word whose other parts hold something else by then
    held = _walked(rows[:cut], cell_count)[1] >= 0
    if (held & goes_on & ~_covered(words[_all_of(words, goes_on)], cell_count)).any():
        return None  # a word of which the first half wrote some cells and the second half others
    zeros = goes_on | ((first_read < _NEVER) & (first_read <= np.minimum(first_write, first_sum)))
    zeros[:RESERVED_CELLS] = False
    needed = words[joined & _any_of(words, wanted)]
    begun = _walked(rows[:end], cell_count)[1]
    if (wanted & overwritten & (begun >= 0) & (begun < cut)).any():
        return None  # a carry of what both halves add up
    moved = wanted & overwritten
    second = np.concatenate([_zeros(_runs(np.flatnonzero(zeros)), cell_count, rows.dtype), _moved(body, cell_count)])
    last = _joined(tail, needed, moved)
    return SplitRows(rows[:cut].copy(), second, last, 2 * cell_count + 2)


def _joined(tail: InstructionTable, needed: Ints, moved: NDArray[np.bool_]) -> tuple[InstructionTable, ...]:
    """Return what joins both halves and the rows behind, for two workers if neither touches what the other writes."""
    cell_count = len(moved)

    def stream(rows: InstructionTable, words: Ints, cells: NDArray[np.bool_], carry: int) -> InstructionTable:
        copies = _copies(_runs(np.flatnonzero(cells)), cell_count, rows.dtype)
        return np.concatenate([_additions(words, cell_count, 2 * cell_count + carry, rows.dtype), copies, rows])

    whole = (stream(tail, needed, moved, 0),)
    cover, _ = _walked(tail, cell_count)
    free = np.flatnonzero(np.cumsum(cover)[1 : len(tail)] == 0) + 1
    if len(whole[0]) < ROWS_WORTH_ANOTHER or not len(free):
        return whole
    cut = int(free[np.abs(2 * free - len(tail)).argmin()])
    if max(cut, len(tail) - cut) > MOST_OF_WHOLE * len(tail):
        return whole
    streams: list[InstructionTable] = []
    written, touched = np.zeros((2, cell_count), np.bool_), np.zeros((2, cell_count), np.bool_)
    for number, rows in enumerate((tail[:cut], tail[cut:])):
        first_sum, first_write, first_read = _firsts(rows, cell_count)
        read = np.minimum(first_sum, first_read)
        wanted = (read < _NEVER) & (read <= first_write)
        words, cells = needed[_any_of(needed, wanted)], moved & wanted
        written[number] = _covered(words, cell_count) | cells | (np.minimum(first_sum, first_write) < _NEVER)
        touched[number] = written[number] | (read < _NEVER)
        streams.append(stream(rows, words, cells, number))
    touched[:, :RESERVED_CELLS] = False  # nobody writes these
    return whole if (written & touched[::-1]).any() else tuple(streams)


def _all_of(words: Ints, cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which words have such cells only."""
    before = np.append(0, np.cumsum(cells))
    return before[words.sum(axis=1)] - before[words[:, 0]] == words[:, 1]


def _any_of(words: Ints, cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which words have some such cell."""
    before = np.append(0, np.cumsum(cells))
    return before[words.sum(axis=1)] > before[words[:, 0]]


def _covered(words: Ints, cell_count: int) -> NDArray[np.bool_]:
    """Which cells belong to one of these words."""
    change = np.zeros(cell_count + 1, np.int64)
    np.add.at(change, words[:, 0], 1)
    np.add.at(change, words.sum(axis=1), -1)
    return np.cumsum(change)[:-1] > 0


def _is_sum(rows: InstructionTable) -> NDArray[np.bool_]:
    """Which rows add into a word or subtract from it."""
    return (rows["opcode"] == Handler.FUSED) & (rows["a"] == rows["r"]) & (rows["a_bits"] == rows["r_bits"])


def _sums(rows: InstructionTable) -> Ints:
    """(first cell, bits) of every word that rows add into, each once."""
    chosen = rows[_is_sum(rows)]
    keys = np.sort(chosen["r"].astype(np.int64) << 6 | chosen["r_bits"])
    keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
    return np.stack([keys >> 6, keys & 63], axis=1)


def _firsts(rows: InstructionTable, cell_count: int) -> tuple[Ints, Ints, Ints]:
    """Per cell the first row that adds into its word, that writes it, and that reads it otherwise; else `_NEVER`."""
    found = np.full((3, cell_count), _NEVER, np.int64)
    rows = np.ascontiguousarray(rows)
    first_function()(address(rows), len(rows), *(address(table) for table in found))
    return found[0], found[1], found[2]


def _moved(rows: InstructionTable, offset: int) -> InstructionTable:
    """The same rows on cells further on; the cell of zeros is shared."""
    moved = rows.copy()
    stores = np.zeros(len(rows), np.bool_)
    stores[_stores(rows)] = True  # their other fields are no cells
    for name in _CELL_FIELDS:
        stays = (rows[name] == ZERO_CELL) | (stores & (name != "a"))
        moved[name] = np.where(stays, rows[name], rows[name] + np.uint32(offset))
    arithmetic = np.flatnonzero(np.isin(rows["opcode"], [Handler.FUSED, Handler.FUSED_SWAPPED]))
    for name in ("imm", "imm2"):
        cells = rows[name][arithmetic]
        moved[name][arithmetic] = np.where(cells == ZERO_CELL, ZERO_CELL, cells + np.int32(offset))
    return moved


def _zeros(words: Ints, offset: int, dtype: np.dtype[np.void]) -> InstructionTable:
    rows: InstructionTable = np.zeros(len(words), dtype)
    rows["opcode"], rows["r"], rows["r_bits"] = Handler.CLEAR, words[:, 0] + offset, words[:, 1]
    return rows


def _additions(words: Ints, offset: int, carry: int, dtype: np.dtype[np.void]) -> InstructionTable:
    rows: InstructionTable = np.zeros(len(words), dtype)
    rows["opcode"], rows["c"], rows["imm"], rows["imm2"] = Handler.FUSED, carry, ZERO_CELL, ZERO_CELL
    rows["a"] = rows["r"] = words[:, 0]
    rows["b"] = words[:, 0] + offset
    rows["a_bits"] = rows["b_bits"] = rows["r_bits"] = words[:, 1]
    return rows


def _copies(words: Ints, offset: int, dtype: np.dtype[np.void]) -> InstructionTable:
    rows: InstructionTable = np.zeros(len(words), dtype)
    rows["opcode"], rows["r"], rows["a"] = Handler.COPY, words[:, 0], words[:, 0] + offset
    rows["a_bits"] = rows["r_bits"] = words[:, 1]
    return rows


def _runs(cells: NDArray[np.intp]) -> Ints:
    """(first cell, bits) of words that cover the cells, which ascend."""
    begins = np.flatnonzero(np.diff(cells, prepend=-2) != 1)
    runs = [
        (start, min(_COPY_BITS, int(run[-1]) + 1 - start))
        for run in np.split(cells, begins[1:])
        if len(run)
        for start in range(int(run[0]), int(run[-1]) + 1, _COPY_BITS)
    ]
    return np.array(runs, np.int64).reshape(-1, 2)
