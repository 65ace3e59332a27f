"""The gate of a compiled loop: LLVM IR of a function with one argument, and of the allocator behind the loop.

numba passes every field of every array as an argument of its own, seventy and more for one loop: ctypes would take
longer than many a call. The gate takes the address of a block of eight-byte words, see `flatten`, behind which lies
room for the result.

Loops allocate through numba's runtime, which is not there without numba. They ask it for memory with a header, whose
first word they count references in and whose fourth they read the address of the data from; when no reference is left,
they give the header back.
"""

from __future__ import annotations

from collections.abc import Sequence

from imcflow.runtime.compiled_loops.parameters import Array, Fields, Parameter

GATE = "imcflow_gate"
PROVIDED = frozenset({"NRT_MemInfo_alloc_aligned", "NRT_MemInfo_alloc_safe_aligned", "NRT_MemInfo_call_dtor"})
"""Functions of numba's runtime that the gate defines; older versions call the first one by the second name."""
HEADER = "{i64, ptr, ptr, ptr, i64}"
"""Type of numba's header: references, destructor, its data, data, bytes."""

_ALLOCATOR = """
declare ptr @malloc(i64)
declare void @free(ptr)

define ptr @NRT_MemInfo_alloc_aligned(i64 %bytes, i32 %align) {
  %wide = zext i32 %align to i64
  %rounding = sub i64 %wide, 1
  %headed = add i64 %bytes, 40
  %most = add i64 %headed, %rounding
  %small = icmp uge i64 %most, %bytes
  br i1 %small, label %allocate, label %failed
allocate:
  %header = call ptr @malloc(i64 %most)
  %none = icmp eq ptr %header, null
  br i1 %none, label %failed, label %fill
fill:
  %first = ptrtoint ptr %header to i64
  %behind = add i64 %first, 40
  %raised = add i64 %behind, %rounding
  %mask = sub i64 0, %wide
  %data = and i64 %raised, %mask
  store i64 1, ptr %header
  %nothing = getelementptr i64, ptr %header, i64 1
  store i64 0, ptr %nothing
  %nobody = getelementptr i64, ptr %header, i64 2
  store i64 0, ptr %nobody
  %place = getelementptr i64, ptr %header, i64 3
  store i64 %data, ptr %place
  %size = getelementptr i64, ptr %header, i64 4
  store i64 %bytes, ptr %size
  ret ptr %header
failed:
  ret ptr null
}

define ptr @NRT_MemInfo_alloc_safe_aligned(i64 %bytes, i32 %align) {
  %header = call ptr @NRT_MemInfo_alloc_aligned(i64 %bytes, i32 %align)
  ret ptr %header
}

define void @NRT_MemInfo_call_dtor(ptr %header) {
  call void @free(ptr %header)
  ret void
}
"""


def gate_ir(loop: str, parameters: Sequence[Parameter]) -> str:
    """Return the module of the gate of a loop.

    Args:
        loop: symbol of the function that numba compiled: (result, exception, fields of the arguments) -> status.
        parameters: kinds of its arguments.
    """
    writer = _Gate()
    for parameter in parameters:
        writer.pass_on(parameter)
    types = ", ".join(["ptr", "ptr", *(value.split()[0] for value in writer.values)])
    lines = [
        f'declare i32 @"{loop}"({types})',
        _ALLOCATOR,
        f"define i32 @{GATE}(ptr %block) {{",
        "  %exception = alloca ptr",
        "  store ptr null, ptr %exception",
        *writer.lines,
        f"  %result = getelementptr i64, ptr %block, i64 {writer.words}",
        f'  %status = call i32 @"{loop}"({", ".join(["ptr %result", "ptr %exception", *writer.values])})',
        "  ret i32 %status",
        "}",
    ]
    return "\n".join(lines) + "\n"


class _Gate:
    """Loads words from the block and lines them up as numba passes them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: list[str] = []
        self.words = 0

    def pass_on(self, parameter: Parameter) -> None:
        """Add the values of an argument."""
        if isinstance(parameter, Fields):
            for item in parameter.items:
                self.pass_on(item)
        elif isinstance(parameter, Array):
            self._array(parameter)
        elif parameter.kind is bool:
            word = self._word("i64")
            self.lines.append(f"  %flag{self.words} = trunc i64 {word} to i8")
            self.values.append(f"i8 %flag{self.words}")
        else:
            kind = "double" if parameter.kind is float else "i64"
            self.values.append(f"{kind} {self._word(kind)}")

    def _array(self, parameter: Array) -> None:
        """Owner and parent (none: the caller owns the memory), items, bytes of an item, data, lengths, strides."""
        data = self._word("ptr")
        lengths = [self._word("i64") for _ in range(parameter.ndim)]
        strides = [self._word("i64") for _ in range(parameter.ndim)]
        items = lengths[0] if lengths else "1"
        for number, length in enumerate(lengths[1:]):
            product = f"%items{self.words}.{number}"
            self.lines.append(f"  {product} = mul i64 {items}, {length}")
            items = product
        self.values += ["ptr null", "ptr null", f"i64 {items}", f"i64 {parameter.dtype.itemsize}", f"ptr {data}"]
        self.values += [f"i64 {word}" for word in (*lengths, *strides)]

    def _word(self, kind: str) -> str:
        """Load the next word."""
        at, word = f"%at{self.words}", f"%word{self.words}"
        self.lines.append(f"  {at} = getelementptr i64, ptr %block, i64 {self.words}")
        self.lines.append(f"  {word} = load {kind}, ptr {at}")
        self.words += 1
        return word
