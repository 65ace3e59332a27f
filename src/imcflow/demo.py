"""The bundled example: a ternary network on the held-out images of scikit-learn's digits, from ONNX to cycles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any

from imcflow.compiled import FIDELITIES

if TYPE_CHECKING:
    import numpy as np

    from imcflow.tools.progress import OnProgress

MODEL = "digits_cnn.onnx"
IMAGES = "digits_test.npz"
INPUT, LABEL, GOLDEN = "image", "label", "logits"


@dataclass(frozen=True)
class DemoReport:
    """What the demo shows.

    Attributes:
        target: name of the target.
        images: number of held-out images.
        accuracy: share of images that the executed program classifies correctly.
        reference_accuracy: the same for the reference interpreter.
        mismatches: differing output integers, word and micro fidelity against the reference, and against the stored
            logits of onnxruntime.
        cycles: cycles per image by kind of instruction cycle.
        seconds: wall-clock seconds per stage.
        cost_table: the cost report as text.
        summary: what the program is.
    """

    target: str
    images: int
    accuracy: float
    reference_accuracy: float
    mismatches: int
    cycles: dict[str, int]
    seconds: dict[str, float]
    cost_table: str
    summary: str

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON object with stable keys."""
        return {
            "target": self.target,
            "images": self.images,
            "accuracy": self.accuracy,
            "reference_accuracy": self.reference_accuracy,
            "mismatches": self.mismatches,
            "cycles": self.cycles,
            "seconds": self.seconds,
        }

    def text(self) -> str:
        """Return the report for people."""
        from imcflow.tools.output import table

        verdict = (
            "every output integer equals the reference, in both fidelities"
            if self.mismatches == 0
            else f"{self.mismatches} output integers differ from the reference"
        )
        return "\n".join(
            [
                self.summary,
                "",
                f"{self.images} held-out images: accuracy {self.accuracy:.2%}, reference {self.reference_accuracy:.2%}",
                verdict,
                "",
                table(["cycles per image", "count"], [[kind, count] for kind, count in self.cycles.items()]),
                "",
                self.cost_table,
                "",
                table(["stage", "seconds"], [[stage, spent] for stage, spent in self.seconds.items()]),
            ]
        )


def run_demo(target: str, *, on_progress: OnProgress) -> DemoReport:
    """Compile the bundled network for `target`, execute it in both fidelities and compare every integer.

    Raises:
        TargetError: the target is unknown or cannot hold the network.
    """
    import numpy as np

    from imcflow import api
    from imcflow.arrays import read_arrays
    from imcflow.dialect.interpreter import interpret

    data = files("imcflow") / "data"
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] = now - clock
        clock = now

    with as_file(data / MODEL) as model, as_file(data / IMAGES) as images:
        arrays = read_arrays(images)
        program = api.compile_model(model, api.CompileOptions(target=target), on_progress=on_progress)
        lap("compile")
        module = api.import_file(model, {})
    inputs = {INPUT: arrays[INPUT]}
    reference = interpret(module, inputs)[GOLDEN]
    lap("reference interpreter")
    mismatches = _differences(arrays[GOLDEN], reference)
    outputs: dict[str, np.ndarray[Any, Any]] = {}
    for fidelity in FIDELITIES:
        outputs[fidelity] = program.run_detailed(inputs, fidelity=fidelity, on_progress=on_progress).outputs[GOLDEN]
        lap(f"run, {fidelity} fidelity")
        mismatches += _differences(outputs[fidelity], reference)
    labels = arrays[LABEL]
    cost = program.cost()
    lap("cost")
    return DemoReport(
        target=target,
        images=len(labels),
        accuracy=float(np.mean(outputs["word"].argmax(1) == labels)),
        reference_accuracy=float(np.mean(reference.argmax(1) == labels)),
        mismatches=mismatches,
        cycles=cost.cycles_by_kind(),
        seconds=seconds,
        cost_table=cost.table(),
        summary=program.summary_text(),
    )


def _differences(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> int:
    return int((left != right).sum()) if left.shape == right.shape else max(left.size, right.size)
