"""Loading a program: read the file, decode it, and check everything before anything may execute.

A program that passes `check_program` keeps every address, index and size inside its bounds; executors rely on that and
check nothing again. The rules are those of `docs/instruction-stream.md`.
"""

from __future__ import annotations

import os

from imcflow.errors import ProgramError
from imcflow.runtime.checks.crossbar import check_crossbar_kernel, check_macro
from imcflow.runtime.checks.flow import check_flow
from imcflow.runtime.checks.instructions import InstructionCheck
from imcflow.runtime.checks.structure import (
    check_constants,
    check_digital,
    check_kernel_frame,
    check_order,
    check_ports,
    check_tensors,
    step_label,
)
from imcflow.runtime.container import HEADER_TENSOR, read_container
from imcflow.runtime.header import decode_header
from imcflow.runtime.json_fields import parse_json
from imcflow.runtime.limits import MAX_CELLS, MAX_GEOMETRY, MAX_PROGRAM_HEADER_BYTES
from imcflow.runtime.pipeline.check import check_dataflow
from imcflow.runtime.program import FORMAT_VERSION, ApKernel, CrossbarKernel, Program
from imcflow.runtime.schedule.check import check_schedule


def load_program(path: str | os.PathLike[str]) -> Program:
    """Read and check a `.imcp` file.

    Args:
        path: the file.

    Returns:
        the program; its arrays are read-only.

    Raises:
        ProgramError: the file cannot be read, is damaged, is of another version or breaks a rule. The message starts
            with the path and names step, instruction, field, value and what is allowed.
    """
    place = os.fspath(path)
    container = read_container(place)
    arrays = dict(container.arrays)
    header = arrays.pop(HEADER_TENSOR, None)
    if header is None or header.dtype.str != "|u1" or header.ndim != 1 or header.size > MAX_PROGRAM_HEADER_BYTES:
        raise ProgramError(f"{place}: array 'header' must be U8 [at most {MAX_PROGRAM_HEADER_BYTES}]")
    try:
        program = decode_header(parse_json(header.tobytes(), "header"), arrays)
        check_program(program)
    except ProgramError as error:
        raise ProgramError(f"{place}: {error.message}") from error
    return program


def check_program(program: Program) -> None:
    """Check every rule of the specification that a program must keep, whether it comes from a file or the compiler.

    Raises:
        ProgramError: on the first rule that is broken.
    """
    if program.format_version != FORMAT_VERSION:
        raise ProgramError(f"header: format_version {program.format_version}, this imcflow reads {FORMAT_VERSION}")
    _check_target(program)
    check_tensors(program)
    check_ports(program)
    check_order(program)
    check_constants(program)
    for index, step in enumerate(program.steps):
        where = step_label(index, step)
        if isinstance(step, ApKernel):
            check_kernel(program, step, where)
        elif isinstance(step, CrossbarKernel):
            check_crossbar_kernel(program, step, where)
        else:
            check_digital(program, step, where)
    check_schedule(program)
    check_dataflow(program)


def check_kernel(program: Program, kernel: ApKernel, where: str) -> None:
    """Check one kernel of a program whose tensors and order of steps have been checked.

    Raises:
        ProgramError: names `where`, the instruction and the field.
    """
    check_kernel_frame(program, kernel, where)
    InstructionCheck(kernel, program.target, where).run()
    target = program.target
    cells = kernel.array_count * target.tracks * target.domains
    check_flow(kernel.instructions, cells=cells, domains=target.domains, where=where)


def _check_target(program: Program) -> None:
    target = program.target
    for field, value in (("rows", target.rows), ("tracks", target.tracks), ("domains", target.domains)):
        if not 1 <= value <= MAX_GEOMETRY:
            raise ProgramError(f"target: {field} must be 1 to {MAX_GEOMETRY}, got {value}")
    if not 0 <= target.array_count <= MAX_CELLS:
        raise ProgramError(f"target: array_count must be 0 to {MAX_CELLS}, got {target.array_count}")
    if target.ports < 1 or target.domains % target.ports:
        raise ProgramError(f"target: ports {target.ports} must divide domains {target.domains}")
    if target.macro is not None:
        check_macro(target.macro)
    if target.kind != "ap" and program.kernels:
        raise ProgramError(f"target: kind '{target.kind}' has no associative processors to run ap_kernel steps")
    if target.macro is None and program.crossbar_kernels:
        raise ProgramError(f"target: kind '{target.kind}' has no macros to run crossbar_kernel steps")
