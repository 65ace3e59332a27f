"""Notes for the user, which passes leave on the module and `imcflow compile` prints."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.utils.hints import isa

NOTES_ATTRIBUTE = "imc.notes"


def notes_of(module: ModuleOp) -> list[str]:
    """Return the notes in the order in which they were left."""
    notes = module.attributes.get(NOTES_ATTRIBUTE)
    return [note.data for note in notes] if isa(notes, ArrayAttr[StringAttr]) else []


def add_notes(module: ModuleOp, notes: Iterable[str]) -> None:
    """Append notes; one that is there already is not repeated."""
    texts = list(dict.fromkeys([*notes_of(module), *notes]))
    if texts:
        module.attributes[NOTES_ATTRIBUTE] = ArrayAttr([StringAttr(text) for text in texts])
