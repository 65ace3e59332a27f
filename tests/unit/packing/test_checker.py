"""The checker sees every kind of damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingError, PackingResult, PackingStyle, pack_weights
from imcflow.passes.packing.checker import check_packing

LAYERS = [LayerShape("conv", 20, 50), LayerShape("depthwise", 1, 9, 24), LayerShape("fc", 10, 20)]
GEOMETRY = MacroGeometry(16, 32, 2)

Damage = Callable[[PackingResult], PackingResult]


def change_slice(**fields: int) -> Damage:
    return lambda result: replace(result, slices=(replace(result.slices[0], **fields), *result.slices[1:]))


def change_tile(**fields: int) -> Damage:
    return lambda result: replace(result, tiles=(replace(result.tiles[0], **fields), *result.tiles[1:]))


@pytest.mark.parametrize("style", PackingStyle)
def test_a_packer_s_placement_passes(style: PackingStyle):
    check_packing(pack_weights(LAYERS, GEOMETRY, style))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_slice(column=-1), "leaves the 16x32x2 macros"),
        (change_slice(column=15), "leaves the 16x32x2 macros"),
        (change_slice(row=31), "leaves the 16x32x2 macros"),
        (change_slice(macro=2), "leaves the 16x32x2 macros"),
        (change_slice(channels=0), "leaves the 16x32x2 macros"),
        (change_slice(reduction=49), "leaves the layer's weights"),
        (change_slice(group=1), "leaves the layer's weights"),
        (change_slice(copy=1), "leaves the layer's weights"),
        (lambda result: replace(result, slices=result.slices[1:]), "are stored nowhere"),
        (lambda result: replace(result, slices=result.slices + result.slices[:1]), "overlaps another one"),
        (lambda result: replace(result, geometry=replace(GEOMETRY, planes=1)), "planes, the target has 1"),
    ],
)
def test_damaged_slices_are_found(damage: Damage, message: str):
    result = pack_weights(LAYERS, GEOMETRY)
    with pytest.raises(PackingError, match=message):
        check_packing(damage(result))


def test_a_weight_stored_twice_is_found():
    result = pack_weights(LAYERS, GEOMETRY)
    elsewhere = replace(result.slices[0], plane=result.planes)
    with pytest.raises(PackingError, match="stored twice"):
        check_packing(replace(result, slices=(*result.slices, elsewhere)))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change_tile(columns=1), "leaves its layer's box"),
        (change_tile(plane=1), "leaves its layer's box"),
        (lambda result: replace(result, tiles=result.tiles[1:]), "leaves its layer's box"),
        (lambda result: replace(result, tiles=result.tiles + result.tiles[:1]), "two boxes in this macro"),
        (change_tile(layer=1), "two boxes in this macro"),
        (lambda result: replace(result, tiles=_grown(result)), "the box overlaps"),
    ],
)
def test_damaged_tiles_are_found(damage: Damage, message: str):
    result = pack_weights(LAYERS, GEOMETRY, PackingStyle.TILE)
    with pytest.raises(PackingError, match=message):
        check_packing(damage(result))


def _grown(result: PackingResult):
    """Every box over the whole macro."""
    return tuple(
        replace(tile, column=0, row=0, plane=0, columns=16, rows=32, planes=result.planes) for tile in result.tiles
    )


def test_slices_of_one_group_do_not_lie_side_by_side():
    result = pack_weights([LayerShape("fc", 8, 4)], MacroGeometry(16, 4), PackingStyle.TILE)
    left = replace(result.slices[0], channels=4)
    right = replace(left, channel=4, column=4)
    with pytest.raises(PackingError, match="side by side"):
        check_packing(replace(result, slices=(left, right)))


def test_slices_of_a_box_start_in_one_row():
    result = pack_weights([LayerShape("fc", 8, 4)], MacroGeometry(16, 8), PackingStyle.TILE)
    tile = replace(result.tiles[0], rows=8)
    lower = replace(result.slices[0], row=2)
    with pytest.raises(PackingError, match="row 2, the box starts at row 0"):
        check_packing(replace(result, slices=(lower,), tiles=(tile,)))
