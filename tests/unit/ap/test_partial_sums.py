"""Layers on several arrays: the exchanges add every partial sum once, and the tables compute the layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from ap_layers import Layer, layers
from hypothesis import given
from hypothesis import strategies as st
from lane_machine import LaneMachine

from imcflow.errors import ImcflowError
from imcflow.passes.allocation.allocate import CapacityError, place_program
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.emission.partial_sums import emit_partial_sums
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.partial_sums import (
    SharedLayer,
    economic_arrays,
    exchanges,
    final_outputs,
    most_arrays,
    reach,
    share_channels,
    widened,
)
from imcflow.passes.reduction.reduce import reduce_matrix
from imcflow.runtime.checks.flow import check_flow
from imcflow.runtime.isa import Opcode

POWERS = st.sampled_from((1, 2, 4, 8))


@given(arrays=POWERS, outputs=st.integers(1, 40))
def test_every_partial_sum_reaches_the_array_that_stores_its_output(arrays: int, outputs: int) -> None:
    held = [[Counter({array: 1}) for _ in range(outputs)] for array in range(arrays)]
    for exchange in exchanges(arrays, outputs):
        for output in exchange.outputs.tolist():
            held[exchange.keeper][output] += held[exchange.giver][output]
    final = final_outputs(arrays, outputs)
    assert sorted(np.concatenate(final).tolist()) == list(range(outputs))
    for array, own in enumerate(final):
        for output in own.tolist():
            assert held[array][output] == Counter(range(arrays))


@given(arrays=POWERS, outputs=st.integers(1, 40))
def test_both_arrays_of_a_pair_add_about_half(arrays: int, outputs: int) -> None:
    plan = exchanges(arrays, outputs)
    for one, other in zip(plan[::2], plan[1::2], strict=True):
        assert (one.round, one.keeper, one.giver) == (other.round, other.giver, other.keeper)
        assert 0 <= len(one.outputs) - len(other.outputs) <= 1


def test_other_numbers_of_arrays_are_refused() -> None:
    with pytest.raises(ImcflowError, match="partial sums need a power of two of arrays, got 3"):
        exchanges(3, 5)


@given(st.integers(0, 2**31), st.integers(1, 20), st.integers(1, 4), st.integers(1, 20))
def test_arrays_share_the_channels(seed: int, channels: int, channel: int, outputs: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, (outputs, channels * channel)) * (rng.random(channels * channel) < rng.random())
    arrays = most_arrays(8, channels, 0)
    assert arrays <= channels < 2 * arrays or arrays == 8
    shares = share_channels(matrix, channel, arrays)
    assert np.array_equal(sum(shares), matrix)
    used = [np.flatnonzero(share.any(axis=0)) // channel for share in shares]
    busy = [part for part in used if len(part)]
    assert all(before.max() < after.min() for before, after in pairwise(busy))


def test_shares_have_about_as_many_weights() -> None:
    matrix = np.ones((3, 64), dtype=np.int64)
    matrix[:, :32] *= np.arange(32) % 2
    sizes = [np.count_nonzero(share) for share in share_channels(matrix, 4, 4)]
    assert max(sizes) <= 1.5 * min(sizes)


def partial_layers(layer: Layer, arrays: int) -> list[Layer]:
    """The layer's matrix shared out, one program per array; the bias belongs to the first."""
    programs = [
        infer_bounds(
            reduce_matrix(share, layer.inputs, group=4, bias=layer.bias * (number == 0)),
            layer.inputs,
        )
        for number, share in enumerate(share_channels(layer.matrix, 1, arrays))
    ]
    return [replace(layer, program=program) for program in widened(programs)]


@given(layers, POWERS)
def test_the_tables_of_all_arrays_compute_the_layer(layer: Layer, wanted: int) -> None:
    arrays = most_arrays(wanted, layer.matrix.shape[1], 0)
    parts = partial_layers(layer, arrays)
    programs = [part.program for part in parts]
    try:
        placements = [part.placement(keep_outputs=True) for part in parts]
    except CapacityError:
        return
    points = [EmissionPoint(array=array) for array in range(arrays)]
    tables = emit_partial_sums(programs, placements, "layer", points)
    assert len(tables) == arrays + 2
    table, domains = np.concatenate(tables), layer.geometry.domains
    cells = arrays * layer.geometry.tracks * domains
    check_flow(table, cells=cells, domains=domains, where="layer")
    windows = layer.lanes()
    machine = LaneMachine([windows], domains, layer.geometry.tracks, arrays)
    machine.run(table)
    expected = layer.matrix @ windows + layer.bias[:, None]
    assert [machine.outputs[0, channel].tolist() for channel in range(len(layer.matrix))] == expected.tolist()


def test_moves_are_fewer_than_a_tree_needs(small_layer: Layer) -> None:
    parts = partial_layers(small_layer, 4)
    placements = [part.placement(keep_outputs=True) for part in parts]
    points = [EmissionPoint(array=array) for array in range(4)]
    *_, additions, stores = emit_partial_sums([part.program for part in parts], placements, "layer", points)
    outputs = len(small_layer.matrix)
    assert (additions["opcode"] == Opcode.MOVE).sum() <= 3 * outputs
    assert (stores["opcode"] == Opcode.STORE).sum() == outputs


def test_outputs_that_share_cells_are_refused(small_layer: Layer) -> None:
    """A placement made for one array alone may give the word of a stored output to another one."""
    program = infer_bounds(
        reduce_matrix(np.kron(np.eye(4, dtype=np.int64), np.ones((1, 3), dtype=np.int64)), small_layer.inputs, group=3),
        small_layer.inputs,
    )
    alone = place_program(program, small_layer.geometry, "layer")
    points = [EmissionPoint(array=array) for array in range(2)]
    assert len(emit_instructions(program, alone, "layer", points[0]))
    with pytest.raises(ImcflowError, match="share cells"):
        emit_partial_sums([program, program], [alone, alone], "layer", points)


@given(layers, POWERS)
def test_what_words_hold_stays_inside_the_reach(layer: Layer, wanted: int) -> None:
    """Scopes are tried with words of that length, so that the chosen one fits the array in the end."""
    arrays = most_arrays(wanted, layer.matrix.shape[1], 0)
    matrices = share_channels(layer.matrix, 1, arrays)
    most = reach(matrices, layer.inputs, [layer.bias * (number == 0) for number in range(arrays)])
    for part in partial_layers(layer, arrays):
        assert part.program.outputs is not None
        assert np.all(most.low <= part.program.outputs.low)
        assert np.all(part.program.outputs.high <= most.high)


shared_layers = st.builds(
    SharedLayer,
    accumulation=st.floats(1, 1e6),
    exchange=st.floats(1, 1e4),
    row_blocks=st.integers(1, 13),
    most=st.sampled_from((1, 2, 4, 8, 16)),
)


def estimated_product(layers: Sequence[SharedLayer], arrays: Sequence[int]) -> float:
    pairs = list(zip(layers, arrays, strict=True))
    return sum(layer.energy(n) for layer, n in pairs) * sum(layer.cycles(n) for layer, n in pairs)


@given(st.lists(shared_layers, min_size=1, max_size=4))
def test_the_chosen_arrays_are_near_the_least_estimated_product(layers: list[SharedLayer]) -> None:
    options = [[1 << power for power in range(layer.most.bit_length())] for layer in layers]
    least = min(estimated_product(layers, chosen) for chosen in product(*options))
    chosen = economic_arrays(layers)
    assert all(arrays in option for arrays, option in zip(chosen, options, strict=True))
    assert estimated_product(layers, chosen) <= 1.1 * least


def test_more_arrays_are_chosen_where_more_is_accumulated() -> None:
    few, many = (SharedLayer(float(cycles), 100.0, 1, 64) for cycles in (300, 30_000))
    assert economic_arrays([few]) < economic_arrays([many])
    assert economic_arrays([SharedLayer(1e6, 1.0, 1, 1)]) == [1]
    assert economic_arrays([]) == []
