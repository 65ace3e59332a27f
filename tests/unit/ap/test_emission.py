"""Emitted instruction tables compute the layer's integers, on a machine that knows nothing but the instructions."""

from __future__ import annotations

import numpy as np
import pytest
from ap_layers import layers
from hypothesis import given
from lane_machine import LaneMachine

from imcflow.errors import ImcflowError
from imcflow.passes.allocation.allocate import ArrayGeometry, CapacityError, place_program
from imcflow.passes.allocation.replay import PlacementError, check_placement
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.emission.pool import max_pool_instructions
from imcflow.passes.emission.steps import StepTable
from imcflow.runtime.checks.flow import check_flow
from imcflow.runtime.isa import Flag, Opcode


def run(table, windows, geometry, arrays=1, steps=None):
    machine = LaneMachine(windows, geometry.domains, geometry.tracks, arrays, steps)
    machine.run(table)
    return machine.outputs


@given(layers)
def test_the_table_computes_the_layer(layer):
    try:
        placement = layer.placement()
    except CapacityError:
        return
    check_placement(layer.program, placement, layer.geometry)
    table, windows = layer.table(placement), layer.lanes()
    cells = layer.geometry.tracks * layer.geometry.domains
    check_flow(table, cells=cells, domains=layer.geometry.domains, where="layer")
    outputs = run(table, [windows], layer.geometry)
    expected = layer.matrix @ windows + layer.bias[:, None]
    assert [outputs[0, channel].tolist() for channel in range(len(layer.matrix))] == expected.tolist()


@given(layers)
def test_step_tables_turn_round_the_channels_that_store_minus_their_sum(layer):
    try:
        placement = layer.placement(negated_store=True)
    except CapacityError:
        return
    rng = np.random.default_rng(1)
    channels = len(layer.matrix)
    thresholds = np.sort(rng.integers(-60, 60, (channels, 3)), axis=1)
    steps = StepTable(thresholds, np.full(channels, -1), rng.random(channels) < 0.5)
    negated = np.zeros(channels, dtype=np.bool_)
    negated[placement.index[(placement.flags & 2) > 0]] = True
    turned = steps.negated(negated)
    table = emit_instructions(layer.program, placement, "layer", EmissionPoint(step_rows=True))
    windows = layer.lanes()
    outputs = run(table, [windows], layer.geometry, steps=(turned.thresholds, turned.low, turned.descending))
    sums = layer.matrix @ windows + layer.bias[:, None]
    counts = (sums[:, :, None] >= thresholds[:, None, :]).sum(axis=2)
    expected = -1 + np.where(steps.descending[:, None], 3 - counts, counts)
    assert [outputs[0, channel].tolist() for channel in range(channels)] == expected.tolist()


def test_parts_of_a_layer_lie_in_arrays_of_their_own_and_store_behind_each_other(small_layer):
    layer, placement = small_layer, small_layer.placement()
    tables = [
        emit_instructions(layer.program, placement, "layer", EmissionPoint(array=array, first_output=6 * array))
        for array in range(2)
    ]
    outputs = run(np.concatenate(tables), [layer.lanes()], layer.geometry, arrays=2)
    assert sorted(outputs) == [(0, channel) for channel in range(12)]
    assert all(np.array_equal(outputs[0, channel], outputs[0, 6 + channel]) for channel in range(6))


def test_two_inputs_are_two_ports(small_layer):
    table = emit_instructions(small_layer.program, small_layer.placement(), "sum", EmissionPoint(port_elements=6))
    windows = small_layer.lanes()
    outputs = run(table, [windows[:6], windows[6:]], small_layer.geometry)
    expected = small_layer.matrix @ windows + small_layer.bias[:, None]
    assert np.array_equal(np.stack([outputs[0, channel] for channel in range(6)]), expected)


@pytest.mark.parametrize(("window", "signed"), [(1, False), (4, False), (9, True)])
def test_maximum_pooling(window, signed):
    geometry = ArrayGeometry(8, 16)
    low, high = (-8, 8) if signed else (0, 16)
    windows = np.random.default_rng(2).integers(low, high, (3 * window, 20))
    outputs = run(max_pool_instructions(3, window, 4, signed, geometry), [windows], geometry)
    expected = windows.reshape(3, window, 20).max(axis=1)
    assert np.array_equal(np.stack([outputs[0, channel] for channel in range(3)]), expected)


def test_a_carry_that_an_unsigned_sum_leaves_at_zero_is_not_cleared_again(small_layer):
    table = small_layer.table(small_layer.placement())
    users = np.flatnonzero(
        np.isin(table["opcode"], [Opcode.ADD, Opcode.SUB, Opcode.NEG, Opcode.ADD_INTO, Opcode.SUB_FROM])
    )
    promised = (table["flags"][users] & Flag.C_IS_ZERO) > 0
    leaves_zero = (table["opcode"][users] == Opcode.ADD) & (table["flags"][users] & 3 == 0)
    leaves_zero &= table["r_bits"][users] > np.maximum(table["a_bits"][users], table["b_bits"][users])
    assert promised.any()
    assert np.array_equal(promised[1:], leaves_zero[:-1])


def test_a_layer_that_does_not_fit_says_what_it_needs(small_layer):
    with pytest.raises(CapacityError, match=r"layer: no room for value .* on 6 tracks of 16 domains"):
        place_program(small_layer.program, ArrayGeometry(6, 16), "layer")
    with pytest.raises(CapacityError, match="layer: the accumulators need at least 3 tracks of 16"):
        place_program(small_layer.program, ArrayGeometry(3, 16), "layer")


def test_a_sum_longer_than_an_instruction_is_refused(small_layer):
    from dataclasses import replace

    wide = replace(small_layer.program, bias=np.full(6, 1 << 40))
    with pytest.raises(ImcflowError, match="bias 1099511627776 of output 0 does not fit 32 bits"):
        emit_instructions(wide, small_layer.placement(), "layer", EmissionPoint())


@pytest.mark.parametrize("column", ["kind", "flags", "index", "a", "b", "r"])
def test_the_replay_finds_damaged_placements(small_layer, column):
    """Most single changes are wrong; those that are not leave the layer's integers as they are."""
    placement = small_layer.placement()
    rng = np.random.default_rng(3)
    windows = small_layer.lanes()
    expected = small_layer.matrix @ windows + small_layer.bias[:, None]
    found = 0
    for _ in range(60):
        damaged = small_layer.placement()
        values = getattr(damaged, column)
        step = int(rng.integers(placement.step_count))
        values[step] = int(rng.choice([0, 1, 2, 3, 5, 8, 64, 100, 65, 128])) if column != "flags" else values[step] ^ 1
        if values[step] == getattr(placement, column)[step]:
            continue
        try:
            check_placement(small_layer.program, damaged, small_layer.geometry)
        except PlacementError:
            found += 1
            continue
        outputs = run(small_layer.table(damaged), [windows], small_layer.geometry)
        assert np.array_equal(np.stack([outputs[0, channel] for channel in range(6)]), expected)
    assert found >= (4 if column == "flags" else 10)
