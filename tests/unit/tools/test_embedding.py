"""Other compilers hand over networks in memory: xDSL modules and ONNX models compile like files."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
import pytest
from mlir_text import parsed

import imcflow
from imcflow.api import import_file
from imcflow.errors import ModelError

DIGITS = Path(str(files("imcflow") / "data" / "digits_cnn.onnx"))
LINALG_CONV = """
func.func @main(%x: tensor<1x2x4x4xi8> {imc.name = "image"}) -> (tensor<1x1x2x2xi32> {imc.name = "sums"}) {
  %w = arith.constant dense<[[[[1, 0, -1], [0, 1, 0], [1, 1, 0]],
                              [[0, 0, 1], [-1, 0, 0], [0, 1, 1]]]]> : tensor<1x2x3x3xi8>
  %zero = arith.constant dense<0> : tensor<1x1x2x2xi32>
  %y = linalg.conv_2d_nchw_fchw {dilations = dense<1> : tensor<2xi64>, strides = dense<1> : tensor<2xi64>}
      ins(%x, %w : tensor<1x2x4x4xi8>, tensor<1x2x3x3xi8>) outs(%zero : tensor<1x1x2x2xi32>) -> tensor<1x1x2x2xi32>
  func.return %y : tensor<1x1x2x2xi32>
}
"""


def test_a_model_in_memory_gives_the_program_of_its_file():
    from_file = imcflow.compile(DIGITS)
    assert imcflow.compile(onnx.load(DIGITS)).content_hash == from_file.content_hash
    module = import_file(DIGITS, {})
    before = str(module)
    assert imcflow.compile(module).content_hash == from_file.content_hash
    assert str(module) == before, "the module of another compiler stays as it is"


def test_a_linalg_module_in_memory_is_converted():
    images = np.random.default_rng(3).integers(-128, 128, (2, 2, 4, 4)).astype(np.int8)
    module = parsed(LINALG_CONV)
    sums = imcflow.compile(module, target="dimc-256x64").run({"image": images})["sums"]
    weights = np.array([[[1, 0, -1], [0, 1, 0], [1, 1, 0]], [[0, 0, 1], [-1, 0, 0], [0, 1, 1]]])
    windows = np.lib.stride_tricks.sliding_window_view(images.astype(np.int64), (3, 3), axis=(2, 3))
    np.testing.assert_array_equal(sums[:, 0], np.einsum("nchwij,cij->nhw", windows, weights))
    assert sums.dtype == np.int32


@pytest.mark.parametrize("target", ["rtm-ap-256", "dimc-256x64"])
def test_the_example_of_embedding_runs(repository: Path, target: str):
    script = repository / "examples" / "embed_in_a_compiler.py"
    done = subprocess.run([sys.executable, script, target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all equal" in done.stdout


def test_input_types_are_refused_for_a_module():
    with pytest.raises(ModelError, match="a module states its types"):
        imcflow.compile(parsed(LINALG_CONV), input_types={"image": "si4"})
