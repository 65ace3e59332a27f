"""Tasks on shared cores: feasible, deterministic, above the bounds, near the optimum."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.jackson import jackson_bound, task_bounds
from imcflow.passes.overlap.nests import OverlapError
from imcflow.passes.overlap.shared import schedule_tasks
from imcflow.passes.overlap.tasks import TaskGraph, random_tasks


def preemptive_makespan(heads: list[int], ticks: list[int], tails: list[int]) -> int:
    """Jackson's preemptive schedule, tick by tick: always the ready task with the largest tail."""
    left = list(ticks)
    time = makespan = 0
    while any(left):
        ready = [index for index, ticks_left in enumerate(left) if ticks_left and heads[index] <= time]
        time += 1
        if ready:
            task = max(ready, key=lambda index: tails[index])
            left[task] -= 1
            makespan = max(makespan, time + tails[task])
    return makespan


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.integers(0, 20)), min_size=1, max_size=9))
def test_jackson_bound_is_the_preemptive_makespan(tasks: list[tuple[int, int, int]]):
    heads, ticks, tails = (list(values) for values in zip(*tasks, strict=True))
    assert jackson_bound(np.array(heads), np.array(ticks), np.array(tails)) == preemptive_makespan(heads, ticks, tails)


@pytest.mark.parametrize("seed", range(12))
def test_schedules_are_feasible_repeatable_and_bounded(seed: int):
    graph = random_tasks(Random(seed), (3, 6), (2, 6))
    found = schedule_tasks(graph, restarts=16, rounds=4)
    end = found.start + graph.ticks
    assert (found.start[graph.edges[:, 1]] >= end[graph.edges[:, 0]]).all()
    for core in range(graph.cores):
        own = np.nonzero(graph.core == core)[0]
        order = own[np.argsort(found.start[own])]
        assert (found.start[order][1:] >= end[order][:-1]).all()
    assert found.makespan == end.max()
    again = schedule_tasks(graph, restarts=16, rounds=4)
    assert again.start.tolist() == found.start.tolist()
    bounds = task_bounds(graph)
    exact = exact_makespan(graph, known=found.makespan, seconds=10)
    assert max(bounds.path, bounds.bottleneck) <= bounds.best == found.bound <= exact.makespan <= found.makespan
    assert not exact.proved or found.makespan <= 1.05 * exact.makespan


def test_heads_and_tails():
    graph = TaskGraph(np.array([2, 3, 4]), np.array([0, 1, 0]), np.array([[0, 1], [1, 2]]))
    assert graph.heads.tolist() == [0, 2, 5]
    assert graph.tails.tolist() == [7, 4, 0]
    assert schedule_tasks(graph, restarts=1, rounds=1).makespan == 9


@pytest.mark.parametrize(("ticks", "edges"), [([], []), ([0], []), ([1, 1], [[1, 0]]), ([1, 1], [[0, 2]])])
def test_wrong_graphs_are_refused(ticks: list[int], edges: list[list[int]]):
    with pytest.raises(OverlapError, match="task graph"):
        TaskGraph(np.array(ticks, dtype=np.int64), np.zeros(len(ticks), dtype=np.int64), np.array(edges).reshape(-1, 2))
