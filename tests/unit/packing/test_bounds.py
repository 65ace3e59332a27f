"""Lower bounds: dual feasible functions by enumeration, known cases by hand."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.passes.packing import LayerShape, MacroGeometry
from imcflow.passes.packing.bounds import (
    SplitRectangle,
    conflict_bound,
    dual_feasible_bound,
    least_parts,
    minimum_passes,
    packing_bounds,
)
from imcflow.passes.packing.dual_feasible import dual_feasible_family


def most_image(images: list[int], length: int) -> int:
    """Largest sum of images of lengths that fit into `length` together, by dynamic programming."""
    best = [0] * (length + 1)
    for room in range(1, length + 1):
        best[room] = max(best[room - size] + images[size] for size in range(1, room + 1))
    return best[length]


@pytest.mark.parametrize("length", [1, 2, 3, 7, 16, 27])
def test_lengths_that_fit_have_images_that_fit(length: int):
    family = dual_feasible_family(length, range(1, length + 1))
    assert len(family.units) > 8
    for images, unit in zip(family.images.tolist(), family.units.tolist(), strict=True):
        assert images == sorted(images)
        assert most_image(images, length) <= unit


@given(st.integers(2, 9), st.integers(1, 4), st.data())
def test_least_images_are_the_minimum_over_all_splits(length: int, parts: int, data: st.DataObject):
    total = data.draw(st.integers(parts, parts * length))
    family = dual_feasible_family(length, range(1, length + 1))
    splits = [split for split in product(range(1, length + 1), repeat=parts) if sum(split) == total]
    for images, least in zip(family.images.tolist(), family.least_images(total, parts).tolist(), strict=True):
        assert least == min(sum(images[size] for size in split) for split in splits)


@given(st.integers(1, 9), st.integers(1, 4), st.data())
def test_least_parts_hold_together(length: int, parts: int, data: st.DataObject):
    total = data.draw(st.integers(parts, parts * length))
    least = least_parts(total, parts, length)
    for split in product(range(1, length + 1), repeat=parts):
        if sum(split) == total:
            assert all(size >= bound for size, bound in zip(sorted(split, reverse=True), least, strict=True))


def test_volume_bound():
    bounds = packing_bounds([LayerShape("fc", 10, 64)], MacroGeometry(16, 64))
    assert (bounds.volume, bounds.passes_per_pixel) == (1, (1,))
    assert packing_bounds([LayerShape("fc", 17, 65)], MacroGeometry(16, 64)).volume == 2


def test_rectangles_above_half_of_both_sides_exclude_each_other():
    rectangles = [SplitRectangle(9, 33, 3), SplitRectangle(8, 33, 5)]
    # 9 > 16/2 and 33 > 64/2; one rectangle of width 8 fits beside another of width 8, but not beside 9.
    assert conflict_bound(rectangles, 16, 64) == 4


def test_tall_and_wide_rectangles_exclude_each_other():
    assert conflict_bound([SplitRectangle(1, 64), SplitRectangle(16, 1)], 16, 64) == 2


def test_dual_feasible_functions_see_thirds():
    # Four rectangles of 9 of 32 rows: three fit above each other although their area leaves room for a fourth.
    assert dual_feasible_bound([SplitRectangle(32, 9, 4)], 32, 32) == 2


def test_every_macro_holds_its_share():
    # Two layers of four whole-width and four whole-height slices on four macros: one of each kind in every macro.
    layers = [LayerShape("wide", 64, 8), LayerShape("high", 8, 128)]
    bounds = packing_bounds(layers, MacroGeometry(16, 32, 4))
    assert (bounds.volume, bounds.conflict, bounds.planes) == (1, 2, 2)


def test_bounds_allow_layers_to_be_cut_where_macros_would_idle():
    # One slice of 16 x 40 leaves seven of eight macros idle in its pass: cut into eight, nothing excludes anything.
    layer = LayerShape("conv", 16, 40)
    assert packing_bounds([layer] * 3, MacroGeometry(16, 64, 8)).planes == 1


def test_minimum_passes_share_columns_between_copies():
    layer = LayerShape("conv", 16, 64, 1, 10, 5)
    assert minimum_passes([layer], MacroGeometry(16, 64, 4)) == 50
    assert minimum_passes([layer], MacroGeometry(16, 64, 4), [2]) == 30
    assert minimum_passes([layer], MacroGeometry(8, 64, 1), [2]) == 120
