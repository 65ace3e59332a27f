"""Buffer sizes against the sheet, and bounds against random networks."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from imcflow.passes.pipelining.bounds import interval_bound, latency_bounds
from imcflow.passes.pipelining.buffers import BufferScheme, memory, memory_values, occupancy, peak_slots, size_buffers
from imcflow.passes.pipelining.networks import NetworkBuilder, convolution_chain, reference_network
from imcflow.passes.pipelining.plan import PipelinePlan, simple_plan
from imcflow.passes.pipelining.replay import replay
from imcflow.passes.pipelining.tradeoffs import without_deadlock
from imcflow.runtime.pipeline.dataflow import Handshake
from imcflow.runtime.pipeline.deadlock import DeadlockError


def resnet32(copies: tuple[int, int, int], *, lock_step: bool = False) -> PipelinePlan:
    plan = simple_plan(reference_network("resnet32"))
    by_size = dict(zip((32, 16, 8, 1), (*copies, 1), strict=True))
    chosen = (1, *(by_size[stage.height] for stage in plan.network.stages[1:]))
    return replace(plan, copies=chosen, lock_step=lock_step)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad", "peak"),
    [
        (32, 3, 1, 1, 67),
        (16, 3, 1, 1, 35),
        (8, 3, 1, 1, 19),
        (16, 5, 1, 2, 69),
        (32, 3, 2, 1, 67),  # 66 if pixels were freed out of order
        (32, 1, 1, 0, 1),
        (16, 3, 1, 0, 35),
    ],
)
def test_peaks_of_one_layer(size: int, kernel: int, stride: int, pad: int, peak: int):
    result = replay(simple_plan(convolution_chain(size, 1, kernel, pad, stride)))
    assert peak_slots(result, (1, 0)) == peak
    assert max(occupancy(result, (1, 0))[1]) == peak
    assert occupancy(result, (1, 0))[1][-1] == 0


@pytest.mark.parametrize("size", [32, 16, 8])
def test_bypass_of_a_residual_block_is_the_lag_of_its_main_branch(size: int):
    builder = NetworkBuilder("block", 4, size, size)
    builder.block("block", 0, 4, 1)
    plan = simple_plan(builder.build())
    assert peak_slots(replay(plan), (2, 1)) == 2 * (size + 2)


@pytest.mark.parametrize(("lock_step", "depths"), [(False, [98, 42, 20]), (True, [128, 48, 20])])
def test_bypasses_of_replicated_resnet32(lock_step: bool, depths: list[int]):
    plan = resnet32((16, 4, 1), lock_step=lock_step)
    result = replay(plan)
    inside = {32: 0, 16: 0, 8: 0}
    for key in plan.edges():
        stage = plan.network.stages[key[0]]
        edge = stage.edges[key[1]]
        if key[1] == 1 and edge.rows.stride == 1:
            inside[stage.height] = max(inside[stage.height], peak_slots(result, key))
    assert list(inside.values()) == depths


@pytest.mark.parametrize("copies", [(1, 1, 1), (4, 1, 1), (16, 4, 1)])
@pytest.mark.parametrize("scheme", [BufferScheme.FULL_MAP, BufferScheme.EXACT])
def test_sized_buffers_cost_no_time(copies: tuple[int, int, int], scheme: BufferScheme):
    plan = resnet32(copies)
    sized = plan.with_capacities(size_buffers(plan, scheme, images=3))
    assert replay(sized, 3).ticks == replay(plan, 3).ticks


def test_line_buffers_take_a_fraction_of_full_maps():
    plan = resnet32((1, 1, 1))
    values = {scheme: memory_values(plan.with_capacities(size_buffers(plan, scheme))) for scheme in BufferScheme}
    assert values[BufferScheme.LINES] <= values[BufferScheme.EXACT] < values[BufferScheme.FULL_MAP] / 4
    lines = plan.with_capacities(size_buffers(plan, BufferScheme.LINES))
    assert replay(lines, 2).ticks == replay(plan, 2).ticks
    first = memory(lines)[0]
    assert (first.producer, first.consumer, first.slots, first.values) == ("input", "conv1", 67, 67 * 3)


@pytest.mark.parametrize("seed", range(60))
def test_ends_lie_between_the_bounds_and_layer_by_layer(seed: int):
    random = Random(seed)
    builder = NetworkBuilder("random", 2, random.randint(3, 12), random.randint(3, 12))
    last = 0
    for index in range(random.randint(1, 5)):
        if random.random() < 0.3:
            last = builder.block(f"b{index}", last, 2, random.choice([1, 2]), project=random.random() < 0.5)
        else:
            kernel = random.choice([1, 3, 5])
            last = builder.convolution(f"c{index}", last, 2, kernel, random.choice([1, 2]), kernel // 2)
    network = builder.build()
    count = len(network.stages)
    plan = replace(
        simple_plan(network, input_rate=random.choice([None, 1])),
        copies=(1, *(random.randint(1, 4) for _ in range(count - 1))),
        step_ticks=tuple(random.randint(1, 3) for _ in range(count)),
    )
    bounds = latency_bounds(plan)
    work = sum(-(-plan.stage_steps(stage) // plan.copies[stage]) * plan.step_ticks[stage] for stage in range(count))
    result = replay(plan, 4)
    assert bounds.best <= result.latency_ticks <= work
    assert result.interval_ticks >= interval_bound(plan) - max(plan.step_ticks)


def test_layer_by_layer_figures_of_the_sheet():
    found = {copies: latency_bounds(resnet32(copies)) for copies in [(1, 1, 1), (4, 1, 1), (4, 4, 4), (16, 4, 1)]}
    assert [bounds.layer_by_layer for bounds in found.values()] == [14464, 6016, 3616, 1984]
    assert found[1, 1, 1].best == 1653
    assert interval_bound(resnet32((16, 4, 1))) == 1024
    assert interval_bound(replace(resnet32((16, 4, 1)), input_rate=None)) == 64


@pytest.mark.parametrize("copies", [(1, 1, 1), (16, 4, 1)])
def test_by_images_every_stage_works_on_an_image_of_its_own(copies: tuple[int, int, int]):
    plan = replace(resnet32(copies), handshake=Handshake.IMAGE, input_rate=None)
    interval = max(plan.stage_steps(stage) / plan.copies[stage] for stage in range(1, len(plan.network.stages)))
    sized = plan.with_capacities(size_buffers(plan, BufferScheme.EXACT))
    result = replay(sized, 40)
    assert result.interval_ticks == interval
    assert result.latency_ticks == replay(plan, 1).latency_ticks
    single = replay(plan.with_capacities(size_buffers(plan, BufferScheme.LINES)), 40)
    assert interval < single.interval_ticks <= 4 * interval  # a map is written or read, not both


@pytest.mark.parametrize("seed", range(30))
def test_rings_that_grew_out_of_a_deadlock_are_as_short_as_possible_and_no_longer_than_the_peaks(seed: int):
    random = Random(seed)
    builder = NetworkBuilder("random", 2, random.randint(3, 9), random.randint(3, 9))
    last = 0
    for index in range(random.randint(1, 3)):
        last = builder.block(f"b{index}", last, 2, random.choice([1, 2]), project=random.random() < 0.5)
    plan = simple_plan(builder.build())
    low = {key: plan.tables(key).ring_minimum for key in plan.edges()}
    peaks = size_buffers(plan, BufferScheme.EXACT)
    found = without_deadlock(plan.with_capacities(low))
    replay(found, 2)
    for key, slots in found.capacities.items():
        assert low[key] <= slots <= peaks[key]
        if slots > low[key]:
            with pytest.raises(DeadlockError):
                replay(plan.with_capacities(found.capacities | {key: slots - 1}), 2)
