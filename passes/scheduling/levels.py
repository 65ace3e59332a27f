"""What the scheduling passes share: which machine a target is, nests as attributes, tasks as attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import DictionaryAttr, IntegerAttr, ModuleOp, i64
from xdsl.dialects.func import FuncOp, ReturnOp

from imcflow.dialect.attributes_schedule import NestAttr, NestLoop, TasksAttr
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_network import ConstantOp
from imcflow.errors import ImcflowError
from imcflow.passes.overlap.nests import Dim, Loop, Mapping
from imcflow.passes.scheduling.parts import Cut, Machine
from imcflow.runtime.program import ApKernel, CrossbarKernel

if TYPE_CHECKING:
    from xdsl.ir import Operation

    from imcflow.runtime.program import Program
    from imcflow.runtime.schedule.work import StepWork
    from imcflow.targets.dram_pim import DramPimTarget
    from imcflow.targets.schema import TargetDescription

NEST = "imc.nest"
TASKS = "imc.tasks"
FIRST_BANK = "imc.first_bank"
"""Attribute of an op on a DRAM: number of its first bank."""
SCHEDULE = "imc.schedule"
"""Attribute of the module: end, bound and what they were found for."""


def dram_of(target: TargetDescription) -> DramPimTarget | None:
    """Return the target if it is a DRAM, whose layers are scheduled without a program."""
    from imcflow.targets.dram_pim import DramPimTarget

    return target if isinstance(target, DramPimTarget) else None


def program_machine(module: ModuleOp, target: TargetDescription, arrays: int, digital: int) -> Machine:
    """Return a program-level module as a machine with tasks.

    Args:
        module: the module.
        target: of the program.
        arrays: AP arrays to use; 0: all of the target.
        digital: scalar operations of the digital unit per cycle; 0: what the target says, or a column of a macro each.

    Raises:
        ImcflowError: the module is not at program level, or was compiled for another target.
    """
    from imcflow.lowering.isa.translate import program_from_module
    from imcflow.targets.ap import ApTarget

    program = program_from_module(module)
    if program.target.name != target.name:
        raise ImcflowError(f"the module was compiled for target {program.target.name}, not {target.name}")
    if isinstance(target, ApTarget):
        available, unit = target.hierarchy.arrays, target.digital_unit
        if arrays > available:
            raise ImcflowError(f"arrays={arrays}: target {target.name} has {available}")
        rate = unit.lanes * unit.clock_ghz.value * target.timing.cycle_ns.value
        return Machine(program, arrays or available, digital or max(1, int(rate)))
    if arrays:
        raise ImcflowError(f"arrays={arrays}: target {target.name} has no associative processors")
    columns = 0 if program.target.macro is None else program.target.macro.columns
    return Machine(program, 0, digital or columns)


def step_ops(module: ModuleOp) -> list[Operation]:
    """Return the ops that become steps of the program, in order."""
    (function,) = [op for op in module.ops if isinstance(op, FuncOp)]
    return [op for op in function.body.block.ops if not isinstance(op, ReturnOp | ConstantOp)]


def nest_of(mapping: Mapping) -> NestAttr:
    """Return the loops of a mapping as an attribute."""
    return NestAttr(tuple(NestLoop(loop.dim.value, loop.bound, loop.spatial, loop.level) for loop in mapping.loops))


def loops_of(op: Operation) -> tuple[Loop, ...]:
    """Return the loops of an op's nest.

    Raises:
        ImcflowError: the op has none.
    """
    nest = op.attributes.get(NEST)
    if not isinstance(nest, NestAttr):
        raise ImcflowError(f"{describe(op)} has no nest; run imc-map-layers first")
    return tuple(Loop(Dim(loop.dimension), loop.bound, loop.spatial, loop.level) for loop in nest.data)


def level_of(work: StepWork) -> str:
    """Return the name of the level that runs the parts of a step."""
    if isinstance(work.step, ApKernel):
        return "array"
    return "macro" if isinstance(work.step, CrossbarKernel) else "digital"


def cut_mapping(work: StepWork, cut: Cut) -> Mapping:
    """Return a cut as loops over rows and columns of lanes."""
    rows = -(-work.height // cut.rows)
    columns = -(-work.width // cut.columns) if cut.columns else 1
    level = level_of(work)
    loops = [Loop(dim, bound, level=level) for dim, bound in ((Dim.P, rows), (Dim.Q, columns)) if bound > 1]
    return Mapping(tuple(loops))


def cut_of(op: Operation, work: StepWork, program: Program) -> Cut:
    """Return the cut that an op's nest stands for.

    Raises:
        ImcflowError: a loop is spatial or on another dimension, its bound does not fit the step, or a part is too
            large for an array.
    """
    rows, columns = 1, 1
    for loop in loops_of(op):
        if loop.dim not in (Dim.P, Dim.Q):
            raise ImcflowError(
                f"{describe(op)}: loop {loop.dim} {loop.bound}: parts of a step of a program are ranges of lanes, "
                "only P and Q are cut; sums never leave their unit"
            )
        if loop.spatial:
            raise ImcflowError(f"{describe(op)}: loop {loop.dim} {loop.bound}: the schedule places parts, not the nest")
        rows, columns = (rows * loop.bound, columns) if loop.dim is Dim.P else (rows, columns * loop.bound)
    if rows * columns > 1 and not work.divisible:
        raise ImcflowError(f"{describe(op)}: has one part, but its nest makes {rows * columns}")
    cut = Cut(-(-work.height // rows), -(-work.width // columns) if columns > 1 else 0)
    made = -(-work.height // cut.rows), -(-work.width // cut.columns) if cut.columns else 1
    if made != (rows, columns) or (columns > 1 and cut.rows > 1):
        raise ImcflowError(
            f"{describe(op)}: a nest of {rows} x {columns} parts does not cut {work.height} x {work.width} lanes; "
            f"{'cut rows before columns' if made == (rows, columns) else 'parts would be empty'}"
        )
    lanes = cut.rows * (cut.columns or work.width)
    if isinstance(work.step, ApKernel) and lanes > program.target.rows:
        raise ImcflowError(f"{describe(op)}: parts of {lanes} lanes, an array has {program.target.rows} rows")
    return cut


def set_summary(module: ModuleOp, **values: int) -> None:
    """Keep integers about the schedule on the module."""
    module.attributes[SCHEDULE] = DictionaryAttr({name: IntegerAttr(value, i64) for name, value in values.items()})


def tasks_of(op: Operation) -> TasksAttr | None:
    """Return the tasks of an op."""
    tasks = op.attributes.get(TASKS)
    return tasks if isinstance(tasks, TasksAttr) else None


def progress_writer(name: str) -> Callable[[str], None] | None:
    """Return what shows a line of progress on a terminal, or None where nobody looks."""
    import sys

    if not sys.stderr.isatty():
        return None

    def show(line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{name}: {line}")
        sys.stderr.flush()

    return show
