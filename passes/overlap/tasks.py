"""Tasks on shared cores: tiles pinned to cores, with dependences between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.nests import Ints, OverlapError

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True)
class TaskGraph:
    """Tasks in topological order.

    Args:
        ticks: int64[N] lengths, at least 1.
        core: int64[N] core of each task.
        edges: int64[E, 2] pairs (earlier, later).
        capacity: tasks that each core runs at once; 1 everywhere if left out.

    Raises:
        OverlapError: there is no task, a length is below 1, or an edge does not point forward.
    """

    ticks: Ints
    core: Ints
    edges: Ints
    capacity: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.ticks) == 0 or self.ticks.min() < 1 or len(self.core) != len(self.ticks) or self.core.min() < 0:
            raise OverlapError("task graph: needs tasks with lengths of at least 1 tick, each on a core")
        if len(self.edges) and (
            (self.edges[:, 0] >= self.edges[:, 1]).any() or self.edges.min() < 0 or self.edges.max() >= len(self.ticks)
        ):
            raise OverlapError("task graph: an edge does not point to a later task")

    @property
    def cores(self) -> int:
        """Number of cores."""
        return int(self.core.max()) + 1

    @cached_property
    def successors(self) -> Ints:
        """Later neighbours, int64[N, most]; N where there is none."""
        return _neighbours(self.edges[:, 0], self.edges[:, 1], len(self.ticks))

    @cached_property
    def predecessors(self) -> Ints:
        """Earlier neighbours, int64[N, most]; N where there is none."""
        return _neighbours(self.edges[:, 1], self.edges[:, 0], len(self.ticks))

    @cached_property
    def heads(self) -> Ints:
        """Earliest starts with a core for every task, int64[N]."""
        head = np.zeros(len(self.ticks), dtype=np.int64)
        # Rounds of relaxation: as many as the longest chain has edges.
        while len(self.edges):
            later = head.copy()
            np.maximum.at(later, self.edges[:, 1], head[self.edges[:, 0]] + self.ticks[self.edges[:, 0]])
            if (later == head).all():
                break
            head = later
        return head

    @cached_property
    def tails(self) -> Ints:
        """Least time from each task's end to the end of everything, int64[N]."""
        return self.reversed().heads[::-1]

    def reversed(self) -> TaskGraph:
        """The same tasks with all dependences turned round and numbered backwards."""
        last = len(self.ticks) - 1
        return TaskGraph(self.ticks[::-1], self.core[::-1], last - self.edges[:, ::-1], self.capacity)


def _neighbours(near: Ints, far: Ints, count: int) -> Ints:
    order = np.argsort(near, kind="stable")
    degrees = np.bincount(near, minlength=count)
    table = np.full((count + 1, max(1, int(degrees.max(initial=0)))), count, dtype=np.int64)
    rank = np.arange(len(near)) - np.repeat(np.cumsum(degrees) - degrees, degrees)
    table[near[order], rank] = far[order]
    return table[:count]


def random_tasks(random: Random, layers: tuple[int, int] = (6, 22), tiles: tuple[int, int] = (4, 16)) -> TaskGraph:
    """A layered graph like a small network cut into tiles: chains, skips and joins on 2 to 4 shared cores.

    Args:
        random: source of all choices.
        layers: least and most layers.
        tiles: least and most tiles of a layer.
    """
    cores = random.randint(2, 4)
    ticks: list[int] = []
    core: list[int] = []
    edges: list[tuple[int, int]] = []
    members: list[range] = []
    for layer in range(random.randint(*layers)):
        count = random.randint(*tiles)
        own = range(len(ticks), len(ticks) + count)
        place, length = random.randrange(cores), random.randint(1, 20)
        ticks += [length] * count
        core += [place] * count
        edges += [(first, first + 1) for first in own[:-1]]
        sources = {max(0, layer - random.choice([1, 1, 1, 2, 3])) for _ in range(random.choice([1, 1, 2]))} - {layer}
        for source in sources:
            theirs = members[source]
            halo = random.randint(0, 2)
            for position, task in enumerate(own):
                needed = min(len(theirs) - 1, (position + 1) * len(theirs) // count + halo)
                edges.append((theirs[needed], task))
        members.append(own)
    pairs = np.array(sorted(set(edges)), dtype=np.int64).reshape(-1, 2)
    return TaskGraph(np.array(ticks, dtype=np.int64), np.array(core, dtype=np.int64), pairs)
