"""Layers of a module on the banks of a DRAM: search, transformation, and both as attributes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.attributes_schedule import TasksAttr
from imcflow.dialect.locations import describe
from imcflow.errors import ImcflowError
from imcflow.passes.overlap.bounds import Bounds, network_bounds
from imcflow.passes.overlap.candidates import CandidateLimits
from imcflow.passes.overlap.check import check_schedule
from imcflow.passes.overlap.grid import output_grid
from imcflow.passes.overlap.nests import Ints, Mapping, OverlapError
from imcflow.passes.overlap.refine import refine
from imcflow.passes.overlap.runs import Order, Run
from imcflow.passes.overlap.schedule import Schedule
from imcflow.passes.overlap.search import Budget, Space, Strategy, search, search_space
from imcflow.passes.overlap.transform import move_costs, overlap_layers
from imcflow.passes.overlap.verify import tile_outputs, tile_reduction, verify_mapping
from imcflow.passes.scheduling.levels import FIRST_BANK, NEST, TASKS, loops_of, nest_of
from imcflow.runtime.schedule.table import task_dtype
from imcflow.runtime.schedule.timeline import Timeline

if TYPE_CHECKING:
    from xdsl.ir import Operation

    from imcflow.passes.overlap.layers import Layer
    from imcflow.passes.overlap.module_graph import ModuleGraph
    from imcflow.targets.dram_pim import DramPimTarget

LIMITS = CandidateLimits(most_steps=4096, slowest=1.25, count=128)
REFINED = 2
"""Rounds of refinement at most; they end when one changes nothing."""


@dataclass(frozen=True)
class DramSearch:
    """How to look for mappings.

    Attributes:
        strategy: order in which layers are mapped.
        budget: where the search ends; `seconds` also limits the refinement.
        refined: whether mappings are chosen again for the re-ordered schedule.
        workers: searches side by side, with seeds one after the other; the best result is kept.
    """

    strategy: Strategy
    budget: Budget
    refined: bool = True
    workers: int = 1


def find_mappings(
    found: ModuleGraph, target: DramPimTarget, how: DramSearch, on_progress: Callable[[str], None] | None = None
) -> tuple[Space, tuple[Mapping, ...]]:
    """Share the banks out and map every layer.

    Raises:
        OverlapError: the layers do not fit into the banks.
    """
    space = search_space(found.graph, target, LIMITS)
    budgets = [replace(how.budget, seed=how.budget.seed + worker) for worker in range(how.workers)]
    one = partial(_search, space, how)
    if how.workers == 1:
        results = [one(budgets[0], on_progress)]
    else:
        # Fresh processes: threads of this one may hold locks.
        with ProcessPoolExecutor(how.workers, mp_context=get_context("spawn")) as pool:
            results = list(pool.map(one, budgets))
    return space, min(results, key=lambda result: result[0])[1]


def _search(
    space: Space, how: DramSearch, budget: Budget, on_progress: Callable[[str], None] | None = None
) -> tuple[int, tuple[Mapping, ...]]:
    chosen = search(space, how.strategy, budget, on_progress)
    if how.strategy is Strategy.LAYERWISE or not how.refined:
        return chosen.end, chosen.mappings
    start = overlap_layers(space.graph, chosen.mappings)
    better = refine(start, space, rounds=REFINED, seconds=budget.seconds, seed=budget.seed, on_progress=on_progress)
    return better.end, better.mappings


def keep_mappings(found: ModuleGraph, space: Space, mappings: tuple[Mapping, ...]) -> None:
    """Write nests and first banks to the ops."""
    from xdsl.dialects.builtin import IntegerAttr, i64

    first = 0
    for op, mapping, banks in zip(found.ops, mappings, space.banks, strict=True):
        op.attributes[NEST] = nest_of(mapping)
        op.attributes[FIRST_BANK] = IntegerAttr(first, i64)
        op.attributes.pop(TASKS, None)
        first += banks


def read_mappings(found: ModuleGraph, target: DramPimTarget) -> tuple[Mapping, ...]:
    """Read and verify the nests of all ops.

    Raises:
        ImcflowError: an op has no nest, or a nest breaks a rule; the message names the op and the limit.
    """
    mappings: list[Mapping] = []
    used = np.zeros(target.banks, np.int64)
    for op, layer in zip(found.ops, found.graph.layers, strict=True):
        loops = loops_of(op)
        for loop in loops:
            if loop.level != "bank":
                raise ImcflowError(f"{describe(op)}: loop {loop} is of level {loop.level}, the target has banks")
        plain = Mapping(loops)
        ticks = target.tile_ticks(tile_outputs(layer, plain), tile_reduction(layer, plain))
        mapping = Mapping(loops, ticks, _tail_ticks(layer, plain, target))
        first = first_bank(op)
        if first < 0 or first + mapping.banks > target.banks:
            raise ImcflowError(
                f"{describe(op)}: banks {first} to {first + mapping.banks - 1}, {target.name} has {target.banks}"
            )
        if used[first : first + mapping.banks].any():
            raise ImcflowError(f"{describe(op)}: a bank from {first} on holds another layer")
        used[first : first + mapping.banks] = 1
        try:
            verify_mapping(layer, mapping, target, mapping.banks)
        except OverlapError as error:
            raise ImcflowError(f"{describe(op)}: {error.message}") from error
        mappings.append(mapping)
    return tuple(mappings)


def _tail_ticks(layer: Layer, mapping: Mapping, target: DramPimTarget) -> int:
    """Time to add the sums of several banks: a move and an addition per level of a tree."""
    banks = mapping.reduction_banks
    if banks == 1:
        return 0
    level = target.link_ticks(4 * tile_outputs(layer, mapping)) + round(target.level_ns * 1000)
    return (banks - 1).bit_length() * level


def first_bank(op: Operation) -> int:
    """Return the first bank of an op, 0 if it says nothing."""
    from xdsl.dialects.builtin import IntegerAttr

    first = op.attributes.get(FIRST_BANK)
    return first.value.data if isinstance(first, IntegerAttr) else 0


@dataclass(frozen=True)
class DramResult:
    """A scheduled module.

    Attributes:
        schedule: the layers in time.
        bounds: no order of the same tiles ends earlier.
        sequential: layers one after the other with these mappings, in ticks.
    """

    schedule: Schedule
    bounds: Bounds
    sequential: int


def overlap_module(found: ModuleGraph, mappings: tuple[Mapping, ...], target: DramPimTarget) -> DramResult:
    """Order the tiles of all layers, moves at their price, and write them to the ops.

    The sequential schedule stays if nothing is better.
    """
    graph = found.graph
    best = overlap_layers(graph, mappings, move_costs(graph, mappings, target))
    for op, run, mapping in zip(found.ops, best.runs, mappings, strict=True):
        op.attributes[TASKS] = TasksAttr.of(task_rows(run, mapping, first_bank(op)))
    sequential = sum(mapping.latency_ticks for mapping in mappings)
    return DramResult(best, network_bounds(graph, mappings), sequential)


def task_rows(run: Run, mapping: Mapping, first: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Return the tiles of a layer that run, in order of start, as task rows."""
    start, bank = run.start.ravel(), np.broadcast_to(run.bank, run.start.shape).ravel()
    tiles = np.flatnonzero(start >= 0)
    tiles = tiles[np.lexsort((bank[tiles], start[tiles]))]
    rows = np.zeros(len(tiles), task_dtype())
    rows["first"], rows["stop"], rows["unit"] = tiles, tiles + 1, bank[tiles] + first
    rows["start"], rows["cycles"] = start[tiles], mapping.step_ticks
    return rows


def read_schedule(found: ModuleGraph, mappings: tuple[Mapping, ...]) -> Schedule:
    """Read the tasks of all ops and check them against every pair of tiles.

    Raises:
        ImcflowError: an op has no tasks, tiles are missing or take another time, or a rule is broken.
    """
    runs: list[Run] = []
    for op, mapping in zip(found.ops, mappings, strict=True):
        tasks = op.attributes.get(TASKS)
        if not isinstance(tasks, TasksAttr):
            raise ImcflowError(f"{describe(op)} has no tasks; run imc-overlap-layers first")
        rows = tasks.table()
        count = mapping.steps * mapping.banks
        tiles = rows["first"].astype(np.int64)
        if len(np.unique(tiles)) != len(tiles) or (rows["stop"] != tiles + 1).any() or (tiles >= count).any():
            raise ImcflowError(f"{describe(op)}: its tasks are not single tiles of the {count} of its nest, each once")
        if (rows["cycles"] != mapping.step_ticks).any():
            raise ImcflowError(f"{describe(op)}: a tile of its nest takes {mapping.step_ticks} ticks")
        start, bank = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        start[tiles] = rows["start"].astype(np.int64)
        bank[tiles] = rows["unit"].astype(np.int64) - first_bank(op)
        shaped = start.reshape(mapping.shape)
        done = output_grid(mapping, shaped) + (mapping.step_ticks + mapping.tail_ticks)
        runs.append(Run(Order.REPLACED, shaped, bank.reshape(mapping.shape), done, int(done.max())))
    schedule = Schedule(found.graph, mappings, tuple(runs))
    try:
        check_schedule(schedule)
    except OverlapError as error:
        raise ImcflowError(error.message) from error
    return schedule


def module_timeline(found: ModuleGraph, mappings: tuple[Mapping, ...], target: DramPimTarget) -> Timeline:
    """Return the schedule that the ops of a module carry, checked against every pair of tiles.

    Raises:
        ImcflowError: an op has no tasks, or a rule is broken.
    """
    schedule = read_schedule(found, mappings)
    layers: list[Ints] = []
    units: list[Ints] = []
    starts: list[Ints] = []
    ticks: list[Ints] = []
    for number, (op, run, mapping) in enumerate(zip(found.ops, schedule.runs, mappings, strict=True)):
        runs = run.start.ravel() >= 0
        starts.append(run.start.ravel()[runs])
        units.append(np.broadcast_to(run.bank, run.start.shape).ravel()[runs] + first_bank(op))
        layers.append(np.full(len(starts[-1]), number, np.int64))
        ticks.append(np.full(len(starts[-1]), mapping.step_ticks, np.int64))
    used, unit = np.unique(np.concatenate(units), return_inverse=True)
    return Timeline(
        title=f"{found.graph.name} on {target.name}",
        unit_of_time="ps",
        microseconds=1e-6,
        units=tuple(f"bank {bank}" for bank in used.tolist()),
        layers=tuple(layer.name for layer in found.graph.layers),
        unit=unit.astype(np.int64),
        layer=np.concatenate(layers),
        start=np.concatenate(starts),
        ticks=np.concatenate(ticks),
        sequential=sum(mapping.latency_ticks for mapping in mappings),
        bound=network_bounds(found.graph, mappings).best,
    )
