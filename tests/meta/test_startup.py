"""Starting a tool imports nothing heavy, and no later work numba once its loops are compiled.

Modules are counted, not seconds: a busy machine must not fail the test.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HEAVY = {
    "numpy",
    "onnx",
    "numba",
    "llvmlite",
    "networkx",
    "ortools",
    "pydantic",
    "rich",
    "yaml",
    "safetensors",
    "torch",
}
IMC_OPT = "from imcflow.tools.imc_opt_main import main; main({arguments})"
DIALECT = (
    "from xdsl.context import Context; from imcflow.universe import IMC_UNIVERSE; IMC_UNIVERSE.all_dialects['imc']()"
)


def imported_by(code: str) -> tuple[set[str], float]:
    """Run `code` in a fresh interpreter; return the top-level modules that it imported and its CPU seconds."""
    before = os.times()
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=False
    )
    after = os.times()
    assert result.returncode == 0, result.stderr[-2000:]
    modules = re.findall(r"^import time:.*\|\s*([\w.]+)$", result.stderr, re.MULTILINE)
    assert "imcflow.universe" in modules
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {module.split(".")[0] for module in modules}, cpu


@pytest.mark.parametrize(
    "code",
    ["import imcflow.universe", IMC_OPT.format(arguments="['--help']"), DIALECT],
    ids=["import", "imc-opt --help", "dialect"],
)
def test_nothing_heavy_is_imported(code: str, record_property: Callable[[str, object], None]):
    modules, cpu = imported_by(code)
    record_property("cpu_seconds", cpu)  # the budget of `imc-opt --help` is 0.6 s; shown with --junit-xml
    assert modules & HEAVY == set()


EVERY_LOOP = """
import sys
from importlib.resources import files
import numpy as np
import imcflow
from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import reduce_matrix
from imcflow.tools.imcflow_main import main

model, folder = str(files("imcflow") / "data" / "digits_cnn.onnx"), sys.argv[1]
imcflow.compile(model).run({"image": np.zeros((2, 1, 8, 8), np.uint8)})
assert main(["compile", model, "-t", "dimc-256x256-mesh", "-o", f"{folder}/streaming.imcp"]) == 0
assert main(["pipeline", f"{folder}/streaming.imcp"]) == 0
inputs = Bounds(np.full(6, -8), np.full(6, 7))
weights = np.random.default_rng(1).integers(-1, 2, (40, 6))
scales = np.where(weights > 0, 3, 5) * weights
for matrix, effort in ((weights, 0.0), (weights, 0.1), (scales, 0.0)):
    infer_bounds(reduce_matrix(matrix, inputs, repairs_per_term=effort), inputs)
print("numba:", "numba" in sys.modules)
"""


def test_compiled_loops_start_without_numba(tmp_path: Path):
    """The first process may have to compile them; the second one loads them."""
    for _ in range(2):
        command = [sys.executable, "-c", EVERY_LOOP, str(tmp_path)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert result.returncode == 0, result.stderr[-2000:]
    assert "numba: False" in result.stdout
