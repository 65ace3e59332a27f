"""Counted rows of whole programs: against the pass-by-pass oracle, through the API, the commands and the cost model."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pooled_program import PROGRAM, images
from sum_programs import machine, sum_program

import imcflow
from imcflow.compiled import CompiledProgram
from imcflow.errors import ImcflowError, TargetError
from imcflow.runtime.execution.oracle import run_kernel
from imcflow.runtime.execution.run import ProgramRun
from imcflow.runtime.program import ApKernel, Program
from imcflow.targets.ap_cost import program_cost
from imcflow.tools.imcflow_main import main

DATA = Path(str(files("imcflow") / "data"))
Counted = list[tuple[int, int, int]]


def counted(program: Program, inputs: dict[str, Any], **options: Any) -> Counted:
    run = ProgramRun(program, fidelity="count", **options)
    run(inputs)
    return [(step.matched_rows, step.tagged_rows, step.tagged_cells) for step in run.matches()]


def literally_counted(program: Program, inputs: dict[str, Any]) -> Counted:
    """The same, every array step pass by pass on the tensors that it reads."""
    names = [info.name for info in program.tensors]
    kept = ProgramRun(program)(inputs, keep=names)
    result: Counted = []
    for step in program.steps:
        if isinstance(step, ApKernel):
            maps = [
                kept[names[w.tensor]].astype(np.int64).reshape(-1, w.channels, w.height, w.width) for w in step.inputs
            ]
            target = program.target
            cells = step.array_count * target.tracks * target.domains
            oracle = run_kernel(step, maps, cell_count=cells, domains=target.domains, or_latch=target.or_latch)
            result.append((oracle.matches, oracle.tagged_rows, oracle.tagged_cells))
    return result


@pytest.mark.parametrize("target", ["rtm-ap-256", "rtm-ap-256-or"])
def test_the_bundled_network_is_counted_as_the_oracle_counts(target: str) -> None:
    program = imcflow.compile(DATA / "digits_cnn.onnx", target).program
    inputs = {"image": np.load(DATA / "digits_test.npz")["image"][:2]}
    expected = literally_counted(program, inputs)
    assert len(expected) == len(program.kernels)
    assert all(min(step) > 0 for step in expected)
    assert counted(program, inputs) == expected


@settings(max_examples=10, deadline=None)
@given(
    batch=st.integers(1, 40),
    threads=st.sampled_from([1, 2, 4]),
    words=st.sampled_from([None, 1, 2, 4, 8]),
    split=st.integers(0, 40),
)
def test_counts_do_not_depend_on_how_it_is_run(batch: int, threads: int, words: int | None, split: int) -> None:
    x = images(batch, seed=batch)
    whole = counted(PROGRAM, {"x": x}, threads=threads, block_words=words)
    assert whole == literally_counted(PROGRAM, {"x": x})
    parts = [counted(PROGRAM, {"x": part}, threads=threads) for part in (x[:split], x[split:]) if len(part)]
    assert np.array_equal(np.sum(parts, axis=0), whole)


def test_a_small_memory_budget_changes_no_count() -> None:
    x = images(40)
    run = ProgramRun(PROGRAM, fidelity="count")
    run({"x": x})
    whole = run.matches()
    run({"x": x}, memory_bytes=600_000)
    assert run.matches() == whole
    assert [step.name for step in whole] == ["conv", "dense"]
    assert whole[0].rows == 40 * 20


def test_only_counting_runs_have_counts() -> None:
    run = ProgramRun(PROGRAM, fidelity="micro")
    run({"x": images(1)})
    assert run.matches() == ()


def test_costs_take_counted_rows_instead_of_the_assumed_factor() -> None:
    target = machine()
    compiled = CompiledProgram(sum_program(target))
    matches = compiled.run_detailed({"x": np.array([[3, 5]], np.uint8)}, fidelity="count").matches
    cost = compiled.cost(target=target.name, images=300, activity=matches)
    # Bit 0, 1 + 1: C := 1. Bits 1 and 2, one 1 and the carry: nothing. Bit 3, the carry alone: C := 0 and R := 1.
    assert [(step.tagged_rows, step.tagged_cells) for step in matches] == [(2, 3)]
    assert cost.steps[0].energy.write == pytest.approx((3 + 12) * 512 * 23e-15)
    assumed = compiled.cost(target=target.name, images=300)
    assert cost.steps[0].energy.search == assumed.steps[0].energy.search
    assert cost.seconds == assumed.seconds
    assert cost.tagged_rows_factor == pytest.approx(3 / (4 * 0.75 + 1))
    assert assumed.tagged_rows_factor is None
    keys = {entry.key for entry in cost.sensitivity}
    assert keys == set(target.assumptions()) - {"energy.tagged_rows_factor"}
    for entry in cost.sensitivity:
        again = program_cost(compiled.program, target.with_value(entry.key, entry.high), images=300, activity=matches)
        assert entry.joules_at_high == pytest.approx(again.energy.total), entry.key


def test_activity_of_another_program_is_refused() -> None:
    run = ProgramRun(PROGRAM, fidelity="count")
    run({"x": images(1)})
    target = machine()
    with pytest.raises(TargetError, match="the activity says nothing on step 'sum'"):
        program_cost(sum_program(target), target, activity=[step for step in run.matches() if step.name == "dense"])
    run({"x": images(0)})
    with pytest.raises(TargetError, match="count at least one image"):
        program_cost(sum_program(target), target, activity=run.matches())


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    CompiledProgram(sum_program(machine())).save(tmp_path / "sums.imcp")
    np.savez(tmp_path / "in.npz", x=np.array([[3, 5]], np.uint8))
    return tmp_path


def test_run_prints_the_counts(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", str(saved / "sums.imcp"), "-i", str(saved / "in.npz"), "--fidelity", "count"]
    assert main([*arguments, "--json"]) == 0
    (step,) = json.loads(capsys.readouterr().out)["matches"]
    assert (step["name"], step["rows"], step["tagged_rows"], step["tagged_cells"]) == ("sum", 1, 2, 3)
    assert main(arguments) == 0
    assert "matching rows" in capsys.readouterr().out


def test_cost_counts_on_given_inputs(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["cost", str(saved / "sums.imcp"), "--activity", str(saved / "in.npz")]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["tagged_rows_factor"] == pytest.approx(0.75)
    assert [step["tagged_cells"] for step in report["activity"]] == [3]
    assert main(arguments) == 0
    assert "counted in 1 rows, 0.750 times" in capsys.readouterr().out
    assert main([*arguments, "--conventions", "physical"]) == 1
    assert "--activity is for associative processors" in capsys.readouterr().err


def test_crossbar_programs_have_no_rows_to_count() -> None:
    compiled = imcflow.compile(DATA / "digits_cnn.onnx", "dimc-64x16x8-dm32")
    with pytest.raises(ImcflowError, match="fidelity 'count' counts the rows of associative processors"):
        compiled.run({"image": np.load(DATA / "digits_test.npz")["image"][:1]}, fidelity="count")
    with pytest.raises(TargetError, match="no associative arrays whose activity"):
        compiled.cost(activity=())
