"""Compiled pipelines on real images: integers, measured against predicted ticks, throughput, deadlocks, trade-offs.

    python benchmarks/pipeline_programs.py [TABLE ...] [--json FILE] [--check]

Sixteen images stream through the cores of each program. Trained networks are looked for beside the checkout and left
out without them; ResNet-18 (224 x 224) has generated ternary weights. One tick is one crossbar operation of 100 ns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from report import Report, Row, run_tables
from resnet18 import write_resnet18

import imcflow
from imcflow.api import CompileOptions, compile_model, pipeline_text
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.pipeline.deadlock import DeadlockError
from imcflow.runtime.pipeline.execute import run_pipelined
from imcflow.runtime.pipeline.machine import machine_of
from imcflow.runtime.pipeline.report import PipelineReport, pipeline_report, trace_program
from imcflow.runtime.program import Program

MODELS = Path(__file__).resolve().parent.parent.parent / "shared" / "models"
TARGET = "dimc-256x256-mesh"
IMAGES = 16
SLOWEST = 1 << 20
"""An interval so long that every layer has one copy."""
CHOICES = (
    ("one copy", f"interval={SLOWEST}", ""),
    ("1,024 crossbars", "", ""),
    ("1,024 crossbars, by images", "", "handshake=image"),
)
"""Label, options of imc-replicate-layers, options of imc-pipeline-layers."""

Images = dict[str, np.ndarray]


class Case:
    """A network with images and, where there are any, golden results.

    Args:
        name: for the tables.
        path: of the model.
        input_types: of inputs that the model leaves open.
        images: sixteen of them, in the model's type.
        golden: of the first output; None without.
    """

    def __init__(
        self, name: str, path: Path, input_types: dict[str, str], images: Images, golden: np.ndarray | None
    ) -> None:
        self.name, self.path, self.input_types = name, path, input_types
        self.images, self.golden = images, golden
        self._programs: dict[tuple[str, str], Program] = {}

    def compiled(self, replicate: str, pipeline: str = "") -> Program:
        """The program with options of the two passes; compiled once."""
        if (replicate, pipeline) not in self._programs:
            self._programs[replicate, pipeline] = self._compiled(replicate, pipeline)
        return self._programs[replicate, pipeline]

    def _compiled(self, replicate: str, pipeline: str) -> Program:
        options = CompileOptions(target=TARGET, input_types=self.input_types)
        text = pipeline_text(options)
        for name, chosen in (("imc-replicate-layers", replicate), ("imc-pipeline-layers", pipeline)):
            text = text.replace(f"{name}{{target={TARGET}}}", f"{name}{{target={TARGET} {chosen}}}")
        return compile_model(self.path, replace(options, pipeline=text)).program


def cifar_images(count: int) -> np.ndarray:
    """Pixels [count, 32, 32, 3], uint8."""
    return np.load(MODELS / "data" / "cifar10_test_0_499.npz")["X"][:count]


def cases(folder: Path) -> list[Case]:
    """All networks that are there."""
    found: list[Case] = []
    data = Path(imcflow.__file__).parent / "data"
    digits = np.load(data / "digits_test.npz")["image"][:IMAGES]
    found.append(Case("digits", data / "digits_cnn.onnx", {}, {"image": digits}, None))
    if MODELS.is_dir():
        pixels = cifar_images(IMAGES)
        tiny = MODELS / "mlperf_tiny" / "ic_resnet8_int8"
        int8 = (pixels.astype(np.int16) - 128).astype(np.int8)
        golden = np.load(f"{tiny}.golden.npz")["out_ort_qdq"][:IMAGES]
        found.append(Case("ResNet-8 int8", Path(f"{tiny}.onnx"), {}, {"input_1_int8": int8}, golden))
        cnv = MODELS / "ternary" / "cnv_bnnpynq"
        scaled = np.clip(np.floor((2 * pixels.astype(np.float64) / 255 - 1) * 128), -128, 127)
        images = {"x": scaled.transpose(0, 3, 1, 2).astype(np.float32)}
        golden = np.load(cnv / "cnvW2A2_golden_cifar10_0_499.npz")["logits"][:IMAGES]
        found.append(Case("CNV-W2A2", cnv / "cnvW2A2_affine.onnx", {"x": "si8"}, images, golden))
    path = folder / "resnet18.onnx"
    write_resnet18(path, ternary=True)
    random = np.random.default_rng(18)
    images = {"input": random.integers(-128, 128, (IMAGES, 3, 224, 224)).astype(np.float32)}
    found.append(Case("ResNet-18 224", path, {"input": "si8"}, images, None))
    return found


_folder = TemporaryDirectory()


@cache
def all_cases() -> list[Case]:
    """All networks, prepared once."""
    return cases(Path(_folder.name))


def chosen(report: Report) -> list[Case]:
    """The networks that the command line names."""
    return [case for case in all_cases() if case.name.startswith(tuple(report.options.network or [""]))]


def figures(program: Program) -> PipelineReport:
    """Measured tick by tick."""
    return pipeline_report(program, trace_program(program, IMAGES))


def networks(report: Report) -> None:
    """One copy of each layer, then all 1,024 crossbars: measured and predicted ticks, against layer by layer."""
    rows: list[Row] = []
    for case in chosen(report):
        for label, replicate, pipeline in CHOICES:
            program = case.compiled(replicate, pipeline)
            found = figures(program)
            predicted = found.predicted or (0, 0)
            rows.append(
                {
                    "network": case.name,
                    "copies": label,
                    "crossbars": sum(core.crossbars for core in found.cores),
                    "interval": found.interval_ticks,
                    "latency": found.latency_ticks,
                    "predicted": predicted[0],
                    "16 images": found.total_ticks,
                    "predicted 16": predicted[1],
                    "in flight": found.images_in_flight,
                    "buffer Kibit": round(sum(ring.bits for ring in found.channels) / 1024),
                    "us": found.latency_us,
                    "images/s": round(found.images_per_second),
                    "layer by layer/s": round(found.layer_by_layer_per_second),
                    "ratio": found.layer_by_layer_ticks / found.interval_ticks,
                }
            )
            same = predicted == (found.latency_ticks, found.total_ticks)
            report.require(same, f"{case.name}, {label}: predicted {predicted}, measured otherwise")
            if case.name == "ResNet-18 224" and pipeline:
                report.require(found.images_in_flight >= IMAGES, f"{case.name}: {found.images_in_flight} in flight")
            busiest = max(core.interval_ticks for core in found.cores[1:])
            report.require(found.interval_ticks <= busiest + 1, f"{case.name}, {label}: slower than its slowest core")
    report.add(f"streams of {IMAGES} images, 100 ns per crossbar operation", rows)


def integers(report: Report) -> None:
    """Sixteen images through the rings against the same steps one after the other and golden results."""
    rows: list[Row] = []
    for case in chosen(report):
        for label, replicate, pipeline in CHOICES:
            if case.name == "ResNet-18 224" and label == "one copy":
                continue  # the same steps with smaller turns: ten times as long
            program = case.compiled(replicate, pipeline)
            begun = time.process_time()
            expected = run_program(program, case.images)
            layers = time.process_time() - begun
            begun = time.process_time()
            run = run_pipelined(program, case.images)
            seconds = time.process_time() - begun
            (name,) = expected
            wrong = int((run.outputs[name] != expected[name]).sum())
            golden = "" if case.golden is None else int((run.outputs[name] != case.golden).sum())
            rows.append(
                {
                    "network": case.name,
                    "copies": label,
                    "values": expected[name].size,
                    "differ from layers": wrong,
                    "from golden": golden,
                    "in flight": run.images_in_flight,
                    "pixels": run.pixels,
                    "turns": run.bursts,
                    "CPU s": seconds,
                    "layers CPU s": layers,
                }
            )
            if case.name == "ResNet-18 224" and pipeline:
                report.require(run.images_in_flight >= IMAGES, f"{case.name}: {run.images_in_flight} run at once")
            report.require(wrong == 0, f"{case.name}, {label}: {wrong} values differ from layer by layer")
            if case.name == "CNV-W2A2":
                report.require(golden == 0, f"{case.name}, {label}: {golden} values differ from the golden ones")
    report.add(f"{IMAGES} images through the rings", rows)


def deadlocks(report: Report) -> None:
    """Every ring in turn one pixel below its window: both the runtime and the tick machine name the waits."""
    rows: list[Row] = []
    for case in chosen(report):
        if case.name == "ResNet-18 224":
            continue
        program = case.compiled(f"interval={SLOWEST}", "buffers=lines")
        dataflow = program.dataflow
        assert dataflow is not None
        machine = machine_of(program, dataflow)
        for number in sorted(machine.tables):
            channel = dataflow.channels[number]
            least = ring_minimum(program, number)
            if channel.size == (1, 1) or least < 2:
                continue
            channels = list(dataflow.channels)
            channels[number] = replace(channel, slots=least - 1)
            short = replace(program, dataflow=replace(dataflow, channels=tuple(channels)))
            texts = outcomes(short, case.images)
            named = all(f"waits for a slot of {least - 1}" in text for text in texts)
            report.require(named, f"{case.name}, ring {number} one pixel below its window: {texts}")
            rows.append({"network": case.name, "ring": number, "minimum": least, "one less": texts[0][:150]})
    report.add("rings one pixel below their window", rows)


def ring_minimum(program: Program, number: int) -> int:
    """Fewest slots that hold the window of a ring."""
    dataflow = program.dataflow
    assert dataflow is not None
    tables = machine_of(program, dataflow).tables[number]
    return int((tables.need - tables.freed[:-1]).max()) + 1


def outcomes(program: Program, images: Images) -> list[str]:
    """What the runtime and the tick machine say: a deadlock as text, or that they ended."""
    texts: list[str] = []
    for run in (lambda: run_pipelined(program, images).images, lambda: trace_program(program, IMAGES).images):
        try:
            texts.append(f"ran {run()} images")
        except DeadlockError as error:
            texts.append(error.message)
    return texts


def options(report: Report) -> None:
    """Buffers, handshake and fast axis as options of the pass, measured on the compiled programs."""
    rows: list[Row] = []
    for case in chosen(report):
        if case.name not in ("ResNet-8 int8", "digits"):
            continue
        for text in ("", "buffers=lines", "buffers=full", "handshake=row", "fast-axis=columns"):
            found = figures(case.compiled(f"interval={SLOWEST}", text))
            bits = sum(ring.bits for ring in found.channels)
            row: Row = {"network": case.name, "options": text or "default", "buffer bits": bits}
            rows.append(row | {"interval": found.interval_ticks, "latency": found.latency_ticks})
            report.require(
                found.predicted == (found.latency_ticks, found.total_ticks), f"{case.name} {text}: predicted"
            )
        by_option = {row["options"]: row for row in rows if row["network"] == case.name}
        default, full = by_option["default"], by_option["buffers=full"]
        report.require(default["latency"] == full["latency"], f"{case.name}: exact rings are slower than full maps")
        report.require(by_option["buffers=lines"]["buffer bits"] <= default["buffer bits"], f"{case.name}: lines")
        report.require(default["buffer bits"] < full["buffer bits"], f"{case.name}: exact rings save nothing")  # pyright: ignore[reportOperatorIssue]
    report.add("options of imc-pipeline-layers", rows)


def growth(report: Report) -> None:
    """The bottleneck of each program, and what another copy buys, by running the machine with it."""
    rows: list[Row] = []
    for case in chosen(report):
        found = figures(case.compiled(f"interval={SLOWEST}"))
        for entry in found.growth[:2]:
            rows.append(
                {
                    "network": case.name,
                    "interval": found.interval_ticks,
                    "latency": found.latency_ticks,
                    "one more copy of": ", ".join(name[-24:] for name in entry.cores)[:60],
                    "crossbars": entry.crossbars,
                    "interval then": entry.interval_ticks,
                    "latency then": entry.latency_ticks,
                }
            )
        report.require(found.growth[0].interval_ticks <= found.interval_ticks, f"{case.name}: another copy costs time")
    report.add("what another copy buys", rows)


TABLES = {
    "networks": networks,
    "integers": integers,
    "deadlocks": deadlocks,
    "options": options,
    "growth": growth,
}


def more_options(parser: argparse.ArgumentParser) -> None:
    """Adds the choice of networks."""
    parser.add_argument("--network", action="append", help="only networks whose name begins so")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the chosen tables; returns the exit status."""
    return run_tables(__doc__, TABLES, arguments, more_options)


if __name__ == "__main__":
    sys.exit(main())
