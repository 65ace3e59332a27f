"""Ticks, buffers and deadlocks against the sheet's tables, the closed forms and a simulator that counts every tick."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from imcflow.passes.pipelining.layers import Axis, Edge, Network, Stage
from imcflow.passes.pipelining.networks import NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.plan import PipelinePlan, WriteRule, simple_plan
from imcflow.passes.pipelining.replay import Replay, replay, replay_bounded, replay_unbounded
from imcflow.passes.pipelining.windows import line_buffer_pixels
from imcflow.runtime.pipeline.dataflow import Handshake
from imcflow.runtime.pipeline.deadlock import DeadlockError

TICKS = [
    (8, 2, 3, 1, 74),
    (8, 3, 3, 1, 84),
    (16, 2, 3, 1, 274),
    (16, 11, 3, 1, 436),
    (16, 3, 5, 2, 326),
    (16, 2, 1, 0, 257),
    (32, 2, 3, 1, 1058),
    (32, 5, 3, 1, 1160),
]

# size, kernel, stride, pad, slots, end with unbounded memory, end if a slot must be free before the start
RINGS = [
    (8, 3, 1, 1, 19, 74, 109),
    (16, 3, 1, 1, 35, 274, 469),
    (16, 5, 1, 2, 69, 291, 434),
    (16, 3, 2, 1, 35, 257, 305),
    (32, 3, 2, 1, 67, 1025, 1249),
    (16, 3, 1, 0, 35, 257, 452),
]


def one_layer(size: int, kernel: int, stride: int, pad: int) -> PipelinePlan:
    return simple_plan(convolution_chain(size, 1, kernel, pad, stride))


@pytest.mark.parametrize(("size", "layers", "kernel", "pad", "ticks"), TICKS)
def test_ticks_of_chains(size: int, layers: int, kernel: int, pad: int, ticks: int):
    result = replay(simple_plan(convolution_chain(size, layers, kernel, pad), input_rate=None))
    lag = pad * size + pad + 1
    assert result.ticks == ticks == size * size + (layers - 1) * lag
    assert [int(starts[0]) for starts in result.starts[1:]] == [lag * index for index in range(layers)]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "start", "end"),
    [
        (32, 3, 1, 1, 34, 1058),
        (16, 3, 1, 1, 18, 274),
        (8, 3, 1, 1, 10, 74),
        (16, 5, 1, 2, 35, 291),
        (32, 3, 2, 1, 34, 1025),
        (32, 1, 1, 0, 1, 1025),
        (16, 3, 1, 0, 35, 257),
    ],
)
def test_one_layer_behind_an_input(size: int, kernel: int, stride: int, pad: int, start: int, end: int):
    result = replay(one_layer(size, kernel, stride, pad))
    assert (int(result.starts[1][0]), result.ticks) == (start, end)
    assert int(result.ends[0][-1]) == size * size


@pytest.mark.parametrize(("size", "kernel", "stride", "pad", "slots", "end", "early"), RINGS)
def test_rings_at_the_minimum_and_below(
    size: int, kernel: int, stride: int, pad: int, slots: int, end: int, early: int
):
    plan = one_layer(size, kernel, stride, pad)
    assert line_buffer_pixels(plan.network.stages[1].edges[0], size) == slots
    assert plan.tables((1, 0)).ring_minimum == slots
    assert replay(plan.with_capacities({(1, 0): slots})).ticks == end
    assert replay_bounded(plan.with_capacities({(1, 0): slots})).ticks == end
    strict = replace(plan, write_rule=WriteRule.BEFORE_START)
    assert replay(strict.with_capacities({(1, 0): slots})).ticks == early
    assert replay(strict.with_capacities({(1, 0): slots + 1})).ticks == end
    for rule in (plan, strict):
        with pytest.raises(DeadlockError) as caught:
            replay(rule.with_capacities({(1, 0): slots - 1}))
        assert {wait.name for wait in caught.value.waits} == {"input", "conv1"}


def test_a_deadlock_names_the_cycle_of_waits():
    plan = one_layer(16, 3, 1, 1).with_capacities({(1, 0): 34})
    with pytest.raises(DeadlockError) as caught:
        replay(plan)
    assert str(caught.value) == (
        "deadlock: step 34 of 'input' waits for a slot of 34 that step 17 of 'conv1' frees; "
        "step 17 of 'conv1' waits for data of step 34 of 'input'"
    )


def test_a_short_bypass_deadlocks_across_the_block():
    builder = NetworkBuilder("block", 4, 8, 8)
    builder.block("block", 0, 4, 1)
    plan = simple_plan(builder.build())
    assert replay(plan.with_capacities({(2, 1): 20})).ticks == replay(plan).ticks == 64 + 2 * 10
    with pytest.raises(DeadlockError, match="frees"):
        replay(plan.with_capacities({(2, 1): 18}))


@pytest.mark.parametrize(
    ("copies", "rate", "lock_step", "latency"),
    [
        ((1, 1, 1), 1, False, 1653),
        ((1, 1, 1), 1, True, 1653),
        ((4, 1, 1), 1, False, 1388),
        ((4, 1, 1), None, False, 611),
        ((4, 1, 1), 1, True, 1396),
        ((4, 1, 1), None, True, 619),
        ((4, 4, 4), 1, False, 1204),
        ((4, 4, 4), None, False, 428),
        ((4, 4, 4), 1, True, 1226),
        ((4, 4, 4), None, True, 449),
        ((16, 4, 1), 1, False, 1203),
        ((16, 4, 1), None, False, 240),
        ((16, 4, 1), 1, True, 1220),
        ((16, 4, 1), None, True, 257),
    ],
)
def test_resnet32_latencies_of_the_sheet(copies: tuple[int, int, int], rate: int | None, lock_step: bool, latency: int):
    plan = simple_plan(reference_network("resnet32"), input_rate=rate)
    by_size = dict(zip((32, 16, 8, 1), (*copies, 1), strict=True))
    chosen = (1, *(by_size[stage.height] for stage in plan.network.stages[1:]))
    assert replay(replace(plan, copies=chosen, lock_step=lock_step)).latency_ticks == latency


def test_rows_instead_of_pixels():
    size, layers = 16, 4
    plan = simple_plan(convolution_chain(size, layers, 3, 1), input_rate=None)
    rows = replay(replace(plan, handshake=Handshake.ROW))
    assert int(rows.starts[2][0] - rows.starts[1][0]) == 2 * size
    assert rows.ticks - replay(plan).ticks == (layers - 1) * (size - 1 - 1)


def test_the_short_side_is_the_fast_axis():
    edge = Edge(0, Axis(3, 1, 1), Axis(3, 1, 1))
    stages = (Stage("input", 8, 32, 1), Stage("conv", 8, 32, 1, (edge,), 1, (3, 3)))
    network = Network("wide", stages)
    assert replay(simple_plan(network)).ticks == 256 + 34
    assert replay(simple_plan(network.short_rows())).ticks == 256 + 10


def random_network(random: Random) -> Network:
    builder = NetworkBuilder("random", 2, random.randint(4, 7), random.randint(4, 7))
    last = 0
    for index in range(random.randint(1, 3)):
        kind = random.randrange(4)
        if kind == 0:
            last = builder.block(f"b{index}", last, 2, 1)
        elif kind == 1:
            last = builder.convolution(f"c{index}", last, 2, 1)
        else:
            last = builder.convolution(f"c{index}", last, 2, 3, random.choice([1, 1, 2]), 1)
    return builder.build()


def tick_by_tick(plan: PipelinePlan, images: int) -> list[list[int]] | None:
    """Ends of all steps, by letting every stage try at every tick; None when nothing moves any more."""
    stages = range(len(plan.network.stages))
    counts = [plan.stage_steps(stage) * images for stage in stages]
    issued = [[] for _ in stages]
    ends: list[list[int]] = [[] for _ in stages]
    idle = now = 0
    while any(len(done) < count for done, count in zip(ends, counts, strict=True)):
        moved = True
        while moved:
            moved = False
            for stage in stages:
                # A result is written as soon as its step is over and every ring it goes to has a slot.
                done = len(ends[stage])
                over = done < len(issued[stage]) and issued[stage][done] + plan.step_ticks[stage] <= now
                if over and all(_has_slot(plan, key, done, ends) for key in plan.network.readers(stage)):
                    ends[stage].append(now)
                    moved = True
            for stage in stages:
                step = len(issued[stage])
                if step == counts[stage] or (
                    step >= plan.copies[stage] and len(ends[stage]) <= step - plan.copies[stage]
                ):
                    continue
                keys = [(stage, at) for at in range(len(plan.network.stages[stage].edges))]
                if all(_is_there(plan, key, step, ends) for key in keys):
                    issued[stage].append(now)
                    moved = idle = 1
        idle += 1
        now += 1
        if idle > 20:
            return None
    return ends


def _is_there(plan: PipelinePlan, key: tuple[int, int], step: int, ends: list[list[int]]) -> bool:
    image, own = divmod(step, plan.stage_steps(key[0]))
    producer = plan.producer(key)
    return len(ends[producer]) > image * plan.stage_steps(producer) + int(plan.tables(key).need[own])


def _has_slot(plan: PipelinePlan, key: tuple[int, int], step: int, ends: list[list[int]]) -> bool:
    if key not in plan.capacities or step < plan.capacities[key]:
        return True
    image, own = divmod(step - plan.capacities[key], plan.stage_steps(plan.producer(key)))
    reader = int(plan.tables(key).last_reader[own])
    last = image * plan.stage_steps(key[0]) + reader if reader >= 0 else image * plan.stage_steps(key[0]) - 1
    return len(ends[key[0]]) > last


def outcome(result: Replay) -> list[list[int]]:
    return [ends.tolist() for ends in result.ends]


@pytest.mark.parametrize("seed", range(40))
def test_replays_agree_with_a_simulator_that_counts_ticks(seed: int):
    random = Random(seed)
    network = random_network(random)
    count = len(network.stages)
    plan = replace(
        simple_plan(network),
        copies=(1, *(random.randint(1, 3) for _ in range(count - 1))),
        step_ticks=tuple(random.randint(1, 3) for _ in range(count)),
        patches=tuple((random.randint(1, 2), random.randint(1, 2)) for _ in range(count)),
    )
    assert outcome(replay_unbounded(plan, 2)) == outcome(replay_bounded(plan, 2)) == tick_by_tick(plan, 2)
    tight = plan.with_capacities({key: plan.tables(key).ring_minimum + random.randint(0, 6) for key in plan.edges()})
    expected = tick_by_tick(tight, 2)
    if expected is None:
        with pytest.raises(DeadlockError):
            replay(tight, 2)
    else:
        assert outcome(replay(tight, 2)) == outcome(replay_bounded(tight, 2)) == expected


def test_images_follow_each_other_at_the_interval():
    plan = simple_plan(reference_network("resnet8"))
    result = replay(plan, 5)
    assert np.diff(result.image_ends()).tolist() == [1024] * 4
    assert result.interval_ticks == 1024
