"""What a file of a compiled loop holds."""

from __future__ import annotations

import struct
from dataclasses import dataclass

SUFFIX = ".loop"
_SIZES = struct.Struct("<IQQ")


@dataclass(frozen=True)
class Stored:
    """Machine code of a loop for some kinds of arguments.

    Attributes:
        result: `struct` format of the result, native sizes and alignment; empty for none.
        tuple_result: whether the result is a tuple.
        loop: object file of the loop.
        gate: object file of its gate.
    """

    result: str
    tuple_result: bool
    loop: bytes
    gate: bytes

    def dump(self) -> bytes:
        """Return the content of a file."""
        result = f"{'t' if self.tuple_result else 's'}{self.result}".encode()
        return _SIZES.pack(len(result), len(self.loop), len(self.gate)) + result + self.loop + self.gate

    @staticmethod
    def parse(content: bytes) -> Stored:
        """Read the content of a file, which `imcflow.runtime.code_files` found undamaged."""
        result_size, loop_size, _ = _SIZES.unpack_from(content)
        middle, end = _SIZES.size + result_size, _SIZES.size + result_size + loop_size
        result = content[_SIZES.size : middle].decode()
        return Stored(result[1:], result[0] == "t", content[middle:end], content[end:])
