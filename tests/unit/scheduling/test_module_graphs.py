"""Layers found in modules: the published shapes, joins, and a network that is scheduled on a DRAM."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imcflow
from imcflow import scheduling
from imcflow.api import import_file
from imcflow.errors import ImcflowError
from imcflow.passes.overlap.layers import Edge
from imcflow.passes.overlap.module_graph import module_graph

DATA = Path(imcflow.__file__).parent / "data"


def test_the_bundled_network_is_a_chain_with_pools_on_its_edges() -> None:
    graph = module_graph(import_file(DATA / "digits_cnn.onnx", {})).graph
    assert len(graph.layers) == 5
    for index, layer in enumerate(graph.layers):
        assert {edge.producer for edge in layer.edges} == ({index - 1} if index else set())
    assert any(edge.pools for layer in graph.layers for edge in layer.edges)


def test_a_residual_network_joins_at_outputs(models_dir: Path) -> None:
    path = models_dir / "mlperf_tiny" / "ic_resnet8_fp32.onnx"
    graph = module_graph(import_file(path, {})).graph
    assert len(graph.layers) == 10
    assert graph.layers[-1].edges == (Edge.whole(graph.layers[-1].edges[0].producer),)
    assert sum(edge.at_output for layer in graph.layers for edge in layer.edges) == 3
    assert sum(layer.macs for layer in graph.layers) == 12_501_632


def test_a_network_is_scheduled_on_a_dram() -> None:
    timeline = scheduling.timeline(DATA / "digits_cnn.onnx", target="dram-pim-hbm2")
    assert timeline.bound <= timeline.end <= timeline.sequential
    figures = timeline.figures()
    assert figures["end"] - figures["bound"] == figures["headroom"]
    trace = json.loads(json.dumps(timeline.trace()))
    bars = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert len(bars) == len(timeline.start)
    assert max(bar["ts"] + bar["dur"] for bar in bars) == pytest.approx(timeline.end / 1e6)
    svg = timeline.svg()
    assert svg.startswith("<svg")
    assert svg.rstrip().endswith("</svg>")
    assert svg.count("<title>") > len(timeline.units)


def test_a_scheduled_program_is_shown_after_its_replay(tmp_path: Path) -> None:
    program = imcflow.compile(DATA / "digits_cnn.onnx", "dimc-64x16x8-dm32", schedule="forward")
    program.save(tmp_path / "p.imcp")
    timeline = scheduling.timeline(tmp_path / "p.imcp")
    assert timeline.end == program.program.schedule.end_cycles  # pyright: ignore[reportOptionalMemberAccess]
    assert len(timeline.layer_rows()) == len(program.program.steps)


@pytest.mark.parametrize(
    ("target", "message"),
    [(None, "needs a DRAM"), ("rtm-ap-256", "compile with --schedule forward"), ("nothing", "nothing")],
)
def test_what_cannot_be_scheduled_is_said(target: str | None, message: str) -> None:
    with pytest.raises(ImcflowError, match=message):
        scheduling.timeline(DATA / "digits_cnn.onnx", target=target)


@pytest.mark.slow
def test_workers_and_seeds_are_repeatable() -> None:
    first, second = (scheduling.timeline(DATA / "digits_cnn.onnx", target="dram-pim-hbm2", workers=2) for _ in range(2))
    assert first.start.tolist() == second.start.tolist()
