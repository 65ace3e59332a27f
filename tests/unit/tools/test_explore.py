"""`imcflow explore`: fronts that nothing beats, a picture of every point, and one line for a wrong space."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from imcflow.exploration import explore
from imcflow.passes.packing.economy import packed_cost
from imcflow.passes.packing.machines import load_machine
from imcflow.passes.packing.networks import reference_network
from imcflow.passes.packing.packer import pack_weights
from imcflow.passes.packing.space import load_space
from imcflow.tools.imcflow_main import main

SPACE = """
target: dimc-64x16x8-dm32
networks: [resnet8, deep_autoencoder]
columns: [16, 32]
rows: [64]
macros: [4, 8]
most_area_mm2: 20
"""


@pytest.fixture
def space(tmp_path: Path) -> Path:
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


def test_the_front_is_what_nothing_beats(space: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    picture = tmp_path / "space.svg"
    assert main(["explore", str(space), "--json", "--svg", str(picture)]) == 0
    data = json.loads(capfd.readouterr().out)
    points = data["points"]
    assert len(points) == 8
    for point in points:
        beaten = any(
            other["network"] == point["network"]
            and other["area_mm2"] <= point["area_mm2"]
            and other["edp_uj_us"] < point["edp_uj_us"]
            for other in points
        )
        assert point["on_front"] == (not beaten)
    circles = list(ElementTree.parse(picture).iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 8
    assert main(["explore", str(space), "--all"]) == 0
    assert capfd.readouterr().out.count("resnet8") == 4
    assert main(["explore", str(space)]) == 0
    assert capfd.readouterr().out.count("front") == sum(point["on_front"] for point in points)


def test_a_point_costs_what_its_packing_costs(space: Path):
    found = explore(load_space(space))
    machine, _, _ = load_machine("dimc-64x16x8-dm32")
    placement = pack_weights(reference_network("resnet8"), machine.geometry)
    (point,) = [
        explored.point
        for explored in found.points
        if explored.network == "resnet8" and explored.point.geometry.label == "16x64x8"
    ]
    assert point.geometry.planes == placement.planes
    assert point.cost == packed_cost(placement, machine)


def test_too_few_planes_reload_layers(tmp_path: Path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("macros: [4, 8]", "macros: [8]\nplanes: [8, 20]").replace(", deep_autoencoder", ""))
    reloaded = {
        (e.point.geometry.columns, e.point.geometry.planes): e.reloaded for e in explore(load_space(path)).points
    }
    assert reloaded[16, 8] > 0
    assert reloaded[16, 20] == reloaded[32, 20] == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("columns: [16, 32]", "columns: []", "columns: List should have at least 1 item"),
        ("rows: [64]", "rows: [65]", "rows: rows must be powers of two, because adder trees are complete, got 65"),
        ("macros: [4, 8]", "macros: [0]", "macros: sizes must be 1 to 65536, got 0"),
        ("most_area_mm2: 20", "most_area_mm2: 0", "most_area_mm2: Input should be greater than 0"),
        ("most_area_mm2: 20", "most_area_mm2: 0.0001", "no architecture of the space is inside 0.0001 mm2"),
        ("most_area_mm2", "area", "most_area_mm2: Field required"),
        ("resnet8", "resnet9", "network resnet9: unknown, known are"),
        ("dimc-64x16x8-dm32", "rtm-ap-256", "a crossbar (aimc, dimc) is needed"),
        (SPACE, "- 1", "a mapping of keys is expected"),
        (SPACE, "a: [", "no YAML"),
    ],
)
def test_a_wrong_space_is_one_line(old: str, new: str, message: str, space: Path, capfd: pytest.CaptureFixture[str]):
    space.write_text(SPACE.replace(old, new))
    assert main(["explore", str(space)]) == 1
    out, error = capfd.readouterr()
    assert (out, error.count("\n")) == ("", 1)
    assert message in error


def test_an_onnx_file_is_a_network(models_dir: Path, tmp_path: Path):
    file = models_dir / "mlperf_tiny" / "kws_dscnn_int8.onnx"
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("[resnet8, deep_autoencoder]", f"[ds_cnn, '{file}']").replace("[4, 8]", "[8]"))
    named, imported = (
        [e.point for e in explore(load_space(path)).points if e.network == name] for name in ("ds_cnn", file.stem)
    )
    assert [point.cost.area_mm2 for point in named] == [point.cost.area_mm2 for point in imported]
