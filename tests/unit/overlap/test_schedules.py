"""Schedules of whole networks: feasible by an independent check, equal where they must be, never below a bound."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imcflow.passes.overlap.bounds import network_bounds
from imcflow.passes.overlap.check import check_schedule
from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.instances import as_tasks, random_graph
from imcflow.passes.overlap.latency import free_order_bound, free_order_end, queue_ends, step_ends
from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer
from imcflow.passes.overlap.lifetimes import lifetimes
from imcflow.passes.overlap.nests import Mapping, OverlapError
from imcflow.passes.overlap.runs import MoveCosts, Order, run_layer
from imcflow.passes.overlap.schedule import LockStepPlan, Schedule, schedule


@settings(max_examples=150)
@given(st.integers(0, 1 << 30))
def test_every_order_is_feasible_and_above_the_bounds(seed: int):
    random = Random(seed)
    graph, mappings = random_graph(random, random.randint(1, 5))
    bounds = network_bounds(graph, mappings)
    orders = [random.choice(list(Order)) for _ in mappings]
    moves = [MoveCosts(random.choice([0, 2]), random.choice([0, 7])) for _ in mappings]
    for chosen in ([order] * len(mappings) for order in Order):
        found = schedule(graph, mappings, chosen)
        check_schedule(found)
        assert found.end >= bounds.best
    mixed = schedule(graph, mappings, orders, moves)
    check_schedule(mixed)
    assert mixed.end >= bounds.best


@settings(max_examples=150)
@given(st.integers(0, 1 << 30))
def test_the_plan_equals_the_grid(seed: int):
    random = Random(seed)
    graph, mappings = random_graph(random, random.randint(1, 6))
    plan = LockStepPlan(graph, mappings)
    found = schedule(graph, mappings, [Order.LOCK_STEP] * len(mappings))
    assert [int(times[-1]) for times in plan.times()] == [run.end for run in found.runs]
    assert plan.end() == found.end
    assert plan.tiles == found.tiles


@settings(max_examples=100)
@given(st.integers(0, 1 << 30))
def test_orders_of_one_layer(seed: int):
    """Given the same ready times: lock step >= independent >= permuted >= replaced = C_T."""
    random = Random(seed)
    _, mappings = random_graph(random, 1)
    mapping = mappings[0]
    ready = np.random.default_rng(seed).integers(0, 60, mapping.shape)
    ends = [run_layer(mapping, ready, order).end for order in Order]
    assert ends[0] >= ends[1]
    if mapping.reduction_steps == 1:
        assert ends[1] >= ends[2] >= ends[3]
        free = free_order_end(ready, mapping.step_ticks, mapping.banks)
        assert ends[3] == free + mapping.tail_ticks
        assert free >= free_order_bound(ready, mapping.step_ticks, mapping.banks)
    banks = run_layer(mapping, ready, Order.REPLACED).bank.ravel()
    assert np.bincount(banks, minlength=mapping.banks).max() <= mapping.steps


@pytest.mark.parametrize("seed", range(30))
def test_small_networks_against_the_optimum(seed: int):
    """CP-SAT proves the bounds right; the schedules are feasible, so no better than the optimum."""
    random = Random(seed)
    graph, mappings = random_graph(random, random.randint(2, 3), reductions=False)
    mappings = [replace(mapping, tail_ticks=0) for mapping in mappings]
    found = schedule(graph, mappings, [Order.REPLACED] * len(mappings))
    exact = exact_makespan(as_tasks(graph, mappings), known=found.end, seconds=5)
    assert network_bounds(graph, mappings).best <= exact.makespan <= found.end


@pytest.mark.parametrize("seed", range(40))
def test_a_reordered_consumer_is_optimal(seed: int):
    """Behind a producer in loop order, tiles by ready time on any bank end as early as any schedule."""
    random = Random(seed)
    graph, mappings = random_graph(random, 2, reductions=False)
    mappings = [replace(mapping, tail_ticks=0) for mapping in mappings]
    found = schedule(graph, mappings, [Order.INDEPENDENT, Order.REPLACED])
    exact = exact_makespan(as_tasks(graph, mappings, in_order=[0]), known=found.end, seconds=5)
    assert found.end == exact.makespan or not exact.proved


def test_moves_are_charged_once_per_weight_tile_and_bank():
    mapping = Mapping.parse("K2s P4", 10)
    ready = np.array([[0, 0, 0, 0], [100, 100, 100, 100]])
    free = run_layer(mapping, ready, Order.REPLACED)
    assert free.end == 120
    assert free.moved_blocks == 4
    paid = run_layer(mapping, ready, Order.REPLACED, MoveCosts(input_ticks=1, weight_ticks=5))
    # Two blocks of each weight tile move, each pays its inputs, and each weight tile moves once.
    assert paid.link_ticks == 4 * 1 + 2 * 5
    assert paid.end > free.end


def test_step_ends_and_queues():
    ready = np.array([0, 50, 5, 7])
    assert step_ends(ready, 10).tolist() == [10, 60, 70, 80]
    assert queue_ends(ready, np.array([1, 2, 3, 40])).tolist() == [1, 52, 55, 95]


def test_a_skip_connection_holds_its_buffer():
    layers = (
        Layer("stem", K=4, C=1, P=8, Q=8),
        Layer("a", K=4, C=4, P=8, Q=8, rows=Axis(3, pad=1), columns=Axis(3, pad=1), edges=(Edge(0),)),
        Layer("b", K=4, C=4, P=8, Q=8, edges=(Edge(1), Edge(0, at_output=True))),
        Layer("join", K=4, C=1, P=8, Q=8, channelwise=True, edges=(Edge(0), Edge(2))),
    )
    graph = Graph("residual", layers)
    mappings = [Mapping.parse("P8 Q8", 10)] * 4
    found = schedule(graph, mappings, [Order.LOCK_STEP] * 4)
    check_schedule(found)
    lives = lifetimes(found)
    assert lives.death[0] == found.end
    assert lives.death[1] < found.end
    assert lives.size_bytes.tolist() == [256] * 4
    moments, totals = lives.profile()
    assert totals[-1] == 0
    assert lives.peak_bytes == max(
        sum(256 for birth, death in zip(lives.birth, lives.death, strict=True) if birth <= moment < death)
        for moment in moments
    )


def test_the_checker_finds_early_starts_and_double_use():
    graph, mappings = Graph("chain", (Layer("a", K=2, C=1), Layer("b", K=2, C=2, edges=(Edge(0),)))), None
    mappings = [Mapping.parse("K2", 5), Mapping.parse("K2", 5)]
    good = schedule(graph, mappings, [Order.LOCK_STEP] * 2)
    early = replace(good.runs[1], start=good.runs[1].start - 1)
    with pytest.raises(OverlapError, match="before its part of a is final"):
        check_schedule(Schedule(graph, tuple(mappings), (good.runs[0], early)))
    double = replace(good.runs[1], start=np.full(2, 10))
    with pytest.raises(OverlapError, match="two tiles at once"):
        check_schedule(Schedule(graph, tuple(mappings), (good.runs[0], double)))
