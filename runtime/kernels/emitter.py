"""A small typed writer of LLVM IR text: just what the kernels need.

Text is what `llvmlite.binding.parse_assembly` takes, needs no IR object model in Python and stays readable in a dump.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

I1, I8, I16, I32, I64, PTR = "i1", "i8", "i16", "i32", "i64", "ptr"
FLOAT, DOUBLE = "float", "double"


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or constant: its LLVM type and how it is written."""

    type: str
    text: str

    def __str__(self) -> str:
        return f"{self.type} {self.text}"


def const(type_: str, number: int) -> Value:
    """Return an integer constant; for a vector type, that number in every element."""
    if not type_.startswith("<"):
        return Value(type_, str(number))
    count, element = vector_parts(type_)
    return Value(type_, "<" + ", ".join([f"{element} {number}"] * count) + ">")


def vector_type(count: int, element: str) -> str:
    """Return the type of a vector of `count` elements."""
    return f"<{count} x {element}>"


def vector_parts(type_: str) -> tuple[int, str]:
    """Split a vector type into its element count and element type."""
    count, element = type_[1:-1].split(" x ")
    return int(count), element


def element_bits(type_: str) -> int:
    """Return the width in bits of an integer type or of the elements of an integer vector type."""
    return int((vector_parts(type_)[1] if type_.startswith("<") else type_)[1:])


LoopBody = Callable[[Value, list[Value]], Sequence[Value]]


class FunctionWriter:
    """Writes one function, block by block. Methods append an instruction and return its value."""

    def __init__(self, name: str, parameters: Sequence[str]) -> None:
        """Start `void @name(...)`; `parameters` are types, reachable as `self.arguments`."""
        self.arguments = [Value(type_, f"%arg{i}") for i, type_ in enumerate(parameters)]
        self._head = f"define void @{name}({', '.join(str(argument) for argument in self.arguments)}) nounwind {{"
        self._lines: list[str] = []
        self._count = 0
        self._label = "entry"
        self.place("entry")

    def text(self) -> str:
        """Return the finished function."""
        return "\n".join([self._head, *self._lines, "}", ""])

    # Control flow.

    def new_label(self, hint: str) -> str:
        """Return an unused block label."""
        self._count += 1
        return f"{hint}.{self._count}"

    def place(self, label: str) -> None:
        """Start the block `label`."""
        self._lines.append(f"{label}:")
        self._label = label

    def jump(self, label: str) -> None:
        """End the block with a branch."""
        self._lines.append(f"  br label %{label}")

    def branch(self, condition: Value, then: str, otherwise: str) -> None:
        """End the block with a conditional branch."""
        self._lines.append(f"  br {condition}, label %{then}, label %{otherwise}")

    def switch(self, value: Value, default: str, cases: Sequence[tuple[int, str]]) -> None:
        """End the block with a jump table."""
        table = " ".join(f"{value.type} {number}, label %{label}" for number, label in cases)
        self._lines.append(f"  switch {value}, label %{default} [ {table} ]")

    def ret(self) -> None:
        """End the block and the function."""
        self._lines.append("  ret void")

    def if_(self, condition: Value, body: Callable[[], None]) -> None:
        """Run `body` where `condition` holds."""
        then, after = self.new_label("then"), self.new_label("after")
        self.branch(condition, then, after)
        self.place(then)
        body()
        self.jump(after)
        self.place(after)

    def loop(
        self, start: Value, stop: Value, carried: Sequence[Value], body: LoopBody, *, step: int = 1
    ) -> list[Value]:
        """Run `body(index, carried)` for start <= index < stop (signed); return the carried values at the end."""
        before, head, inside, after = self._label, *(self.new_label(hint) for hint in ("head", "body", "done"))
        self.jump(head)
        self.place(head)
        phi_at = len(self._lines)
        names = [self._name() for _ in range(len(carried) + 1)]
        phis = [Value(value.type, name) for value, name in zip([start, *carried], names, strict=True)]
        self.branch(self.icmp("slt", phis[0], stop), inside, after)
        self.place(inside)
        results = body(phis[0], phis[1:])
        following = [self.add(phis[0], step), *results]
        tail = self._label
        self.jump(head)
        self.place(after)
        self._lines[phi_at:phi_at] = [
            f"  {phi.text} = phi {phi.type} [ {first.text}, %{before} ], [ {then.text}, %{tail} ]"
            for phi, first, then in zip(phis, [start, *carried], following, strict=True)
        ]
        return phis[1:]

    # Instructions.

    def _name(self) -> str:
        self._count += 1
        return f"%v{self._count}"

    def emit(self, type_: str, text: str) -> Value:
        """Append `%new = text` and return the value."""
        name = self._name()
        self._lines.append(f"  {name} = {text}")
        return Value(type_, name)

    def binary(self, operation: str, left: Value, right: Value | int) -> Value:
        """Append a two-operand integer instruction on scalars or vectors."""
        other = const(left.type, right) if isinstance(right, int) else right
        return self.emit(left.type, f"{operation} {left}, {other.text}")

    def add(self, left: Value, right: Value | int) -> Value:
        """Add modulo the width."""
        return self.binary("add", left, right)

    def sub(self, left: Value, right: Value | int) -> Value:
        """Subtract modulo the width."""
        return self.binary("sub", left, right)

    def mul(self, left: Value, right: Value | int) -> Value:
        """Multiply modulo the width."""
        return self.binary("mul", left, right)

    def and_(self, left: Value, right: Value | int) -> Value:
        """Bitwise and."""
        return self.binary("and", left, right)

    def or_(self, left: Value, right: Value | int) -> Value:
        """Bitwise or."""
        return self.binary("or", left, right)

    def xor(self, left: Value, right: Value | int) -> Value:
        """Bitwise exclusive or."""
        return self.binary("xor", left, right)

    def not_(self, value: Value) -> Value:
        """Bitwise complement."""
        return self.xor(value, -1)

    def shl(self, left: Value, right: Value | int) -> Value:
        """Shift left."""
        return self.binary("shl", left, right)

    def lshr(self, left: Value, right: Value | int) -> Value:
        """Shift right, zeros enter."""
        return self.binary("lshr", left, right)

    def ashr(self, left: Value, right: Value | int) -> Value:
        """Shift right, the sign enters."""
        return self.binary("ashr", left, right)

    def fadd(self, left: Value, right: Value) -> Value:
        """Add floating-point numbers."""
        return self.binary("fadd", left, right)

    def fsub(self, left: Value, right: Value) -> Value:
        """Subtract floating-point numbers."""
        return self.binary("fsub", left, right)

    def fmul(self, left: Value, right: Value) -> Value:
        """Multiply floating-point numbers."""
        return self.binary("fmul", left, right)

    def fdiv(self, left: Value, right: Value) -> Value:
        """Divide floating-point numbers."""
        return self.binary("fdiv", left, right)

    def fmin(self, left: Value, right: Value) -> Value:
        """Return the smaller of two numbers, the right one if they are not ordered."""
        return self._ordered("olt", left, right)

    def fmax(self, left: Value, right: Value) -> Value:
        """Return the larger of two numbers, the right one if they are not ordered."""
        return self._ordered("ogt", left, right)

    def _ordered(self, predicate: str, left: Value, right: Value) -> Value:
        result = vector_type(vector_parts(left.type)[0], I1) if left.type.startswith("<") else I1
        return self.select(self.emit(result, f"fcmp {predicate} {left}, {right.text}"), left, right)

    def mux(self, select: Value, ones: Value, zeros: Value) -> Value:
        """Per bit: `ones` where `select` is 1, else `zeros` (one instruction on hosts with ternary logic)."""
        return self.or_(self.and_(select, ones), self.and_(self.not_(select), zeros))

    def icmp(self, predicate: str, left: Value, right: Value | int) -> Value:
        """Compare integers; a vector comparison gives a vector of i1."""
        other = const(left.type, right) if isinstance(right, int) else right
        result = vector_type(vector_parts(left.type)[0], I1) if left.type.startswith("<") else I1
        return self.emit(result, f"icmp {predicate} {left}, {other.text}")

    def select(self, condition: Value, then: Value, otherwise: Value) -> Value:
        """Choose by a condition (element by element for a vector of i1)."""
        return self.emit(then.type, f"select {condition}, {then}, {otherwise}")

    def smin(self, left: Value, right: Value | int) -> Value:
        """Return the smaller of two signed integers."""
        other = const(left.type, right) if isinstance(right, int) else right
        return self.select(self.icmp("slt", left, other), left, other)

    def convert(self, operation: str, value: Value, type_: str) -> Value:
        """Append zext, sext, trunc, bitcast, fpext, fptosi or sitofp."""
        return value if value.type == type_ else self.emit(type_, f"{operation} {value} to {type_}")

    def splat(self, value: Value, count: int) -> Value:
        """Return a vector with `value` in every element."""
        type_ = vector_type(count, value.type)
        first = self.emit(type_, f"insertelement {type_} poison, {value}, i64 0")
        return self.emit(type_, f"shufflevector {type_} {first.text}, {type_} poison, <{count} x i32> zeroinitializer")

    def evens(self, value: Value) -> Value:
        """Return the elements 0, 2, 4, ... of a vector."""
        count, element = vector_parts(value.type)
        chosen = ", ".join(f"i32 {index}" for index in range(0, count, 2))
        mask = f"<{count // 2} x i32> <{chosen}>"
        result = vector_type(count // 2, element)
        return self.emit(result, f"shufflevector {value}, {value.type} poison, {mask}")

    def offset(self, pointer: Value, byte_count: Value | int) -> Value:
        """Return the pointer moved by a number of bytes."""
        count = const(I64, byte_count) if isinstance(byte_count, int) else byte_count
        return self.emit(PTR, f"getelementptr i8, {pointer}, {count}")

    def load(self, type_: str, pointer: Value, *, align: int, volatile: bool = False) -> Value:
        """Load from memory; volatile loads stay where they are written."""
        return self.emit(type_, f"load {'volatile ' if volatile else ''}{type_}, {pointer}, align {align}")

    def store(self, value: Value, pointer: Value, *, align: int, volatile: bool = False) -> None:
        """Store to memory; volatile stores stay where they are written."""
        self._lines.append(f"  store {'volatile ' if volatile else ''}{value}, {pointer}, align {align}")

    def call(self, type_: str, function: str, *values: Value) -> Value:
        """Call a function that returns a value (an intrinsic, declared by the module)."""
        return self.emit(type_, f"call {type_} @{function}({', '.join(str(value) for value in values)})")

    def set_bytes(self, pointer: Value, byte: Value, count: Value) -> None:
        """Put a byte everywhere; the module declares `llvm.memset.p0.i64`."""
        self._lines.append(f"  call void @llvm.memset.p0.i64({pointer}, {byte}, {count}, i1 false)")
