"""Random instances: every placement is complete and legal under the independent checker, and no bound is beaten."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.passes.packing import LayerShape, MacroGeometry, PackingResult, PackingStyle, pack_weights
from imcflow.passes.packing.bounds import minimum_passes
from imcflow.passes.packing.checker import check_packing, count_passes
from imcflow.passes.packing.shapes import slice_count
from imcflow.passes.packing.stacked import spread_macros, stack_planes
from imcflow.passes.packing.tile_packer import pack_tiles

dense = st.builds(
    LayerShape,
    name=st.just("dense"),
    output_channels=st.integers(1, 40),
    reduction=st.integers(1, 60),
    output_height=st.integers(1, 6),
    output_width=st.integers(1, 6),
)
grouped = st.builds(
    LayerShape,
    name=st.just("grouped"),
    output_channels=st.integers(1, 5),
    reduction=st.integers(1, 30),
    groups=st.integers(2, 16),
    output_height=st.integers(1, 4),
    output_width=st.integers(1, 4),
)
geometries = st.builds(MacroGeometry, columns=st.integers(3, 24), rows=st.integers(3, 40), macros=st.integers(1, 4))


@st.composite
def instances(draw: st.DrawFn) -> tuple[list[LayerShape], MacroGeometry, list[int]]:
    layers = draw(st.lists(st.one_of(dense, grouped), min_size=1, max_size=5))
    copies = [draw(st.integers(1, min(2, layer.output_width))) for layer in layers]
    return layers, draw(geometries), copies


def assert_valid(result: PackingResult) -> None:
    check_packing(result)
    assert count_passes(result) == result.passes
    assert result.planes >= result.bounds.volume
    assert 0 < result.utilisation <= 1


@pytest.mark.parametrize("style", PackingStyle)
@settings(max_examples=500)
@given(instances())
def test_placements_are_valid_and_respect_the_bounds(
    style: PackingStyle, instance: tuple[list[LayerShape], MacroGeometry, list[int]]
):
    layers, geometry, copies = instance
    result = pack_weights(layers, geometry, style, copies)
    assert_valid(result)
    assert result.planes >= result.bounds.planes
    assert result.passes_per_pixel == result.bounds.passes_per_pixel
    assert result.total_passes == minimum_passes(layers, geometry, copies)


@settings(max_examples=40)
@given(instances())
def test_free_offsets_need_no_more_planes_than_tiles_and_tiles_no_more_than_a_stack(
    instance: tuple[list[LayerShape], MacroGeometry, list[int]],
):
    layers, geometry, _ = instance
    slices = pack_weights(layers, geometry, PackingStyle.SLICE)
    tiles = pack_weights(layers, geometry, PackingStyle.TILE)
    stack = stack_planes(layers, geometry)
    assert slices.planes <= tiles.planes <= stack.planes
    assert slices.total_passes == tiles.total_passes == stack.total_passes


@settings(max_examples=40)
@given(instances(), st.integers(0, 400))
def test_more_passes_are_spent_within_the_budget_and_never_cost_planes(
    instance: tuple[list[LayerShape], MacroGeometry, list[int]], extra: int
):
    layers, geometry, copies = instance
    least = minimum_passes(layers, geometry, copies)
    fewest = pack_tiles(layers, geometry, copies)
    relaxed = pack_tiles(layers, geometry, copies, most_passes=least + extra)
    assert_valid(relaxed)
    assert relaxed.total_passes <= least + extra
    assert relaxed.planes <= fewest.planes


@settings(max_examples=60)
@given(instances())
def test_unpacked_layouts_are_valid(instance: tuple[list[LayerShape], MacroGeometry, list[int]]):
    layers, geometry, _ = instance
    assert_valid(stack_planes(layers, geometry))
    spread = spread_macros(layers, geometry)
    assert_valid(spread)
    assert spread.planes == 1
    assert spread.geometry.macros == sum(slice_count(layer, geometry) for layer in layers)
    assert spread.passes == tuple(layer.output_pixels for layer in layers)


@settings(max_examples=20)
@given(instances())
def test_equal_input_gives_equal_output(instance: tuple[list[LayerShape], MacroGeometry, list[int]]):
    layers, geometry, copies = instance
    for style in PackingStyle:
        assert pack_weights(layers, geometry, style, copies) == pack_weights(layers, geometry, style, copies)
