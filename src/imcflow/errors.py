"""The errors that users see: one line that names the file, node or field and what is allowed."""

from __future__ import annotations


class ImcflowError(Exception):
    """A wrong model, target, program or input file. The message is complete: tools print it and exit with status 1.

    Args:
        message: one line; names the culprit, the limit and by how much it was exceeded.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelError(ImcflowError):
    """The source model cannot be compiled: the message names node, op and reason."""


class TargetError(ImcflowError):
    """A hardware description is wrong: the message names file, key and allowed range."""


class ProgramError(ImcflowError):
    """A compiled program is damaged or inconsistent: the message names the field."""


class InputError(ImcflowError):
    """Input data does not fit the program: the message names the array, its shape or type, and what is expected."""
