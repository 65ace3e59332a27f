"""The exact solver as oracle of the packers on small cases."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry, pack_weights
from imcflow.passes.packing.exact import exact_slice_planes, exact_tile_planes
from imcflow.passes.packing.instances import InstanceKind, small_instance
from imcflow.passes.packing.networks import reference_network
from imcflow.passes.packing.patterns import pattern_bound

pytest.importorskip("ortools", reason="needs the extra `exact`")


@pytest.mark.parametrize("kind", InstanceKind)
@pytest.mark.parametrize("seed", range(5))
def test_packers_are_within_one_plane_of_the_optimum(seed: int, kind: InstanceKind):
    layers, geometry = small_instance(Random(seed), kind)
    slices = exact_slice_planes(layers, geometry, effort=10)
    tiles = exact_tile_planes(layers, geometry, effort=10)
    for exact in (slices, tiles):
        assert exact.lower_bound <= exact.planes <= exact.heuristic <= exact.lower_bound + 1
    assert slices.lower_bound <= tiles.planes


def test_the_solver_proves_what_bounds_cannot():
    # Whole planes aside, nine slices are left: eight of 10 x 64 need two planes and the one of 64 x 27 its own.
    layers = [LayerShape("first", 64, 27), LayerShape("last", 10, 512)]
    exact = exact_slice_planes(layers, MacroGeometry(64, 64))
    assert (exact.planes, exact.lower_bound, exact.proved) == (3, 3, True)


def test_tiles_of_the_autoencoder_are_optimal():
    exact = exact_tile_planes(reference_network("deep_autoencoder"), MacroGeometry(16, 256))
    assert (exact.planes, exact.heuristic, exact.proved) == (72, 72, True)


def test_pattern_bound_counts_what_fits_together():
    # Six slices of 10 x 64 fit one plane of 64 x 64, none of them beside the one of 64 x 27: 1 + 8/6 planes.
    layers = [LayerShape("first", 64, 27), LayerShape("last", 10, 512)]
    bound = pattern_bound(layers, MacroGeometry(64, 64))
    assert (bound.planes, bound.left_out) == (3, 0)


def test_free_cuts_beat_the_bound_of_fixed_ones():
    layers, geometry = reference_network("resnet8"), MacroGeometry(64, 256)
    assert pattern_bound(layers, geometry).planes == 6
    assert pack_weights(layers, geometry).planes == 5


@pytest.mark.parametrize("seed", range(4))
def test_pattern_bound_is_a_bound(seed: int):
    layers, geometry = small_instance(Random(seed), InstanceKind.FINE)
    # Layers of at most one plane are not cut, so that the bound holds for the packer's placement, too.
    assert (
        pattern_bound(layers, replace(geometry, macros=1)).planes
        <= pack_weights(layers, replace(geometry, macros=1)).planes
    )


def test_layers_of_whole_planes_need_their_number():
    assert pattern_bound([LayerShape("fc", 32, 48)], MacroGeometry(16, 16, 2)).planes == 3


def test_small_kinds_are_left_out_of_large_pricing_problems():
    bound = pattern_bound(reference_network("mobilenet_v1"), MacroGeometry(32, 32, 4))
    assert bound.left_out == 1
    assert 40 < bound.planes <= 52
