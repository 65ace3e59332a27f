"""Executed programs beside every integer that the authors of third-party networks stored.

    python benchmarks/exactness.py                      print the table
    python benchmarks/exactness.py --json FILE          also write it as JSON
    python benchmarks/exactness.py --check              exit with 1 and name every network that misses
    python benchmarks/exactness.py --networks dory/tcn_1d,mlperf/sww --targets dimc-256x64 --fidelity micro
    python benchmarks/exactness.py --samples 10         at most so many samples of each network

One row per network and target. `tensors` are the golden tensors that the program has, `values` their integers on the
stored samples, `differ` how many are not the program's. `fused` layers are steps inside a longer step function; rows
marked `inside` are compiled so that they, and all accumulators, are tensors. Without the networks beside the checkout
there is nothing to compare, and the script says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "support"))

from golden_networks import MODELS, NAMES, compare, compiled, network, observed

TARGETS = ("dimc-256x64", "rtm-ap-256")
LOOK_INSIDE = ("dory/dronet_v3", "cnv/cnvW2A2_affine", "cnv/cnvW2A2_qonnx")
"""Networks with stored tensors that a default program computes inside a longer step function."""

TOLERANCE = 5e-4
"""The model set states accuracies in per mille."""


@dataclass(frozen=True)
class Row:
    """One network on one target.

    Attributes:
        mode: `litert` or `onnx` arithmetic; `inside` for a program that is compiled to be looked into.
        accuracy, stated: of the program, and of the model set.
        compile_s, run_s: CPU seconds.
    """

    network: str
    target: str
    fidelity: str
    mode: str
    samples: int
    tensors: int
    fused: int
    values: int
    differ: int
    accuracy: float | None
    stated: float | None
    compile_s: float
    run_s: float

    @property
    def holds(self) -> bool:
        """Whether no value differs and the accuracy is the stated one."""
        if self.stated is not None and (self.accuracy is None or abs(self.accuracy - self.stated) > TOLERANCE):
            return False
        return self.differ == 0


def measure(name: str, target: str, fidelity: str, mode: str, samples: int | None) -> Row:
    """Compile and run one network and compare it with what is stored."""
    golden = network(name, "onnx" if mode == "onnx" else "litert")
    inside = mode == "inside"
    golden = observed(golden) if inside else golden
    golden = golden.first(min(samples or golden.samples, 4 if inside else golden.samples))
    start = time.process_time()
    program = compiled(golden, target, look_inside=inside)
    ready = time.process_time()
    result = compare(golden, program, fidelity=fidelity)
    end = time.process_time()
    return Row(
        name,
        target,
        fidelity,
        mode,
        golden.samples,
        len(result.tensors),
        len(result.fused),
        result.values,
        result.differ,
        result.accuracy,
        golden.accuracy,
        ready - start,
        end - ready,
    )


def jobs(names: list[str], targets: list[str]) -> list[tuple[str, str, str]]:
    """Return (network, target, mode) of every row; the file's own arithmetic has an accuracy and no golden layers."""
    rows: list[tuple[str, str, str]] = []
    for target in targets:
        for name in names:
            is_mlperf = name.startswith("mlperf/")
            rows.append((name, target, "litert" if is_mlperf else "file"))
            if is_mlperf and network(name, "onnx").accuracy is not None:
                rows.append((name, target, "onnx"))
            if name in LOOK_INSIDE:
                rows.append((name, target, "inside"))
    return rows


def main() -> int:
    """Print the table; see the module docstring."""
    parser = argparse.ArgumentParser(description="Executed programs beside the stored integers of third parties")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--networks", default=",".join(NAMES))
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--fidelity", choices=("word", "micro"), default="word")
    parser.add_argument("--samples", type=int)
    arguments = parser.parse_args()
    if not MODELS.is_dir():
        print(f"no networks in {MODELS.parent.name}/{MODELS.name} beside the checkout: nothing to compare")
        return 0
    print(
        f"{'network':36}{'target':12} {'mode':7}{'samples':>8}{'tensors':>8}{'fused':>6}{'values':>10}{'differ':>7}"
        f"{'accuracy':>9}{'stated':>7}{'compile s':>10}{'run s':>7}"
    )
    rows: list[Row] = []
    for name, target, mode in jobs(arguments.networks.split(","), arguments.targets.split(",")):
        row = measure(name, target, arguments.fidelity, mode, arguments.samples)
        rows.append(row)
        accuracy, stated = ("-" if part is None else f"{part:.3f}" for part in (row.accuracy, row.stated))
        mark = "" if row.holds else "  MISSED"
        print(
            f"{row.network:36}{row.target:12} {row.mode:7}{row.samples:8}{row.tensors:8}{row.fused:6}{row.values:10,}"
            f"{row.differ:7}{accuracy:>9}{stated:>7}{row.compile_s:10.1f}{row.run_s:7.1f}{mark}",
            flush=True,
        )
    values, differ = sum(row.values for row in rows), sum(row.differ for row in rows)
    print(f"{len(rows)} runs, {values:,} stored values compared, {differ} differ")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    missed = [row for row in rows if not row.holds]
    for row in missed:
        print(f"missed: {row.network} on {row.target} ({row.mode}): {row.differ} of {row.values} values differ")
    return 1 if arguments.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
