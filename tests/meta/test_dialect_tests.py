"""Every op of the dialect is round-tripped, and every op with rules of its own has an invalid example."""

from __future__ import annotations

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


def definer_of_rules(op: type[Operation]) -> type:
    """The class that defines `verify_` for this op; the first class of the order is xDSL's wrapper of the second."""
    return next(cls for cls in op.__mro__[1:] if "verify_" in vars(cls))


@pytest.mark.parametrize("name", OPS)
def test_the_op_is_printed_and_parsed(name: str):
    assert name in mentioned(invalid=False)


def test_each_family_of_rules_has_an_invalid_example():
    definers = {name: definer_of_rules(op) for name, op in OPS.items()}
    tested = {definers[name] for name in mentioned(invalid=True)}
    own_rules = {name: definer for name, definer in definers.items() if definer.__module__.startswith("imcflow.")}
    assert {name for name, definer in own_rules.items() if definer not in tested} == set()
