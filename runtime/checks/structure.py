"""Checks of everything around the instructions: buffers, ports, windows, step tables, digital ops, order of steps."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.digital_ops import DIGITAL_OPS, complete_attributes, result_shape
from imcflow.runtime.digital_shapes import BATCH
from imcflow.runtime.isa import instruction_dtype
from imcflow.runtime.json_fields import shown
from imcflow.runtime.limits import MAX_CELLS, MAX_ELEMENTS, MAX_INSTRUCTIONS, MAX_TABLE_ENTRIES
from imcflow.runtime.program import (
    ApKernel,
    ApOutput,
    CrossbarKernel,
    DigitalOp,
    ElementType,
    Program,
    Step,
    TensorInfo,
    Window,
    tensors_read,
    tensors_written,
)

if TYPE_CHECKING:
    Array = np.ndarray[Any, np.dtype[Any]]

MODEL_DTYPES = (
    "float16",
    "float32",
    "float64",
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
CONSTANT_DTYPES = ("|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f4", "<f8", "|b1")


def step_label(index: int, step: Step) -> str:
    """Return how errors name a step."""
    return f"step {index} {shown(step.name)}"


def check_tensors(program: Program) -> None:
    """Buffers have usable shapes, types and distinct names.

    Raises:
        ProgramError: names the tensor.
    """
    names: set[str] = set()
    for index, tensor in enumerate(program.tensors):
        where = f"tensor {index} {shown(tensor.name)}"
        if tensor.name in names:
            raise ProgramError(f"{where}: the name is taken by another tensor")
        names.add(tensor.name)
        try:
            _ = tensor.element
        except ValueError as error:
            raise ProgramError(f"{where}: dtype: {error}") from error
        if any(size < 1 for size in tensor.shape) or prod(tensor.shape) > MAX_ELEMENTS:
            raise ProgramError(f"{where}: shape {list(tensor.shape)} must have 1 to {MAX_ELEMENTS} elements per image")


def check_ports(program: Program) -> None:
    """Inputs and outputs have distinct names and types of the model that their buffers can be exchanged with.

    Raises:
        ProgramError: names the port.
    """
    for what, ports in (("input", program.inputs), ("output", program.outputs)):
        names: set[str] = set()
        for index, port in enumerate(ports):
            where = f"{what} {index} {shown(port.name)}"
            if port.name in names:
                raise ProgramError(f"{where}: the name is taken by another {what}")
            names.add(port.name)
            if not 0 <= port.tensor < len(program.tensors):
                raise ProgramError(f"{where}: tensor {port.tensor} does not exist; there are {len(program.tensors)}")
            if port.model_dtype not in MODEL_DTYPES:
                raise ProgramError(
                    f"{where}: model_dtype {shown(port.model_dtype)} is none of {', '.join(MODEL_DTYPES)}"
                )
    if not program.outputs:
        raise ProgramError("program: has no output")


def check_order(program: Program) -> None:
    """Every tensor is written once, by an input or a step, before anything reads it.

    Raises:
        ProgramError: names the step and the tensor.
    """
    written = [False] * len(program.tensors)

    def write(tensor: int, where: str) -> None:
        if written[tensor]:
            raise ProgramError(f"{where}: writes tensor {tensor}, which is written already")
        written[tensor] = True

    def read(tensor: int, where: str) -> None:
        if not written[tensor]:
            raise ProgramError(f"{where}: reads tensor {tensor} before it is written")

    for index, port in enumerate(program.inputs):
        write(port.tensor, f"input {index} {shown(port.name)}")
    names: set[str] = set()
    for index, step in enumerate(program.steps):
        where = step_label(index, step)
        if step.name in names:
            raise ProgramError(f"{where}: the name is taken by another step")
        names.add(step.name)
        for tensor in tensors_read(step):
            read(_existing(program, tensor, where), where)
        for tensor in tensors_written(step):
            write(_existing(program, tensor, where), where)
    for index, port in enumerate(program.outputs):
        read(port.tensor, f"output {index} {shown(port.name)}")


def _existing(program: Program, tensor: int, where: str) -> int:
    if not 0 <= tensor < len(program.tensors):
        raise ProgramError(f"{where}: tensor {tensor} does not exist; there are {len(program.tensors)}")
    return tensor


def check_constants(program: Program) -> None:
    """Constants have storable types; booleans are 0 or 1.

    Raises:
        ProgramError: names the constant.
    """
    for name, value in program.constants.items():
        if value.dtype.str not in CONSTANT_DTYPES:
            raise ProgramError(f"constant {shown(name)}: type {value.dtype} is not allowed")
        if value.dtype.kind == "b" and _has_wild_bytes(value):
            raise ProgramError(f"constant {shown(name)}: holds a byte other than 0 and 1")


def check_digital(program: Program, step: DigitalOp, where: str) -> None:
    """The op is known and its operands, attributes and result fit each other.

    Raises:
        ProgramError: names the step.
    """
    shapes: list[tuple[int, ...]] = []
    floats: list[bool] = []
    for operand in step.inputs:
        if isinstance(operand, str):
            if operand not in program.constants:
                raise ProgramError(f"{where}: constant {shown(operand)} does not exist")
            constant = program.constants[operand]
            shapes.append(constant.shape)
            floats.append(constant.dtype.kind == "f")
        else:
            shapes.append((BATCH, *program.tensors[operand].shape))
            floats.append(program.tensors[operand].element.is_float)
    result = program.tensors[step.output]
    try:
        attributes = complete_attributes(step.op, step.attributes)
        shape = result_shape(step.op, attributes, shapes)
    except ValueError as error:
        raise ProgramError(f"{where}: {error}") from error
    if step.op == "reshape":
        if prod(shape[1:]) != result.size:
            raise ProgramError(f"{where}: cannot reshape {list(shape[1:])} to {list(result.shape)} per image")
    elif shape != (BATCH, *result.shape):
        raise ProgramError(f"{where}: gives shape {list(shape[1:])} per image, its tensor has {list(result.shape)}")
    domain = DIGITAL_OPS[step.op].domain
    wanted = {"float": [True] * len(floats), "integer": [False] * len(floats), "same": floats[:1] * len(floats)}
    if floats != wanted.get(domain, floats):
        rule = (
            "f32 operands" if domain == "float" else "integer operands" if domain == "integer" else "one element kind"
        )
        raise ProgramError(f"{where}: {step.op} takes {rule}")


def check_kernel_frame(program: Program, kernel: ApKernel, where: str) -> None:
    """Windows, outputs, tables and sizes of a kernel fit its tensors and the target; instructions are not looked at.

    Raises:
        ProgramError: names the step and the field.
    """
    target = program.target
    if kernel.instructions.dtype != instruction_dtype() or kernel.instructions.ndim != 1:
        raise ProgramError(f"{where}: instructions have type {kernel.instructions.dtype}, expected instruction rows")
    if len(kernel.instructions) > MAX_INSTRUCTIONS:
        raise ProgramError(f"{where}: {len(kernel.instructions)} instructions, at most {MAX_INSTRUCTIONS} are allowed")
    if kernel.array_count < 1:
        raise ProgramError(f"{where}: array_count {kernel.array_count} must be at least 1")
    if target.array_count and kernel.array_count > target.array_count:
        raise ProgramError(f"{where}: array_count {kernel.array_count}, the target has {target.array_count}")
    cells = kernel.array_count * target.tracks * target.domains
    if cells > MAX_CELLS:
        raise ProgramError(f"{where}: {kernel.array_count} arrays have {cells} cells, at most {MAX_CELLS} are allowed")
    if not kernel.outputs:
        raise ProgramError(f"{where}: has no output")
    size = (kernel.outputs[0].height, kernel.outputs[0].width)
    for number, window in enumerate(kernel.inputs):
        check_window(program.tensors[window.tensor], window, size, f"{where}: input {number}")
    for number, output in enumerate(kernel.outputs):
        check_output(program.tensors[output.tensor], output, size, f"{where}: output {number}")
    check_step_tables(kernel, where)
    end = 0
    for number, region in enumerate(kernel.regions):
        if not end <= region.start <= region.stop <= len(kernel.instructions):
            raise ProgramError(
                f"{where}: regions[{number}] {region.start} to {region.stop} must start at {end} or later and end at "
                f"{len(kernel.instructions)} or before"
            )
        end = region.stop


def _check_map(tensor: TensorInfo, channels: int, height: int, width: int, where: str) -> None:
    shape = (channels, height, width)
    fits = tensor.shape == shape or (tensor.shape == shape[:1] and shape[1:] == (1, 1))
    if not fits:
        raise ProgramError(f"{where}: {channels} x {height} x {width} does not fit tensor shape {list(tensor.shape)}")
    if tensor.element.is_float:
        raise ProgramError(f"{where}: tensor {shown(tensor.name)} is f32, arrays hold integers")


def check_window(tensor: TensorInfo, window: Window, size: tuple[int, int], where: str) -> None:
    """A window fits its tensor, and gives `size` (height, width) positions.

    Raises:
        ProgramError: names `where` and the field.
    """
    _check_map(tensor, window.channels, window.height, window.width, where)
    if min(*window.kernel, *window.strides, *window.dilations) < 1 or min(window.pads) < 0:
        raise ProgramError(f"{where}: kernel, strides and dilations must be at least 1, pads at least 0")
    if not 1 <= window.bits <= 62:
        raise ProgramError(f"{where}: bits {window.bits} must be 1 to 62")
    padded = (window.height + window.pads[0] + window.pads[2]) * (window.width + window.pads[1] + window.pads[3])
    if window.channels * padded > MAX_ELEMENTS:
        raise ProgramError(f"{where}: {window.channels * padded} padded elements, at most {MAX_ELEMENTS} are allowed")
    found = (window.out_height, window.out_width)
    if found != size:
        raise ProgramError(f"{where}: has {found[0]} x {found[1]} positions, the outputs have {size[0]} x {size[1]}")
    loaded = ElementType(window.bits, window.signed)
    element = tensor.element
    if element.minimum < loaded.minimum or element.maximum > loaded.maximum:
        raise ProgramError(f"{where}: loads as {loaded}, which does not hold the tensor's {element}")
    if not loaded.minimum <= window.pad_value <= loaded.maximum:
        raise ProgramError(f"{where}: pad_value {window.pad_value} does not fit {loaded}")


def check_output(tensor: TensorInfo, output: ApOutput, size: tuple[int, int], where: str) -> None:
    """An output of `size` (height, width) positions fits its tensor.

    Raises:
        ProgramError: names `where` and the field.
    """
    _check_map(tensor, output.channels, output.height, output.width, where)
    if (output.height, output.width) != size:
        raise ProgramError(f"{where}: {output.height} x {output.width} positions, output 0 has {size[0]} x {size[1]}")
    if (output.bits, output.signed) != (tensor.element.bits, tensor.element.signed):
        raise ProgramError(
            f"{where}: bits {output.bits}, signed {output.signed} differ from the tensor's {tensor.element}"
        )


def check_step_tables(kernel: ApKernel | CrossbarKernel, where: str) -> None:
    """The arrays of the step table have their types and shapes; thresholds ascend.

    Raises:
        ProgramError: names `where` and the array.
    """
    thresholds, low, descending = kernel.step_thresholds, kernel.step_low, kernel.step_descending
    if thresholds.dtype.str != "<i8" or thresholds.ndim != 2 or thresholds.size > MAX_TABLE_ENTRIES:
        raise ProgramError(f"{where}: step_thresholds must be I64 [rows, levels], got {_described(thresholds)}")
    rows = thresholds.shape[0]
    if low.dtype.str != "<i8" or low.shape != (rows,):
        raise ProgramError(f"{where}: step_low must be I64 [{rows}], got {_described(low)}")
    if descending.dtype.str != "|b1" or descending.shape != (rows,):
        raise ProgramError(f"{where}: step_descending must be BOOL [{rows}], got {_described(descending)}")
    if _has_wild_bytes(descending):
        raise ProgramError(f"{where}: step_descending holds a byte other than 0 and 1")
    falls = np.flatnonzero((thresholds[:, 1:] < thresholds[:, :-1]).any(axis=1))
    if len(falls):
        raise ProgramError(f"{where}: step_thresholds row {int(falls[0])} does not ascend")


def _has_wild_bytes(array: Array) -> bool:
    return bool((np.ascontiguousarray(array).reshape(-1).view(np.uint8) > 1).any())


def _described(array: Array) -> str:
    return f"{array.dtype} {list(array.shape)}"
