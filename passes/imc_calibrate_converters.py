"""The pass `imc-calibrate-converters`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.ops_crossbar import CrossbarKernelOp
from imcflow.errors import ImcflowError


@dataclass(frozen=True)
class ImcCalibrateConverters(ModulePass):
    """Choose the full scale of the converters of an analog macro, product by product, on sample inputs.

    A full scale that covers every sum the cells of a tile could give has coarse steps, and real sums stay far below it.
    The program runs on the samples with exact converters; for every product the full scale with the least squared error
    is taken, each conversion weighed with the place value of its column and digit: clipping against step width. The
    module's notes tell per kernel what share of the possible sums is covered, what is clipped, and the signal-to-noise
    ratio of the conversions before and after.

    Precondition: program level, for an analog target.
    Postcondition: program level; only the full scales of products differ.

    Before:
        #imc.tile_instructions<"LOAD rows 9 columns 4 WEIGHTS_SIGNED", "MULTIPLY rows 9 columns 4 imm 27", ...>
        of an imc.crossbar_kernel
    After:
        #imc.tile_instructions<"LOAD rows 9 columns 4 WEIGHTS_SIGNED", "MULTIPLY rows 9 columns 4 imm 11", ...>

    Effect on cost: none; converters lose less, or need fewer bits.

    Options:
        calibration: `.npz` of sample inputs, arrays by ONNX input name, batch first.
    """

    name: ClassVar[str] = "imc-calibrate-converters"

    calibration: str

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the instruction tables in place."""
        from imcflow.arrays import read_arrays
        from imcflow.dialect.attributes_crossbar import TileInstructionsAttr
        from imcflow.lowering.isa.translate import program_from_module
        from imcflow.passes.network.notes import add_notes
        from imcflow.runtime.execution.analog_quality import fit_converters, scaled_instructions
        from imcflow.runtime.program import CrossbarKernel

        try:
            program = program_from_module(op)
            arrays = read_arrays(Path(self.calibration))
            missing = [port.name for port in program.inputs if port.name not in arrays]
            if missing:
                raise PassFailedException(
                    f"{self.name}: calibration data lacks input '{missing[0]}'; "
                    f"it holds {', '.join(arrays) or 'nothing'}"
                )
            fitted = fit_converters(program, {port.name: arrays[port.name] for port in program.inputs})
        except ImcflowError as error:
            raise PassFailedException(f"{self.name}: {error.message}") from error
        kernels = [inner for inner in op.walk() if isinstance(inner, CrossbarKernelOp)]
        steps = [step for step in program.steps if isinstance(step, CrossbarKernel)]
        for kernel, step, ranges in zip(kernels, steps, fitted, strict=True):
            table = scaled_instructions(step.instructions, ranges)
            kernel.properties["instructions"] = TileInstructionsAttr.of(table)
        add_notes(op, [ranges.line() for ranges in fitted])
