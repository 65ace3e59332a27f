"""Layers and the edges between them: which part of a producer's output a tile of a consumer reads.

Element-wise work (activation, requantisation, addition of branches) is part of the tile that reads or writes the data,
so a join is one more edge, and a pooling may be a window on an edge. Both may also be layers of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.passes.overlap.nests import Dim, OverlapError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Axis:
    """A sliding window along rows or columns: output i reads inputs i stride - pad + j dilation, j < size.

    Raises:
        OverlapError: size, stride or dilation is below 1, or the padding is negative.
    """

    size: int = 1
    stride: int = 1
    dilation: int = 1
    pad: int = 0

    def __post_init__(self) -> None:
        if min(self.size, self.stride, self.dilation) < 1 or self.pad < 0:
            raise OverlapError(f"window {self}: size, stride and dilation must be at least 1, pad at least 0")


@dataclass(frozen=True, slots=True)
class Pool:
    """A pooling window between a producer and a consumer, without time of its own.

    Args:
        rows: window along rows.
        columns: window along columns.
        height: output rows of the pooling.
        width: output columns of the pooling.
    """

    rows: Axis
    columns: Axis
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Edge:
    """What a layer reads of an earlier one.

    Args:
        producer: index of the layer that writes the data.
        channel_offset: first input channel of the consumer that this producer fills (concatenation).
        all_channels: every tile reads all channels of the producer.
        all_rows: every tile reads all rows.
        all_columns: every tile reads all columns; all three together are a flatten or a whole matrix operand.
        at_output: the tile reads what lies at its own outputs (the other operand of a residual addition).
        pools: poolings passed on the way, the one nearest to the consumer first.
    """

    producer: int
    channel_offset: int = 0
    all_channels: bool = False
    all_rows: bool = False
    all_columns: bool = False
    at_output: bool = False
    pools: tuple[Pool, ...] = ()

    @classmethod
    def whole(cls, producer: int) -> Edge:
        """An edge over which every tile reads the whole tensor."""
        return cls(producer, all_channels=True, all_rows=True, all_columns=True)


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution, matrix product, pooling or element-wise layer with its batch folded into P.

    Args:
        name: name in the source network.
        K: output channels.
        C: input channels that one output sums over.
        P: output rows.
        Q: output columns.
        rows: window along rows (R and the row stride, dilation and padding).
        columns: window along columns.
        channelwise: input channel = output channel (pooling, depth-wise convolution, element-wise work; C is 1).
        edges: what it reads; empty for a layer that reads the network's input.

    Raises:
        OverlapError: a size is below 1, or a channelwise layer sums over channels.
    """

    name: str
    K: int
    C: int
    P: int = 1
    Q: int = 1
    rows: Axis = Axis()
    columns: Axis = Axis()
    channelwise: bool = False
    edges: tuple[Edge, ...] = field(default=())

    def __post_init__(self) -> None:
        if min(self.K, self.C, self.P, self.Q) < 1:
            raise OverlapError(f"layer {self.name}: K {self.K}, C {self.C}, P {self.P}, Q {self.Q} must be at least 1")
        if self.channelwise and self.C != 1:
            raise OverlapError(f"layer {self.name}: a channelwise layer has C 1, not {self.C}")

    def size(self, dim: Dim) -> int:
        """Extent of a dimension."""
        return {Dim.K: self.K, Dim.C: self.C, Dim.P: self.P, Dim.Q: self.Q}.get(
            dim, self.rows.size if dim is Dim.R else self.columns.size
        )

    @property
    def reduction(self) -> int:
        """Products per output."""
        return self.C * self.rows.size * self.columns.size

    @property
    def outputs(self) -> int:
        """Output elements."""
        return self.K * self.P * self.Q

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations."""
        return self.outputs * self.reduction


@dataclass(frozen=True)
class Graph:
    """Layers in topological order.

    Raises:
        OverlapError: an edge does not point to an earlier layer, or two layers share a name.
    """

    name: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names) or not names:
            raise OverlapError(f"network {self.name}: needs layers with different names")
        for index, layer in enumerate(self.layers):
            for edge in layer.edges:
                if not 0 <= edge.producer < index:
                    raise OverlapError(
                        f"network {self.name}: layer {layer.name} reads layer {edge.producer}, which is no earlier one"
                    )

    def consumers(self, producer: int) -> Iterator[tuple[int, Edge]]:
        """Layers that read a layer, and the edges."""
        for index, layer in enumerate(self.layers):
            for edge in layer.edges:
                if edge.producer == producer:
                    yield index, edge
