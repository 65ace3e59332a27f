"""Lower bounds for tasks on shared cores.

Jackson's preemptive schedule of one machine with heads r, lengths p and tails q ends at the largest of
min r + sum p + min q over all subsets of tasks (Carlier 1982, "The one-machine sequencing problem"). The best subset is
{r_i >= a, q_i >= b} for some head a and tail b, so a table of sums over both thresholds gives the value without
simulating the schedule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from imcflow.passes.overlap.nests import Ints
from imcflow.passes.overlap.tasks import TaskGraph


@dataclass(frozen=True, slots=True)
class TaskBounds:
    """Lower bounds on the makespan, in ticks.

    Args:
        path: longest chain of dependent tasks.
        bottleneck: largest of min head + all work + min tail over the cores.
        jackson: largest preemptive one-machine makespan over the cores.
    """

    path: int
    bottleneck: int
    jackson: int

    @property
    def best(self) -> int:
        """The largest."""
        return max(self.path, self.bottleneck, self.jackson)


def jackson_bound(heads: Ints, ticks: Ints, tails: Ints) -> int:
    """Makespan of Jackson's preemptive schedule of one machine, exact, in O(n^2) array operations.

    Args:
        heads: int64[n].
        ticks: int64[n] lengths.
        tails: int64[n].
    """
    by_head = np.argsort(-heads, kind="stable")
    head_values, tail_values = heads[by_head], np.sort(tails)[::-1]
    tail_rank = np.empty(len(tails), dtype=np.int64)
    tail_rank[np.argsort(-tails, kind="stable")] = np.arange(len(tails))
    work = np.zeros((len(heads), len(heads)), dtype=np.int64)
    work[np.arange(len(heads)), tail_rank[by_head]] = ticks[by_head]
    # Row a, column b: work of the tasks with the a+1 largest heads and the b+1 largest tails.
    sums = work.cumsum(axis=0).cumsum(axis=1)
    total = head_values[:, None] + sums + tail_values[None, :]
    return int(np.where(sums > 0, total, 0).max())


def task_bounds(graph: TaskGraph) -> TaskBounds:
    """Lower bounds of a task graph whose cores run one task at a time."""
    heads, tails = graph.heads, graph.tails
    bottleneck = jackson = 0
    for core in range(graph.cores):
        own = graph.core == core
        if own.any():
            bottleneck = max(bottleneck, int(heads[own].min() + graph.ticks[own].sum() + tails[own].min()))
            jackson = max(jackson, jackson_bound(heads[own], graph.ticks[own], tails[own]))
    return TaskBounds(int((heads + graph.ticks + tails).max()), bottleneck, jackson)
