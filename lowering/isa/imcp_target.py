"""The output format `imcp` of `imc-opt`: program-level IR to a program file."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.utils.exceptions import DiagnosticException

from imcflow.errors import ImcflowError
from imcflow.lowering.binary_target import BinaryTarget


@dataclass(frozen=True)
class ImcpTarget(BinaryTarget):
    """Writes the `.imcp` container of `docs/instruction-stream.md`; the program is checked like one that is loaded."""

    name = "imcp"

    def emit_bytes(self, ctx: Context, module: ModuleOp) -> bytes:
        """Return the container.

        Raises:
            DiagnosticException: the module is not at program level, or breaks a rule of the specification.
        """
        from imcflow.lowering.isa.translate import program_from_module
        from imcflow.runtime.container import program_bytes
        from imcflow.runtime.loader import check_program

        try:
            program = program_from_module(module)
            check_program(program)
        except ImcflowError as error:
            raise DiagnosticException(error.message) from error
        return program_bytes(program)
