"""What the steps of a program read, and which of them the host runs before and after the stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.runtime.digital_ops import complete_attributes
from imcflow.runtime.pipeline.reading import PIXEL, Reading, digital_reading
from imcflow.runtime.program import CrossbarKernel, DigitalOp, tensors_read, tensors_written

if TYPE_CHECKING:
    from imcflow.runtime.pipeline.isa import CoreBody
    from imcflow.runtime.program import Program, Step


def step_readings(program: Program, step: Step) -> list[tuple[int, Reading]] | None:
    """Return (tensor, how it is read) of every tensor operand of a step; None if the step cannot stream."""
    if isinstance(step, CrossbarKernel):
        window = step.window
        top, left, _, _ = window.pads
        if window.kernel == window.strides == (1, 1) and not any(window.pads):
            return [(window.tensor, PIXEL)]
        return [(window.tensor, Reading(window.kernel, window.strides, (top, left), window.dilations))]
    if not isinstance(step, DigitalOp):
        return None
    tensors = [program.tensors[operand].shape for operand in step.inputs if isinstance(operand, int)]
    constants = [program.constants[operand].shape for operand in step.inputs if isinstance(operand, str)]
    attributes = complete_attributes(step.op, step.attributes)
    reading = digital_reading(step.op, attributes, tensors, constants, program.tensors[step.output].shape)
    if reading is None:
        return None
    return [(operand, reading) for operand in step.inputs if isinstance(operand, int)]


def host_steps(program: Program, bodies: list[CoreBody]) -> tuple[list[int], list[int]]:
    """Return the steps that the host runs on whole images, before the stream and after it, in order.

    Before it come the steps that depend on nothing but the program's inputs.
    """
    on_cores = {step for body in bodies for step in body.steps}
    known = {port.tensor for port in program.inputs}
    before: list[int] = []
    after: list[int] = []
    for number, step in enumerate(program.steps):
        if number in on_cores:
            continue
        if all(tensor in known for tensor in tensors_read(step)):
            before.append(number)
            known.update(tensors_written(step))
        else:
            after.append(number)
    return before, after
