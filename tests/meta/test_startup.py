"""Starting a tool imports nothing heavy. Modules are counted, not seconds: a busy machine must not fail the test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable

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
