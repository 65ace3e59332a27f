"""Packed attributes of the associative processor: byte strings that print as readable lines while they are small.

`#imc.add_sub` holds an `AddSubProgram`, `#imc.placement` a `Placement`. An xDSL op costs a thousand times more time and
memory than a row of these tables, and a network has millions of rows. The bytes are the columns, little endian, one
after the other behind a header of six integers; numpy is imported only when a table is looked at.

Text with at most `TEXT_ROWS` rows is a list of lines, otherwise one string of hexadecimal digits; both are parsed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xdsl.ir import Data
from xdsl.irdl import irdl_attr_definition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xdsl.parser import AttrParser
    from xdsl.printer import Printer

    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.dialect.placement import Placement

TEXT_ROWS = 64
_HEX_PREFIX = "0x"


class PackedAttr(Data[bytes]):
    """Base: bytes <-> text."""

    data: bytes

    def text_lines(self) -> list[str] | None:
        """Readable lines, or None if there would be too many."""
        raise NotImplementedError

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """Bytes of readable lines.

        Raises:
            ValueError: naming the wrong line.
        """
        raise NotImplementedError

    @classmethod
    def check(cls, data: bytes) -> None:
        """Raise `ValueError` unless `data` is a complete table of a known version."""
        raise NotImplementedError

    @classmethod
    def parse_parameter(cls, parser: AttrParser) -> bytes:
        """Parse a list of lines or one string of hexadecimal digits."""
        with parser.in_angle_brackets():
            start = parser.pos
            lines = parser.parse_comma_separated_list(parser.Delimiter.NONE, parser.parse_str_literal)
            try:
                if len(lines) == 1 and lines[0].startswith(_HEX_PREFIX):
                    data = bytes.fromhex(lines[0][len(_HEX_PREFIX) :])
                else:
                    data = cls.from_lines(lines)
                cls.check(data)
            except ValueError as error:
                parser.raise_error(f"{cls.name}: {error}", start, parser.pos)
            return data

    def print_parameter(self, printer: Printer) -> None:
        """Print readable lines if there are few, hexadecimal digits otherwise."""
        lines = self.text_lines()
        with printer.in_angle_brackets():
            if lines is None:
                printer.print_string(f'"{_HEX_PREFIX}{self.data.hex()}"')
                return
            printer.print_string(",\n    ".join(f'"{line}"' for line in lines))


@irdl_attr_definition
class AddSubAttr(PackedAttr):
    """`#imc.add_sub<"version 1 inputs 2 outputs 1", "slice 2", "v0 = x0 + x1", "y0 += v0">`.

    Window elements are x0, x1, ..., operations v0, v1, ..., outputs y0, y1, ...
    """

    name: ClassVar[str] = "imc.add_sub"

    @staticmethod
    def of(program: AddSubProgram) -> AddSubAttr:
        """Pack a program."""
        from imcflow.dialect.packed_tables import pack_program

        return AddSubAttr(pack_program(program))

    def program(self) -> AddSubProgram:
        """Unpack; the arrays are fresh."""
        from imcflow.dialect.packed_tables import unpack_program

        return unpack_program(self.data)

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        from imcflow.dialect.packed_text import program_lines

        program = self.program()
        rows = program.operation_count + program.accumulation_count
        return program_lines(program) if rows <= TEXT_ROWS and program.input_count <= TEXT_ROWS else None

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        from imcflow.dialect.packed_tables import pack_program
        from imcflow.dialect.packed_text import program_from_lines

        return pack_program(program_from_lines(lines))

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        from imcflow.dialect.packed_tables import unpack_program

        unpack_program(data)


@irdl_attr_definition
class PlacementAttr(PackedAttr):
    """`#imc.placement<"version 1 tracks 8 domains 64 carry 448", "load 0 r 0", "operate 0 a 0 b 64 r 128 zero">`."""

    name: ClassVar[str] = "imc.placement"

    @staticmethod
    def of(placement: Placement) -> PlacementAttr:
        """Pack a placement."""
        from imcflow.dialect.packed_tables import pack_placement

        return PlacementAttr(pack_placement(placement))

    def placement(self) -> Placement:
        """Unpack; the arrays are fresh."""
        from imcflow.dialect.packed_tables import unpack_placement

        return unpack_placement(self.data)

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        from imcflow.dialect.packed_text import placement_lines

        placement = self.placement()
        return placement_lines(placement) if placement.step_count <= 2 * TEXT_ROWS else None

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        from imcflow.dialect.packed_tables import pack_placement
        from imcflow.dialect.packed_text import placement_from_lines

        return pack_placement(placement_from_lines(lines))

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        from imcflow.dialect.packed_tables import unpack_placement

        unpack_placement(data)


@irdl_attr_definition
class InstructionsAttr(PackedAttr):
    """`#imc.instructions<"LOAD r 64 r_bits 4 imm 3", ...>`: rows of `imcflow.runtime.isa.instruction_dtype()`."""

    name: ClassVar[str] = "imc.instructions"

    @staticmethod
    def of(table: NDArray[np.void]) -> InstructionsAttr:
        """Pack an instruction table."""
        return InstructionsAttr(table.tobytes())

    def table(self) -> NDArray[np.void]:
        """Unpack; the array is read-only."""
        import numpy as np

        from imcflow.runtime.isa import instruction_dtype

        return np.frombuffer(self.data, dtype=instruction_dtype())

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        from imcflow.dialect.packed_text import instruction_lines

        table = self.table()
        return instruction_lines(table) if len(table) <= 2 * TEXT_ROWS else None

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        from imcflow.dialect.packed_text import instructions_from_lines

        return instructions_from_lines(lines).tobytes()

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        from imcflow.runtime.isa import INSTRUCTION_BYTES

        if len(data) % INSTRUCTION_BYTES:
            raise ValueError(f"{len(data)} bytes are no whole number of {INSTRUCTION_BYTES}-byte instructions")
