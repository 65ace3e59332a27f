"""Random pairs of layers and mappings, for tests and measurements; every seed gives the same instance."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer, Pool
from imcflow.passes.overlap.nests import OUTPUT_DIMS, Dim, Ints, Loop, Mapping
from imcflow.passes.overlap.oracle import consumer_boxes, producer_boxes
from imcflow.passes.overlap.ready import has_outputs
from imcflow.passes.overlap.tasks import TaskGraph

if TYPE_CHECKING:
    from collections.abc import Collection


def random_mapping(random: Random, layer: Layer, most_loops: int = 7) -> Mapping:
    """A mapping with loops on any dimensions in any order; the last tiles may reach beyond the layer."""
    left = {dim: layer.size(dim) for dim in Dim}
    loops: list[Loop] = []
    for _ in range(random.randint(0, most_loops)):
        dim = random.choice(list(Dim))
        if left[dim] > 1:
            bound = random.randint(2, min(left[dim], 4))
            loops.append(Loop(dim, bound, spatial=random.random() < 0.3))
            left[dim] = -(-left[dim] // bound)
    return Mapping(tuple(loops), step_ticks=random.randint(1, 20), tail_ticks=random.choice([0, 0, 3]))


def random_pair(random: Random) -> tuple[Layer, Mapping, Layer, Mapping]:
    """Two connected layers with mappings: window, pooled, channelwise, whole or offset in channels."""
    rows, columns = _axis(random), _axis(random)
    producer = Layer(
        "producer",
        K=random.randint(1, 12),
        C=random.randint(1, 6),
        P=random.randint(1, 12),
        Q=random.randint(1, 12),
        rows=_axis(random),
        columns=_axis(random),
    )
    style = random.choice(["window", "window", "channelwise", "pooled", "whole", "concat"])
    pools: tuple[Pool, ...] = ()
    height, width = producer.P, producer.Q
    if style == "pooled":
        pool_rows, pool_columns = _axis(random), _axis(random)
        height, width = _outputs(height, pool_rows), _outputs(width, pool_columns)
        pools = (Pool(pool_rows, pool_columns, height, width),)
    offset = random.randint(0, 5) if style == "concat" else 0
    edge = Edge(0, channel_offset=offset, pools=pools)
    if style == "whole":
        edge = Edge(0, random.choice([0, 1]) == 1, True, random.random() < 0.5, random.random() < 0.5)
    consumer = Layer(
        "consumer",
        K=producer.K if style == "channelwise" else random.randint(1, 12),
        C=1 if style == "channelwise" else producer.K + offset + random.randint(0, 3) * (style == "concat"),
        P=_outputs(height, rows),
        Q=_outputs(width, columns),
        rows=rows,
        columns=columns,
        channelwise=style == "channelwise",
        edges=(edge,),
    )
    return producer, random_mapping(random, producer), consumer, random_mapping(random, consumer)


def _axis(random: Random) -> Axis:
    size = random.choice([1, 2, 3, 3])
    return Axis(size, stride=random.choice([1, 1, 2, 3]), dilation=random.choice([1, 1, 2]), pad=random.randint(0, 3))


def _outputs(size: int, axis: Axis) -> int:
    return max(1, (size + 2 * axis.pad - (axis.size - 1) * axis.dilation - 1) // axis.stride + 1)


def random_graph(random: Random, layers: int, reductions: bool = True) -> tuple[Graph, list[Mapping]]:
    """A small network with chains, joins, concatenations, pools and flattened inputs, and mappings for it.

    Args:
        random: source of all choices.
        layers: number of layers.
        reductions: whether mappings may have loops on reduction dimensions.
    """
    built: list[Layer] = []
    mappings: list[Mapping] = []
    for index in range(layers):
        edges: list[Edge] = []
        for producer in sorted(random.sample(range(index), min(index, random.choice([1, 1, 1, 2])))):
            height, width = random.randint(1, 6), random.randint(1, 6)
            pools = (Pool(_axis(random), _axis(random), height, width),) if random.random() < 0.2 else ()
            whole = random.random() < 0.15
            offset, at_output = random.choice([0, 0, 2]), random.random() < 0.2
            edges.append(Edge.whole(producer) if whole else Edge(producer, offset, at_output=at_output, pools=pools))
        channelwise = random.random() < 0.2
        layer = Layer(
            f"layer{index}",
            K=random.randint(1, 6),
            C=1 if channelwise else random.randint(1, 6),
            P=random.randint(1, 6),
            Q=random.randint(1, 6),
            rows=_axis(random),
            columns=_axis(random),
            channelwise=channelwise,
            edges=tuple(edges),
        )
        mapping = random_mapping(random, layer, most_loops=4)
        if not reductions:
            kept = tuple(loop for loop in mapping.loops if loop.dim in OUTPUT_DIMS)
            mapping = Mapping(kept, mapping.step_ticks, mapping.tail_ticks)
        built.append(layer)
        mappings.append(mapping)
    return Graph("random", tuple(built)), mappings


def as_tasks(graph: Graph, mappings: list[Mapping], in_order: Collection[int] = ()) -> TaskGraph:
    """All tiles with outputs as tasks on pools of banks, with every dependence between tiles, by comparing all pairs.

    Only for mappings without loops on reduction dimensions and without tail times: there a tile is a task.

    Args:
        graph: the network.
        mappings: loops by layer.
        in_order: layers whose banks keep the order of their loops.
    """
    inside = [
        np.broadcast_to(has_outputs(layer, mapping), mapping.shape).ravel()
        for layer, mapping in zip(graph.layers, mappings, strict=True)
    ]
    ticks = [np.full(mapping.steps * mapping.banks, mapping.step_ticks) for mapping in mappings]
    first = np.concatenate([[0], np.cumsum([len(part) for part in ticks])])
    core = np.concatenate([np.full(len(part), index) for index, part in enumerate(ticks)])
    edges: list[Ints] = []
    for index in in_order:
        # Tiles of a bank, numbered in the order of the loops, have rising steps.
        banks = np.broadcast_to(mappings[index].bank_indices(), mappings[index].shape).ravel()
        order = np.argsort(banks, kind="stable")
        order = order[inside[index][order]]
        chain = np.stack([order[:-1], order[1:]], axis=1)
        edges.append(chain[np.diff(banks[order]) == 0] + first[index])
    for index, layer in enumerate(graph.layers):
        for edge in layer.edges:
            producer = graph.layers[edge.producer]
            low, high = consumer_boxes(producer, layer, mappings[index], edge)
            tile_low, tile_high, _ = producer_boxes(producer, mappings[edge.producer])
            meets = (tile_low[None] <= high[:, None]) & (tile_high[None] >= low[:, None]) & (low <= high)[:, None]
            later, earlier = np.nonzero(meets.all(axis=2))
            edges.append(np.stack([earlier + first[edge.producer], later + first[index]], axis=1))
    pairs = np.unique(np.concatenate(edges), axis=0) if edges else np.zeros((0, 2), dtype=np.int64)
    kept = np.concatenate(inside)
    number = np.cumsum(kept) - 1
    pairs = number[pairs[kept[pairs].all(axis=1)]]
    capacity = tuple(mapping.banks for mapping in mappings)
    return TaskGraph(np.concatenate(ticks)[kept], core[kept], pairs, capacity)
