"""Pipelines whose layers share cores, as tasks on cores: list schedules beside bounds (sheet 2.4).

With a core for every copy of every layer the earliest times of `replay` are optimal and nothing is to be decided. Once
layers share cores the order of their steps matters; it is left to the scheduler of `imcflow.passes.overlap`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imcflow.passes.overlap.tasks import TaskGraph
from imcflow.passes.pipelining.layers import PipelineError
from imcflow.passes.pipelining.plan import PipelinePlan


def shared_tasks(plan: PipelinePlan, cores: Sequence[int]) -> TaskGraph:
    """One image of a pipeline whose input is there from the start, as tasks; buffers are unbounded.

    Args:
        plan: one copy per stage.
        cores: per stage but the input, the core that runs it.

    Raises:
        PipelineError: the input streams, a stage has copies, or the cores do not fit the stages.
    """
    stages = plan.network.stages
    if plan.input_rate is not None or any(copies > 1 for copies in plan.copies[1:]):
        raise PipelineError("shared cores: needs one copy per stage and the whole input from the start")
    if len(cores) != len(stages) - 1:
        raise PipelineError(f"shared cores: {len(cores)} cores given for {len(stages) - 1} stages")
    counts = [plan.stage_steps(index) for index in range(1, len(stages))]
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    edges: list[tuple[int, int]] = []
    for index, count in enumerate(counts):
        edges.extend((int(first[index]) + step, int(first[index]) + step + 1) for step in range(count - 1))
    for key in plan.edges():
        producer = plan.producer(key)
        if producer:
            needs: list[int] = plan.tables(key).need.tolist()
            own, theirs = int(first[key[0] - 1]), int(first[producer - 1])
            edges.extend((theirs + need, own + step) for step, need in enumerate(needs))
    ticks = np.repeat(np.array(plan.step_ticks[1:], dtype=np.int64), counts)
    core = np.repeat(np.array(cores, dtype=np.int64), counts)
    return TaskGraph(ticks, core, np.array(sorted(set(edges)), dtype=np.int64).reshape(-1, 2))
