"""Layer dimensions of well-known networks, so that arrays can be sized and compared without a model file.

The MLPerf Tiny networks are those of `targets.crossbar.workloads`. ResNet-18 and ResNet-50: He et al., arXiv
1512.03385, in torchvision's layer order. VGG-9 for CIFAR-10: six 3x3 convolutions of 64, 64, 128, 128, 256, 256
channels and dense layers of 512, 512, 10.
"""

from __future__ import annotations

from collections.abc import Callable

from imcflow.passes.packing.shapes import LayerShape, PackingError
from imcflow.targets.crossbar import workloads
from imcflow.targets.crossbar.layers import Layer


def layer_shape(layer: Layer) -> LayerShape:
    """What packing needs to know of a layer given as a loop nest."""
    return LayerShape(layer.name, layer.K, layer.C * layer.FX * layer.FY, layer.G, layer.OY * layer.B, layer.OX)


def _conv(name: str, channels: int, inputs: int, kernel: int, size: int) -> LayerShape:
    return LayerShape(name, channels, inputs * kernel * kernel, 1, size, size)


def _dense(name: str, outputs: int, inputs: int) -> LayerShape:
    return LayerShape(name, outputs, inputs)


def _vgg9() -> list[LayerShape]:
    shapes = [(64, 3, 32), (64, 64, 32), (128, 64, 16), (128, 128, 16), (256, 128, 8), (256, 256, 8)]
    convolutions = [_conv(f"conv{index}", *shape[:2], 3, shape[2]) for index, shape in enumerate(shapes, start=1)]
    return [*convolutions, _dense("fc1", 512, 4096), _dense("fc2", 512, 512), _dense("fc3", 10, 512)]


def _resnet18() -> list[LayerShape]:
    layers = [_conv("conv1", 64, 3, 7, 112)]
    inputs = 64
    for stage, (channels, size) in enumerate([(64, 56), (128, 28), (256, 14), (512, 7)], start=1):
        for block in range(2):
            prefix = f"layer{stage}.{block}"
            layers += [
                _conv(f"{prefix}.conv1", channels, inputs, 3, size),
                _conv(f"{prefix}.conv2", channels, channels, 3, size),
            ]
            if inputs != channels:
                layers.append(_conv(f"{prefix}.downsample", channels, inputs, 1, size))
            inputs = channels
    return [*layers, _dense("fc", 1000, 512)]


def _resnet50() -> list[LayerShape]:
    layers = [_conv("conv1", 64, 3, 7, 112)]
    inputs, input_size = 64, 56
    for stage, (channels, size, blocks) in enumerate([(64, 56, 3), (128, 28, 4), (256, 14, 6), (512, 7, 3)], start=1):
        for block in range(blocks):
            prefix = f"layer{stage}.{block}"
            # The stride of a stage sits in its first 3x3 convolution, so the 1x1 before it still sees the large map.
            layers += [
                _conv(f"{prefix}.conv1", channels, inputs, 1, input_size),
                _conv(f"{prefix}.conv2", channels, channels, 3, size),
                _conv(f"{prefix}.conv3", 4 * channels, channels, 1, size),
            ]
            if block == 0:
                layers.append(_conv(f"{prefix}.downsample", 4 * channels, inputs, 1, size))
            inputs, input_size = 4 * channels, size
    return [*layers, _dense("fc", 1000, 2048)]


_NETWORKS: dict[str, Callable[[], list[LayerShape]]] = {"vgg9": _vgg9, "resnet18": _resnet18, "resnet50": _resnet50}

MLPERF_TINY: tuple[str, ...] = tuple(workloads.MLPERF_TINY)
"""The four networks of the MLPerf Tiny benchmark."""


def network_names() -> tuple[str, ...]:
    """Names that `reference_network` knows."""
    return (*MLPERF_TINY, *_NETWORKS)


def reference_network(name: str) -> tuple[LayerShape, ...]:
    """Layers of a network in execution order, without biases.

    Raises:
        PackingError: the name is unknown.
    """
    if name in workloads.MLPERF_TINY:
        return tuple(layer_shape(layer) for layer in workloads.MLPERF_TINY[name]())
    if name not in _NETWORKS:
        raise PackingError(f"network {name}: unknown, known are {', '.join(network_names())}")
    return tuple(_NETWORKS[name]())
