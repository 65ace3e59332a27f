"""Trade-offs and timelines: each figure recounted another way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imcflow.passes.pipelining.buffers import peak_slots
from imcflow.passes.pipelining.crossbars import Crossbar
from imcflow.passes.pipelining.networks import NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.plan import plan_pipeline, simple_plan
from imcflow.passes.pipelining.replay import replay
from imcflow.passes.pipelining.replication import replicate_for_budget
from imcflow.passes.pipelining.timeline import core_timelines, edge_occupancies
from imcflow.passes.pipelining.tradeoffs import memory_points, next_growth, pareto_front, without_deadlock


def test_memory_against_latency_of_replicated_resnet8():
    plan = plan_pipeline(replicate_for_budget(reference_network("resnet8"), Crossbar(), 28), input_rate=None)
    points = {point.label: point for point in memory_points(plan)}
    free = replay(plan, 4)
    for label in ("full maps", "exact peaks"):
        assert (points[label].latency_ticks, points[label].interval_ticks) == (free.latency_ticks, free.interval_ticks)
    assert points["line buffers"].values < points["exact peaks"].values < points["full maps"].values
    assert points["line buffers"].latency_ticks > points["exact peaks"].latency_ticks
    front = pareto_front(list(points.values()))
    assert [point.values for point in front] == sorted({point.values for point in front})
    assert points["full maps"] not in front
    for point in points.values():
        worse = [point.values, point.latency_ticks, point.interval_ticks]
        assert any(a.values <= worse[0] and a.latency_ticks <= worse[1] and a.interval_ticks <= worse[2] for a in front)


def test_short_bypasses_grow_until_nothing_waits_in_a_circle():
    builder = NetworkBuilder("block", 4, 8, 8)
    builder.block("block", 0, 4, 1)
    plan = simple_plan(builder.build())
    grown = without_deadlock(plan.with_capacities({key: plan.tables(key).ring_minimum for key in plan.edges()}))
    assert replay(grown, 2).ticks >= replay(plan, 2).ticks
    assert grown.capacities[2, 1] > 1


def test_the_next_step_names_what_it_takes():
    plan = replicate_for_budget(reference_network("resnet32"), Crossbar(), 100)
    growth = next_growth(plan)
    cost = plan.crossbars + growth.crossbars
    assert replicate_for_budget(plan.network, plan.crossbar, cost).interval_ticks == growth.interval_ticks
    assert replicate_for_budget(plan.network, plan.crossbar, cost - 1).interval_ticks == plan.interval_ticks
    assert "conv1" in growth.bottlenecks
    assert growth.one_more_helps is not None
    index = [stage.name for stage in plan.network.stages].index(growth.one_more_helps)
    more = replace(plan, copies=(*plan.copies[:index], plan.copies[index] + 1, *plan.copies[index + 1 :]))
    assert more.crossbars == plan.crossbars + 1
    now, then = (replay(plan_pipeline(entry, input_rate=None)).latency_ticks for entry in (plan, more))
    assert now - then == growth.latency_gain_ticks > 0


@pytest.mark.parametrize("slots", [None, 19])
def test_timelines_hold_every_tick(slots: int | None):
    plan = replace(simple_plan(convolution_chain(8, 2, 3, 1)), step_ticks=(1, 1, 3), copies=(1, 2, 2))
    if slots is not None:
        plan = plan.with_capacities({(2, 0): slots})
    result = replay(plan, 2)
    lines = core_timelines(result)
    assert [(line.stage, line.copy, line.steps) for line in lines] == [
        ("conv1", 0, 64),
        ("conv1", 1, 64),
        ("conv2", 0, 64),
        ("conv2", 1, 64),
    ]
    for line in lines:
        assert all(start < end for start, end in line.spans)
        assert 0 < line.utilisation(result.ticks) <= 1
    assert lines[2].busy_ticks == 64 * 3
    assert (lines[0].held_ticks > 0) == (slots is not None)


def test_occupancies_peak_where_the_fifo_depths_say():
    result = replay(simple_plan(reference_network("resnet8")), 2)
    for entry in edge_occupancies(result):
        assert max(entry.slots) == peak_slots(result, entry.key)
        assert entry.slots[-1] == 0
        assert list(entry.ticks) == sorted(set(entry.ticks))
