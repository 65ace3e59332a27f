"""The pass `imc-verify-program`."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.errors import ImcflowError


@dataclass(frozen=True)
class ImcVerifyProgram(ModulePass):
    """Check the contract of the program level: what `imc-emit-program` leaves is a program that loads.

    The module is translated and put through the checks of the loader: operand cells, word lengths, causality,
    promised zeros, every output stored once, operations that the digital unit knows. The module does not change.

    Precondition: program level.
    Postcondition: `imc-opt -t imcp` succeeds.

    Before:
        %y = imc.ap_kernel %x {arrays = 1 : i64, instructions = #imc.instructions<"STORE a 64 a_bits 4">, ...} : ...
    After:
        error: step 'conv1': instruction 0 (STORE): reads 4 bits at cell a=64 before all are written

    Effect on cost: none.
    """

    name = "imc-verify-program"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Raise on the first broken rule."""
        from imcflow.lowering.isa.translate import program_from_module
        from imcflow.runtime.loader import check_program

        try:
            check_program(program_from_module(op))
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
