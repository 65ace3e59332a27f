"""`imcflow compare`, and `imcflow cost` of crossbar programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import imcflow
from imcflow.api import CompileOptions
from imcflow.comparison import Comparison, compare_targets
from imcflow.errors import ImcflowError, TargetError
from imcflow.tools.imcflow_main import main

MODEL = Path(imcflow.__file__).parent / "data" / "digits_cnn.onnx"
TARGETS = ("rtm-ap-256", "dimc-64x16x8-dm32", "aimc-256x64")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare_targets(MODEL, TARGETS, CompileOptions())


def test_targets_of_all_kinds_stand_side_by_side(comparison: Comparison):
    assert comparison.kinds == dict(zip(TARGETS, ("ap", "dimc", "aimc"), strict=True))
    layers = comparison.layers()
    assert list(layers)[:3] == ["quant0", "quant1", "quant2"]
    # The associative processor adds the two tensors in an array; beside macros the digital unit does.
    assert list(layers).index("quant5") == list(layers).index("quant4") + 1
    assert layers["quant5"]["rtm-ap-256"].units == ("array",)
    assert set(layers["quant5"]["dimc-64x16x8-dm32"].units) == {"add", "threshold"}
    assert layers["quant1"]["rtm-ap-256"].units == ("array",)
    assert layers["quant1"]["aimc-256x64"].units == ("crossbar",)
    for target, cost in comparison.costs.items():
        rows = [row[target] for row in layers.values() if target in row]
        assert sum(row.seconds for row in rows) == pytest.approx(cost.seconds)
        assert sum(row.joules for row in rows) == pytest.approx(cost.energy.total)


def test_a_node_that_others_fold_away_stands_behind_its_predecessor(comparison: Comparison):
    cost = comparison.costs["dimc-64x16x8-dm32"]
    steps = tuple(replace(step, onnx_nodes=("own",)) if step.name == "pool1" else step for step in cost.steps)
    changed = replace(comparison, costs={**comparison.costs, "dimc-64x16x8-dm32": replace(cost, steps=steps)})
    nodes = list(changed.layers())
    assert nodes.index("own") == nodes.index("quant2") + 1
    assert set(changed.layers()["own"]) == {"dimc-64x16x8-dm32"}
    (row,) = [line for line in changed.table().splitlines() if line.startswith("own ")]
    assert row.split().count("-") == 4


def test_costs_are_those_of_the_programs_alone(comparison: Comparison):
    for target in TARGETS:
        alone = imcflow.compile(MODEL, target).cost()
        assert comparison.costs[target].to_json() == alone.to_json()


def test_json_and_table_hold_the_same(comparison: Comparison):
    data = json.loads(json.dumps(comparison.to_json()))
    assert list(data["targets"]) == list(TARGETS)
    assert [layer["node"] for layer in data["layers"]] == list(comparison.layers())
    text = comparison.table()
    for target in TARGETS:
        assert text.count(target) == 3
        assert f"{data['targets'][target]['cycles']:,.0f}" in text


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["rtm-ap-256"], "compare: give at least two targets"),
        (["rtm-ap-256", "dimc-256x64", "rtm-ap-256"], "compare: target 'rtm-ap-256' is given twice"),
        (["rtm-ap-256", "dimc-256x65"], "unknown target 'dimc-256x65'"),
    ],
)
def test_wrong_targets_are_refused_in_one_line(targets: list[str], message: str, capfd: pytest.CaptureFixture[str]):
    arguments = ["compare", str(MODEL), *(part for target in targets for part in ("-t", target))]
    assert main(arguments) == 1
    out, error = capfd.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert message in error


def test_the_command_line_costs_crossbar_programs(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    program = imcflow.compile(MODEL, "dimc-256x64")
    file = tmp_path / "digits.imcp"
    program.save(file)
    assert main(["cost", str(file), "--json", "--images", "3"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data == json.loads(json.dumps(program.cost(images=3).to_json()))
    assert main(["cost", str(file), "--conventions", "zigzag-3.9", "--json"]) == 0
    data = json.loads(capfd.readouterr().out)
    assert data["conventions"] == "zigzag-3.9"
    assert [layer["name"] for layer in data["layers"]] == [kernel.name for kernel in program.program.crossbar_kernels]
    assert main(["cost", str(file)]) == 0
    weights = sum(kernel.resident_weights for kernel in program.counters().crossbar)
    assert weights > 0
    assert f"weights: {weights:,} stay in the cells" in capfd.readouterr().out


def test_conventions_need_crossbars_and_a_known_name():
    with pytest.raises(TargetError, match="conventions 'timeloop' are unknown; choose physical"):
        imcflow.compile(MODEL, "dimc-256x64").estimate(conventions="timeloop")
    with pytest.raises(ImcflowError, match="of kind ap: conventions are those of models of crossbar macros"):
        imcflow.compile(MODEL, "rtm-ap-256").estimate()
