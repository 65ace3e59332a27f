"""Search and transformation on a small machine: valid mappings, repeatable, never worse than what they start from."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from imcflow.passes.overlap.bounds import network_bounds
from imcflow.passes.overlap.candidates import CandidateLimits, candidates
from imcflow.passes.overlap.check import check_schedule
from imcflow.passes.overlap.layers import Graph, Layer
from imcflow.passes.overlap.machine import share_banks
from imcflow.passes.overlap.nests import Mapping, OverlapError
from imcflow.passes.overlap.networks import reference_network
from imcflow.passes.overlap.runs import Order
from imcflow.passes.overlap.schedule import schedule
from imcflow.passes.overlap.search import Budget, Space, Strategy, search, search_space
from imcflow.passes.overlap.transform import move_costs, overlap_layers
from imcflow.passes.overlap.verify import verify_mapping


@dataclass(frozen=True)
class SmallMachine:
    """Banks of 64 columns; a multiplication takes 10 ticks, and so does every tile as overhead."""

    banks: int = 16
    name: str = "small"
    most_weights: int = 1 << 20

    def tile_ticks(self, outputs: int, reduction: int) -> int:
        return 10 + 10 * -(-outputs // 64) * reduction

    def fits(self, outputs: int, reduction: int, weight_tiles: int) -> bool:
        return reduction * weight_tiles <= self.most_weights

    def link_ticks(self, size_bytes: int) -> int:
        return -(-size_bytes // 4)


@pytest.fixture(scope="module")
def space() -> Space:
    return search_space(reference_network("chain4"), SmallMachine(), CandidateLimits(most_steps=64, count=24))


def test_candidates_keep_the_contract(space: Space):
    for layer, banks, choices in zip(space.graph.layers, space.banks, space.choices, strict=True):
        assert len(set(choices)) == len(choices)
        assert choices[0].latency_ticks == min(mapping.latency_ticks for mapping in choices)
        for mapping in choices:
            verify_mapping(layer, mapping, SmallMachine(), banks)


@pytest.mark.parametrize("strategy", Strategy)
def test_strategies(space: Space, strategy: Strategy):
    found = search(space, strategy, Budget(rounds=1))
    again = search(space, strategy, Budget(rounds=1))
    assert (found.mappings, found.end) == (again.mappings, again.end)
    assert not found.out_of_time
    ends = [end for _, end in found.progress]
    assert ends == sorted(ends, reverse=True)
    assert ends[-1] == found.end
    lock_step = schedule(space.graph, found.mappings, [Order.LOCK_STEP] * 4)
    assert lock_step.end == found.end
    sequential = sum(choices[0].latency_ticks for choices in space.choices)
    assert found.end <= sequential * (1 if strategy is Strategy.LAYERWISE else 0.75)
    assert found.end >= network_bounds(space.graph, found.mappings).best


def test_a_time_budget_ends_the_search_with_a_result(space: Space):
    lines: list[str] = []
    found = search(space, Strategy.BEAM, Budget(seconds=0.0), lines.append)
    assert found.out_of_time
    assert len(found.mappings) == 4
    assert lines


def test_the_transformation_is_kept_only_when_it_pays(space: Space):
    mappings = search(space, Strategy.LAYERWISE, Budget(rounds=0)).mappings
    lock_step = schedule(space.graph, mappings, [Order.LOCK_STEP] * 4)
    free = overlap_layers(space.graph, mappings)
    costs = move_costs(space.graph, mappings, SmallMachine())
    paid = overlap_layers(space.graph, mappings, costs)
    for found in (free, paid):
        check_schedule(found)
        assert network_bounds(space.graph, mappings).best <= found.end <= lock_step.end
    assert costs[0].input_ticks == 0
    assert all(cost.input_ticks > 0 and cost.weight_ticks > 0 for cost in costs[1:])
    with pytest.raises(OverlapError, match="1 move costs for 4 layers"):
        overlap_layers(space.graph, mappings, costs[:1])


def test_banks_go_to_the_busiest_layer():
    graph = Graph("two", (Layer("a", K=10, C=1), Layer("b", K=30, C=1)))
    assert share_banks(graph, 4) == (1, 3)
    assert share_banks(graph, 4, [2, 1]) == (2, 2)
    with pytest.raises(OverlapError, match="need 2 banks, there are 1"):
        share_banks(graph, 1)


def test_a_layer_that_does_not_fit_gets_more_banks():
    graph = Graph("two", (Layer("a", K=64 * 64, C=4), Layer("b", K=1, C=400)))
    machine = SmallMachine(banks=8, most_weights=400)
    assert search_space(graph, machine).banks[1] == 1
    with pytest.raises(OverlapError, match="no mapping fits"):
        candidates(graph.layers[1], SmallMachine(most_weights=1), 1)
    with pytest.raises(OverlapError, match="layers need"):
        search_space(graph, SmallMachine(most_weights=1))


@pytest.mark.parametrize(
    ("text", "ticks", "tail", "message"),
    [
        ("P9", 1000, 0, "last iteration of loop P9"),
        ("K8s", 1000, 0, "uses 8 banks of 4"),
        ("C2s", 1000, 0, "in no time"),
        ("P8", 1, 0, "lasts 1 ticks"),
        ("K2", 5000, 0, "do not fit"),
    ],
)
def test_wrong_mappings_are_named(text: str, ticks: int, tail: int, message: str):
    layer = Layer("conv", K=8, C=8, P=8, Q=8)
    with pytest.raises(OverlapError, match=message):
        verify_mapping(layer, Mapping.parse(text, ticks, tail), SmallMachine(most_weights=8), 4)
