"""Forward walks over a stream of word fidelity: where it may be cut in two, and what its rows find in their cells.

Additions and subtractions into a word may come in any order, and from anywhere: a cut between two of them separates
nothing, because the sums of both halves can be added up afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from ctypes import CFUNCTYPE, c_int64, c_void_p
from functools import cache
from typing import cast

from imcflow.runtime.isa import INSTRUCTION_BYTES
from imcflow.runtime.kernels.emitter import I8, I64, PTR, FunctionWriter, Value, const
from imcflow.runtime.kernels.layout import Handler, field_layout
from imcflow.runtime.kernels.liveness import EFFECTS, Words
from imcflow.runtime.native_code import NativeCode

WalkFunction = Callable[[int, int, int, int, int], None]
"""(rows, row count, and the addresses of three tables of int64)"""

_R: Words = (("r", "r_bits"),)
# Words changed in part: what they held before goes on.
_CHANGES: dict[Handler, Words] = {Handler.RELU: _R, Handler.STEP: _R, Handler.MAX_INTO: _R}


@cache
def cover_function() -> WalkFunction:
    """Return the walk that marks every value which a cut would separate.

    Its tables are writer [cells] (-1 at first), shape [cells] (0) and cover [rows + 1] (0). The running sum of `cover`
    counts the values that are written before a row and read in that row or later; words that both sides only add to are
    not counted, and zeros of a CLEAR neither: both sides can write them. `writer` becomes the row whose value a cell
    holds, for a sum and its carry the one with which the sum began, -1 for such a zero. Cells are read with the bits of
    their words, whatever of them is used.
    """
    return _compiled("cover", _Cover)


@cache
def first_function() -> WalkFunction:
    """Return the walk that finds the first row by cell that adds into its word, writes it, or reads it otherwise.

    Its tables are [cells] each, numbers beyond all rows at first.
    """
    return _compiled("first", _First)


def _compiled(name: str, walk: type[_Walk]) -> WalkFunction:
    code = NativeCode.of(walk(name).text())
    _modules.append(code)
    return cast("WalkFunction", CFUNCTYPE(None, c_void_p, c_int64, *[c_void_p] * 3)(code.address(name)))


_modules: list[NativeCode] = []


class _Walk(ABC):
    """Writes a walk; what it does with a cell is up to the subclass.

    Attributes:
        f: the function being written.
        index: number of the row.
        tables: addresses of the three tables.
    """

    def __init__(self, name: str) -> None:
        self.f = FunctionWriter(name, (PTR, I64, PTR, PTR, PTR))
        self._rows, self._count, *self.tables = self.f.arguments
        self._layout = field_layout()
        self.index = self._row = self._rows

    @abstractmethod
    def read(self, cell: Value) -> None:
        """A row reads a cell."""

    @abstractmethod
    def write(self, cell: Value) -> None:
        """A row overwrites a cell."""

    def clear(self, cell: Value) -> None:
        """A row writes a zero into a cell."""
        self.write(cell)

    @abstractmethod
    def add_into(self, cell: Value, word: Value) -> None:
        """A row adds into the word that a cell belongs to; `word` is its first cell times 64 plus its bits."""

    def carry_of_sum(self, cell: Value, first: Value, bits: Value) -> None:
        """A row adds into the word of `bits` cells from `first` on, and writes its carry into a cell."""
        self.write(cell)

    def text(self) -> str:
        """Return the function."""
        self.f.loop(const(I64, 0), self._count, [], self._walk)
        self.f.ret()
        return self.f.text()

    def entry(self, table: int, index: Value) -> Value:
        """Return the pointer to an entry of a table."""
        return self.f.offset(self.tables[table], self.f.mul(index, 8))

    def _field(self, name: str) -> Value:
        position, size, _ = self._layout[name]
        return self.f.convert("zext", self.f.load(f"i{8 * size}", self.f.offset(self._row, position), align=1), I64)

    def _cells(self, word: tuple[str, str | None], visit: Callable[[Value], None]) -> None:
        start = self._field(word[0])

        def body(bit: Value, _: list[Value]) -> list[Value]:
            visit(self.f.add(start, bit))
            return []

        self.f.loop(const(I64, 0), const(I64, 1) if word[1] is None else self._field(word[1]), [], body)

    def _plain(self, handler: Handler) -> None:
        written, read = EFFECTS[handler]
        for word in read:
            self._cells(word, self.read)
        for word in (*_CHANGES.get(handler, ()), *written):
            self._cells(word, self.write)

    def _fused(self) -> None:
        """R := R +- B is a sum; any other arithmetic overwrites R."""
        f = self.f
        same_cells = f.icmp("eq", self._field("a"), self._field("r"))
        same = f.and_(same_cells, f.icmp("eq", self._field("a_bits"), self._field("r_bits")))
        into, apart, after = (f.new_label(hint) for hint in ("into", "apart", "joined"))
        f.branch(same, into, apart)
        f.place(into)
        for word in (("b", "b_bits"), ("imm2", None)):
            self._cells(word, self.read)
        whole = f.add(f.mul(self._field("r"), 64), self._field("r_bits"))
        self._cells(("r", "r_bits"), lambda cell: self.add_into(cell, whole))
        self.carry_of_sum(self._field("c"), self._field("r"), self._field("r_bits"))
        f.jump(after)
        f.place(apart)
        self._plain(Handler.FUSED)
        f.jump(after)
        f.place(after)

    def _walk(self, index: Value, _: list[Value]) -> list[Value]:
        f = self.f
        self.index, self._row = index, f.offset(self._rows, f.mul(index, INSTRUCTION_BYTES))
        cases = [*EFFECTS, Handler.CLEAR]
        labels = {handler: f.new_label(handler.name.lower()) for handler in cases}
        done = f.new_label("next")
        f.switch(f.load(I8, self._row, align=1), done, [(int(handler), label) for handler, label in labels.items()])
        for handler in cases:
            f.place(labels[handler])
            if handler is Handler.FUSED:
                self._fused()
            elif handler is Handler.CLEAR:
                self._cells(("r", "r_bits"), self.clear)
            else:
                self._plain(handler)
            f.jump(done)
        f.place(done)
        return []


class _Cover(_Walk):
    """Tables: writer, shape, cover."""

    def read(self, cell: Value) -> None:
        """A cut between the writer of a cell and this row separates them."""
        f = self.f
        written = f.load(I64, self.entry(0, cell), align=8)

        def both() -> None:
            self._count_up(f.add(written, 1), 1)
            self._count_up(f.add(self.index, 1), -1)

        f.if_(f.icmp("sge", written, 0), both)

    def _count_up(self, index: Value, number: int) -> None:
        place = self.entry(2, index)
        self.f.store(self.f.add(self.f.load(I64, place, align=8), number), place, align=8)

    def write(self, cell: Value) -> None:
        """The cell holds this row's value."""
        self._set(cell, self.index)

    def clear(self, cell: Value) -> None:
        """The cell holds nothing that a cut could separate."""
        self._set(cell, const(I64, -1))

    def _set(self, cell: Value, writer: Value) -> None:
        self.f.store(writer, self.entry(0, cell), align=8)
        self.f.store(const(I64, 0), self.entry(1, cell), align=8)

    def add_into(self, cell: Value, word: Value) -> None:
        """A sum goes on, unless it was one of another word: then that one is read, and a new one begins."""
        f = self.f
        known = f.load(I64, self.entry(1, cell), align=8)

        def begin() -> None:
            self.read(cell)
            f.store(self.index, self.entry(0, cell), align=8)

        f.if_(f.and_(f.icmp("ne", known, 0), f.icmp("ne", known, word)), begin)
        written = f.load(I64, self.entry(0, cell), align=8)
        f.store(f.select(f.icmp("slt", written, 0), self.index, written), self.entry(0, cell), align=8)
        f.store(word, self.entry(1, cell), align=8)

    def carry_of_sum(self, cell: Value, first: Value, bits: Value) -> None:
        """The carry depends on all that was added before: it holds what the sum began with."""
        f = self.f

        def earliest(bit: Value, carried: list[Value]) -> list[Value]:
            return [f.smin(f.load(I64, self.entry(0, f.add(first, bit)), align=8), carried[0])]

        self._set(cell, f.loop(const(I64, 0), bits, [self.index], earliest)[0])


class _First(_Walk):
    """Tables: first sum, first write, first read."""

    def read(self, cell: Value) -> None:
        """See the class."""
        self._note(2, cell)

    def write(self, cell: Value) -> None:
        """See the class."""
        self._note(1, cell)

    def add_into(self, cell: Value, word: Value) -> None:
        """See the class."""
        self._note(0, cell)

    def _note(self, table: int, cell: Value) -> None:
        place = self.entry(table, cell)
        self.f.store(self.f.smin(self.f.load(I64, place, align=8), self.index), place, align=8)
