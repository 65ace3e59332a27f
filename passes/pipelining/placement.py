"""Cores onto a fabric: a homomorphism where there is one, else least maximum link load.

A placement gives every core of a network its own core of the fabric. It is a homomorphism if all that exchange data are
neighbours. Otherwise flows take one shortest path each, and the placement is improved by exchanges until none lowers
(maximum link load, its multiplicity by squares, bits times hops).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.pipelining.layers import PipelineError
from imcflow.passes.pipelining.traffic import CoreGraph
from imcflow.passes.pipelining.windows import Ints

if TYPE_CHECKING:
    from imcflow.passes.pipelining.fabrics import Fabric


@dataclass(frozen=True, slots=True)
class Placement:
    """Where every core of a network sits.

    Args:
        cores: per node of the core graph, its core of the fabric.
        homomorphism: whether every flow takes one link.
        max_link_bits: largest load of one direction of a link, bits per image.
        hops: per flow, links on its way.
        bound_bits: no placement has a smaller maximum link load.
    """

    cores: tuple[int, ...]
    homomorphism: bool
    max_link_bits: int
    hops: tuple[int, ...]
    bound_bits: int

    def interval_bound(self, bits_per_tick: float) -> float:
        """Ticks per image that the busiest link needs."""
        return self.max_link_bits / bits_per_tick


class Router:
    """Shortest paths of a fabric and the loads that flows put on its links."""

    def __init__(self, graph: CoreGraph, fabric: Fabric) -> None:
        import networkx as nx

        self.graph = graph
        self.count = int(fabric.number_of_nodes())
        directed = [(a, b) for a, b in fabric.edges] + [(b, a) for a, b in fabric.edges]
        self.links = {link: index for index, link in enumerate(sorted(directed))}
        self.routes: dict[tuple[int, int], list[int]] = {}
        for source in range(self.count):
            paths: dict[int, list[int]] = nx.single_source_shortest_path(fabric, source)
            for target, path in paths.items():
                self.routes[source, target] = [self.links[hop] for hop in pairwise(path)]

    def loads(self, cores: Sequence[int]) -> Ints:
        """Bits per image on every directed link."""
        loads = np.zeros(len(self.links), dtype=np.int64)
        for flow in self.graph.flows:
            for link in self.routes[cores[flow.source], cores[flow.target]]:
                loads[link] += flow.bits
        return loads

    def placement(self, cores: Sequence[int], bound_bits: int) -> Placement:
        """A placement with its figures."""
        pairs = [(cores[flow.source], cores[flow.target]) for flow in self.graph.flows]
        hops = tuple(len(self.routes[pair]) for pair in pairs)
        most = int(self.loads(cores).max(initial=0))
        return Placement(tuple(cores), all(hop == 1 for hop in hops), most, hops, bound_bits)


def load_bound(graph: CoreGraph, fabric: Fabric) -> int:
    """Bits per image below which no placement's busiest link can be, whatever the routes.

    All that a core sends or receives goes over its own links, of which it has at most as many as the fabric's core of
    highest degree; the largest flow alone takes at least one link when each flow keeps to one path.
    """
    degree = max(count for _, count in fabric.degree)
    sent, received = [0] * len(graph.names), [0] * len(graph.names)
    for flow in graph.flows:
        sent[flow.source] += flow.bits
        received[flow.target] += flow.bits
    spread = -(-max([*sent, *received]) // degree)
    return max(spread, max((flow.bits for flow in graph.flows), default=0))


def obstruction(graph: CoreGraph, fabric: Fabric) -> str | None:
    """A short proof that no homomorphism exists, by sizes, degrees or odd cycles; None if these do not decide."""
    import networkx as nx

    needed = nx.Graph((flow.source, flow.target) for flow in graph.flows)
    if len(graph.names) > fabric.number_of_nodes():
        return f"{len(graph.names)} cores needed, {fabric.number_of_nodes()} there"
    most = max(count for _, count in fabric.degree)
    for node, degree in needed.degree:
        if degree > most:
            return f"'{graph.names[node]}' exchanges data with {degree} cores, no core has more than {most} links"
    if nx.is_bipartite(fabric) and not nx.is_bipartite(needed):
        return "the cores have an odd cycle, the fabric has none"
    return None


def find_homomorphism(graph: CoreGraph, fabric: Fabric, *, effort: int = 200_000) -> tuple[int, ...] | None:
    """Cores such that every flow takes one link; None if there are none or the effort was not enough.

    Args:
        graph: what is placed.
        fabric: where.
        effort: most cores tried.
    """
    count = len(graph.names)
    if obstruction(graph, fabric) is not None:
        return None
    earlier: list[set[int]] = [set() for _ in range(count)]
    for flow in graph.flows:
        earlier[max(flow.source, flow.target)].add(min(flow.source, flow.target))
    links = {core: set(fabric.neighbors(core)) for core in fabric}
    chosen: list[int] = []
    tried: list[list[int]] = [sorted(fabric)]
    while tried and effort:
        effort -= 1
        if not tried[-1]:
            tried.pop()
            if chosen:
                chosen.pop()
            continue
        chosen.append(tried[-1].pop(0))
        if len(chosen) == count:
            return tuple(chosen)
        near = [links[chosen[node]] for node in earlier[len(chosen)]]
        free = set[int].intersection(*near) if near else set(fabric)
        tried.append(sorted(free - set(chosen)))
    return None


def place(graph: CoreGraph, fabric: Fabric, *, rounds: int = 20, kicks: int = 4) -> Placement:
    """A homomorphism where one is found, else a placement of low maximum link load; the same for the same arguments.

    Args:
        graph: what is placed.
        fabric: where.
        rounds: most sweeps over all exchanges.
        kicks: how often the best placement is shaken and improved again while its load is above the bound.

    Raises:
        PipelineError: the fabric has too few cores.
    """
    count = len(graph.names)
    if count > fabric.number_of_nodes():
        raise PipelineError(f"{count} cores needed, the fabric has {fabric.number_of_nodes()}")
    router, bound = Router(graph, fabric), load_bound(graph, fabric)
    exact = find_homomorphism(graph, fabric)
    if exact is not None:
        return router.placement(exact, bound)
    random = Random(0)
    best = _improved(router, list(range(router.count)), rounds)
    least = _score(router.loads(best))
    for _ in range(kicks):
        if least[0] == bound:
            break
        trial = list(best)
        for _ in range(4):
            a, b = random.randrange(router.count), random.randrange(router.count)
            trial[a], trial[b] = trial[b], trial[a]
        trial = _improved(router, trial, rounds)
        if (found := _score(router.loads(trial))) < least:
            best, least = trial, found
    return router.placement(best[:count], bound)


def _improved(router: Router, start: Sequence[int], rounds: int) -> list[int]:
    """Exchanges of two cores, used or free, while they help."""
    cores = list(start)
    flows: list[list[int]] = [[] for _ in cores]
    for index, flow in enumerate(router.graph.flows):
        flows[flow.source].append(index)
        flows[flow.target].append(index)
    loads = router.loads(cores)
    score = _score(loads)
    for _ in range(rounds):
        before = score
        for a in range(len(router.graph.names)):
            for b in range(a + 1, router.count):
                moved = sorted({*flows[a], *flows[b]})
                trial = loads.copy()
                _add(router, trial, moved, cores, -1)
                cores[a], cores[b] = cores[b], cores[a]
                _add(router, trial, moved, cores, 1)
                if (found := _score(trial)) < score:
                    score, loads = found, trial
                else:
                    cores[a], cores[b] = cores[b], cores[a]
        if score == before:
            break
    return cores


def _add(router: Router, loads: Ints, flows: Sequence[int], cores: Sequence[int], sign: int) -> None:
    for index in flows:
        flow = router.graph.flows[index]
        for link in router.routes[cores[flow.source], cores[flow.target]]:
            loads[link] += sign * flow.bits


def _score(loads: Ints) -> tuple[int, float]:
    scaled = loads.astype(np.float64)
    return int(loads.max(initial=0)), float((scaled * scaled).sum())
