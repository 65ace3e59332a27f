"""Heuristic schedules of tasks on shared cores: many list schedules side by side, improved forwards and backwards.

Serial schedule generation with a window between non-delay and active schedules; its loop over tasks runs all restarts
at once as array rows. Each schedule is then rebuilt from the end and from the start again with its own times as
priorities (forward-backward improvement, Li and Willis 1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.overlap.jackson import task_bounds
from imcflow.passes.overlap.nests import Ints
from imcflow.passes.overlap.tasks import TaskGraph

_FAR = 1 << 60


@dataclass(frozen=True, slots=True)
class TaskSchedule:
    """Tasks in time.

    Args:
        start: int64[N], in ticks.
        makespan: end of the last task.
        bound: no schedule is shorter (Jackson bound or longest path).
    """

    start: Ints
    makespan: int
    bound: int


def schedule_tasks(graph: TaskGraph, *, restarts: int = 64, rounds: int = 10, seed: int = 0) -> TaskSchedule:
    """A good schedule of tasks on cores that run one task at a time; the same for the same arguments.

    Args:
        graph: the tasks.
        restarts: schedules that are improved side by side.
        rounds: forward-backward rounds; ends early when the bound is met.
        seed: of the random priorities.
    """
    random = np.random.default_rng(seed)
    bound = task_bounds(graph).best
    back = graph.reversed()
    tails = (graph.tails + graph.ticks).astype(np.float64)
    best_start: Ints = np.zeros(0, dtype=np.int64)
    best = _FAR
    scale = np.linspace(0.0, 0.6, restarts)[:, None] * max(float(tails.max()), 1.0)
    keys = tails + scale * random.standard_normal((restarts, len(tails)))
    if restarts > 1:
        keys[1] = -tails  # shallowest first
    slack = np.tile(np.array([0.0, 0.0, 0.5, 1.0]), restarts // 4 + 1)[:restarts]
    for turn in range(rounds):
        start = list_schedules(graph, keys, slack)
        ends = (start + graph.ticks).max(axis=1)
        winner = int(ends.argmin())
        if ends[winner] < best:
            best, best_start = int(ends[winner]), start[winner]
        if best == bound:
            break
        backward = list_schedules(back, (start + graph.ticks)[:, ::-1].astype(np.float64), slack)
        late = -(backward + back.ticks)[:, ::-1]
        keys = -late.astype(np.float64)
        # The worse half starts again from the best schedules, shaken.
        ranked = np.argsort((backward + back.ticks).max(axis=1), kind="stable")
        half = restarts // 2
        shaken = keys[ranked[:half]] + random.standard_normal((half, len(tails))) * (best * 0.2 / (turn + 1))
        keys[ranked[restarts - half :]] = shaken
        slack[ranked[restarts - half :]] = random.choice([0.0, 0.3, 0.7, 1.0], half)
    return TaskSchedule(best_start, best, bound)


def list_schedules(graph: TaskGraph, keys: NDArray[np.float64], slack: NDArray[np.float64]) -> Ints:
    """Build one schedule per row of priorities.

    Each step takes, of the tasks whose predecessors are placed and that can start soon enough, the one with the largest
    key. Soon enough: by earliest start + slack * (earliest completion - earliest start); slack 0 gives non-delay
    schedules, slack near 1 active ones.

    Args:
        graph: the tasks.
        keys: float64[rows, N] priorities.
        slack: float64[rows] in 0..1.

    Returns:
        int64[rows, N] starts.
    """
    rows, count = keys.shape
    row = np.arange(rows, dtype=np.int64)
    ready = np.zeros((rows, count + 1), dtype=np.int64)
    missing = np.zeros((rows, count + 1), dtype=np.int64)
    missing[:, :count] = (graph.predecessors < count).sum(axis=1)
    free = np.zeros((rows, graph.cores), dtype=np.int64)
    # A task is out of reach while it waits for another one and after it is placed.
    away = np.where(missing[:, :count] > 0, _FAR, 0)
    starts = np.zeros((rows, count), dtype=np.int64)
    for _ in range(count):
        possible = np.maximum(ready[:, :count], free[:, graph.core]) + away
        first = possible.min(axis=1)
        reach = first + slack * ((possible + graph.ticks).min(axis=1) - 1 - first)
        chosen = np.where(possible <= reach[:, None], keys, -np.inf).argmax(axis=1)
        start = possible[row, chosen]
        starts[row, chosen] = start
        end = start + graph.ticks[chosen]
        free[row, graph.core[chosen]] = end
        away[row, chosen] = _FAR
        later = graph.successors[chosen]
        lines = row[:, None]
        ready[lines, later] = np.maximum(ready[lines, later], end[:, None])
        missing[lines, later] -= 1
        open_now = (missing[lines, later] == 0) & (later < count)
        away[np.broadcast_to(lines, later.shape)[open_now], later[open_now]] = 0
    return starts
