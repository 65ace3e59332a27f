"""The cores of a program as text: channels, then the stream of every core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.errors import ProgramError
from imcflow.runtime.pipeline.dataflow import HOST, Handshake
from imcflow.runtime.pipeline.isa import CoreOpcode, stream_lines

if TYPE_CHECKING:
    from imcflow.runtime.program import Program

_CHANNELS = (CoreOpcode.RECEIVE, CoreOpcode.WAIT, CoreOpcode.SEND, CoreOpcode.RELEASE)


def dataflow_text(program: Program) -> str:
    """Return the channels and streams of a pipelined program; comments name tensors and steps.

    Raises:
        ProgramError: the program is not pipelined.
    """
    dataflow = program.dataflow
    if dataflow is None:
        raise ProgramError(f"program '{program.name}' is not pipelined; compile it for a target with a fabric")
    lines: list[str] = []
    for number, channel in enumerate(dataflow.channels):
        tensor = program.tensors[channel.tensor]
        target = "host" if channel.consumer == HOST else f"core {channel.consumer}"
        (rows, columns), (down, across), (top, left) = channel.size, channel.strides, channel.pads
        together = "" if channel.handshake is Handshake.PIXEL else f" by {channel.handshake}s"
        lines.append(
            f"channel {number}: core {channel.producer} -> {target}, {channel.slots} slots of {tensor.shape[0]} values,"
            f" window {rows}x{columns} stride {down}x{across} padding {top},{left}"
            f"{together}, {channel.link_ticks} link ticks  ; {tensor.name}"
        )
    for number, core in enumerate(dataflow.cores):
        sites = ", ".join(map(str, core.sites)) or "none"
        lines.append(
            f"\ncore {number}: {core.copies} copies of {core.crossbars} crossbars, {core.ticks} ticks, "
            f"sites {sites}  ; {core.name}"
        )
        for row, text in zip(core.instructions, stream_lines(core.instructions), strict=True):
            opcode, step = CoreOpcode(int(row["opcode"])), int(row["step"])
            comment = ""
            if opcode is CoreOpcode.COMPUTE:
                comment = f"  ; {program.steps[step].name}"
            elif opcode in _CHANNELS:
                comment = f"  ; {program.tensors[dataflow.channels[int(row['channel'])].tensor].name}"
            lines.append(f"  {text}{comment}")
    return "\n".join(lines)
