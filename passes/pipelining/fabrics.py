"""Fabrics of cores: undirected networkx graphs, nodes 0..n-1 in an order that walks along links where it can.

5 Parallel Prism: the abstract of arXiv 1906.03474 states a homomorphism from the graphs of all state-of-the-art CNNs to
it but not its list of channels. `parallel_prism` is our own stand-in with that property for residual networks: cores in
a row, each with a link to each of the `reach` next ones, so that the bypass of a block is one link.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from imcflow.passes.pipelining.layers import PipelineError

if TYPE_CHECKING:
    import networkx as nx

    Fabric = nx.Graph[int]


def mesh(height: int, width: int) -> Fabric:
    """Cores in a grid, numbered like a snake: row by row, every second row backwards."""
    _require(min(height, width) >= 1, f"mesh of {height} x {width} cores: needs at least 1 x 1")
    number = {(y, x): y * width + (x if y % 2 == 0 else width - 1 - x) for y in range(height) for x in range(width)}
    links = [(number[y, x], number[y, x + 1]) for y in range(height) for x in range(width - 1)]
    links += [(number[y, x], number[y + 1, x]) for y in range(height - 1) for x in range(width)]
    return fabric(height * width, links)


def ring(cores: int) -> Fabric:
    """Cores in a circle."""
    _require(cores >= 3, f"ring of {cores} cores: needs at least 3")
    return fabric(cores, [(core, (core + 1) % cores) for core in range(cores)])


def parallel_prism(cores: int, reach: int = 5) -> Fabric:
    """Cores in a row with links to the next `reach` ones; stands in for 5 Parallel Prism."""
    _require(cores >= 1 and reach >= 1, f"prism of {cores} cores with reach {reach}: needs at least 1 of each")
    return fabric(cores, [(a, b) for a in range(cores) for b in range(a + 1, min(a + reach, cores - 1) + 1)])


def fabric(cores: int, links: Sequence[tuple[int, int]]) -> Fabric:
    """Any graph of cores.

    Raises:
        PipelineError: a link names a core that is not there, or the links leave cores unconnected.
    """
    import networkx as nx

    for a, b in links:
        _require(0 <= a < cores and 0 <= b < cores and a != b, f"link {a}-{b}: needs two cores of 0 to {cores - 1}")
    graph: Fabric = nx.Graph()
    graph.add_nodes_from(range(cores))
    graph.add_edges_from(links)
    _require(nx.is_connected(graph), f"fabric of {cores} cores: its links leave cores unconnected")
    return graph


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise PipelineError(complaint)


def fabric_graph(
    topology: str, sites: int, height: int | None, reach: int, links: Sequence[tuple[int, int]] | None
) -> Fabric:
    """The fabric of a target description.

    Args:
        topology: "mesh", "ring", "prism" or "links".
        sites: how many.
        height: rows of a mesh.
        reach: of a prism.
        links: pairs of sites, for "links".
    """
    if topology == "mesh":
        rows = height or 1
        return mesh(rows, sites // rows)
    if topology == "ring":
        return ring(sites)
    return parallel_prism(sites, reach) if topology == "prism" else fabric(sites, links or ())
