"""Pictures name every layer and are well formed."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingStyle, pack_weights
from imcflow.passes.packing.networks import reference_network
from imcflow.passes.packing.pictures import packing_svg, packing_text

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(params=list(PackingStyle), ids=lambda style: style.value)
def placement(request: pytest.FixtureRequest):
    return pack_weights(reference_network("resnet8"), MacroGeometry(16, 256, 4), request.param)


def test_text_lists_every_plane(placement):
    text = packing_text(placement)
    assert f"{placement.planes} planes (lower bound 5; volume 5" in text.splitlines()[0]
    assert text.count("macro ") == 4
    assert text.count("  plane ") == 4 * placement.planes
    assert all(layer.name in text for layer in placement.layers)


def test_text_gives_the_share_of_each_plane():
    text = packing_text(pack_weights([LayerShape("fc", 8, 8)], MacroGeometry(16, 8)))
    assert "plane   0 [##########          ]  50%  fc 8x8" in text


def test_long_lists_are_cut(placement):
    text = packing_text(placement, most_planes=2)
    assert f"and {placement.planes - 2} more planes" in text


def test_svg_draws_every_slice(placement):
    root = ElementTree.fromstring(packing_svg(placement))
    tooltips = [title.text for title in root.iter(f"{SVG}title")]
    assert len(tooltips) == 1 + len(placement.slices)
    assert sum((text or "").startswith("b2_skip: outputs ") for text in tooltips) >= 2
    labels = [text.text for text in root.iter(f"{SVG}text")]
    assert all(layer.name in labels for layer in placement.layers)


def test_names_are_escaped():
    layers = [LayerShape('</text><script>"x"&', 4, 4)]
    root = ElementTree.fromstring(packing_svg(pack_weights(layers, MacroGeometry(4, 4))))
    assert any(text.text == layers[0].name for text in root.iter(f"{SVG}text"))


def test_hidden_planes_are_counted(placement):
    root = ElementTree.fromstring(packing_svg(placement, most_planes=1))
    labels = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert sum(f"{placement.planes - 1} more not drawn" in label for label in labels) == 4
