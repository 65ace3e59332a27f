"""Output formats of `imc-opt -t` whose result is bytes, not text."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import IO

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import DiagnosticException
from xdsl.utils.target import Target


@dataclass(frozen=True)
class BinaryTarget(Target):
    """A `Target` that writes a binary file. xDSL hands targets a text stream, so only `imc-opt -o` can write it."""

    @abstractmethod
    def emit_bytes(self, ctx: Context, module: ModuleOp) -> bytes:
        """Return the contents of the output file.

        Raises:
            DiagnosticException: the module is not at the level that this format needs.
        """

    def emit(self, ctx: Context, module: ModuleOp, output: IO[str]) -> None:
        """Refuse: a text stream cannot carry the bytes.

        Raises:
            DiagnosticException: always, naming the command that works.
        """
        raise DiagnosticException(f"target '{self.name}' writes a binary file: use imc-opt -t {self.name} -o FILE")
