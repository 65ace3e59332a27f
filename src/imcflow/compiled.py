"""A compiled network in the hands of a user: run it, cost it, save it, look inside."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    import numpy as np

    from imcflow.passes.packing.program_placement import ProgramPlacement
    from imcflow.runtime.counters import ProgramCounters
    from imcflow.runtime.crossbar.converters import AnalogNoise
    from imcflow.runtime.execution.analog_quality import LayerQuality
    from imcflow.runtime.execution.match_counts import StepMatches
    from imcflow.runtime.execution.watch import Trace
    from imcflow.runtime.program import Program, Step
    from imcflow.targets.ap_cost import ProgramCost
    from imcflow.targets.crossbar.program_report import CrossbarProgramCost
    from imcflow.targets.crossbar.report import NetworkCost
    from imcflow.tools.progress import OnProgress

    Arrays = dict[str, np.ndarray[Any, Any]]

Fidelity = Literal["word", "micro", "count"]
FIDELITIES: tuple[Fidelity, ...] = ("word", "micro")
"""Those that a comparison runs; `count` counts rows besides."""


@dataclass(frozen=True)
class RunResult:
    """What a run gives.

    Attributes:
        outputs: the program's outputs by ONNX tensor name, in the model's types.
        tensors: the intermediate tensors that were asked for, by tensor name.
        step_seconds: (step name, wall-clock seconds) in execution order.
        matches: rows that searches found and writes reached, by array step; of fidelity "count" only.
    """

    outputs: Arrays
    tensors: Arrays
    step_seconds: list[tuple[str, float]]
    matches: tuple[StepMatches, ...] = ()


@dataclass(frozen=True, repr=False)
class CompiledProgram:
    """A program and what the compiler had to say about it.

    Attributes:
        program: the instruction streams, buffers and constants as plain data.
        notes: what the compiler reports: layers on the digital unit, losses of a ternary conversion. Empty for a
            program that was read from a file.
    """

    program: Program
    notes: Sequence[str] = field(default=())

    def __repr__(self) -> str:
        """Name the program; its instructions would fill many screens."""
        return (
            f"<CompiledProgram '{self.program.name}' for {self.program.target.name}: {len(self.program.steps)} steps>"
        )

    def run(
        self,
        inputs: Mapping[str, np.ndarray[Any, Any]],
        *,
        fidelity: str = "word",
        threads: int | None = None,
        memory_bytes: int | None = None,
    ) -> Arrays:
        """Execute the program on a batch of any size (axis 0) and return the outputs by ONNX tensor name.

        Args:
            inputs: one array per input, in the model's type and shape.
            fidelity: "word" runs each instruction as fused logic on bit planes, "micro" every search and write,
                "count" also counts the rows that match and that are written (see `run_detailed`).
            threads: worker threads; default all cores.
            memory_bytes: budget of the working memory; larger batches run in parts.

        Raises:
            InputError: an array is missing, unknown, or has the wrong shape, type or range.
        """
        result = self.run_detailed(inputs, fidelity=fidelity, threads=threads, memory_bytes=memory_bytes)
        return result.outputs

    def run_detailed(
        self,
        inputs: Mapping[str, np.ndarray[Any, Any]],
        *,
        fidelity: str = "word",
        threads: int | None = None,
        memory_bytes: int | None = None,
        keep: Sequence[str] = (),
        on_progress: OnProgress | None = None,
        noise: AnalogNoise | None = None,
        time_limit_s: float | None = None,
        trace: Trace | None = None,
    ) -> RunResult:
        """Execute the program and also return the tensors named in `keep` and the time of each step.

        `noise` disturbs analog macros; a run that takes longer than `time_limit_s` ends with an ImcflowError; `trace`
        gets what ran when. With fidelity "count" the result also has the rows that searches found and writes reached.

        Raises:
            ImcflowError: unknown fidelity, or "count" for a program without associative arrays.
        """
        from imcflow.runtime.execution.run import DEFAULT_MEMORY_BYTES, ProgramRun

        chosen = checked_fidelity(fidelity)
        if chosen == "count" and self.program.target.kind != "ap":
            raise ImcflowError(
                f"fidelity 'count' counts the rows of associative processors; program '{self.program.name}' is for "
                f"target '{self.program.target.name}' of kind {self.program.target.kind}"
            )
        names = [step.name for step in self.program.steps]
        spent: dict[str, float] = {}
        state = {"at": time.perf_counter()}

        def step_done(done: int, total: int, name: str) -> None:
            now = time.perf_counter()
            spent[name] = spent.get(name, 0.0) + now - state["at"]
            state["at"] = now
            if on_progress is not None:
                on_progress(done, total, name)

        run = ProgramRun(self.program, fidelity=chosen, threads=threads, noise=noise)
        result = run(
            inputs,
            memory_bytes=DEFAULT_MEMORY_BYTES if memory_bytes is None else memory_bytes,
            on_progress=step_done,
            keep=tuple(keep),
            time_limit_s=time_limit_s,
            trace=trace,
        )
        outputs = {port.name: result[port.name] for port in self.program.outputs}
        kept = {name: array for name, array in result.items() if name not in outputs}
        return RunResult(outputs, kept, [(name, spent[name]) for name in names if name in spent], run.matches())

    def run_pipelined(
        self,
        inputs: Mapping[str, np.ndarray[Any, Any]],
        *,
        lanes: int = 1,
        on_progress: OnProgress | None = None,
    ) -> RunResult:
        """Stream a batch through the cores of a pipelined program; the outputs are those of `run`.

        Args:
            inputs: one array per input, in the model's type and shape.
            lanes: pipelines side by side, each with its share of the images.
            on_progress: called now and then.

        Raises:
            DeadlockError: the buffers are too small; the message names the cycle of waits.
            InputError: an array does not fit, or the batch does not divide into lanes.
            ProgramError: the program is not pipelined.
        """
        from imcflow.runtime.pipeline.execute import run_pipelined

        run = run_pipelined(self.program, inputs, lanes=lanes, on_progress=on_progress)
        return RunResult(run.outputs, run.tensors, [])

    def signal_to_noise(
        self, inputs: Mapping[str, np.ndarray[Any, Any]], *, noise: AnalogNoise | None = None
    ) -> list[LayerQuality]:
        """Return how far analog macros are from exact results, layer by layer, on given inputs.

        Args:
            inputs: one array per input.
            noise: disturbances besides the steps and ranges of the converters.

        Raises:
            InputError: an array is missing, unknown, or has the wrong shape, type or range.
            ProgramError: the program's target has no macros.
        """
        from imcflow.runtime.execution.analog_quality import layer_qualities

        return layer_qualities(self.program, inputs, noise)

    def counters(self) -> ProgramCounters:
        """Return the exact instruction, search, write and shift counts of the stream, for one image."""
        from imcflow.runtime.counters import count_program

        return count_program(self.program)

    def cost(
        self, *, target: str | None = None, images: int = 1, activity: Sequence[StepMatches] | None = None
    ) -> ProgramCost | CrossbarProgramCost:
        """Return cycles, seconds and joules, per layer and in all.

        Args:
            target: name or file of the description that prices the counters; default the one compiled for.
            images: size of the batch.
            activity: `matches` of a run with fidelity "count": writes reach as many rows as they did in it, instead of
                as many as the description assumes.

        Raises:
            TargetError: the description is unknown or wrong, or differs in geometry from the program's; activity for a
                crossbar program, or of another one.
        """
        from imcflow.errors import TargetError
        from imcflow.targets.ap_cost import program_cost
        from imcflow.targets.crossbar.program_cost import crossbar_program_cost
        from imcflow.targets.registry import load_target

        description = load_target(target or self.program.target.name)
        if self.program.target.kind == "ap":
            return program_cost(self.program, description, images=images, activity=activity)
        if activity is not None:
            raise TargetError(f"program '{self.program.name}' has no associative arrays whose activity could count")
        return crossbar_program_cost(self.program, description, images=images)

    def report(self, *, target: str | None = None, images: int = 1) -> str:
        """Return an HTML page, complete in itself, on what the program is and what it costs.

        Args:
            target, images: as for `cost`. Without `target`, a program that cannot be costed is reported without costs.

        Raises:
            TargetError: `target` is unknown or wrong, or differs in geometry from the program's.
        """
        from imcflow.report import report_page
        from imcflow.report.data import ReportData

        cost, why_no_cost = None, ""
        try:
            cost = self.cost(target=target, images=images)
        except ImcflowError as error:
            if target is not None:
                raise
            why_no_cost = str(error)
        counters = self.counters() if cost is None else cost.counters
        return report_page(ReportData(self.program, self.content_hash, counters, cost, why_no_cost))

    def estimate(self, *, conventions: str = "physical", target: str | None = None, images: int = 1) -> NetworkCost:
        """Return what the closed-form model says of the layers on the macros, with its own mappings of them.

        Where `cost` prices the streams as compiled, this searches the best mapping of every layer; with the conventions
        of a reference tool the figures compare like for like with that tool's.

        Args:
            conventions: "physical", or those of a reference tool: "zigzag-3.9", "iccad23".
            target: name or file of the description; default the one compiled for.
            images: size of the batch.

        Raises:
            TargetError: unknown conventions, a target that is no crossbar, or layers it cannot hold.
        """
        from imcflow.errors import TargetError
        from imcflow.targets.crossbar.conventions import conventions_named
        from imcflow.targets.crossbar.cost import network_cost
        from imcflow.targets.crossbar.models import CrossbarDescription
        from imcflow.targets.crossbar.program_layers import program_layers
        from imcflow.targets.registry import load_target

        chosen = conventions_named(conventions)
        description = load_target(target or self.program.target.name)
        if not isinstance(description, CrossbarDescription) or not self.program.crossbar_kernels:
            raise TargetError(
                f"program '{self.program.name}' on target '{description.name}' of kind {description.kind}: conventions "
                "are those of models of crossbar macros (aimc, dimc)"
            )
        layers = program_layers(self.program, images=images)
        return network_cost(description.crossbar_target(), layers, conventions=chosen)

    @property
    def content_hash(self) -> str:
        """Hash over everything in the program; equal exactly for equal programs."""
        from imcflow.runtime.container import content_hash

        return content_hash(self.program)

    def save(self, path: str | Path) -> None:
        """Write the program file; it appears complete or not at all."""
        from imcflow.runtime.container import write_program

        write_program(self.program, Path(path))

    def step(self, name: str) -> Step:
        """Return a step by name or number.

        Raises:
            ImcflowError: there is no such step.
        """
        steps = self.program.steps
        if name.isdigit() and int(name) < len(steps):
            return steps[int(name)]
        for step in steps:
            if step.name == name:
                return step
        raise ImcflowError(
            f"no step '{name}': the program has {len(steps)} steps, {steps[0].name} ... {steps[-1].name}"
        )

    def assembly(self, step: str) -> str:
        """Return the assembly text of a step on the arrays or macros, by name or number."""
        from imcflow.runtime.assembler import disassemble
        from imcflow.runtime.crossbar.text import tile_instruction_lines
        from imcflow.runtime.program import CrossbarKernel, DigitalOp

        found = self.step(step)
        if isinstance(found, DigitalOp):
            raise ImcflowError(f"step '{found.name}' is of kind {found.kind} and has no instructions")
        if isinstance(found, CrossbarKernel):
            return "".join(f"{line}\n" for line in tile_instruction_lines(found.instructions))
        return disassemble(found, self.program.target)

    def weights_text(self) -> str:
        """Return which layer's weights lie in which plane of which macro, a line per plane; crossbar programs only.

        Raises:
            ImcflowError: the program has no crossbar kernels.
        """
        from imcflow.passes.packing.pictures import packing_text

        placed = self._placement()
        reloaded = "".join(
            f"{name}: {weights:,} weights are loaded in every inference\n" for name, weights in placed.reloaded.items()
        )
        return packing_text(placed.placement, heading=placed.heading) + reloaded

    def weights_svg(self) -> str:
        """Return the picture of `weights_text` as an SVG document.

        Raises:
            ImcflowError: the program has no crossbar kernels.
        """
        from imcflow.passes.packing.pictures import packing_svg

        placed = self._placement()
        return packing_svg(placed.placement, heading=placed.heading)

    def _placement(self) -> ProgramPlacement:
        from imcflow.passes.packing.program_placement import program_placement

        placed = program_placement(self.program)
        if placed is None:
            raise ImcflowError(f"program '{self.program.name}' has no crossbar kernels whose weights could be shown")
        return placed

    def summary(self) -> dict[str, object]:
        """Return the facts of the program as a JSON object with stable keys."""
        from imcflow.runtime.program import ApKernel, DigitalOp

        program = self.program
        tensors = program.tensors
        return {
            "name": program.name,
            "hash": self.content_hash,
            "target": program.target.name,
            "inputs": [
                {"name": p.name, "shape": list(tensors[p.tensor].shape), "type": tensors[p.tensor].dtype}
                for p in program.inputs
            ],
            "outputs": [
                {"name": p.name, "shape": list(tensors[p.tensor].shape), "type": tensors[p.tensor].dtype}
                for p in program.outputs
            ],
            "instructions": sum(len(kernel.instructions) for kernel in (*program.kernels, *program.crossbar_kernels)),
            "steps": [
                {
                    "name": step.name,
                    "kind": step.kind,
                    "onnx_nodes": list(step.onnx_nodes),
                    "instructions": 0 if isinstance(step, DigitalOp) else len(step.instructions),
                    "arrays": step.array_count if isinstance(step, ApKernel) else 0,
                    "op": step.op if isinstance(step, DigitalOp) else "",
                }
                for step in program.steps
            ],
            "pipeline": program.pipeline,
        }

    def summary_text(self) -> str:
        """Return two lines: what the program is, and its hash."""
        kernels = (*self.program.kernels, *self.program.crossbar_kernels)
        digital = len(self.program.steps) - len(kernels)
        instructions = sum(len(kernel.instructions) for kernel in kernels)
        return (
            f"{self.program.name} for {self.program.target.name}: {len(kernels)} array kernels with {instructions:,} "
            f"instructions, {digital} digital operations\nhash {self.content_hash}"
        )

    def describe(self) -> str:
        """Return ports and steps as text tables."""
        from imcflow.runtime.program import ApKernel, DigitalOp
        from imcflow.tools.output import table

        tensors = self.program.tensors
        ports = [
            [kind, port.name, "x".join(map(str, tensors[port.tensor].shape)), tensors[port.tensor].dtype]
            for kind, group in (("input", self.program.inputs), ("output", self.program.outputs))
            for port in group
        ]
        steps = [
            [
                number,
                step.name,
                step.op if isinstance(step, DigitalOp) else "array" if isinstance(step, ApKernel) else "crossbar",
                0 if isinstance(step, DigitalOp) else len(step.instructions),
                step.array_count if isinstance(step, ApKernel) else 0,
                ", ".join(step.onnx_nodes),
            ]
            for number, step in enumerate(self.program.steps)
        ]
        return "\n\n".join(
            [
                self.summary_text(),
                table(["port", "name", "shape", "type"], ports),
                table(["step", "name", "unit", "instructions", "arrays", "ONNX nodes"], steps),
            ]
        )


def checked_fidelity(fidelity: str) -> Fidelity:
    """Return `fidelity` if it is one.

    Raises:
        ImcflowError: it is not "word", "micro" or "count".
    """
    for known in get_args(Fidelity):
        if fidelity == known:
            return known
    raise ImcflowError(f"fidelity '{fidelity}' is unknown; choose word, micro or count")
