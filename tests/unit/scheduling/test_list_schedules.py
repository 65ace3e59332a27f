"""List schedules of programs: above their bounds, optimal where CP-SAT says so, and what each strategy may not do."""

from __future__ import annotations

import dataclasses
from random import Random

import numpy as np
import pytest
from tests.support.scheduled_programs import TARGETS, digits_program, images, machine_of

from imcflow.passes.overlap.exact import exact_makespan
from imcflow.passes.overlap.jackson import jackson_bound
from imcflow.passes.overlap.search import Strategy
from imcflow.passes.overlap.tasks import TaskGraph
from imcflow.passes.scheduling.bounds import program_bounds, unit_bound
from imcflow.passes.scheduling.list_schedule import list_schedule, tails
from imcflow.passes.scheduling.parts import POOL, Parts, cut_program, cuts_of
from imcflow.passes.scheduling.schedule import overlap_program, sequential_cycles
from imcflow.passes.scheduling.strategies import CutSearch, choose_cuts, plan
from imcflow.runtime.execution.run import run_program
from imcflow.runtime.loader import check_program
from imcflow.runtime.schedule.replay import verify_replay

MACHINES = {
    "ap with 2 arrays": ("rtm-ap-256", 2, 16),
    "ap with 8 arrays": ("rtm-ap-256", 8, 4),
    "resident weights": ("dimc-64x16x8-dm32", 0, 4),
    "one macro": ("dimc-256x64", 0, 64),
}


def parts_of(name: str, seed: int) -> Parts:
    target, arrays, rate = MACHINES[name]
    machine = machine_of(digits_program(target), arrays, rate)
    random = Random(seed)
    return cut_program(machine, [random.choice(cuts_of(machine, work)) for work in machine.works])


def as_tasks(parts: Parts) -> TaskGraph:
    """Every dependence between tasks, with a core per unit; tasks that take no time become one tick long."""
    pairs: set[tuple[int, int]] = set()
    bounds = parts.part_tasks.tolist()
    for part, needs in enumerate(parts.producers):
        for low, high in needs:
            pairs |= {
                (before, after)
                for before in range(bounds[low], bounds[high + 1])
                for after in range(bounds[part], bounds[part + 1])
            }
    step = parts.step[parts.task_part]
    for (own, macro), befores in parts.gates.items():
        later = np.flatnonzero((step == own) & (parts.task_unit == macro)).tolist()
        for before, _ in befores:
            earlier = np.flatnonzero((step == before) & (parts.task_unit == macro)).tolist()
            pairs |= {(first, second) for first in earlier for second in later}
    units = np.unique(parts.task_unit)
    capacity = tuple(parts.machine.groups if unit == POOL else 1 for unit in units.tolist())
    core = np.searchsorted(units, parts.task_unit).astype(np.int64)
    edges = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return TaskGraph(np.maximum(parts.task_cycles, 1), core, edges, capacity)


def no_empty(parts: Parts) -> Parts:
    return dataclasses.replace(parts, task_cycles=np.maximum(parts.task_cycles, 1))


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("seed", range(2))
def test_bounds_optimum_and_schedule_are_in_order(name: str, seed: int) -> None:
    parts = no_empty(parts_of(name, seed))
    bound = program_bounds(parts).best
    found = plan(parts, restarts=4, bound=bound)
    exact = exact_makespan(as_tasks(parts), known=found.end, bound=0, seconds=1.5)
    assert bound <= exact.makespan <= found.end
    assert found.end <= 1.02 * exact.makespan


@pytest.mark.parametrize("name", MACHINES)
def test_the_longest_rest_and_the_head_bound_every_schedule(name: str) -> None:
    parts = parts_of(name, 11)
    random = np.random.default_rng(0)
    for _ in range(5):
        found = list_schedule(parts, random.random(len(parts.step)))
        assert found.end >= program_bounds(parts).best
        ends = found.start + parts.task_cycles
        assert (ends + tails(parts)[parts.task_part]).max() <= found.end


@pytest.mark.parametrize("seed", range(30))
def test_the_preemptive_bound_is_jacksons(seed: int) -> None:
    random = np.random.default_rng(seed)
    heads, cycles, after = (random.integers(low, 30, 12) for low in (0, 1, 0))
    assert unit_bound(heads, cycles, after, 1) == jackson_bound(heads, cycles, after)


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize("target", TARGETS)
def test_every_strategy_gives_a_program_that_loads_replays_and_runs(strategy: Strategy, target: str) -> None:
    plain = digits_program(target)
    machine = machine_of(plain, arrays=4)
    schedule = overlap_program(machine, choose_cuts(machine, strategy, CutSearch(rounds=1)))
    program = dataclasses.replace(plain, schedule=schedule)
    check_program(program)
    assert verify_replay(program).end_cycles == schedule.end_cycles
    assert schedule.bound_cycles <= schedule.end_cycles <= schedule.sequential_cycles
    for name, tensor in run_program(plain, images(2)).items():
        np.testing.assert_array_equal(run_program(program, images(2))[name], tensor)


def test_overlap_pays_where_layers_have_macros_of_their_own() -> None:
    machine = machine_of(digits_program("dimc-64x16x8-dm32"), rate=16)
    ends = {
        strategy: overlap_program(machine, choose_cuts(machine, strategy)).end_cycles
        for strategy in (Strategy.LAYERWISE, Strategy.FORWARD)
    }
    assert ends[Strategy.FORWARD] < ends[Strategy.LAYERWISE] <= sequential_cycles(machine)


def test_the_same_seed_gives_the_same_schedule() -> None:
    machine = machine_of(digits_program(TARGETS[1]))
    first, second = (overlap_program(machine, choose_cuts(machine, Strategy.BEAM), seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.tasks, second.tasks)
