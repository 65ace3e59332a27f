"""Tables of the crossbar attributes: tiles of the mapped level, tile instructions of the program level; and their text.

A row prints as the names and values of the fields that are not 0, then the flags.
"""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.isa import TILE_INSTRUCTION_FIELDS, TileFlag, TileOpcode, tile_instruction_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Table = NDArray[np.void]


class TilePart(IntFlag):
    """Which part of the weights a tile holds: bits `shift` and up, as many as a cell word has."""

    SIGNED = 1  # the top bits of two's complement
    POSITIVE = 2  # of max(w, 0): one of two differential columns
    NEGATIVE = 4  # of max(-w, 0): the other one, which is subtracted


TILE_FIELDS = ("flags", "macro", "slot", "element", "rows", "output", "columns", "shift")
_INSTRUCTION_FIELDS = tuple(name for name, _ in TILE_INSTRUCTION_FIELDS if name not in ("opcode", "flags"))


def tile_dtype() -> np.dtype[Any]:
    """Return the numpy structured dtype of one tile: eight i4 fields.

    Rows `element` ... of the window matrix and output channels `output` ... lie in a slot of a macro.
    """
    return np.dtype([(name, "<i4") for name in TILE_FIELDS])


def tile_lines(table: Table) -> list[str]:
    """Return one line per tile."""
    return [" ".join(_words(row, TILE_FIELDS[1:], TilePart)) for row in table]


def tiles_from_lines(lines: Sequence[str]) -> Table:
    """Return the table of `tile_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    table = np.zeros(len(lines), tile_dtype())
    for row, line in zip(table, lines, strict=True):
        _fill(row, line.split(), TILE_FIELDS[1:], TilePart, line)
    return table


def tile_instruction_lines(table: Table) -> list[str]:
    """Return one line per instruction, the opcode first."""
    return [
        " ".join([TileOpcode(int(row["opcode"])).name, *_words(row, _INSTRUCTION_FIELDS, TileFlag)]) for row in table
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
        _fill(row, words, _INSTRUCTION_FIELDS, TileFlag, line)
    return table


def _words(row: np.void, fields: Sequence[str], flags: type[IntFlag]) -> list[str]:
    words: list[str] = []
    for name in fields:
        if row[name]:
            words += [name, str(int(row[name]))]
    return words + [str(flag.name) for flag in flags if int(row["flags"]) & flag]


def _fill(row: np.void, words: list[str], fields: Sequence[str], flags: type[IntFlag], line: str) -> None:
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
