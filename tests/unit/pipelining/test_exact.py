"""Earliest times against optima of CP-SAT, and the tables of windows against a search pixel by pixel."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.shared import schedule_tasks
from imcflow.passes.pipelining.buffers import BufferScheme, size_buffers
from imcflow.passes.pipelining.exact import exact_latency, read_steps
from imcflow.passes.pipelining.instances import small_pipeline
from imcflow.passes.pipelining.layers import PipelineError
from imcflow.passes.pipelining.networks import NetworkBuilder
from imcflow.passes.pipelining.plan import simple_plan
from imcflow.passes.pipelining.replay import replay
from imcflow.passes.pipelining.sharing import shared_tasks


@pytest.mark.parametrize("seed", range(40))
def test_tables_of_windows(seed: int):
    random = Random(seed)
    builder = NetworkBuilder("pair", 1, random.randint(5, 9), random.randint(5, 9))
    kernel = random.randint(1, 4)
    builder.convolution("conv", 0, 1, kernel, random.randint(1, 5), random.randint(0, kernel - 1))
    plan = simple_plan(builder.build())
    plan = replace(plan, patches=tuple((random.randint(1, 3), random.randint(1, 3)) for _ in range(2)))
    need, last_reader = read_steps(plan, (1, 0))
    tables = plan.tables((1, 0))
    assert tables.need.tolist() == need.tolist()
    assert tables.last_reader.tolist() == last_reader.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_private_cores_are_optimal(seed: int):
    pytest.importorskip("ortools", reason="needs the extra `exact`")
    random = Random(seed)
    plan = small_pipeline(random, copies=1 + seed % 3 // 2, input_rate=random.choice([None, 1]))
    if seed % 2:
        plan = plan.with_capacities(size_buffers(plan, BufferScheme.EXACT))
    ours = replay(plan).ticks
    exact = exact_latency(plan, known=ours)
    assert exact.proved
    assert exact.ticks == ours


@pytest.mark.parametrize("seed", range(4))
def test_shared_cores(seed: int):
    pytest.importorskip("ortools", reason="needs the extra `exact`")
    random = Random(seed)
    plan = small_pipeline(random)
    layers = len(plan.network.stages) - 1
    private = shared_tasks(plan, range(layers))
    assert schedule_tasks(private, restarts=4).makespan == replay(plan).ticks
    tasks = shared_tasks(plan, [index % 2 for index in range(layers)])
    found = schedule_tasks(tasks)
    exact = exact_makespan(tasks, known=found.makespan, bound=found.bound, seconds=10)
    assert exact.bound <= found.makespan <= 1.05 * exact.makespan


def test_shared_cores_need_one_core_per_stage():
    plan = small_pipeline(Random(0))
    with pytest.raises(PipelineError, match="1 cores given for"):
        shared_tasks(plan, [0])
    with pytest.raises(PipelineError, match="whole input from the start"):
        shared_tasks(replace(plan, input_rate=1), [0, 1, 2])
