"""Every op of the dialect is round-tripped, and every op with rules of its own has an invalid example."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from xdsl.ir import Operation

from imcflow.universe import IMC_UNIVERSE

FOLDER = Path(__file__).resolve().parents[1] / "filecheck" / "dialect"
OPS = {op.name: op for op in IMC_UNIVERSE.all_dialects["imc"]().operations}


def mentioned(*, invalid: bool) -> set[str]:
    files = [path for path in FOLDER.glob("*.mlir") if path.stem.endswith("_invalid") == invalid]
    assert files
    return {
        name for path in files for name in re.findall(r"^\s+(?:%\w+ = )?(imc\.\w+)", path.read_text(), re.MULTILINE)
    }


def has_rules(op: type[Operation]) -> bool:
    """Whether a class of the dialect, not xDSL's base, defines `verify_` for this op."""
    definer = next(cls for cls in op.__mro__ if "verify_" in vars(cls))
    return inspect.getmodule(definer) is not None and definer.__module__.startswith("imcflow.")


@pytest.mark.parametrize("name", OPS)
def test_the_op_is_printed_and_parsed(name: str):
    assert name in mentioned(invalid=False)


def test_each_family_of_rules_has_an_invalid_example():
    definers = {name: next(cls for cls in op.__mro__ if "verify_" in vars(cls)) for name, op in OPS.items()}
    tested = {definers[name] for name in mentioned(invalid=True)}
    assert {name for name, definer in definers.items() if has_rules(OPS[name]) and definer not in tested} == set()
