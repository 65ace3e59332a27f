"""Layers and edges of published networks, as facts: no weights, batch 1.

Shapes: torchvision's resnet18, resnet50 and vgg16 on 3 x 224 x 224 images, and one encoder layer of BERT-base (hidden
size 768, 12 heads, feed-forward size 3,072; arXiv 1810.04805) on 128 tokens. Totals that the tests hold: 1.814, 4.089,
15.47 and 0.931 giga multiply-accumulate operations.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from imcflow.passes.overlap.layers import Axis, Edge, Graph, Layer, Pool
from imcflow.passes.overlap.nests import OverlapError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class _Tensor:
    channels: int
    height: int
    width: int
    edges: tuple[Edge, ...] = ()


@dataclass
class _Builder:
    """Collects layers; poolings and additions are edges, or layers of their own if `separate`."""

    separate: bool
    layers: list[Layer] = field(default_factory=list)

    def add(self, layer: Layer) -> _Tensor:
        self.layers.append(layer)
        return _Tensor(layer.K, layer.P, layer.Q, (Edge(len(self.layers) - 1),))

    def conv(
        self, name: str, source: _Tensor, channels: int, size: int, stride: int = 1, skip: _Tensor | None = None
    ) -> _Tensor:
        axis = Axis(size, stride, pad=size // 2)
        height, width = -(-source.height // stride), -(-source.width // stride)
        layer = Layer(name, channels, source.channels, height, width, rows=axis, columns=axis, edges=source.edges)
        if skip is None:
            return self.add(layer)
        if not self.separate:
            return self.add(
                replace(layer, edges=(*layer.edges, *(replace(edge, at_output=True) for edge in skip.edges)))
            )
        own = self.add(layer)
        edges = (*own.edges, *skip.edges)
        return self.add(Layer(f"{name}.add", channels, 1, height, width, channelwise=True, edges=edges))

    def pool(self, name: str, source: _Tensor, size: int, stride: int, pad: int = 0) -> _Tensor:
        axis = Axis(size, stride, pad=pad)
        height, width = ((extent + 2 * pad - size) // stride + 1 for extent in (source.height, source.width))
        if self.separate:
            layer = Layer(name, source.channels, 1, height, width, axis, axis, channelwise=True, edges=source.edges)
            return self.add(layer)
        pool = Pool(axis, axis, height, width)
        edges = tuple(replace(edge, pools=(pool, *edge.pools)) for edge in source.edges)
        return _Tensor(source.channels, height, width, edges)

    def dense(self, name: str, source: _Tensor, outputs: int, *, averaged: bool = False) -> _Tensor:
        inputs = source.channels * (1 if averaged else source.height * source.width)
        edges = tuple(Edge.whole(edge.producer) for edge in source.edges)
        return self.add(Layer(name, outputs, inputs, edges=edges))


def _resnet18(build: _Builder) -> None:
    tensor = build.conv("conv1", _Tensor(3, 224, 224), 64, 7, 2)
    tensor = build.pool("maxpool", tensor, 3, 2, 1)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            skip = tensor
            if stride == 2:
                skip = build.conv(f"{name}.downsample", tensor, channels, 1, 2)
            tensor = build.conv(f"{name}.conv1", tensor, channels, 3, stride)
            tensor = build.conv(f"{name}.conv2", tensor, channels, 3, skip=skip)
    build.dense("fc", tensor, 1000, averaged=True)


def _resnet50(build: _Builder) -> None:
    tensor = build.conv("conv1", _Tensor(3, 224, 224), 64, 7, 2)
    tensor = build.pool("maxpool", tensor, 3, 2, 1)
    for stage, (channels, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            skip = tensor
            if block == 0:
                skip = build.conv(f"{name}.downsample", tensor, 4 * channels, 1, stride)
            tensor = build.conv(f"{name}.conv1", tensor, channels, 1)
            tensor = build.conv(f"{name}.conv2", tensor, channels, 3, stride)
            tensor = build.conv(f"{name}.conv3", tensor, 4 * channels, 1, skip=skip)
    build.dense("fc", tensor, 1000, averaged=True)


def _vgg16(build: _Builder) -> None:
    tensor = _Tensor(3, 224, 224)
    for stage, (channels, convolutions) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)), start=1):
        for index in range(1, convolutions + 1):
            tensor = build.conv(f"conv{stage}_{index}", tensor, channels, 3)
        tensor = build.pool(f"pool{stage}", tensor, 2, 2)
    for index, outputs in enumerate((4096, 4096, 1000), start=6):
        tensor = build.dense(f"fc{index}", tensor, outputs)


def _bert_layer(build: _Builder) -> None:
    """Softmax and layer normalisation need whole rows of tokens, which the tiles behind them read anyway."""
    tokens, heads, hidden, inner = 128, 12, 768, 3072
    head_size = hidden // heads
    query, key, value = (build.add(Layer(name, hidden, hidden, tokens)) for name in ("query", "key", "value"))
    of_token = {"all_channels": True, "all_columns": True}
    scores = build.add(
        Layer(
            "scores",
            tokens,
            head_size,
            tokens,
            heads,
            edges=(replace(query.edges[0], **of_token), Edge.whole(key.edges[0].producer)),
        )
    )
    whole_value = Edge.whole(value.edges[0].producer)
    context = build.add(Layer("context", head_size, tokens, tokens, heads, edges=(*scores.edges, whole_value)))
    output = build.add(Layer("output", hidden, hidden, tokens, edges=(replace(context.edges[0], **of_token),)))
    by_token = replace(output.edges[0], **of_token)
    wide = build.add(Layer("intermediate", inner, hidden, tokens, edges=(by_token,)))
    build.add(Layer("ffn_output", hidden, inner, tokens, edges=(*wide.edges, by_token)))


def _four_convolutions(build: _Builder) -> None:
    """Chain of 3x3 convolutions, 8-16-16-16-16 channels on 32 x 32: 8,257,536 operations."""
    tensor = _Tensor(8, 32, 32)
    for index in range(1, 5):
        tensor = build.conv(f"conv{index}", tensor, 16, 3)


_NETWORKS: dict[str, Callable[[_Builder], None]] = {
    "resnet18": _resnet18,
    "vgg16": _vgg16,
    "resnet50": _resnet50,
    "bert-layer": _bert_layer,
    "chain4": _four_convolutions,
}


def network_names() -> tuple[str, ...]:
    """Names that `reference_network` knows."""
    return tuple(_NETWORKS)


def reference_network(name: str, *, separate: bool = False) -> Graph:
    """Layers and edges of a network.

    Args:
        name: one of `network_names()`.
        separate: poolings and additions are layers of their own instead of parts of the tiles that read or write.

    Raises:
        OverlapError: the name is unknown.
    """
    if name not in _NETWORKS:
        raise OverlapError(f"network {name}: unknown, known are {', '.join(_NETWORKS)}")
    build = _Builder(separate)
    _NETWORKS[name](build)
    return Graph(name, tuple(build.layers))
