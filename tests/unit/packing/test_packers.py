"""The packers on real networks and on cases solved by hand."""

from __future__ import annotations

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingError, PackingStyle, pack_weights
from imcflow.passes.packing.checker import check_packing
from imcflow.passes.packing.networks import MLPERF_TINY, network_names, reference_network
from imcflow.passes.packing.spaces import BoxSize, least_planes, pack_column
from imcflow.passes.packing.tile_packer import pack_tiles

ARRAYS = [(16, 256, 4), (16, 256, 1), (32, 32, 4), (64, 64, 1), (64, 256, 1), (16, 64, 8), (32, 128, 8)]


@pytest.mark.parametrize("network", MLPERF_TINY)
@pytest.mark.parametrize("array", ARRAYS)
def test_slices_of_the_tiny_networks_reach_the_volume_bound_or_one_more(network: str, array: tuple[int, int, int]):
    result = pack_weights(reference_network(network), MacroGeometry(*array))
    check_packing(result)
    assert result.planes <= result.bounds.volume + 1


@pytest.mark.parametrize("array", ARRAYS)
def test_tiles_of_mobilenet_stay_near_the_bound(array: tuple[int, int, int]):
    result = pack_weights(reference_network("mobilenet_v1"), MacroGeometry(*array), PackingStyle.TILE)
    check_packing(result)
    assert result.planes <= 1.16 * result.bounds.volume


@pytest.mark.parametrize("network", ["resnet18", "resnet50"])
@pytest.mark.parametrize("style", PackingStyle)
def test_large_networks_are_packed(network: str, style: PackingStyle):
    result = pack_weights(reference_network(network), MacroGeometry(256, 256, 8), style)
    check_packing(result)
    assert result.planes <= result.bounds.planes + 1


def test_free_cuts_fill_planes_that_whole_cuts_cannot():
    # Whole planes and rests of ResNet-8 need six planes of 64 x 256; cutting a 288-row layer in halves saves one.
    result = pack_weights(reference_network("resnet8"), MacroGeometry(64, 256))
    assert result.planes == result.bounds.volume == 5
    assert any(piece.reductions not in (27, 32, 64, 128, 144, 256) for piece in result.slices if piece.channels > 10)


def test_idle_macros_take_thin_cuts_of_a_layer():
    # DS-CNN on eight macros of 16 x 64: two planes hold less than all slices of fewest cuts would need.
    result = pack_weights(reference_network("ds_cnn"), MacroGeometry(16, 64, 8))
    assert result.planes == result.bounds.volume == 3
    assert result.total_passes == 4626


def test_groups_lie_side_by_side_in_a_box():
    result = pack_weights([LayerShape("depthwise", 1, 9, 64)], MacroGeometry(16, 32), PackingStyle.TILE)
    (tile,) = result.tiles
    assert (tile.columns, tile.rows, tile.planes) == (16, 9, 4)
    assert result.passes_per_pixel == (64,)


def test_too_few_planes_are_refused_with_both_numbers():
    layers = reference_network("resnet8")
    with pytest.raises(PackingError, match=r"5 planes per macro are needed .*lower bound 5.*, the target has 4"):
        pack_weights(layers, MacroGeometry(16, 256, 4, planes=4))
    with pytest.raises(PackingError, match="the target has 4"):
        pack_weights(layers, MacroGeometry(16, 256, 4, planes=4), PackingStyle.TILE)


def test_fewer_passes_than_possible_are_refused():
    with pytest.raises(PackingError, match="10 passes are allowed, these layers need at least 4225"):
        pack_tiles(reference_network("resnet8"), MacroGeometry(16, 256, 4), most_passes=10)


def test_wrong_requests_are_refused():
    layer = LayerShape("fc", 4, 4)
    with pytest.raises(PackingError, match="no layers"):
        pack_weights([], MacroGeometry(4, 4))
    with pytest.raises(PackingError, match="2 numbers of copies for 1 layers"):
        pack_weights([layer], MacroGeometry(4, 4), copies=[1, 1])
    with pytest.raises(PackingError, match="layer fc: 2 copies, allowed is 1 to 1"):
        pack_weights([layer], MacroGeometry(4, 4), copies=[2])
    with pytest.raises(PackingError, match="layer fc: reduction is 0"):
        LayerShape("fc", 4, 0)
    with pytest.raises(PackingError, match="macro geometry: macros is 0"):
        MacroGeometry(4, 4, 0)
    with pytest.raises(PackingError, match="macro geometry: planes is 0"):
        MacroGeometry(4, 4, 1, 0)
    with pytest.raises(PackingError, match="network nope: unknown, known are resnet8"):
        reference_network("nope")


def test_networks_have_their_published_sizes():
    sizes = {name: sum(layer.weights for layer in reference_network(name)) for name in network_names()}
    macs = {name: sum(layer.macs for layer in reference_network(name)) for name in network_names()}
    assert sizes["resnet8"] == 77_360
    assert sizes["resnet18"] == 11_678_912
    assert sizes["resnet50"] == 25_502_912
    assert macs["mobilenet_v1"] == 7_489_664
    assert macs["resnet50"] == 4_089_184_256
    assert macs["vgg9"] == 155_128_832


def test_boxes_share_planes_without_support():
    boxes = [BoxSize(4, 8, 3), BoxSize(4, 3, 2), BoxSize(4, 5, 2)]
    packed = pack_column(boxes, 4, 8)
    assert packed.planes == least_planes(boxes, 4, 8) == 5
    assert pack_column([], 4, 8).planes == 0
