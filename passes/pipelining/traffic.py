"""Which core sends how much to which, for a network with one core per block of weights.

The row blocks of a layer are chained: each adds its part to the sum of the one before, and the last one has the
result. Inputs are cut by channel groups, so a row block receives only its share; a skip enters at the first block of
the chain. Everything is counted in bits per image (sheet 2.1 and 2.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from imcflow.passes.pipelining.crossbars import Crossbar, stage_blocks
from imcflow.passes.pipelining.layers import Network


@dataclass(frozen=True, slots=True)
class Flow:
    """What one core sends to another.

    Args:
        source: core graph node that sends.
        target: core graph node that receives.
        bits: per image.
    """

    source: int
    target: int
    bits: int


@dataclass(frozen=True, slots=True)
class CoreGraph:
    """Cores and what flows between them.

    Args:
        names: per node, stage and block.
        stages: per node, the stage it works for.
        flows: at most one per ordered pair of nodes.
    """

    names: tuple[str, ...]
    stages: tuple[int, ...]
    flows: tuple[Flow, ...]


def core_graph(
    network: Network, crossbar: Crossbar, *, activation_bits: int = 8, sum_bits: int = 24, by_layer: bool = False
) -> CoreGraph:
    """The graph of one copy of every layer; a stage without weights takes one core.

    Args:
        network: the stages; the input is outside of the fabric.
        crossbar: one per core.
        activation_bits: of one value of a map.
        sum_bits: of one partial sum.
        by_layer: one node per layer, however many crossbars it takes.
    """
    names: list[str] = []
    stages: list[int] = []
    rows: dict[int, list[list[int]]] = {}
    flows: dict[tuple[int, int], int] = {}
    for index, stage in enumerate(network.stages[1:], start=1):
        blocks = stage_blocks(stage, crossbar)
        height, width = (1, 1) if by_layer else (max(blocks.row_blocks, 1), max(blocks.column_blocks, 1))
        # rows[stage][column block] lists the chain of its row blocks
        rows[index] = [[len(names) + column * height + row for row in range(height)] for column in range(width)]
        names += [f"{stage.name}[{row},{column}]" for column in range(width) for row in range(height)]
        stages += [index] * (height * width)
        for chain in rows[index]:
            sums = stage.pixels * math.ceil(stage.channels / width) * sum_bits
            for earlier, later in pairwise(chain):
                flows[earlier, later] = flows.get((earlier, later), 0) + sums
        for position, edge in enumerate(stage.edges):
            if edge.producer == 0:
                continue
            source = network.stages[edge.producer]
            senders = rows[edge.producer]
            share = source.pixels * math.ceil(source.channels / len(senders)) * activation_bits
            for sender in senders:
                for chain in rows[index]:
                    receivers = chain[:1] if position else chain
                    for receiver in receivers:
                        pair = (sender[-1], receiver)
                        flows[pair] = flows.get(pair, 0) + math.ceil(share / len(receivers))
    return CoreGraph(tuple(names), tuple(stages), tuple(Flow(*pair, bits) for pair, bits in flows.items()))
