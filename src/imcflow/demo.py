"""The bundled example: a ternary network on the held-out images of scikit-learn's digits, from ONNX to cycles."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from imcflow.compiled import FIDELITIES

if TYPE_CHECKING:
    from imcflow.checking import CheckReport
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
        mismatches: differing values over all tensors, word and micro fidelity against the reference interpreter.
        compared: number of values compared.
        onnxruntime_agreement: share of images whose class is the one that onnxruntime gives (stored logits).
        cycles: cycles per image by kind of instruction cycle.
        seconds: wall-clock seconds per stage.
        adc_levels: of the converters of an analog target, which may lose something; 0: the target is exact.
        cost_table: the cost report as text.
        summary: what the program is.
    """

    target: str
    images: int
    accuracy: float
    reference_accuracy: float
    mismatches: int
    compared: int
    onnxruntime_agreement: float
    cycles: dict[str, int]
    seconds: dict[str, float]
    adc_levels: int
    cost_table: str
    summary: str

    @property
    def as_expected(self) -> bool:
        """Whether all integers equal the reference, or the converters of the target excuse them."""
        return self.mismatches == 0 or self.adc_levels > 0

    def to_json(self) -> dict[str, object]:
        """Return the report as a JSON object with stable keys."""
        return {
            "target": self.target,
            "images": self.images,
            "accuracy": self.accuracy,
            "reference_accuracy": self.reference_accuracy,
            "mismatches": self.mismatches,
            "compared": self.compared,
            "onnxruntime_agreement": self.onnxruntime_agreement,
            "adc_levels": self.adc_levels,
            "cycles": self.cycles,
            "seconds": self.seconds,
        }

    def text(self) -> str:
        """Return the report for people."""
        from imcflow.tools.output import table

        verdict = (
            f"all {self.compared:,} values of every layer equal the reference, in both fidelities"
            if self.mismatches == 0
            else f"{self.mismatches:,} of {self.compared:,} values differ from the reference"
        )
        if self.adc_levels and self.mismatches:
            verdict += f": converters of {self.adc_levels} levels read the sums of the columns"
        return "\n".join(
            [
                self.summary,
                "",
                f"{self.images} held-out images: accuracy {self.accuracy:.2%}, reference {self.reference_accuracy:.2%}",
                verdict,
                f"same class as onnxruntime on {self.onnxruntime_agreement:.2%} of the images",
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
    from imcflow import api
    from imcflow.arrays import read_arrays
    from imcflow.checking import compare_with_reference, reference_values

    data = files("imcflow") / "data"
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] = now - clock
        clock = now

    options = api.CompileOptions(target=target)
    with as_file(data / MODEL) as model, as_file(data / IMAGES) as images:
        arrays = read_arrays(images)
        program = api.compile_model(model, options, on_progress=on_progress)
        lap("compile")
        inputs = {INPUT: arrays[INPUT]}
        reference = reference_values(model, inputs, options)
        lap("reference interpreter")
    reports: list[CheckReport] = []
    for fidelity in FIDELITIES:
        reports.append(compare_with_reference(program, inputs, reference, fidelity=fidelity, on_progress=on_progress))
        lap(f"run, {fidelity} fidelity")
    labels = arrays[LABEL]
    classes = reports[0].outputs[GOLDEN].argmax(1)
    cost = program.cost(target=target)
    lap("cost")
    macro = program.program.target.macro
    return DemoReport(
        target=target,
        images=len(labels),
        accuracy=float((classes == labels).mean()),
        reference_accuracy=float((reference.outputs[GOLDEN].argmax(1) == labels).mean()),
        mismatches=sum(item.mismatches for report in reports for item in report.tensors),
        compared=sum(item.compared for report in reports for item in report.tensors),
        onnxruntime_agreement=float((classes == arrays[GOLDEN].argmax(1)).mean()),
        cycles=cost.cycles_by_kind(),
        seconds=seconds,
        adc_levels=0 if macro is None else macro.adc_levels,
        cost_table=cost.table(),
        summary=program.summary_text(),
    )
