"""Layer-by-layer comparison of a compiled program with the reference interpreter.

The reference is the quantised level: the model after import and the passes that define its integers, before anything
is mapped to hardware. The network's outputs are also compared with the imported model itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    import numpy as np

    from imcflow.api import CompileOptions
    from imcflow.compiled import CompiledProgram
    from imcflow.dialect.interpreter import Recorded
    from imcflow.tools.progress import OnProgress

    Arrays = Mapping[str, np.ndarray[Any, Any]]

LAST_QUANTISED_PASS = "imc-assign-units"
"""The passes up to this one define the integers; those after it may not change any."""


@dataclass(frozen=True)
class TensorComparison:
    """One tensor of the program beside the reference.

    Attributes:
        tensor: name of the tensor in the program.
        shape: per image.
        compared: number of values.
        mismatches: number of values that differ.
        largest_difference: largest absolute difference.
    """

    tensor: str
    shape: tuple[int, ...]
    compared: int
    mismatches: int
    largest_difference: float


@dataclass(frozen=True)
class CheckReport:
    """All comparisons in execution order, and the tensors that have no counterpart at the quantised level."""

    tensors: tuple[TensorComparison, ...]
    uncompared: tuple[str, ...]
    images: int

    @property
    def equal(self) -> bool:
        """Whether every compared value is the same."""
        return all(item.mismatches == 0 for item in self.tensors)

    def verdict(self) -> str:
        """Return one line: equal, or the first tensor that differs."""
        values = sum(item.compared for item in self.tensors)
        for item in self.tensors:
            if item.mismatches:
                return (
                    f"first difference in '{item.tensor}': {item.mismatches:,} of {item.compared:,} values, "
                    f"by up to {item.largest_difference:g}"
                )
        return f"equal: {values:,} values of {len(self.tensors)} tensors on {self.images} images"

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON object with stable keys."""
        return {
            "equal": self.equal,
            "images": self.images,
            "tensors": [
                {
                    "tensor": item.tensor,
                    "shape": list(item.shape),
                    "compared": item.compared,
                    "mismatches": item.mismatches,
                    "largest_difference": item.largest_difference,
                }
                for item in self.tensors
            ],
            "uncompared": list(self.uncompared),
        }


def check_program(
    model: Path,
    compiled: CompiledProgram,
    inputs: Arrays,
    options: CompileOptions,
    *,
    fidelity: str = "word",
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Execute `compiled` and interpret `model` on the same inputs, and compare every tensor.

    Args:
        model: the file that the program was compiled from.
        compiled: the program.
        inputs: one array per input.
        options: those of the compilation.
        fidelity: of the execution.
        on_progress: called for every pass and step.

    Raises:
        ImcflowError: the model is not the program's: ports differ.
    """
    from imcflow import api
    from imcflow.dialect.interpreter import interpret, trace

    program = compiled.program
    module = api.import_file(model, options.input_types)
    source_outputs = interpret(module, inputs)
    expected_names = [port.name for port in program.outputs]
    if sorted(source_outputs) != sorted(expected_names):
        raise ImcflowError(f"{model}: outputs {sorted(source_outputs)} are not the program's {sorted(expected_names)}")
    api.run_pipeline(module, quantised_pipeline(api.pipeline_text(options)), on_progress=on_progress)
    recorded = list(trace(module, inputs))
    names = [tensor.name for tensor in program.tensors]
    result = compiled.run_detailed(inputs, fidelity=fidelity, keep=names, on_progress=on_progress)
    arrays = {**result.tensors, **result.outputs}
    reference = _by_name(recorded)
    comparisons: list[TensorComparison] = []
    uncompared: list[str] = []
    for tensor in program.tensors:
        if tensor.name in [program.tensors[port.tensor].name for port in program.inputs]:
            continue
        expected = reference.get((tensor.name.partition("#")[0], tensor.shape, tensor.dtype == "f32"))
        if expected is None or tensor.name not in arrays:
            uncompared.append(tensor.name)
        else:
            comparisons.append(_compare(tensor.name, arrays[tensor.name], expected))
    for name in expected_names:
        comparisons.append(_compare(f"{name} (imported model)", result.outputs[name], source_outputs[name]))
    return CheckReport(tuple(comparisons), tuple(uncompared), len(next(iter(inputs.values()))))


def quantised_pipeline(text: str) -> str:
    """Return the part of a pipeline up to and including the last pass that defines integers.

    Raises:
        ImcflowError: the pipeline has no such pass, so there is no quantised level to compare with.
    """
    before, found, after = text.partition(LAST_QUANTISED_PASS)
    if not found:
        raise ImcflowError(f"the pipeline has no {LAST_QUANTISED_PASS}: no quantised level to compare with")
    options = after[: after.index("}") + 1] if after.startswith("{") else ""
    return before + found + options


def _by_name(recorded: list[Recorded]) -> dict[tuple[str, tuple[int, ...], bool], np.ndarray[Any, Any]]:
    """Reference values by source node, shape per image and kind; the last op of a node counts."""
    return {
        (entry.nodes[-1], entry.value.shape[1:], entry.value.dtype.kind == "f"): entry.value
        for entry in recorded
        if entry.nodes
    }


def _compare(name: str, actual: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> TensorComparison:
    import numpy as np

    # float64 holds every float32 and every integer below 2**53 exactly; wider integers are compared as integers.
    wide = actual.dtype.kind != "f" and expected.dtype.kind != "f"
    kind = np.int64 if wide else np.float64
    difference = actual.astype(kind) - expected.reshape(actual.shape).astype(kind)
    unequal = difference != 0
    largest = float(np.nanmax(np.abs(difference))) if difference.size else 0.0
    return TensorComparison(name, tuple(actual.shape[1:]), actual.size, int(unequal.sum()), largest)
