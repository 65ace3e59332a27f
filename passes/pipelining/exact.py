"""Optimal latencies of small pipelines by CP-SAT (extra `exact`), to measure schedules against.

Every step is a task; the copies of a stage are a pool that takes its steps in raster order (or, on request, in any
order) at any time, so the optimum is over more schedules than `replay` considers. A step holds its copy until its
result has a slot (sheet 2.3 and 2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from imcflow.passes.pipelining.plan import PipelinePlan, WriteRule
from imcflow.passes.pipelining.windows import Ints


@dataclass(frozen=True, slots=True)
class ExactLatency:
    """What the solver found.

    Args:
        ticks: end of the best schedule.
        bound: no schedule is shorter.
    """

    ticks: int
    bound: int

    @property
    def proved(self) -> bool:
        """Whether the schedule is optimal."""
        return self.ticks == self.bound


def exact_latency(plan: PipelinePlan, *, known: int, any_order: bool = False, seconds: float = 20.0) -> ExactLatency:
    """Shortest schedule of one image on private cores, with the plan's buffers.

    Args:
        plan: network, copies, buffers, input.
        known: latency of some schedule.
        any_order: whether a stage may compute its pixels in another order than the raster; for unbounded buffers.
        seconds: limit of the solver.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    starts: list[list[cp_model.IntVar]] = []
    ends: list[list[cp_model.IntVar]] = []
    for index in range(len(plan.network.stages)):
        count, ticks = plan.stage_steps(index), plan.step_ticks[index]
        starts.append([model.new_int_var(0, known, "") for _ in range(count)])
        ends.append([model.new_int_var(0, known, "") for _ in range(count)])
        if index == 0 and plan.input_rate is None:
            for variable in (*starts[0], *ends[0]):
                model.add(variable == 0)
            continue
        intervals: list[cp_model.IntervalVar] = []
        for start, end in zip(starts[-1], ends[-1], strict=True):
            length = model.new_int_var(ticks, known, "")
            intervals.append(model.new_interval_var(start, length, end, ""))
        model.add_cumulative(intervals, [1] * count, plan.copies[index])
        if not any_order:
            for times in (starts[-1], ends[-1]):
                for earlier, later in pairwise(times):
                    model.add(later >= earlier)
    for key in plan.edges():
        producer, tables = plan.producer(key), plan.tables(key)
        for step, last in enumerate(_raw_reads(plan, key)):
            for read in last:
                model.add(starts[key[0]][step] >= ends[producer][read] + plan.link_ticks.get(key, 0))
        slots = plan.capacities.get(key)
        if slots is None or (producer == 0 and plan.input_rate is None):
            continue
        early = plan.write_rule is WriteRule.BEFORE_START
        times = (starts if early else ends)[producer]
        readers: list[int] = tables.last_reader.tolist()
        for step in range(slots, len(times)):
            if readers[step - slots] >= 0:
                model.add(times[step] >= ends[key[0]][readers[step - slots]])
    latency = model.new_int_var(0, known, "latency")
    model.add_max_equality(latency, [end for stage in ends for end in stage])
    model.minimize(latency)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return ExactLatency(known, int(solver.best_objective_bound))
    return ExactLatency(int(solver.objective_value), int(solver.best_objective_bound))


def _raw_reads(plan: PipelinePlan, key: tuple[int, int]) -> list[list[int]]:
    """Per consumer step, every producer step that its own windows touch, found pixel by pixel."""
    stages = plan.network.stages
    consumer, edge = stages[key[0]], stages[key[0]].edges[key[1]]
    producer = stages[edge.producer]
    (own_height, own_width), (height, width) = plan.patches[key[0]], plan.patches[edge.producer]
    across, bands = -(-consumer.width // own_width), -(-producer.width // width)
    reads: list[set[int]] = [set() for _ in range(plan.stage_steps(key[0]))]
    for y in range(consumer.height):
        for x in range(consumer.width):
            rows = range(y * edge.rows.stride - edge.rows.pad, y * edge.rows.stride - edge.rows.pad + edge.rows.size)
            left = x * edge.columns.stride - edge.columns.pad
            own = y // own_height * across + x // own_width
            reads[own].update(
                row // height * bands + column // width
                for row in rows
                for column in range(left, left + edge.columns.size)
                if 0 <= row < producer.height and 0 <= column < producer.width
            )
    return [sorted(entry) for entry in reads]


def read_steps(plan: PipelinePlan, key: tuple[int, int]) -> tuple[Ints, Ints]:
    """The tables of an edge (need, last reader) from its windows, pixel by pixel: slow, to check `windows`."""
    import numpy as np

    reads = _raw_reads(plan, key)
    need = np.maximum.accumulate(np.array([max(entry) for entry in reads], dtype=np.int64))
    last = np.full(plan.stage_steps(plan.producer(key)), -1, dtype=np.int64)
    for step, entry in enumerate(reads):
        last[entry] = step
    return need, np.maximum.accumulate(last)
