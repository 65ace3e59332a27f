"""The pipeline is text: what `imcflow compile` prints, `imc-opt` replays; and `xdsl-opt` knows our passes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from imcflow.tools.imc_opt_main import main as imc_opt
from imcflow.tools.imcflow_main import main as imcflow
from imcflow.universe import PASSES

DIGITS = str(files("imcflow") / "data" / "digits_cnn.onnx")


def test_imc_opt_replays_the_printed_pipeline_to_the_same_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled, replayed = tmp_path / "compiled.imcp", tmp_path / "replayed.imcp"
    assert imcflow(["compile", DIGITS, "-o", str(compiled)]) == 0
    capsys.readouterr()
    assert imcflow(["compile", DIGITS, "--print-pipeline"]) == 0
    pipeline = capsys.readouterr().out.strip()
    assert imc_opt([DIGITS, "-p", pipeline, "-t", "imcp", "-o", str(replayed)]) == 0
    assert replayed.read_bytes() == compiled.read_bytes()


def test_any_level_of_the_dumped_ir_continues_to_the_same_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, resumed = tmp_path / "whole.imcp", tmp_path / "resumed.imcp"
    assert imcflow(["compile", DIGITS, "-o", str(whole), "--dump-ir", str(tmp_path / "ir")]) == 0
    capsys.readouterr()
    assert imcflow(["compile", DIGITS, "--print-pipeline"]) == 0
    passes = capsys.readouterr().out.strip().split(",imc-")
    position = next(number for number, text in enumerate(passes) if text.startswith("unroll"))
    (dumped,) = (tmp_path / "ir").glob(f"{position:02}_*.mlir")
    rest = ",".join("imc-" + text for text in passes[position:])
    assert imc_opt([str(dumped), "-p", rest, "-t", "imcp", "-o", str(resumed)]) == 0
    summaries = []
    for path in (whole, resumed):
        assert imcflow(["inspect", str(path), "--json"]) == 0
        summaries.append(json.loads(capsys.readouterr().out))
    assert summaries[0]["hash"] == summaries[1]["hash"]


@pytest.fixture
def xdsl_opt() -> Path:
    tool = Path(sys.executable).with_name("xdsl-opt")
    if not tool.exists():
        pytest.skip("xdsl-opt is not installed beside this Python")
    return tool


def test_xdsl_opt_lists_the_passes(xdsl_opt: Path) -> None:
    listed = subprocess.run([xdsl_opt, "--help"], capture_output=True, text=True, check=True).stdout
    # The help page breaks lines inside names, at hyphens.
    unbroken = "".join(listed.split())
    assert [name for name in PASSES if name not in unbroken] == []


def test_xdsl_opt_reads_the_dialect_and_runs_a_pass(xdsl_opt: Path, tmp_path: Path) -> None:
    source = tmp_path / "relu.mlir"
    source.write_text(
        "func.func @main(%x: tensor<?x4xsi4>) -> tensor<?x4xsi9> {\n"
        "  %y = imc.relu %x : (tensor<?x4xsi4>) -> tensor<?x4xsi9>\n"
        "  func.return %y : tensor<?x4xsi9>\n}\n"
    )
    done = subprocess.run([xdsl_opt, source, "-p", "imc-narrow-ranges"], capture_output=True, text=True, check=True)
    assert "imc.relu %x : (tensor<?x4xsi4>) -> tensor<?x4xui3>" in done.stdout
