"""The figures, the trace and the text of a pipelined program."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pipelined import small_program, with_slots

from imcflow.errors import ProgramError
from imcflow.runtime.container import write_program
from imcflow.runtime.pipeline.assembly import dataflow_text
from imcflow.runtime.pipeline.execute import run_pipelined
from imcflow.runtime.pipeline.report import occupancy, pipeline_report, trace_program
from imcflow.runtime.pipeline.trace_file import trace_events
from imcflow.runtime.program import Program
from imcflow.tools.imcflow_main import main
from imcflow.tools.pipeline_text import report_text

IMAGES = 16


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return small_program(tmp_path_factory.mktemp("small"))


def test_figures_add_up(program: Program):
    trace = trace_program(program, IMAGES)
    report = pipeline_report(program, trace, step_ns=50.0)
    assert report.predicted == (report.latency_ticks, report.total_ticks)
    assert report.interval_ticks == 30
    assert report.images_per_second == pytest.approx(1e9 / (30 * 50))
    assert report.layer_by_layer_ticks == 30 + 30 + 4 + 1 + 1
    assert report.bottlenecks == ("input", "first", "second")
    for core, starts, ends in zip(report.cores, trace.starts, trace.ends, strict=True):
        assert core.first_start == starts[0]
        assert core.last_end == ends[-1]
        assert int((ends - starts).sum()) == len(starts) + core.held_ticks
        assert 0 < core.utilisation <= 1
    assert report.growth[0].cores == report.bottlenecks
    assert report.growth[0].interval_ticks < report.interval_ticks
    assert all(entry.latency_ticks < report.latency_ticks for entry in report.growth[1:])
    json.dumps(report.to_json())


def test_occupancy_counts_every_pixel_between_its_write_and_its_last_read(program: Program):
    trace = trace_program(program, 2)
    for number in trace.machine.tables:
        channel, tables = trace.machine.dataflow.channels[number], trace.machine.tables[number]
        ticks, levels = occupancy(trace, number)
        assert levels[-1] == 0
        written, read = trace.ends[channel.producer], trace.ends[channel.consumer]
        for tick in range(0, trace.total_ticks, 3):
            images, pixels = divmod(int((read <= tick).sum()), len(tables.freed) - 1)
            free = images * tables.pixels + int(tables.freed[pixels])
            expected = max(0, int((written <= tick).sum()) - free)
            at = int(np.searchsorted(ticks, tick, side="right")) - 1
            assert (int(levels[at]) if at >= 0 else 0) == expected


def test_the_trace_has_every_pixel_once(program: Program):
    events = trace_events(trace_program(program, IMAGES), step_ns=100.0)["traceEvents"]
    assert isinstance(events, list)
    spans = [event for event in events if event["ph"] == "X"]
    assert sum(event["args"]["pixels"] for event in spans) == IMAGES * (30 + 30 + 30 + 4 + 1 + 1)
    assert {event["name"] for event in spans} == {f"image {number}" for number in range(IMAGES)}
    assert [event for event in events if event["ph"] == "C"]


def test_text_names_cores_streams_and_tensors(program: Program):
    text = dataflow_text(program)
    assert (
        "channel 0: core 0 -> core 1, 13 slots of 2 values, window 3x3 stride 1x1 padding 1,1, 0 link ticks  ; x"
        in text
    )
    assert "        RECEIVE channel 0  ; x" in text
    assert "        COMPUTE step 0  ; first" in text
    report = report_text(pipeline_report(program, trace_program(program, IMAGES)))
    assert "bottleneck: input, first, second" in report
    assert ": equal)" in report
    with pytest.raises(ProgramError, match="is not pipelined"):
        dataflow_text(Program(**{**program.__dict__, "dataflow": None}))


def test_commands(program: Program, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, images = tmp_path / "p.imcp", tmp_path / "x.npz"
    write_program(program, path)
    inputs = np.random.default_rng(1).integers(-8, 8, (4, 2, 6, 5)).astype(np.int8)
    np.savez(images, x=inputs)
    assert main(["pipeline", str(path), "--images", "4", "--json", "--trace", str(tmp_path / "t.json")]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 4
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    assert main(["inspect", str(path), "--cores"]) == 0
    assert "LOOP count 0" in capsys.readouterr().out
    out = tmp_path / "y.npz"
    assert main(["run", str(path), "-i", str(images), "-o", str(out), "--pipelined", "--lanes", "2"]) == 0
    np.testing.assert_array_equal(np.load(out)["y"], run_pipelined(program, {"x": inputs}).outputs["y"])
    write_program(with_slots(program, 0, 11), path)
    assert main(["pipeline", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("imcflow: error: deadlock: step ")
    assert error.count("\n") == 1
