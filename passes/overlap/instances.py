"""Random pairs of layers and mappings, for tests and measurements; every seed gives the same instance."""

from __future__ import annotations

from random import Random

from imcflow.passes.overlap.layers import Axis, Edge, Layer, Pool
from imcflow.passes.overlap.nests import Dim, Loop, Mapping


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
