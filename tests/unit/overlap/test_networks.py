"""Layers of published networks: totals, and edges that read everything they should."""

from __future__ import annotations

import pytest

from imcflow.passes.overlap.nests import OverlapError
from imcflow.passes.overlap.networks import reference_network

SIZES = {
    "resnet18": (21, 30, 1_814_073_344),
    "vgg16": (16, 21, 15_470_264_320),
    "resnet50": (54, 71, 4_089_184_256),
    "bert-layer": (8, 8, 931_135_488),
    "chain4": (4, 4, 8_257_536),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str):
    fused, separate = reference_network(name), reference_network(name, separate=True)
    layers, nodes, macs = SIZES[name]
    assert (len(fused.layers), len(separate.layers)) == (layers, nodes)
    for graph in (fused, separate):
        assert sum(layer.macs for layer in graph.layers if not layer.channelwise) == macs
        readers = {edge.producer for layer in graph.layers for edge in layer.edges}
        assert readers == set(range(len(graph.layers) - 1))


def test_residual_blocks_read_their_skip_at_the_output():
    graph = reference_network("resnet18")
    joins = [layer.name for layer in graph.layers if any(edge.at_output for edge in layer.edges)]
    assert joins == [f"layer{stage}.{block}.conv2" for stage in range(1, 5) for block in range(2)]
    first_join = next(layer for layer in graph.layers if layer.name == "layer1.0.conv2")
    assert [len(edge.pools) for edge in first_join.edges] == [0, 1]


def test_unknown_network():
    with pytest.raises(OverlapError, match="known are resnet18"):
        reference_network("alexnet")
