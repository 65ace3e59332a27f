"""The placement read back from a program's streams, as text, as SVG and in the report."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

import imcflow
from imcflow.compiled import CompiledProgram
from imcflow.errors import ImcflowError
from imcflow.passes.packing.program_placement import program_placement
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.tools.imcflow_main import main

MODEL = Path(imcflow.__file__).parent / "data" / "digits_cnn.onnx"


@pytest.fixture(scope="module")
def packed() -> CompiledProgram:
    return imcflow.compile(MODEL, "dimc-64x16x8-dm32")


def test_the_picture_shows_every_load_of_the_streams(packed: CompiledProgram):
    placed = program_placement(packed.program)
    assert placed is not None
    assert placed.reloaded == {}
    loads = sum(int((k.instructions["opcode"] == TileOpcode.LOAD).sum()) for k in packed.program.crossbar_kernels)
    assert len(placed.placement.slices) == loads
    stored = sum(piece.channels * piece.reductions for piece in placed.placement.slices)
    assert f"{stored:,} weights stay in " in placed.heading
    assert placed.placement.planes >= placed.placement.bounds.planes
    text = packed.weights_text()
    assert text.startswith(placed.heading)
    assert text.count("\nmacro ") == 8
    assert all(kernel.name in text for kernel in packed.program.crossbar_kernels)
    root = ElementTree.fromstring(packed.weights_svg())
    assert sum(1 for _ in root.iter("{http://www.w3.org/2000/svg}rect")) >= loads


def test_reloaded_layers_are_named():
    program = imcflow.compile(MODEL, "dimc-64x16x8-dm32", layout="reload")
    placed = program_placement(program.program)
    assert placed is not None
    assert placed.reloaded
    for name, weights in placed.reloaded.items():
        assert f"{name}: {weights:,} weights are loaded in every inference" in program.weights_text()


def test_inspect_and_report_show_it(packed: CompiledProgram, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    packed.save(tmp_path / "p.imcp")
    assert main(["inspect", str(tmp_path / "p.imcp"), "--weights"]) == 0
    assert capfd.readouterr().out == packed.weights_text()
    assert main(["inspect", str(tmp_path / "p.imcp"), "--weights-svg", str(tmp_path / "w.svg")]) == 0
    assert (tmp_path / "w.svg").read_text() == packed.weights_svg()
    assert main(["report", str(tmp_path / "p.imcp"), "-o", str(tmp_path / "r.html")]) == 0
    assert packed.weights_svg() in (tmp_path / "r.html").read_text()


def test_programs_without_macros_have_no_picture():
    with pytest.raises(ImcflowError, match="has no crossbar kernels whose weights could be shown"):
        imcflow.compile(MODEL, "rtm-ap-256").weights_text()
