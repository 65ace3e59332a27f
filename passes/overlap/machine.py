"""What the search needs to know of a target, and how banks are shared out among layers."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Protocol

from imcflow.passes.overlap.nests import OverlapError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcflow.passes.overlap.layers import Graph


class Machine(Protocol):
    """A target whose parts work at the same time: banks of a DRAM, cores, macros."""

    @property
    def name(self) -> str:
        """Name for reports."""
        ...

    @property
    def banks(self) -> int:
        """Parts that work at the same time."""
        ...

    def tile_ticks(self, outputs: int, reduction: int) -> int:
        """Time of a tile of `outputs` outputs with `reduction` products each, in ticks."""
        ...

    def fits(self, outputs: int, reduction: int, weight_tiles: int) -> bool:
        """Whether a bank holds such a tile beside the weights of `weight_tiles` tiles."""
        ...

    def link_ticks(self, size_bytes: int) -> int:
        """Time to move data to another bank, in ticks."""
        ...


def share_banks(graph: Graph, banks: int, least: Sequence[int] | None = None) -> tuple[int, ...]:
    """Give every layer banks of its own: the least it needs, then always one more to the layer with most work per bank.

    This makes the busiest layer as little busy as a fixed assignment can (greedy is optimal for a largest quotient).

    Args:
        graph: the network.
        banks: banks of the machine.
        least: fewest banks of each layer; 1 if left out.

    Raises:
        OverlapError: the least banks are more than the machine has.
    """
    shares = list(least) if least is not None else [1] * len(graph.layers)
    if banks < sum(shares):
        raise OverlapError(f"network {graph.name}: its layers need {sum(shares)} banks, there are {banks}")
    waiting = [
        (-layer.macs / share, index) for index, (layer, share) in enumerate(zip(graph.layers, shares, strict=True))
    ]
    heapq.heapify(waiting)
    for _ in range(banks - sum(shares)):
        _, index = heapq.heappop(waiting)
        shares[index] += 1
        heapq.heappush(waiting, (-graph.layers[index].macs / shares[index], index))
    return tuple(shares)
