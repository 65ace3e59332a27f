"""The scope of sharing is chosen by the cycles of the emitted stream, within the array."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.allocation.allocate import CapacityError
from imcflow.passes.ap_target import ApTarget, load_ap_target, split_outputs
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import reduce_matrix
from imcflow.passes.reduction.scope import emitted_cycles, reduce_in_best_scope

CHANNELS, KERNEL, OUTPUTS = 32, 9, 24


@pytest.fixture(scope="module")
def matrix() -> np.ndarray:
    rng = np.random.default_rng(4)
    shape = (OUTPUTS, CHANNELS * KERNEL)
    return rng.choice([-1, 1], shape) * (rng.random(shape) < 0.3)


@pytest.fixture(scope="module")
def inputs() -> Bounds:
    return Bounds(np.zeros(CHANNELS * KERNEL, np.int64), np.full(CHANNELS * KERNEL, 15, np.int64))


def target_with(tracks: int, domains: int = 64) -> ApTarget:
    target = load_ap_target("rtm-ap-256")
    return replace(target, summary=replace(target.summary, tracks=tracks, domains=domains))


def test_no_fixed_scope_beside_the_chosen_one_takes_fewer_cycles(matrix, inputs):
    target, bias = target_with(256), np.zeros(OUTPUTS, np.int64)
    best = reduce_in_best_scope(matrix, inputs, bias, KERNEL, target, "layer")
    assert np.array_equal(best.expand(), matrix)
    cycles = emitted_cycles(infer_bounds(best, inputs), target, "layer")
    scope = (best.slice_inputs[1] - best.slice_inputs[0]) // KERNEL
    for other in {max(scope // 2, 1), 2 * scope} - {scope}:
        program = reduce_matrix(matrix, inputs, group=int(other) * KERNEL)
        assert emitted_cycles(infer_bounds(program, inputs), target, "layer") >= cycles


def test_small_arrays_get_small_scopes_or_an_error_with_the_layers_name(matrix, inputs):
    bias = np.zeros(OUTPUTS, np.int64)
    small = reduce_in_best_scope(matrix, inputs, bias, KERNEL, target_with(34, 32), "layer")
    large = reduce_in_best_scope(matrix, inputs, bias, KERNEL, target_with(256), "layer")
    assert small.slice_count > large.slice_count
    with pytest.raises(CapacityError, match="conv7: "):
        reduce_in_best_scope(matrix, inputs, bias, KERNEL, target_with(12, 16), "conv7")


def test_outputs_are_cut_into_parts_whose_accumulators_leave_room(inputs):
    rng = np.random.default_rng(1)
    wide = rng.integers(-1, 2, (300, CHANNELS * KERNEL))
    bias = np.zeros(len(wide), np.int64)
    assert split_outputs(wide, inputs, bias, KERNEL, target_with(256), "layer") == [slice(0, 300)]
    parts = split_outputs(wide, inputs, bias, KERNEL, target_with(64), "layer")
    assert len(parts) > 1
    assert [index for part in parts for index in range(part.start, part.stop)] == list(range(300))


def test_a_depthwise_layer_frees_its_accumulators_as_it_goes(inputs):
    channels = 300
    depthwise = np.kron(np.eye(channels, dtype=np.int64), np.ones((1, KERNEL), dtype=np.int64))
    many = Bounds(np.zeros(channels * KERNEL, np.int64), np.full(channels * KERNEL, 15, np.int64))
    parts = split_outputs(depthwise, many, np.zeros(channels, np.int64), KERNEL, target_with(32), "layer")
    assert parts == [slice(0, channels)]
