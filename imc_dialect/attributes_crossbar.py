"""Packed attributes of the crossbar macros: `#imc.tiles` and `#imc.tile_instructions`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xdsl.irdl import irdl_attr_definition

from imcflow.dialect.attributes_ap import TEXT_ROWS, PackedAttr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TILE_BYTES = 48


@irdl_attr_definition
class TilesAttr(PackedAttr):
    """`#imc.tiles<"rows 27 columns 16 SIGNED", "macro 1 element 27 rows 9 columns 16 SIGNED">`.

    Rows of `imcflow.dialect.crossbar_tables.tile_dtype()`; fields that are 0 are not printed.
    """

    name: ClassVar[str] = "imc.tiles"

    @staticmethod
    def of(table: NDArray[np.void]) -> TilesAttr:
        """Pack a table of tiles."""
        return TilesAttr(table.tobytes())

    def table(self) -> NDArray[np.void]:
        """Unpack; the array is read-only."""
        import numpy as np

        from imcflow.dialect.crossbar_tables import tile_dtype

        return np.frombuffer(self.data, dtype=tile_dtype())

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        from imcflow.dialect.crossbar_tables import tile_lines

        table = self.table()
        return tile_lines(table) if len(table) <= 2 * TEXT_ROWS else None

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        from imcflow.dialect.crossbar_tables import tiles_from_lines

        return tiles_from_lines(lines).tobytes()

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        if len(data) % TILE_BYTES:
            raise ValueError(f"{len(data)} bytes are no whole number of {TILE_BYTES}-byte tiles")


@irdl_attr_definition
class TileInstructionsAttr(PackedAttr):
    """`#imc.tile_instructions<"LOAD rows 2 columns 1 WEIGHTS_SIGNED", ...>`: rows of `imcflow.runtime.crossbar.isa`."""

    name: ClassVar[str] = "imc.tile_instructions"

    @staticmethod
    def of(table: NDArray[np.void]) -> TileInstructionsAttr:
        """Pack an instruction table."""
        return TileInstructionsAttr(table.tobytes())

    def table(self) -> NDArray[np.void]:
        """Unpack; the array is read-only."""
        import numpy as np

        from imcflow.runtime.crossbar.isa import tile_instruction_dtype

        return np.frombuffer(self.data, dtype=tile_instruction_dtype())

    def text_lines(self) -> list[str] | None:
        """See the base class."""
        from imcflow.runtime.crossbar.text import tile_instruction_lines

        table = self.table()
        if len(table) > 2 * TEXT_ROWS or not ((table["opcode"] >= 1) & (table["opcode"] <= 4)).all():
            return None
        return tile_instruction_lines(table)

    @classmethod
    def from_lines(cls, lines: list[str]) -> bytes:
        """See the base class."""
        from imcflow.runtime.crossbar.text import tile_instructions_from_lines

        return tile_instructions_from_lines(lines).tobytes()

    @classmethod
    def check(cls, data: bytes) -> None:
        """See the base class."""
        from imcflow.runtime.crossbar.isa import TILE_INSTRUCTION_BYTES

        if len(data) % TILE_INSTRUCTION_BYTES:
            raise ValueError(f"{len(data)} bytes are no whole number of {TILE_INSTRUCTION_BYTES}-byte instructions")
