"""Text of tile instructions: the opcode, the names and values of the fields that are not 0, then the flags.

LOAD macro 1 slot 2 row 9 rows 9 columns 1 WEIGHTS_SIGNED
MULTIPLY macro 1 slot 2 row 9 rows 9 columns 1 element 27 lane 64 lanes 64
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.isa import TILE_INSTRUCTION_FIELDS, TileFlag, TileOpcode, tile_instruction_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence
    from enum import IntFlag

    from numpy.typing import NDArray

    Table = NDArray[np.void]

_INSTRUCTION_FIELDS = tuple(name for name, _ in TILE_INSTRUCTION_FIELDS if name not in ("opcode", "flags"))


def tile_instruction_lines(table: Table) -> list[str]:
    """Return one line per instruction; opcodes must be known."""
    return [
        " ".join([TileOpcode(int(row["opcode"])).name, *field_words(row, _INSTRUCTION_FIELDS, TileFlag)])
        for row in table
    ]


def tile_instructions_from_lines(lines: Sequence[str]) -> Table:
    """Return the table of `tile_instruction_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    table = np.zeros(len(lines), tile_instruction_dtype())
    for row, line in zip(table, lines, strict=True):
        opcode, *words = line.split() or [""]
        if opcode not in TileOpcode.__members__:
            raise ValueError(f"line '{line}': unknown opcode {opcode}")
        row["opcode"] = TileOpcode[opcode]
        fill_fields(row, words, _INSTRUCTION_FIELDS, TileFlag, line)
    return table


def field_words(row: np.void, fields: Sequence[str], flags: type[IntFlag]) -> list[str]:
    """Return the words of a row: names and values of the fields that are not 0, names of the flags."""
    words: list[str] = []
    for name in fields:
        if row[name]:
            words += [name, str(int(row[name]))]
    return words + [str(flag.name) for flag in flags if int(row["flags"]) & flag]


def fill_fields(row: np.void, words: list[str], fields: Sequence[str], flags: type[IntFlag], line: str) -> None:
    """Set the fields and flags that the words of `field_words` give.

    Raises:
        ValueError: naming `line`.
    """
    while words and words[-1] in flags.__members__:
        row["flags"] |= flags[words.pop()]
    if len(words) % 2:
        raise ValueError(f"line '{line}': fields and values do not pair up")
    for name, value in zip(words[::2], words[1::2], strict=True):
        if name not in fields:
            raise ValueError(f"line '{line}': unknown field {name}")
        try:
            row[name] = int(value)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"line '{line}': {name} {value} is out of range") from error
