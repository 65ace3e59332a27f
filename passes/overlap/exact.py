"""Optimal makespans of small task graphs by CP-SAT (extra `exact`), to measure heuristics and bounds against."""

from __future__ import annotations

from dataclasses import dataclass

from imcflow.passes.overlap.tasks import TaskGraph


@dataclass(frozen=True, slots=True)
class ExactMakespan:
    """What the solver found.

    Args:
        makespan: of the best schedule, in ticks.
        bound: no schedule is shorter.
    """

    makespan: int
    bound: int

    @property
    def proved(self) -> bool:
        """Whether the schedule is optimal."""
        return self.makespan == self.bound


def exact_makespan(graph: TaskGraph, *, known: int, bound: int = 0, seconds: float = 20.0) -> ExactMakespan:
    """Shortest schedule of a task graph; cores with a capacity above 1 are pools of identical banks.

    Args:
        graph: the tasks.
        known: makespan of some schedule.
        bound: a known lower bound.
        seconds: limit of the solver.
    """
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    lengths: list[int] = graph.ticks.tolist()
    starts = [model.new_int_var(0, known - length, "") for length in lengths]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    intervals = [
        model.new_fixed_size_interval_var(start, length, "") for start, length in zip(starts, lengths, strict=True)
    ]
    pairs: list[tuple[int, int]] = graph.edges.tolist()
    for earlier, later in pairs:
        model.add(starts[later] - starts[earlier] >= lengths[earlier])
    for core in range(graph.cores):
        own = [interval for interval, place in zip(intervals, graph.core, strict=True) if place == core]
        capacity = graph.capacity[core] if graph.capacity is not None else 1
        if capacity == 1:
            model.add_no_overlap(own)
        else:
            model.add_cumulative(own, [1] * len(own), capacity)
    makespan = model.new_int_var(bound, known, "makespan")
    model.add_max_equality(makespan, ends)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return ExactMakespan(known, max(bound, int(solver.best_objective_bound)))
    return ExactMakespan(int(solver.objective_value), int(solver.best_objective_bound))
