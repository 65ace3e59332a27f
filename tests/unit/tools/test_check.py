"""`imcflow check` pairs every tensor of a program with the right value of the reference, whatever mapping joined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from imcflow.tools.imcflow_main import main as imcflow

# A residual sum of two scales: four integer ops at the quantised level, three or four steps of a program.
RESIDUAL = """
func.func @main(%x: tensor<?x4x6x6xsi8> {imc.name = "x"}, %y: tensor<?x4x6x6xsi8> {imc.name = "y"})
    -> (tensor<?x4x6x6xsi8> {imc.name = "k"}) {
  %s = imc.constant dense<0.0384> : tensor<f32> as tensor<f32>
  %t = imc.constant dense<0.0991> : tensor<f32> as tensor<f32>
  %u = imc.constant dense<0.0776> : tensor<f32> as tensor<f32>
  %z = imc.constant dense<-7> : tensor<i8> as tensor<si8>
  %p = imc.dequantize %x, %s, %z : (tensor<?x4x6x6xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x4x6x6xf32> loc("left")
  %q = imc.dequantize %y, %t, %z : (tensor<?x4x6x6xsi8>, tensor<f32>, tensor<si8>) -> tensor<?x4x6x6xf32> loc("right")
  %a = imc.add %p, %q : (tensor<?x4x6x6xf32>, tensor<?x4x6x6xf32>) -> tensor<?x4x6x6xf32> loc("sum")
  %k = imc.quantize %a, %u, %z {low = -128 : i64, high = 127 : i64}
      : (tensor<?x4x6x6xf32>, tensor<f32>, tensor<si8>) -> tensor<?x4x6x6xsi8> loc("quantise")
  func.return %k : tensor<?x4x6x6xsi8>
}
"""


@pytest.mark.parametrize("target", ["rtm-ap-256", "dimc-64x16x8-dm32"])
def test_the_multiples_of_a_residual_sum_are_compared_one_by_one(
    target: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, program, inputs = (tmp_path / name for name in ("sum.mlir", "sum.imcp", "in.npz"))
    model.write_text(RESIDUAL, encoding="utf-8")
    random = np.random.default_rng(0)
    x, y = random.integers(-128, 128, (2, 3, 4, 6, 6)).astype(np.int8)
    np.savez(inputs, x=x, y=y)
    assert imcflow(["compile", str(model), "-t", target, "-o", str(program)]) == 0
    capsys.readouterr()
    assert imcflow(["check", str(model), str(program), "-i", str(inputs), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    compared = {entry["tensor"].partition("#")[0]: entry["compared"] for entry in report["tensors"]}
    assert {"left", "right", "quantise"} <= set(compared)
    assert report["uncompared"] == []
