"""Traces, profiles and time limits: what ran is recorded once, and an ended run leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pooled_program import PROGRAM, images, reference

import imcflow
from imcflow.compiled import CompiledProgram
from imcflow.errors import ImcflowError
from imcflow.runtime.execution import watch
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.execution.watch import Trace
from imcflow.tools.imcflow_main import main

STEPS = ["conv", "pool", "flat", "dense"]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_trace_has_every_step_and_range_and_changes_no_result(threads: int) -> None:
    trace, x = Trace(), images(33)
    result = run_program(PROGRAM, {"x": x}, threads=threads, block_words=1, trace=trace)
    assert np.array_equal(result["logits"], reference(x)[1])
    times = trace.step_times()
    assert [time.step for time in times] == STEPS
    assert [time.kernel for time in times] == [*("padded map, word x64", "numpy max_pool", "", "padded map, word x64")]
    for time in times:
        assert time.kernel_ms <= threads * time.wall_ms
    steps = [span for span in trace.spans if span.worker == -1]
    for span in trace.spans:
        (whole,) = [step for step in steps if step.step == span.step]
        assert whole.start_ns <= span.start_ns <= span.stop_ns <= whole.stop_ns


def test_a_trace_is_trace_event_json() -> None:
    trace = Trace()
    run_program(PROGRAM, {"x": images(3)}, threads=1, trace=trace)
    events = json.loads(json.dumps(trace.to_json()))["traceEvents"]
    names = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {0: "steps", 1: "worker 0"}
    complete = [event for event in events if event["ph"] == "X"]
    assert [event["name"] for event in complete if event["tid"] == 0] == STEPS
    assert min(event["ts"] for event in complete) == 0
    assert all(event["dur"] >= 0 for event in complete)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_time_limit_names_the_step(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(watch.time, "monotonic", lambda: next(now))
    with pytest.raises(ImcflowError, match=r"time limit of 4 s is over in step '(conv|pool)'"):
        run_program(PROGRAM, {"x": images(33)}, threads=threads, block_words=1, time_limit_s=4)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time_limit_without_a_positive_number(seconds: float) -> None:
    with pytest.raises(ImcflowError, match="time limit must be a positive number of seconds"):
        run_program(PROGRAM, {"x": images(1)}, time_limit_s=seconds)


def test_the_command_profiles_traces_and_gives_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, inputs, outputs, trace = (tmp_path / name for name in ("p.imcp", "in.npz", "out.npz", "trace.json"))
    CompiledProgram(imcflow.compile(Path(imcflow.__file__).parent / "data" / "digits_cnn.onnx").program).save(program)
    with np.load(Path(imcflow.__file__).parent / "data" / "digits_test.npz") as samples:
        np.savez(inputs, image=samples["image"][:4])
    command = ["run", str(program), "-i", str(inputs), "-o", str(outputs)]
    assert main([*command, "--time-limit", "1e-9"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("imcflow: error: time limit of 1e-09 s is over in step")
    assert error.count("\n") == 1
    assert not outputs.exists()
    assert main([*command, "--profile", "--trace", str(trace)]) == 0
    printed = capsys.readouterr().out
    assert "ms in the kernel" in printed
    assert "word x" in printed
    assert json.loads(trace.read_text())["traceEvents"]
    assert outputs.exists()
