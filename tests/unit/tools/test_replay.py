"""The pipeline is text: what `imcflow compile` prints, `imc-opt` replays; and `xdsl-opt` knows our passes."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from imcflow.tools.imc_opt_main import main as imc_opt
from imcflow.tools.imcflow_main import main as imcflow
from imcflow.universe import PASSES

LINALG_LAYER = """
func.func @main(%x: tensor<1x8xi8>) -> tensor<1x2xi32> {
  %w = arith.constant dense<[[1, -1], [0, 1], [1, 1], [-1, 0], [1, 1], [0, -1], [1, 0], [1, -1]]> : tensor<8x2xi8>
  %zero = arith.constant dense<[[5, -5]]> : tensor<1x2xi32>
  %y = linalg.generic {indexing_maps = [affine_map<(n, m, k) -> (n, k)>, affine_map<(n, m, k) -> (k, m)>,
                                        affine_map<(n, m, k) -> (n, m)>],
                       iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<1x8xi8>, tensor<8x2xi8>) outs(%zero : tensor<1x2xi32>) {
  ^bb0(%a: i8, %b: i8, %acc: i32):
    %a32 = arith.extsi %a : i8 to i32
    %b32 = arith.extsi %b : i8 to i32
    %p = arith.muli %a32, %b32 : i32
    %s = arith.addi %acc, %p : i32
    linalg.yield %s : i32
  } -> tensor<1x2xi32>
  func.return %y : tensor<1x2xi32>
}
"""
DIGITS = str(files("imcflow") / "data" / "digits_cnn.onnx")


def test_the_time_of_every_stage_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["compile", DIGITS, "-o", str(tmp_path / "p.imcp"), "--time-passes", "--json"]
    assert imcflow(command) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    stages = [line.partition(":")[0] for line in captured.err.splitlines()]
    assert stages[0] == "import"
    assert stages[-1] == "translation"
    assert {"imc-unroll", "imc-reduce-arithmetic", "imc-emit-program"} <= set(stages)


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


def test_options_of_passes_are_set_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed, replayed = tmp_path / "changed.imcp", tmp_path / "replayed.imcp"
    settings = ["--set", "imc-unroll.arrays-per-layer=2", "--set", "imc-canonicalize.fold_scales=false"]
    assert imcflow(["compile", DIGITS, *settings, "-o", str(changed)]) == 0
    capsys.readouterr()
    assert imcflow(["compile", DIGITS, *settings, "--print-pipeline"]) == 0
    pipeline = capsys.readouterr().out.strip()
    assert 'imc-unroll{target="rtm-ap-256" arrays-per-layer=2}' in pipeline
    assert pipeline.count("imc-canonicalize{fold_scales=false}") == 2
    assert imc_opt([DIGITS, "-p", pipeline, "-t", "imcp", "-o", str(replayed)]) == 0
    assert replayed.read_bytes() == changed.read_bytes()


def test_a_linalg_file_compiles_and_replays_like_a_network(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, compiled, replayed = tmp_path / "layer.mlir", tmp_path / "compiled.imcp", tmp_path / "replayed.imcp"
    model.write_text(LINALG_LAYER, encoding="utf-8")
    inputs = tmp_path / "in.npz"
    np.savez(inputs, input=np.arange(-8, 8, dtype=np.int8).reshape(2, 8))
    assert imcflow(["compile", str(model), "-o", str(compiled)]) == 0
    assert imcflow(["check", str(model), str(compiled), "-i", str(inputs)]) == 0
    capsys.readouterr()
    assert imcflow(["compile", str(model), "--print-pipeline"]) == 0
    pipeline = capsys.readouterr().out.strip()
    assert pipeline.startswith("convert-linalg-to-imc,")
    assert imc_opt([str(model), "-p", pipeline, "-t", "imcp", "-o", str(replayed)]) == 0
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
