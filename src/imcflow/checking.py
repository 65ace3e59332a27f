"""Layer-by-layer comparison of a compiled program with the reference interpreter.

The reference is the quantised level: the model after import and the passes that define its integers, before anything
is mapped to hardware. The classes are also compared with those of the imported model itself.
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
    from imcflow.runtime.program import Program
    from imcflow.tools.progress import OnProgress

    Arrays = Mapping[str, np.ndarray[Any, Any]]
    Key = tuple[str, tuple[int, ...], bool]

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
    """All comparisons in execution order.

    Attributes:
        tensors: the comparisons.
        uncompared: tensors without a counterpart at the quantised level.
        images: size of the batch.
        outputs: the program's outputs.
        agreement: per output, share of images whose largest element is that of the imported model.
    """

    tensors: tuple[TensorComparison, ...]
    uncompared: tuple[str, ...]
    images: int
    outputs: Mapping[str, np.ndarray[Any, Any]]
    agreement: Mapping[str, float]

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
        same = ", ".join(f"{name} {share:.2%}" for name, share in self.agreement.items())
        return (
            f"equal: {values:,} values of {len(self.tensors)} tensors on {self.images} images; "
            f"largest element as in the imported model: {same}"
        )

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
            "agreement_with_imported_model": dict(self.agreement),
        }


@dataclass(frozen=True)
class Reference:
    """What the reference interpreter says about a model on given inputs.

    Attributes:
        outputs: outputs of the quantised level by ONNX name: exact integers, and float32 op by op behind them.
        imported: outputs of the imported model. Where its layers hold floating-point weights (a scale times integers),
            they carry the rounding of float32 sums, which the quantised level does not have.
        tensors: values of the quantised level by (source node, shape per image, whether floating point), in order.
    """

    outputs: Arrays
    imported: Arrays
    tensors: Mapping[Key, list[np.ndarray[Any, Any]]]


def reference_values(
    model: Path, inputs: Arrays, options: CompileOptions, *, on_progress: OnProgress | None = None
) -> Reference:
    """Interpret `model` at the network and at the quantised level.

    Raises:
        ImcflowError: the model or an option is wrong.
    """
    from imcflow import api
    from imcflow.dialect.interpreter import interpret, trace

    module = api.import_file(model, options.input_types)
    pipeline = api.pipeline_text(options, model)
    if pipeline.startswith(api.CONVERT_LINALG):
        api.run_pipeline(module, api.CONVERT_LINALG)
    imported = interpret(module, inputs)
    api.run_pipeline(module, quantised_pipeline(pipeline), on_progress=on_progress)
    return Reference(interpret(module, inputs), imported, _by_name(list(trace(module, inputs))))


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
    reference = reference_values(model, inputs, options, on_progress=on_progress)
    expected = sorted(port.name for port in compiled.program.outputs)
    if sorted(reference.outputs) != expected:
        raise ImcflowError(f"{model}: outputs {sorted(reference.outputs)} are not the program's {expected}")
    return compare_with_reference(compiled, inputs, reference, fidelity=fidelity, on_progress=on_progress)


def compare_with_reference(
    compiled: CompiledProgram,
    inputs: Arrays,
    reference: Reference,
    *,
    fidelity: str = "word",
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Execute `compiled` and compare every tensor with the reference."""
    program = compiled.program
    expected = _counterparts(program, reference)
    sources = {port.tensor for port in program.inputs}
    names = [program.tensors[number].name for number in sorted(expected)]
    result = compiled.run_detailed(inputs, fidelity=fidelity, keep=names, on_progress=on_progress)
    comparisons = [
        _compare(program.tensors[number].name, result.tensors[program.tensors[number].name], expected[number])
        for number in sorted(expected)
        if program.tensors[number].name in result.tensors
    ]
    uncompared = [
        tensor.name for number, tensor in enumerate(program.tensors) if number not in sources and number not in expected
    ]
    for name, array in result.outputs.items():
        comparisons.append(_compare(f"output {name}", array, reference.outputs[name]))
    agreement = {
        name: float((_classes(array) == _classes(reference.imported[name])).mean())
        for name, array in result.outputs.items()
        if array.size
    }
    return CheckReport(
        tuple(comparisons), tuple(uncompared), len(next(iter(inputs.values()))), result.outputs, agreement
    )


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


def _by_name(recorded: list[Recorded]) -> dict[Key, list[np.ndarray[Any, Any]]]:
    """Reference values by source node, shape per image and kind, in execution order."""
    values: dict[Key, list[np.ndarray[Any, Any]]] = {}
    for entry in recorded:
        if entry.nodes:
            key = (entry.nodes[-1], entry.value.shape[1:], entry.value.dtype.kind == "f")
            values.setdefault(key, []).append(entry.value)
    return values


def _counterparts(program: Program, reference: Reference) -> dict[int, np.ndarray[Any, Any]]:
    """Reference value of each tensor id; of several ops of one node the last ones correspond, as mapping fuses."""
    tensors: dict[Key, list[int]] = {}
    sources = {port.tensor for port in program.inputs}
    for number, tensor in enumerate(program.tensors):
        if number not in sources:
            key = (tensor.name.partition("#")[0], tensor.shape, tensor.dtype == "f32")
            tensors.setdefault(key, []).append(number)
    return {
        number: value
        for key, numbers in tensors.items()
        for number, value in zip(reversed(numbers), reversed(reference.tensors.get(key, [])), strict=False)
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


def _classes(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.reshape(len(array), -1).argmax(1)
