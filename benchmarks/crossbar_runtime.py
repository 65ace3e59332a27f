"""How fast crossbar programs run: ResNet-8 of MLPerf Tiny, batch 16, one thread, beside CrossSim where it is at hand.

    python benchmarks/crossbar_runtime.py                    table
    python benchmarks/crossbar_runtime.py --json FILE        also write it as JSON
    python benchmarks/crossbar_runtime.py --check            exit with 1 and name every figure that misses its bar
    python benchmarks/crossbar_runtime.py --crosssim FOLDER  a checkout of CrossSim 3.2, to run in the same process

Times are CPU times of this process per image, medians of interleaved repetitions. Ours is the whole network, from
int8 pixels to int8 classes, instruction by instruction; CrossSim's are its convolutions alone, without the digital
operations between them. Run with OPENBLAS_NUM_THREADS=1.

Read noise: one standard normal number per conversion times 1 unit cell, added to the column's sum before its
converter: what independent Gaussian noise of the cells adds up to. CrossSim samples it per cell and product.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import imcflow
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.execution.run import ProgramRun

MODEL = Path(__file__).resolve().parent.parent.parent / "shared" / "models" / "mlperf_tiny" / "ic_resnet8_int8.onnx"
TARGETS = Path(__file__).resolve().parent / "targets"
BATCH, REPEATS = 16, 9

# Convolutions of ResNet-8: input channels, output channels, kernel, stride, padded size of the input.
LAYERS = (
    (3, 16, 3, 1, 34),
    (16, 16, 3, 1, 34),
    (16, 16, 3, 1, 34),
    (16, 32, 1, 2, 32),
    (16, 32, 3, 2, 33),
    (32, 32, 3, 1, 18),
    (32, 64, 1, 2, 16),
    (32, 64, 3, 2, 17),
    (64, 64, 3, 1, 10),
)


@dataclass(frozen=True)
class Row:
    """One way to run the network: CPU milliseconds per image, ours and CrossSim's, and the bar for ours."""

    name: str
    ours_ms: float
    crosssim_ms: float | None
    bar_ms: float | None

    @property
    def holds(self) -> bool:
        """Whether ours is below its bar, and below what CrossSim needs in the same run."""
        below_peer = self.crosssim_ms is None or self.ours_ms < self.crosssim_ms
        return below_peer and (self.bar_ms is None or self.ours_ms <= self.bar_ms)


def our_runs() -> dict[str, Callable[[], object]]:
    """Return the compiled network on each target, ready to run a batch."""
    runs: dict[str, Callable[[], object]] = {}
    cases = {
        "digital, exact": ("dimc-256x64", None),
        "8-bit inputs, 8-bit converters": (str(TARGETS / "aimc-256x256-dac8.yaml"), None),
        "the same with read noise": (str(TARGETS / "aimc-256x256-dac8.yaml"), AnalogNoise(read_cells=1.0)),
        "inputs bit by bit, a conversion per bit": (str(TARGETS / "aimc-256x256-serial.yaml"), None),
    }
    for name, (target, noise) in cases.items():
        program = imcflow.compile(MODEL, target).program
        (port,) = program.inputs
        shape = (BATCH, *program.tensors[port.tensor].shape)
        inputs = {port.name: np.random.default_rng(0).integers(-128, 128, shape).astype(port.model_dtype)}
        run = ProgramRun(program, threads=1, noise=noise)
        runs[name] = lambda run=run, inputs=inputs: run(inputs)
    return runs


def crosssim_runs(folder: Path | None) -> tuple[dict[str, tuple[Callable[[], object], int, int]], str]:
    """Return CrossSim's convolutions by case, with images and repetitions; or none and why."""
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        from simulator import CrossSimParameters  # pyright: ignore
        from simulator.algorithms.dnn.analog_convolution import AnalogConvolution2D  # pyright: ignore
    except ImportError as error:
        return {}, f"CrossSim not measured: {error} (give its checkout with --crosssim FOLDER)"
    rng = np.random.default_rng(0)

    def network(images: int, *, serial: bool, noise: bool) -> Callable[[], object]:
        layers: list[tuple[Any, np.ndarray]] = []
        for inputs, outputs, kernel, stride, size in LAYERS:
            layer: Any = AnalogConvolution2D(
                _parameters(CrossSimParameters(), serial=serial, noise=noise),
                inputs,
                outputs,
                (kernel, kernel),
                (stride, stride),
                (1, 1),
                1,
                0,
            )
            layer.set_matrix(rng.normal(size=(outputs, inputs * kernel * kernel)).astype(np.float32) * 0.1)
            layers.append((layer, rng.uniform(-1, 1, (images, inputs, size, size)).astype(np.float32)))
        return lambda: [layer.apply(x) for layer, x in layers]

    return {
        "8-bit inputs, 8-bit converters": (network(BATCH, serial=False, noise=False), BATCH, REPEATS),
        "the same with read noise": (network(1, serial=False, noise=True), 1, 1),
        "inputs bit by bit, a conversion per bit": (network(BATCH, serial=True, noise=False), BATCH, 1),
    }, ""


def _parameters(p: Any, *, serial: bool, noise: bool) -> Any:
    """8-bit weights in balanced pairs on 256 rows, signed 8-bit converters, range of the largest sum."""
    p.core.style = "BALANCED"
    p.core.rows_max = 256
    p.core.weight_bits, p.xbar.device.cell_bits = 8, 7
    p.xbar.device.infinite_on_off_ratio = True
    p.xbar.dac.mvm.bits, p.xbar.dac.mvm.model, p.xbar.dac.mvm.signed = 8, "SignMagnitudeDAC", True
    p.xbar.dac.mvm.input_bitslicing, p.xbar.dac.mvm.slice_size = serial, 1
    p.core.mapping.inputs.mvm.min, p.core.mapping.inputs.mvm.max = -1.0, 1.0
    p.xbar.adc.mvm.bits, p.xbar.adc.mvm.model, p.xbar.adc.mvm.signed = 8, "SignMagnitudeADC", True
    p.xbar.adc.mvm.adc_range_option, p.xbar.adc.mvm.adc_per_ibit = "MAX", serial
    if noise:
        p.xbar.device.read_noise.enable = True
        p.xbar.device.read_noise.model, p.xbar.device.read_noise.magnitude = "NormalIndependentDevice", 0.01
    return p


def main() -> int:
    """Measure, print, write, check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--crosssim", type=Path)
    arguments = parser.parse_args()
    if not MODEL.is_file():
        print("skipped: the MLPerf Tiny networks are not beside this checkout")
        return 0
    ours = our_runs()
    peers, reason = crosssim_runs(arguments.crosssim)
    times: dict[str, list[float]] = {name: [] for name in ours}
    peer_times: dict[str, list[float]] = {name: [] for name in peers}

    def cpu_ms(run: Callable[[], object], images: int) -> float:
        start = time.process_time()
        run()
        return (time.process_time() - start) * 1e3 / images

    for repeat in range(REPEATS + 1):
        for name, run in ours.items():
            spent = cpu_ms(run, BATCH)
            if repeat:
                times[name].append(spent)
        for name, (run, images, repeats) in peers.items():
            if 1 <= repeat <= repeats:
                peer_times[name].append(cpu_ms(run, images))
    bars = {
        "8-bit inputs, 8-bit converters": 1.75,
        "the same with read noise": 4.0,
        "inputs bit by bit, a conversion per bit": 10.0,
    }
    rows = [
        Row(
            name,
            statistics.median(values),
            statistics.median(peer_times[name]) if peer_times.get(name) else None,
            bars.get(name),
        )
        for name, values in times.items()
    ]
    print(f"{'ResNet-8, ms per image':42} {'ours':>8} {'CrossSim':>9} {'bar':>6}")
    for row in rows:
        peer = "-" if row.crosssim_ms is None else f"{row.crosssim_ms:.2f}"
        bar = "-" if row.bar_ms is None else f"{row.bar_ms:g}"
        print(f"{row.name:42} {row.ours_ms:8.2f} {peer:>9} {bar:>6}{'' if row.holds else '  MISSED'}")
    if reason:
        print(reason)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    missed = [row.name for row in rows if not row.holds]
    if arguments.check and missed:
        print(f"missed: {'; '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
