"""The frame of every kernel: for each block, for each instruction row, jump to its handler."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from imcflow.runtime.isa import INSTRUCTION_BYTES, Flag
from imcflow.runtime.kernels.emitter import I64, PTR, FunctionWriter, Value, const, vector_parts, vector_type
from imcflow.runtime.kernels.layout import ALIGNMENT_BYTES, Context, Handler, field_layout


class Interpreter:
    """What the handlers see while they are written: the row, the block and the planes.

    Attributes:
        f: the function being written.
        words: 64-bit words per plane; one plane is one vector.
        plane: LLVM type of a plane.
        part: LLVM type of the part of a plane that handlers with many live values take at a time.
        part_words: 64-bit words of a part.
        block: number of the block that runs.
        scratch: pointer to 64 * words bytes, one per lane, plus slack.
        context: pointer to the `Context` slots.
        counters: pointer to the `Counter` slots.
        valid: plane with ones for the lanes of the block that belong to the batch; only in a counting interpreter.
    """

    def __init__(self, f: FunctionWriter, words: int) -> None:
        self.f = f
        self.words = words
        self.plane = _plane_type(words)
        self.part_words = min(words, PART_WORDS)
        self.part = _plane_type(self.part_words)
        self.first_block, self.last_block, self.state, self.scratch, self.rows, self.row_count = f.arguments[:6]
        self.context, self.counters = f.arguments[6:8]
        self.block = self.first_block
        self.row = self.rows
        self.valid = self.zeros()

    @property
    def lanes(self) -> int:
        """Lanes of a block."""
        return 64 * self.words

    @property
    def plane_bytes(self) -> int:
        """Bytes of a plane."""
        return 8 * self.words

    @property
    def alignment(self) -> int:
        """Alignment of planes in bytes: theirs, at most that of the state."""
        return min(self.plane_bytes, ALIGNMENT_BYTES)

    def field(self, name: str) -> Value:
        """Load a field of the row as i64."""
        position, size, signed = _FIELDS[name]
        loaded = self.f.load(f"i{8 * size}", self.f.offset(self.row, position), align=size)
        return self.f.convert("sext" if signed else "zext", loaded, I64)

    def flag(self, flag: Flag) -> Value:
        """Return whether a flag of the row is set, as i1."""
        return self.f.icmp("ne", self.f.and_(self.field("flags"), int(flag)), 0)

    def cell(self, index: Value) -> Value:
        """Return the pointer to a cell's plane."""
        return self.f.offset(self.state, self.f.mul(index, 8 * self.words))

    def load(self, cell: Value) -> Value:
        """Load the plane of a cell."""
        return self.f.load(self.plane, self.cell(cell), align=self.alignment)

    def store(self, value: Value, cell: Value) -> None:
        """Store the plane of a cell."""
        self.f.store(value, self.cell(cell), align=self.alignment)

    def zeros(self) -> Value:
        """Return a plane of zeros."""
        return const(self.plane, 0)

    def splat(self, word: Value) -> Value:
        """Return a plane with the same 64-bit word everywhere."""
        return self.spread(word, self.plane)

    def spread(self, word: Value, type_: str) -> Value:
        """Return a vector of a given type with the same 64-bit word everywhere."""
        return word if type_ == I64 else self.f.splat(word, vector_parts(type_)[0])

    def bit_of(self, number: Value, bit: Value) -> Value:
        """Return a plane of all ones where bit `bit` of an i64 is set, else all zeros."""
        shifted = self.f.and_(self.f.ashr(number, bit), 1)
        return self.splat(self.f.sub(const(I64, 0), shifted))

    def sign_bit(self, bit: Value, top: Value, flag: Flag) -> Value:
        """Return a word of all ones at the sign bit of a signed word: there a comparison swaps the roles of 0 and 1."""
        at_sign = self.f.and_(self.f.icmp("eq", bit, top), self.flag(flag))
        return self.f.convert("sext", at_sign, I64)

    def for_parts(self, body: Callable[[Value, list[Value]], list[Value]]) -> None:
        """Run `body` for every part of a plane; its argument is where the part begins, in bytes."""
        self.f.loop(const(I64, 0), const(I64, self.plane_bytes), [], body, step=8 * self.part_words)

    def slot(self, record: Value, slot: int, type_: str = I64) -> Value:
        """Load a 64-bit slot of a record."""
        return self.f.load(type_, self.f.offset(record, 8 * slot), align=8)

    def record(self, table: Context, slots: int) -> Value:
        """Return the pointer to the row's port in a table of records."""
        base = self.slot(self.context, table, PTR)
        return self.f.offset(base, self.f.mul(self.field("port"), 8 * slots))


def _plane_type(words: int) -> str:
    return I64 if words == 1 else vector_type(words, I64)


PART_WORDS = 8  # one register on the widest hosts
_FIELDS = field_layout()
Emit = Callable[[Interpreter], None]
PARAMETERS = (I64, I64, PTR, PTR, PTR, I64, PTR, PTR)
"""first block, last block (exclusive), state, scratch, rows, row count, context, counters"""


def write_interpreter(name: str, words: int, handlers: Mapping[Handler, Emit], *, counting: bool = False) -> str:
    """Return the LLVM IR of one interpreter function; `counting` ones know which lanes are `valid`."""
    f = FunctionWriter(name, PARAMETERS)
    machine = Interpreter(f, words)

    def run_row(index: Value, _: list[Value]) -> list[Value]:
        machine.row = f.offset(machine.rows, f.mul(index, INSTRUCTION_BYTES))
        labels = {handler: f.new_label(handler.name.lower()) for handler in handlers}
        done, unknown = f.new_label("next"), f.new_label("unknown")
        opcode = f.load("i8", machine.row, align=1)
        f.switch(opcode, unknown, [(int(handler), label) for handler, label in labels.items()])
        for handler, emit in handlers.items():
            f.place(labels[handler])
            emit(machine)
            f.jump(done)
        f.place(unknown)
        f.jump(done)
        f.place(done)
        return []

    def run_block(block: Value, _: list[Value]) -> list[Value]:
        machine.block = block
        if counting:
            masks = machine.slot(machine.context, Context.LANE_MASKS, PTR)
            machine.valid = f.load(machine.plane, f.offset(masks, f.mul(block, machine.plane_bytes)), align=8)
        f.loop(const(I64, 0), machine.row_count, [], run_row)
        return []

    f.loop(machine.first_block, machine.last_block, [], run_block)
    f.ret()
    return f.text()
