"""ResNet-8 (MLPerf Tiny, int8) on an analog macro: accuracy and signal-to-noise ratio against converter bits.

    python benchmarks/adc_accuracy.py                  100 CIFAR-10 test images per setting
    python benchmarks/adc_accuracy.py --images 500     all labelled images, a minute of CPU per setting
    python benchmarks/adc_accuracy.py --bits 6,8       some settings only
    python benchmarks/adc_accuracy.py --json FILE      also write the rows as JSON
    python benchmarks/adc_accuracy.py --check          exit with 1 and name every figure that misses its bar

Rows per number of bits: *signed*, activations as the model stores them, zero point -128; *whole range*, unsigned
activations, converters that cover every possible sum; *fitted*, ranges fitted to 32 training images. The last row has
ideal converters. Needs the trained networks beside the checkout.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import imcflow
from imcflow.passes.pipelines import UNSIGN_ACTIVATIONS, default_pipeline
from imcflow.runtime.execution.analog_quality import db_text, fit_converters, layer_qualities, with_full_scales
from imcflow.runtime.program import Program
from imcflow.targets.cost_text import aligned

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"
TARGET, DIGITAL = "aimc-256x64", "dimc-256x64"
BITS = tuple(range(4, 11))
IDEAL_BITS = 12
CALIBRATION_IMAGES = 32
QUALITY_IMAGES = 8
KEPT_AT_8_BITS = 0.01

Array = NDArray[Any]


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        ranges: signed, whole range, fitted, or ideal.
        accuracy: share of the images classified correctly.
        same_class: share of the images with the class of exact sums.
        least_db, median_db: signal-to-noise ratio of the sums of the worst and of the median layer, exact inputs; None
            if nothing is lost.
        cpu_s: CPU seconds of the run.
    """

    adc_bits: int
    ranges: str
    images: int
    accuracy: float
    same_class: float
    least_db: float | None
    median_db: float | None
    cpu_s: float


class Bench:
    """The network, its images and its exact results."""

    def __init__(self, images: int) -> None:
        with np.load(MODELS / "data" / "cifar10_test_0_499.npz") as data:
            self.images, self.labels = _as_int8(data["X"][:images]), data["y"][:images]
        with np.load(MODELS / "data" / "cifar10_train1000.npz") as data:
            self.samples = _as_int8(data["X"][:CALIBRATION_IMAGES])
        digital = self._compiled(DIGITAL, default_pipeline(DIGITAL))
        self.exact = self._run(digital)[0]
        pipeline = default_pipeline(TARGET)
        self.unsigned = self._compiled(TARGET, pipeline)
        self.signed = self._compiled(TARGET, pipeline.replace(f"{UNSIGN_ACTIVATIONS},", ""))

    def row(self, adc_bits: int, ranges: str) -> Row:
        """Run one setting."""
        program = _with_levels(self.signed if ranges == "signed" else self.unsigned, 1 << adc_bits)
        name = program.inputs[0].name
        if ranges == "fitted":
            program = with_full_scales(program, fit_converters(program, {name: self.samples}))
        outputs, cpu_s = self._run(program)
        ratios = [layer.sums_db for layer in layer_qualities(program, {name: self.images[:QUALITY_IMAGES]})]
        classes, expected = outputs.argmax(1), self.exact.argmax(1)
        return Row(
            adc_bits,
            "ideal" if adc_bits == IDEAL_BITS and np.array_equal(outputs, self.exact) else ranges,
            len(self.images),
            float((classes == self.labels).mean()),
            float((classes == expected).mean()),
            _finite(min(ratios)),
            _finite(statistics.median(ratios)),
            cpu_s,
        )

    @property
    def exact_accuracy(self) -> float:
        """On the digital macro."""
        return float((self.exact.argmax(1) == self.labels).mean())

    def _compiled(self, target: str, pipeline: str) -> Program:
        return imcflow.compile(MODELS / "mlperf_tiny" / "ic_resnet8_int8.onnx", target, pipeline=pipeline).program

    def _run(self, program: Program) -> tuple[Array, float]:
        start = time.process_time()
        outputs = imcflow.CompiledProgram(program).run({program.inputs[0].name: self.images})
        return outputs[program.outputs[0].name], time.process_time() - start


def _as_int8(images: Array) -> Array:
    return (images.astype(np.int16) - 128).astype(np.int8)


def _with_levels(program: Program, levels: int) -> Program:
    macro = program.target.macro
    assert macro is not None
    return replace(program, target=replace(program.target, macro=replace(macro, adc_levels=levels)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def misses(rows: list[Row], exact_accuracy: float) -> list[str]:
    """Every figure that misses its bar."""
    found: list[str] = []
    for row in rows:
        if row.adc_bits == IDEAL_BITS and row.ranges != "ideal":
            found.append(f"{row.adc_bits} bits: some outputs differ from the digital macro's, bar none")
        if row.adc_bits == 8 and row.ranges == "fitted" and row.accuracy < exact_accuracy - KEPT_AT_8_BITS:
            found.append(f"8 bits, fitted: accuracy {row.accuracy:.2%}, exact {exact_accuracy:.2%}, bar 1 % below")
    by_setting = {(row.adc_bits, row.ranges): row for row in rows}
    for (bits, ranges), row in by_setting.items():
        wider = by_setting.get((bits, "whole range"))
        if ranges == "fitted" and wider is not None and (row.least_db or math.inf) < (wider.least_db or math.inf):
            found.append(f"{bits} bits: fitted ranges have a lower ratio ({row.least_db}) than whole ones")
    return found


def main() -> int:
    """Print, write, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100, help="labelled images per setting, up to 500")
    parser.add_argument("--bits", default=",".join(map(str, BITS)), help="numbers of bits, separated by commas")
    parser.add_argument("--ranges", default="signed,whole range,fitted", help="which of the three")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows as JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    arguments = parser.parse_args()
    file: Path | None = arguments.json
    if not MODELS.is_dir():
        sys.stderr.write("needs the trained networks in shared/models beside the checkout\n")
        return 1
    bench = Bench(arguments.images)
    settings = [(int(bits), ranges) for bits in arguments.bits.split(",") for ranges in arguments.ranges.split(",")]
    rows: list[Row] = []
    for number, (bits, ranges) in enumerate([*settings, (IDEAL_BITS, "whole range")], start=1):
        rows.append(bench.row(bits, ranges))
        sys.stderr.write(f"{number}/{len(settings) + 1}: {bits} bits, {ranges}: {rows[-1].accuracy:.1%}\n")
    header = ["ADC bits", "ranges", "accuracy", "class as exact", "worst layer", "median layer", "CPU s"]
    cells = [
        [
            str(row.adc_bits),
            row.ranges,
            f"{row.accuracy:.1%}",
            f"{row.same_class:.1%}",
            *(db_text(math.inf if value is None else value) for value in (row.least_db, row.median_db)),
            f"{row.cpu_s:.1f}",
        ]
        for row in rows
    ]
    found = misses(rows, bench.exact_accuracy)
    sys.stdout.write(
        f"ResNet-8 on {TARGET}, {arguments.images} images; exact: {bench.exact_accuracy:.1%}\n"
        + aligned(header, cells)
        + "\n"
        + "".join(f"MISS {miss}\n" for miss in found)
    )
    if file is not None:
        data = {"target": TARGET, "exact_accuracy": bench.exact_accuracy, "rows": [asdict(row) for row in rows]}
        file.write_text(json.dumps(data | {"misses": found}, indent=1), encoding="utf-8")
    return 1 if found and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
