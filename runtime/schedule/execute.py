"""Execution in the order of a schedule: part after part, each on the rows that it reads.

Results do not exist before the part that computes them has run: buffers start with values that no step gives, so a
schedule that used data too early would give other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.step import CrossbarStep, ready_step
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.digital_ops import complete_attributes
from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep, fitted_words
from imcflow.runtime.execution.digital_step import run_in_parts
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.program import ApKernel, CrossbarKernel, DigitalOp, Program, TensorInfo
from imcflow.runtime.schedule.parts import (
    macro_kernel,
    part_attributes,
    part_kernel,
    part_map,
    part_operand,
)
from imcflow.runtime.schedule.work import StepWork, program_work

if TYPE_CHECKING:
    from imcflow.runtime.execution.blocks import BlockPool
    from imcflow.runtime.execution.prepare import PreparedKernel
    from imcflow.runtime.execution.workspace import Workspace
    from imcflow.runtime.schedule.table import Schedule

PART_BYTES = 4 << 20


@dataclass
class _Sums:
    """Accumulators of a crossbar step in progress.

    Attributes:
        values: int64 [images, channels, lanes].
        left: macros that still have to add to each lane, int64 [lanes].
    """

    values: np.ndarray[Any, np.dtype[np.int64]]
    left: np.ndarray[Any, np.dtype[np.int64]]


class ScheduledRun:
    """Runs the parts of a scheduled program; made once per program and fidelity."""

    def __init__(
        self,
        program: Program,
        schedule: Schedule,
        prepared: Sequence[PreparedKernel | None],
        settings: ArraySettings,
        workspace: Workspace,
    ) -> None:
        """Bind a program that the loader has checked.

        Args:
            program: the program.
            schedule: its schedule.
            prepared: its streams.
            settings: fidelity and tag latch.
            workspace: memory of the arrays.
        """
        self._program = program
        self._prepared, self._settings, self._workspace = prepared, settings, workspace
        self._works = program_work(program)
        self._tasks = [
            (int(row["step"]), int(row["first"]), int(row["stop"]), int(row["unit"])) for row in schedule.tasks
        ]
        self._arrays: dict[tuple[int, int, int], ArrayStep] = {}
        self._macros: dict[tuple[int, int, int, int], CrossbarStep] = {}
        self._last_task = {step: index for index, (step, _, _, _) in enumerate(self._tasks)}
        self._last_read: dict[int, int] = {}
        for index, (step, _, _, _) in enumerate(self._tasks):
            self._last_read.update(dict.fromkeys((read.tensor for read in self._works[step].reads), index))

    def image_bytes(self) -> int:
        """Return a bound on the memory of one image: every tensor, and the accumulators of every crossbar step."""
        tensors = sum(info.size * storage_dtype(info.element).itemsize for info in self._program.tensors)
        sums = 0
        for step in self._program.crossbar_kernels:
            sums += 8 * step.lanes_per_image * (step.window.elements + 3 * step.output.channels)
        return tensors + sums

    def run(
        self,
        tensors: dict[int, Tensor],
        part: tuple[int, int],
        kept: frozenset[int],
        pool: BlockPool,
        report: Callable[[int, str], None],
    ) -> None:
        """Run all tasks on images `part` of the batch.

        Args:
            tensors: the inputs; gets the outputs and the tensors in `kept`.
            part: first image and image behind the last.
            kept: tensors to keep.
            pool: the workers.
            report: called with number and name of each step when its last task has run.
        """
        images = part[1] - part[0]
        keep = kept | {port.tensor for port in self._program.outputs}
        sums: dict[int, _Sums] = {}
        finished = 0
        for index, (number, first, stop, unit) in enumerate(self._tasks):
            work = self._works[number]
            if pool.watch is not None:
                pool.watch.begin(work.step.name)
            for tensor in work.written:
                if tensor not in tensors:
                    tensors[tensor] = _unwritten(self._program.tensors[tensor], images)
            if isinstance(work.step, ApKernel):
                self._run_arrays(work, first, stop, tensors, images, pool)
            elif isinstance(work.step, CrossbarKernel):
                self._run_macro(work, first, stop, unit, tensors, part, sums)
            else:
                self._run_digital(work, first, stop, tensors, images, pool)
            if pool.watch is not None:
                pool.watch.end()
            for tensor in [tensor for tensor in tensors if self._last_read.get(tensor, -1) == index]:
                if tensor not in keep:
                    del tensors[tensor]
            if self._last_task[number] == index:
                sums.pop(number, None)
                report(finished, work.step.name)
                finished += 1

    def _run_arrays(
        self, work: StepWork, first: int, stop: int, tensors: dict[int, Tensor], images: int, pool: BlockPool
    ) -> None:
        step = work.step
        assert isinstance(step, ApKernel)
        row, rows = _rows(work, first, stop)
        key = (work.number, rows, images)
        bound = self._arrays.get(key)
        if bound is None:
            prepared = self._prepared[work.number]
            if prepared is None:
                raise ProgramError(f"step '{step.name}' was not prepared")
            words = fitted_words(images * rows * work.width, pool.threads, self._settings.fidelity)
            stream = replace(prepared, kernel=part_kernel(step, rows))
            bound = self._arrays[key] = ArrayStep(stream, images, self._settings, words, self._workspace)
        maps = [
            part_map(
                window,
                tensors[window.tensor].reshape(images, window.channels, window.height, window.width),
                row,
                rows,
            )
            for window in step.inputs
        ]
        infos = [self._program.tensors[port.tensor] for port in step.outputs]
        outputs, _ = bound.run(maps, [info.element for info in infos], pool)
        for port, output in zip(step.outputs, outputs, strict=True):
            lanes = output.reshape(images, port.channels, -1)
            target = tensors[port.tensor].reshape(images, port.channels, -1)
            target[:, :, first:stop] = lanes[:, :, first - row * work.width : stop - row * work.width]

    def _run_macro(
        self,
        work: StepWork,
        first: int,
        stop: int,
        macro: int,
        tensors: dict[int, Tensor],
        part: tuple[int, int],
        sums: dict[int, _Sums],
    ) -> None:
        step, images = work.step, part[1] - part[0]
        assert isinstance(step, CrossbarKernel)
        row, rows = _rows(work, first, stop) if work.divisible else (0, step.output.height)
        width = work.width if work.divisible else step.output.width
        # Copies that share the lanes make products depend on the place of a part.
        alike = all((begin, end) == (0, step.lanes_per_image) for begin, end, _ in work.products[macro])
        key = (work.number, macro, rows, -1 if alike else row)
        ready = self._macros.get(key)
        if ready is None:
            kernel = macro_kernel(step, macro, row, rows)
            dtype = storage_dtype(self._program.tensors[step.output.tensor].element)
            literal = self._settings.fidelity == "micro"
            ready = ready_step(kernel, self._program.target.macro, AnalogNoise(), dtype, literal=literal)
            self._macros[key] = ready
        channels = step.output.channels
        if work.number not in sums:
            needed = np.zeros(work.lanes, np.int64)
            for begin, end in work.macro_lanes.values():
                needed[begin:end] += 1
            sums[work.number] = _Sums(np.zeros((images, channels, work.lanes), np.int64), needed)
        held = sums[work.number]
        window = step.window
        maps = part_map(
            window, tensors[window.tensor].reshape(images, window.channels, window.height, window.width), row, rows
        )
        at_once = max(1, PART_BYTES // (8 * rows * width * window.elements))
        inside = slice(first - row * width, stop - row * width)
        for begin in range(0, images, at_once):
            chosen = slice(begin, min(begin + at_once, images))
            added = ready.sums(maps[chosen], part[0] + begin).reshape(channels, chosen.stop - begin, -1)
            held.values[chosen, :, first:stop] += added.transpose(1, 0, 2)[:, :, inside]
        held.left[first:stop] -= 1
        done = first + np.flatnonzero(held.left[first:stop] == 0)
        if len(done):
            self._store(work, ready, held, done, tensors[step.output.tensor], images)

    def _store(
        self,
        work: StepWork,
        ready: CrossbarStep,
        held: _Sums,
        lanes: np.ndarray[Any, np.dtype[np.int64]],
        tensor: Tensor,
        images: int,
    ) -> None:
        """Lanes to which every macro has added go through the step functions of the whole kernel."""
        step = work.step
        assert isinstance(step, CrossbarKernel)
        channels = step.output.channels
        complete = held.values[:, :, lanes].transpose(1, 0, 2).reshape(channels, -1) + step.bias[:, None]
        stored = ready.stored(np.ascontiguousarray(complete))
        tensor.reshape(images, channels, -1)[:, :, lanes] = stored.reshape(channels, images, -1).transpose(1, 0, 2)

    def _run_digital(
        self, work: StepWork, first: int, stop: int, tensors: dict[int, Tensor], images: int, pool: BlockPool
    ) -> None:
        step = work.step
        assert isinstance(step, DigitalOp)
        info = self._program.tensors[step.output]
        attributes: dict[str, Any] = complete_attributes(step.op, step.attributes)
        operands = [
            tensors[value] if isinstance(value, int) else self._program.constants[value] for value in step.inputs
        ]
        batched = [isinstance(value, int) for value in step.inputs]
        shape = (images, *info.shape)
        row = rows = 0
        if work.divisible:
            row, rows = _rows(work, first, stop)
            reads = iter(work.reads)
            operands = [
                part_operand(next(reads), operand, row, rows) if of_batch else operand
                for operand, of_batch in zip(operands, batched, strict=True)
            ]
            attributes = part_attributes(work, attributes, row, rows)
            shape = (images, info.shape[0], rows, info.shape[2])
        try:
            call = Call(operands, attributes, info.element, storage_dtype(info.element), shape)
            result = run_in_parts(step.op, call, batched, pool)
        except (ProgramError, ValueError) as error:
            raise ProgramError(f"step '{step.name}': {error}") from error
        if not work.divisible:
            tensors[step.output][...] = result
            return
        lanes = result.reshape(images, info.shape[0], -1)
        target = tensors[step.output].reshape(images, info.shape[0], -1)
        target[:, :, first:stop] = lanes[:, :, first - row * work.width : stop - row * work.width]


def _rows(work: StepWork, first: int, stop: int) -> tuple[int, int]:
    """Return the first row that a range of lanes touches, and how many."""
    row = first // work.width
    return row, (stop - 1) // work.width - row + 1


def _unwritten(info: TensorInfo, images: int) -> Tensor:
    """A buffer of values that no step gives, where its type has any."""
    dtype = storage_dtype(info.element)
    return np.full((images, *info.shape), np.nan if dtype.kind == "f" else np.iinfo(dtype).max, dtype)
