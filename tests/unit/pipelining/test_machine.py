"""The tick machine of the runtime against the sheet's tables and against the compiler's own replay."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from pipelined import machine_of_plan

from imcflow.passes.pipelining.buffers import BufferScheme, size_buffers
from imcflow.passes.pipelining.instances import small_pipeline
from imcflow.passes.pipelining.networks import convolution_chain
from imcflow.passes.pipelining.plan import PipelinePlan, simple_plan
from imcflow.passes.pipelining.replay import replay, replay_bounded
from imcflow.runtime.pipeline.dataflow import Handshake
from imcflow.runtime.pipeline.deadlock import DeadlockError
from imcflow.runtime.pipeline.machine import Clock, run_ticks

# size, layers, kernel, pad, ticks (sheet section 4)
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
# size, kernel, stride, pad, slots, end (sheet section 4)
RINGS = [
    (8, 3, 1, 1, 19, 74),
    (16, 3, 1, 1, 35, 274),
    (16, 5, 1, 2, 69, 291),
    (16, 3, 2, 1, 35, 257),
    (32, 3, 2, 1, 67, 1025),
    (16, 3, 1, 0, 35, 257),
]


@pytest.mark.parametrize(("size", "layers", "kernel", "pad", "ticks"), TICKS)
def test_ticks_of_chains(size: int, layers: int, kernel: int, pad: int, ticks: int):
    # The input unit streams one pixel per tick, as the first layer of the sheet's chains does, and stands for it here.
    plan = simple_plan(convolution_chain(size, layers - 1, kernel, pad))
    machine = machine_of_plan(plan.with_capacities(size_buffers(plan, BufferScheme.LINES)))
    assert run_ticks(machine, 1).total_ticks == ticks


@pytest.mark.parametrize(("size", "kernel", "stride", "pad", "slots", "end"), RINGS)
def test_rings_at_the_minimum_and_one_below(size: int, kernel: int, stride: int, pad: int, slots: int, end: int):
    plan = simple_plan(convolution_chain(size, 1, kernel, pad, stride))
    assert run_ticks(machine_of_plan(plan.with_capacities({(1, 0): slots})), 1).total_ticks == end
    machine = machine_of_plan(plan.with_capacities({(1, 0): slots - 1}))
    with pytest.raises(DeadlockError) as found:
        run_ticks(machine, 1)
    with pytest.raises(DeadlockError) as expected:
        replay_bounded(plan.with_capacities({(1, 0): slots - 1}))
    assert found.value.waits == expected.value.waits
    assert {wait.slots for wait in found.value.waits} == {0, slots - 1}


def drawn_plan(seed: int) -> PipelinePlan:
    random = Random(seed)
    plan = small_pipeline(random, copies=3, input_rate=random.choice([1, 2]))
    plan = replace(plan, handshake=random.choice(list(Handshake)), copies=(plan.input_rate or 1, *plan.copies[1:]))
    plan = replace(plan, link_ticks={key: random.choice([0, 0, 1, 4]) for key in plan.edges()})
    slots = size_buffers(plan, random.choice(list(BufferScheme)))
    return plan.with_capacities({key: max(1, count - random.choice([0, 0, 0, 1])) for key, count in slots.items()})


def deadlock_of(plan: PipelinePlan, images: int) -> str:
    try:
        replay(plan, images)
    except DeadlockError as error:
        return error.message
    return ""


@pytest.mark.parametrize("seed", range(60))
def test_every_tick_equals_the_compilers_replay(seed: int):
    plan = drawn_plan(seed)
    images = 1 + seed % 4
    message = deadlock_of(plan, images)
    if message:
        with pytest.raises(DeadlockError) as found:
            run_ticks(machine_of_plan(plan), images)
        assert found.value.message == message
        return
    expected = replay(plan, images)
    trace = run_ticks(machine_of_plan(plan), images)
    for index in range(len(plan.network.stages)):
        np.testing.assert_array_equal(trace.starts[index], expected.starts[index])
        np.testing.assert_array_equal(trace.ends[index], expected.ends[index])


def test_drawn_plans_deadlock_now_and_then():
    stuck = [bool(deadlock_of(drawn_plan(seed), 2)) for seed in range(60)]
    assert 2 < sum(stuck) < 55


def test_images_in_flight_and_interval():
    plan = simple_plan(convolution_chain(8, 3, 3, 1))
    trace = run_ticks(machine_of_plan(plan.with_capacities(size_buffers(plan, BufferScheme.EXACT))), 16)
    assert (trace.latency_ticks, trace.interval_ticks, trace.images_in_flight()) == (94, 64.0, 2)


def test_images_in_flight_when_whole_images_are_handed_over():
    plan = replace(simple_plan(convolution_chain(8, 5, 3, 1)), handshake=Handshake.IMAGE)
    trace = run_ticks(machine_of_plan(plan.with_capacities(size_buffers(plan, BufferScheme.EXACT))), 16)
    assert (trace.latency_ticks, trace.interval_ticks, trace.images_in_flight()) == (6 * 64, 64.0, 6)


@pytest.mark.parametrize("seed", range(60))
def test_a_clock_that_keeps_little_stands_where_the_whole_trace_says(seed: int):
    plan, images = drawn_plan(seed), 3
    machine = machine_of_plan(plan)
    clock = Clock(machine, images)
    if deadlock_of(plan, images):
        assert not clock.run()
        return
    trace = run_ticks(machine, images)
    for tick in sorted(Random(seed).sample(range(trace.total_ticks + 1), min(9, trace.total_ticks))):
        assert clock.run(tick)
        assert clock.ended == [int(np.searchsorted(ends, tick, side="right")) for ends in trace.ends]
    assert clock.run()
    assert clock.ended == [len(ends) for ends in trace.ends]


def test_a_clock_keeps_as_much_for_a_long_stream_as_for_a_short_one():
    plan = simple_plan(convolution_chain(16, 3, 3, 1))
    machine = machine_of_plan(plan.with_capacities(size_buffers(plan, BufferScheme.LINES)))
    assert Clock(machine, 1000).ends.size == Clock(machine, 1).ends.size < 16 * 16
