"""Layer dimensions of well-known networks, so that arrays can be sized and compared without a model file.

Sources: MLPerf Tiny v1 reference models (ResNet-8, DS-CNN, MobileNetV1-0.25 at 96x96, fully connected autoencoder;
Banbury et al., arXiv 2106.07597; DS-CNN in the 25x5-output form of the zigzag-imc study), ResNet-18 and ResNet-50
(He et al., arXiv 1512.03385, torchvision layer order), VGG-9 for CIFAR-10 (six 3x3 convolutions of 64, 64, 128, 128,
256, 256 channels and dense layers of 512, 512, 10).
"""

from __future__ import annotations

from collections.abc import Callable

from imcflow.passes.packing.shapes import LayerShape, PackingError


def _conv(name: str, channels: int, inputs: int, kernel: int, size: int) -> LayerShape:
    return LayerShape(name, channels, inputs * kernel * kernel, 1, size, size)


def _depthwise(name: str, channels: int, height: int, width: int) -> LayerShape:
    return LayerShape(name, 1, 9, channels, height, width)


def _dense(name: str, outputs: int, inputs: int) -> LayerShape:
    return LayerShape(name, outputs, inputs)


def _resnet8() -> list[LayerShape]:
    layers = [_conv("conv0", 16, 3, 3, 32), _conv("b1_conv1", 16, 16, 3, 32), _conv("b1_conv2", 16, 16, 3, 32)]
    for block, (channels, size) in enumerate([(32, 16), (64, 8)], start=2):
        layers += [
            _conv(f"b{block}_conv1", channels, channels // 2, 3, size),
            _conv(f"b{block}_conv2", channels, channels, 3, size),
            _conv(f"b{block}_skip", channels, channels // 2, 1, size),
        ]
    return [*layers, _dense("fc", 10, 64)]


def _ds_cnn() -> list[LayerShape]:
    layers = [LayerShape("conv0", 64, 40, 1, 25, 5)]
    for block in range(1, 5):
        layers += [_depthwise(f"dw{block}", 64, 25, 5), LayerShape(f"pw{block}", 64, 64, 1, 25, 5)]
    return [*layers, _dense("fc", 12, 64)]


def _mobilenet_v1() -> list[LayerShape]:
    layers = [_conv("conv0", 8, 3, 3, 48)]
    sizes = [48, 24, 24, 12, 12, 6, 6, 6, 6, 6, 6, 3, 3]
    channels = [8, 16, 32, 32, 64, 64, 128, 128, 128, 128, 128, 128, 256, 256]
    for block, size in enumerate(sizes, start=1):
        inputs, outputs = channels[block - 1], channels[block]
        layers += [_depthwise(f"dw{block}", inputs, size, size), _conv(f"pw{block}", outputs, inputs, 1, size)]
    return [*layers, _dense("fc", 2, 256)]


def _deep_autoencoder() -> list[LayerShape]:
    widths = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    return [_dense(f"fc{index}", widths[index + 1], widths[index]) for index in range(10)]


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


_NETWORKS: dict[str, Callable[[], list[LayerShape]]] = {
    "resnet8": _resnet8,
    "ds_cnn": _ds_cnn,
    "mobilenet_v1": _mobilenet_v1,
    "deepautoencoder": _deep_autoencoder,
    "vgg9": _vgg9,
    "resnet18": _resnet18,
    "resnet50": _resnet50,
}

MLPERF_TINY: tuple[str, ...] = ("deepautoencoder", "ds_cnn", "resnet8", "mobilenet_v1")
"""The four networks of the MLPerf Tiny benchmark."""


def network_names() -> tuple[str, ...]:
    """Names that `reference_network` knows."""
    return tuple(_NETWORKS)


def reference_network(name: str) -> tuple[LayerShape, ...]:
    """Layers of a network in execution order, without biases.

    Raises:
        PackingError: the name is unknown.
    """
    if name not in _NETWORKS:
        raise PackingError(f"network {name}: unknown, known are {', '.join(_NETWORKS)}")
    return tuple(_NETWORKS[name]())
