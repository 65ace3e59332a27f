"""Executes a compiled program on arrays: the public entry of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import InputError, ProgramError
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.step import CrossbarStep, ready_step
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.digital_ops import complete_attributes
from imcflow.runtime.execution.array_step import ArraySettings, ArrayStep, fitted_words, row_cost
from imcflow.runtime.execution.blocks import BlockPool, default_threads
from imcflow.runtime.execution.digital_step import run_in_parts
from imcflow.runtime.execution.inputs import checked_inputs
from imcflow.runtime.execution.match_counts import StepMatches, step_matches
from imcflow.runtime.execution.memory import fixed_bytes, image_bytes, images_per_chunk, last_uses
from imcflow.runtime.execution.prepare import PreparedKernel, prepare_kernel
from imcflow.runtime.execution.split import SplitRows, split_rows
from imcflow.runtime.execution.storage import Tensor, storage_dtype
from imcflow.runtime.execution.watch import TimeLimit, Trace, Watch
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.kernels.layout import WORD_COUNTS, Counter
from imcflow.runtime.kernels.module import Fidelity
from imcflow.runtime.program import ApKernel, CrossbarKernel, DigitalOp, Program
from imcflow.runtime.schedule.execute import ScheduledRun

DEFAULT_MEMORY_BYTES = 512 * 2**20

ROWS_WORTH_A_KERNEL = 1 << 22  # instruction rows that take longer than compiling another width, some 50 ms
ROWS_WORTH_SPLITTING = 1 << 12  # rows that run longer than two more beginnings of a worker, some 0.1 ms
ROWS_WORTH_FITTING = 1 << 17  # rows that fitted widths must save per run for a program that runs again and again

OnProgress = Callable[[int, int, str], None]
"""(steps done, steps in all, name of the step just done)"""

Arrays = dict[str, NDArray[Any]]

_prepared: WeakKeyDictionary[Program, dict[bool, tuple[PreparedKernel | None, ...]]] = WeakKeyDictionary()


def run_program(
    program: Program,
    inputs: Mapping[str, NDArray[Any]],
    *,
    fidelity: Fidelity = "word",
    threads: int | None = None,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    on_progress: OnProgress | None = None,
    keep: Sequence[str] = (),
    block_words: int | None = None,
    noise: AnalogNoise | None = None,
    time_limit_s: float | None = None,
    trace: Trace | None = None,
) -> Arrays:
    """Run a program on a batch.

    The results are the same for every fidelity, number of threads, memory budget and block width. A program with a
    schedule runs part by part in its order, except to count and under noise, whose random numbers belong to whole
    steps.

    Args:
        program: checked by `imcflow.runtime.loader`.
        inputs: one array [N, ...] per program input, any N.
        fidelity: `word`, `micro` or `count`; see `imcflow.runtime.kernels.module`.
        threads: worker threads; None: one per core.
        memory_bytes: budget of the working memory, inputs and results not counted; larger batches run in chunks.
        on_progress: called after every step of every chunk.
        keep: names of further tensors to return, as they are stored.
        block_words: 64-lane words per block; None: fitted to the number of lanes.
        noise: disturbances of analog macros; None: none.
        time_limit_s: how long the run may take; None: any time.
        trace: gets what ran when; None: nothing is recorded.

    Returns:
        The outputs by name in the model's types, and the tensors in `keep`.

    Raises:
        InputError: an array is missing, unknown, or has the wrong shape, type or range; or `keep` names no tensor.
        ImcflowError: the memory budget is too small for one image.
        TimeLimitError: the time is over.
        ProgramError: the program cannot be executed.
    """
    run = ProgramRun(program, fidelity=fidelity, threads=threads, block_words=block_words, noise=noise)
    return run(
        inputs,
        memory_bytes=memory_bytes,
        on_progress=on_progress,
        keep=keep,
        time_limit_s=time_limit_s,
        trace=trace,
    )


class ProgramRun:
    """A program prepared for execution; call it with inputs as often as wanted.

    Attributes:
        counters: what the last call executed, by `Counter` slot; filled by fidelity `count` only.
    """

    def __init__(
        self,
        program: Program,
        *,
        fidelity: Fidelity = "word",
        threads: int | None = None,
        block_words: int | None = None,
        noise: AnalogNoise | None = None,
    ) -> None:
        """Check and renumber all streams (once per program and process)."""
        self._program = program
        self._threads = default_threads() if threads is None else max(1, threads)
        self._settings = ArraySettings(fidelity, program.target.or_latch)
        self._block_words = block_words
        fused = fidelity == "word"
        ready = _prepared.setdefault(program, {})
        if fused not in ready:
            ready[fused] = tuple(
                prepare_kernel(step, program.target.domains, fused=fused) if isinstance(step, ApKernel) else None
                for step in program.steps
            )
        self._prepared = ready[fused]
        self._bound: dict[tuple[int, int], ArrayStep] = {}
        self._words: dict[tuple[int, bool], list[int]] = {}
        self._run_before: set[int] = set()
        self._bytes_by_kept: dict[frozenset[int], int] = {}
        self._found_splits: dict[int, SplitRows] | None = None
        self._splits: dict[int, SplitRows] = {}  # those that this call uses
        self._workspace = Workspace()
        self._memories = [Workspace() for _ in range(self._threads)]
        self._crossbar: dict[int, CrossbarStep] = {}
        self._literal, self._noise = fidelity == "micro", noise or AnalogNoise()
        self._scheduled: ScheduledRun | None = None
        if program.schedule is not None and fidelity != "count" and self._noise.absent:
            self._scheduled = ScheduledRun(program, program.schedule, self._prepared, self._settings, self._workspace)
        self.counters = np.zeros(Counter.SIZE, np.int64)
        self._counted: dict[int, NDArray[np.int64]] = {}
        self._images = 0

    def __call__(
        self,
        inputs: Mapping[str, NDArray[Any]],
        *,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
        on_progress: OnProgress | None = None,
        keep: Sequence[str] = (),
        time_limit_s: float | None = None,
        trace: Trace | None = None,
    ) -> Arrays:
        """Run on a batch; see `run_program`."""
        limit = None if time_limit_s is None else TimeLimit(time_limit_s)
        watch = None if limit is None and trace is None else Watch(trace, limit)
        program = self._program
        with BlockPool(self._threads, self._memories) as pool:
            tensors, batch = checked_inputs(program, inputs, pool)
            pool.watch = watch
            kept = self._kept_tensors(keep)
            results = self._result_arrays(kept, batch)
            self.counters[:], self._counted, self._images = 0, {}, batch
            chunk = self._chosen_chunk(batch, frozenset(kept.values()), memory_bytes) if batch else 1
            total = -(-batch // chunk) * len(program.steps)
            for number, start in enumerate(range(0, batch, chunk)):
                stop = min(start + chunk, batch)
                part = {tensor: array[start:stop] for tensor, array in tensors.items()}
                report = _step_reporter(on_progress, number * len(program.steps), total)
                self._run_chunk(part, (start, stop), frozenset(kept.values()), pool, report)
                for tensor, array in results.items():
                    array[start:stop] = part[tensor]
        return self._named(results, kept)

    def _chosen_chunk(self, batch: int, kept: frozenset[int], memory_bytes: int) -> int:
        """Return how many images run together, and choose the streams that run in halves."""
        per_image = self._image_bytes(kept)
        if self._scheduled is not None:
            per_image += self._scheduled.image_bytes()
        chunk = images_per_chunk(batch, fixed_bytes(self._prepared, self._threads), per_image, memory_bytes)
        self._use_splits(batch, chunk, per_image, memory_bytes)
        return chunk

    def _image_bytes(self, kept: frozenset[int]) -> int:
        if kept not in self._bytes_by_kept:
            self._bytes_by_kept[kept] = image_bytes(self._program, self._prepared, kept)
        return self._bytes_by_kept[kept]

    def matches(self) -> tuple[StepMatches, ...]:
        """Return what the passes of the last call met, by array step; empty unless the fidelity is `count`."""
        if self._settings.fidelity != "count":
            return ()
        return step_matches(self._program, self._counted, self._images)

    def _kept_tensors(self, keep: Sequence[str]) -> dict[str, int]:
        names = {info.name: index for index, info in enumerate(self._program.tensors)}
        for name in keep:
            if name not in names:
                raise InputError(f"tensor '{name}' does not exist in program '{self._program.name}'")
        return {name: names[name] for name in keep}

    def _result_arrays(self, kept: dict[str, int], batch: int) -> dict[int, Tensor]:
        wanted = {port.tensor for port in self._program.outputs} | set(kept.values())
        infos = self._program.tensors
        return {
            tensor: np.zeros((batch, *infos[tensor].shape), storage_dtype(infos[tensor].element)) for tensor in wanted
        }

    def _named(self, results: dict[int, Tensor], kept: dict[str, int]) -> Arrays:
        named: Arrays = {name: results[tensor] for name, tensor in kept.items()}
        for port in self._program.outputs:
            named[port.name] = results[port.tensor].astype(np.dtype(port.model_dtype))
        return named

    def _run_chunk(
        self,
        tensors: dict[int, Tensor],
        part: tuple[int, int],
        kept: frozenset[int],
        pool: BlockPool,
        report: Callable[[int, str], None],
    ) -> None:
        """Run all steps on images `part` of the batch; `tensors` holds the inputs and gets what is used to the end."""
        if self._scheduled is not None:
            self._scheduled.run(tensors, part, kept, pool, report)
            return
        first_image, images = part[0], part[1] - part[0]
        widths = self._block_widths(images, again=images in self._run_before)
        self._run_before.add(images)
        uses = last_uses(self._program, kept)
        for index, step in enumerate(self._program.steps):
            if pool.watch is not None:
                pool.watch.begin(step.name)
            if isinstance(step, ApKernel):
                self._run_array_step(index, step, tensors, images, widths[index], pool)
            elif isinstance(step, CrossbarKernel):
                self._run_crossbar_step(index, step, tensors, first_image, pool)
            else:
                self._run_digital_op(step, tensors, images, pool)
            if pool.watch is not None:
                pool.watch.end()
            for tensor in [tensor for tensor in tensors if uses[tensor] <= index]:
                del tensors[tensor]
            report(index, step.name)

    def _use_splits(self, batch: int, chunk: int, per_image: int, memory_bytes: int) -> None:
        """Let long streams run in halves if the program runs again, and if that leaves as many images together."""
        chosen: dict[int, SplitRows] = {}
        if self._run_before and self._scheduled is None:
            found = self._split_streams()
            fixed = fixed_bytes(self._prepared, self._threads, list(found.values()))
            if fixed + per_image <= memory_bytes and images_per_chunk(batch, fixed, per_image, memory_bytes) == chunk:
                chosen = found
        if chosen.keys() != self._splits.keys():
            self._splits = chosen
            self._bound.clear()
            self._words.clear()

    def _split_streams(self) -> dict[int, SplitRows]:
        """Return long streams in halves, by step, for workers that would wait; found once."""
        if self._found_splits is None:
            self._found_splits = {}
            several = self._settings.fidelity == "word" and self._threads > 1
            for index, ready in enumerate(self._prepared if several else ()):
                long = ready is not None and len(ready.rows) >= ROWS_WORTH_SPLITTING
                split = split_rows(ready.rows, ready.cell_count) if ready is not None and long else None
                if split is not None:
                    self._found_splits[index] = split
        return self._found_splits

    def _run_array_step(
        self, index: int, step: ApKernel, tensors: dict[int, Tensor], images: int, words: int, pool: BlockPool
    ) -> None:
        prepared = self._prepared[index]
        if prepared is None:
            raise ProgramError(f"step '{step.name}' was not prepared")
        bound = self._bound.get((index, images))
        if bound is None or bound.words != words:
            bound = ArrayStep(prepared, images, self._settings, words, self._workspace, self._splits.get(index))
            self._bound[index, images] = bound
        maps = [
            tensors[window.tensor].reshape(images, window.channels, window.height, window.width)
            for window in step.inputs
        ]
        infos = [self._program.tensors[port.tensor] for port in step.outputs]
        outputs, counters = bound.run(maps, [info.element for info in infos], pool)
        self.counters += counters
        self._counted[index] = self._counted.get(index, 0) + counters
        for port, info, output in zip(step.outputs, infos, outputs, strict=True):
            tensors[port.tensor] = output.reshape(images, *info.shape)

    def _run_crossbar_step(
        self, index: int, step: CrossbarKernel, tensors: dict[int, Tensor], first_image: int, pool: BlockPool
    ) -> None:
        info, window = self._program.tensors[step.output.tensor], step.window
        ready = self._crossbar.get(index)
        if ready is None:
            macro = self._program.target.macro
            ready = ready_step(step, macro, self._noise, storage_dtype(info.element), literal=self._literal)
            self._crossbar[index] = ready
        maps = tensors[window.tensor].reshape(-1, window.channels, window.height, window.width)
        tensors[step.output.tensor] = ready.run(maps, first_image, pool).reshape(len(maps), *info.shape)

    def _block_widths(self, images: int, *, again: bool) -> list[int]:
        """Return 64-lane words per block of every step.

        Each width is another kernel to compile. The first time all steps share one, unless they are so large that their
        own best ones are worth it at once; `again`, what they save is saved over and over.
        """
        key = images, again
        if key not in self._words:
            self._words[key] = self._chosen_widths(images, again=again)
        return self._words[key]

    def _chosen_widths(self, images: int, *, again: bool) -> list[int]:
        fidelity, threads = self._settings.fidelity, self._threads
        rows = [0 if ready is None else len(ready.rows) for ready in self._prepared]
        lanes = [0 if ready is None else images * ready.kernel.lanes_per_image for ready in self._prepared]

        splits = [index in self._splits for index in range(len(rows))]

        def work(widths: list[int]) -> float:
            return sum(
                count * row_cost(lane, words, threads, fidelity, split=split)
                for count, lane, words, split in zip(rows, lanes, widths, splits, strict=True)
                if count
            )

        if self._block_words is not None:
            return [self._block_words] * len(rows)
        common = min(([words] * len(rows) for words in WORD_COUNTS), key=work)
        fitted = [fitted_words(lane, threads, fidelity, split=split) for lane, split in zip(lanes, splits, strict=True)]
        if work(common) >= ROWS_WORTH_A_KERNEL or (again and work(common) - work(fitted) >= ROWS_WORTH_FITTING):
            return fitted
        return common

    def _run_digital_op(self, step: DigitalOp, tensors: dict[int, Tensor], images: int, pool: BlockPool) -> None:
        info = self._program.tensors[step.output]
        operands = [
            tensors[operand] if isinstance(operand, int) else self._program.constants[operand]
            for operand in step.inputs
        ]
        batched = [isinstance(operand, int) for operand in step.inputs]
        try:
            attributes = complete_attributes(step.op, step.attributes)
            call = Call(operands, attributes, info.element, storage_dtype(info.element), (images, *info.shape))
            tensors[step.output] = run_in_parts(step.op, call, batched, pool)
        except (ProgramError, ValueError) as error:
            raise ProgramError(f"step '{step.name}': {error}") from error


def _step_reporter(on_progress: OnProgress | None, before: int, total: int) -> Callable[[int, str], None]:
    def report(index: int, name: str) -> None:
        if on_progress is not None:
            on_progress(before + index + 1, total, name)

    return report
