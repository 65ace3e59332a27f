"""The exact solver as oracle of the packers on small cases."""

from __future__ import annotations

from random import Random

import pytest

from imcflow.passes.packing import LayerShape, MacroGeometry
from imcflow.passes.packing.exact import exact_slice_planes, exact_tile_planes
from imcflow.passes.packing.instances import InstanceKind, small_instance
from imcflow.passes.packing.networks import reference_network

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
