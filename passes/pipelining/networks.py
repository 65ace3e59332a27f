"""Stages of well-known networks, so that pipelines can be sized without a model file.

ResNets: He et al., arXiv 1512.03385; ResNet-8 as in MLPerf Tiny, CNV as in FINN (six unpadded 3x3 convolutions).
The residual add is fused into the second convolution of a block. Option-A shortcuts read every second pixel.
"""

from __future__ import annotations

from collections.abc import Callable

from imcflow.passes.pipelining.layers import Axis, Edge, Network, PipelineError, Stage


class NetworkBuilder:
    """Adds stage after stage; every method returns the new stage's index."""

    def __init__(self, name: str, channels: int, height: int, width: int) -> None:
        self._name = name
        self._stages = [Stage("input", height, width, channels)]

    def convolution(
        self,
        name: str,
        producer: int,
        channels: int,
        kernel: int,
        stride: int = 1,
        pad: int = 0,
        skip: Edge | None = None,
    ) -> int:
        """A convolution; `skip` names what is added to its result, pixel by pixel."""
        source = self._stages[producer]
        axis = Axis(kernel, stride, pad)
        height = (source.height + 2 * pad - kernel) // stride + 1
        width = (source.width + 2 * pad - kernel) // stride + 1
        edges = (Edge(producer, axis, axis),) if skip is None else (Edge(producer, axis, axis), skip)
        return self._append(Stage(name, height, width, channels, edges, source.channels, (kernel, kernel)))

    def pool(self, name: str, producer: int, kernel: int, stride: int, pad: int = 0) -> int:
        """A pooling in a digital unit."""
        source = self._stages[producer]
        axis = Axis(kernel, stride, pad)
        height = (source.height + 2 * pad - kernel) // stride + 1
        width = (source.width + 2 * pad - kernel) // stride + 1
        return self._append(Stage(name, height, width, source.channels, (Edge(producer, axis, axis),)))

    def dense(self, name: str, producer: int, channels: int, *, pooled: bool = False) -> int:
        """A fully connected layer on a whole map, or (`pooled`) on its average over all pixels."""
        source = self._stages[producer]
        edge = Edge(producer, Axis(source.height), Axis(source.width))
        taps = (1, 1) if pooled else (source.height, source.width)
        return self._append(Stage(name, 1, 1, channels, (edge,), source.channels, taps))

    def block(self, name: str, producer: int, channels: int, stride: int, *, project: bool = False) -> int:
        """A residual block of two 3x3 convolutions; `project` puts a 1x1 convolution into the shortcut."""
        first = self.convolution(f"{name}.conv1", producer, channels, 3, stride, 1)
        skip = Edge(producer, Axis(stride=stride), Axis(stride=stride))
        if project:
            skip = Edge(self.convolution(f"{name}.shortcut", producer, channels, 1, stride))
        return self.convolution(f"{name}.conv2", first, channels, 3, 1, 1, skip)

    def build(self) -> Network:
        """The network so far."""
        return Network(self._name, tuple(self._stages))

    def _append(self, stage: Stage) -> int:
        self._stages.append(stage)
        return len(self._stages) - 1


def convolution_chain(size: int, layers: int, kernel: int, pad: int, stride: int = 1, channels: int = 1) -> Network:
    """A chain of equal convolutions on a square map."""
    builder = NetworkBuilder("chain", channels, size, size)
    last = 0
    for index in range(layers):
        last = builder.convolution(f"conv{index + 1}", last, channels, kernel, stride, pad)
    return builder.build()


def _resnet32() -> Network:
    builder = NetworkBuilder("resnet32", 3, 32, 32)
    last = builder.convolution("conv1", 0, 16, 3, 1, 1)
    for stage, channels in enumerate((16, 32, 64), start=1):
        for block in range(5):
            last = builder.block(f"stage{stage}.{block}", last, channels, 2 if stage > 1 and block == 0 else 1)
    builder.dense("fc", last, 10, pooled=True)
    return builder.build()


def _resnet8() -> Network:
    builder = NetworkBuilder("resnet8", 3, 32, 32)
    last = builder.convolution("conv1", 0, 16, 3, 1, 1)
    for stage, channels in enumerate((16, 32, 64), start=1):
        last = builder.block(f"stage{stage}", last, channels, 1 if stage == 1 else 2, project=stage > 1)
    builder.dense("fc", last, 10, pooled=True)
    return builder.build()


def _resnet18() -> Network:
    builder = NetworkBuilder("resnet18", 3, 224, 224)
    last = builder.pool("maxpool", builder.convolution("conv1", 0, 64, 7, 2, 3), 3, 2, 1)
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            shrinks = stage > 1 and block == 0
            last = builder.block(f"layer{stage}.{block}", last, channels, 2 if shrinks else 1, project=shrinks)
    builder.dense("fc", last, 1000, pooled=True)
    return builder.build()


def _cnv() -> Network:
    builder = NetworkBuilder("cnv", 3, 32, 32)
    last = 0
    for index, channels in enumerate((64, 64, 128, 128, 256, 256)):
        last = builder.convolution(f"conv{index}", last, channels, 3)
        if index in (1, 3):
            last = builder.pool(f"pool{index // 2}", last, 2, 2)
    for index, channels in enumerate((512, 512, 10)):
        last = builder.dense(f"fc{index}", last, channels)
    return builder.build()


_NETWORKS: dict[str, Callable[[], Network]] = {
    "resnet32": _resnet32,
    "resnet8": _resnet8,
    "resnet18": _resnet18,
    "cnv": _cnv,
}
NETWORKS = tuple(_NETWORKS)


def reference_network(name: str) -> Network:
    """One of `NETWORKS`.

    Raises:
        PipelineError: there is no such network.
    """
    if name not in _NETWORKS:
        raise PipelineError(f"unknown network '{name}'; known: {', '.join(_NETWORKS)}")
    return _NETWORKS[name]()
