"""A packed layer computes the integers of the unpacked one, in as many passes as the placement says."""

from __future__ import annotations

import numpy as np
import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingError, PackingStyle, pack_weights
from imcflow.passes.packing.execution import execute_layer, load_cells, schedule
from imcflow.passes.packing.networks import MLPERF_TINY, reference_network
from imcflow.passes.packing.stacked import stack_planes


def random_network(layers, seed: int = 0):
    generator = np.random.default_rng(seed)
    weights = [generator.integers(-8, 8, (x.groups, x.output_channels, x.reduction)) for x in layers]
    inputs = [generator.integers(0, 16, (x.output_pixels, x.groups, x.reduction)) for x in layers]
    return weights, inputs


def assert_same_integers(result) -> None:
    weights, inputs = random_network(result.layers)
    cells = load_cells(result, weights)
    for index in range(len(result.layers)):
        expected = np.einsum("pgr,gkr->pgk", inputs[index], weights[index])
        np.testing.assert_array_equal(execute_layer(result, cells, index, inputs[index]), expected)
        assert len(schedule(result, index)) == result.passes_per_pixel[index]


@pytest.mark.parametrize("network", MLPERF_TINY)
@pytest.mark.parametrize("style", PackingStyle)
def test_packed_networks_compute_the_same_integers(network: str, style: PackingStyle):
    # A few pixels per layer exercise every slice.
    layers = [
        LayerShape(x.name, x.output_channels, x.reduction, x.groups, 1, min(2, x.output_width))
        for x in reference_network(network)
    ]
    assert_same_integers(pack_weights(layers, MacroGeometry(16, 64, 8), style))


def test_copies_share_the_pixels_of_a_row():
    layers = [LayerShape("conv", 20, 50, 1, 3, 5), LayerShape("depthwise", 1, 9, 6, 2, 4)]
    assert_same_integers(pack_weights(layers, MacroGeometry(16, 32, 4), copies=[3, 2]))
    assert_same_integers(stack_planes(layers, MacroGeometry(16, 32, 4), [3, 2]))


def test_every_pass_uses_a_macro_at_most_once():
    result = pack_weights(reference_network("resnet8"), MacroGeometry(16, 64, 8))
    for layer in range(len(result.layers)):
        for turn in schedule(result, layer):
            assert len({piece.macro for piece in turn}) == len(turn)


def test_wrong_shapes_are_refused():
    result = pack_weights([LayerShape("fc", 4, 6)], MacroGeometry(4, 8))
    with pytest.raises(PackingError, match=r"layer fc: weights of shape \(1, 4, 5\), expected \(1, 4, 6\)"):
        load_cells(result, [np.zeros((1, 4, 5), dtype=np.int64)])
    cells = load_cells(result, [np.ones((1, 4, 6), dtype=np.int64)])
    with pytest.raises(PackingError, match="layer fc: inputs of shape"):
        execute_layer(result, cells, 0, np.zeros((1, 1, 5), dtype=np.int64))
