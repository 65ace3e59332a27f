"""The MLPerf Tiny networks as layer lists: data for studies without a compiler.

Source: MLPerf Tiny v1.0 reference models (github.com/mlcommons/tiny) in the ONNX form shipped with zigzag-imc, listed
in the sheet's `workloads_mlperf_tiny.json`. Additions, activations, pooling and softmax cost nothing here, as in the
references. Names of layers follow that list.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable


def _conv(name: str, channels: int, inputs: int, size: int, kernel: int, stride: int, *sources: str) -> Layer:
    return Layer(
        name,
        K=channels,
        C=inputs,
        OX=size,
        OY=size,
        FX=kernel,
        FY=kernel,
        stride_x=stride,
        stride_y=stride,
        input_x=size * stride,
        input_y=size * stride,
        sources=sources,
    )


def _depthwise(name: str, groups: int, width: int, height: int, stride: int, source: str) -> Layer:
    return Layer(
        name,
        G=groups,
        OX=width,
        OY=height,
        FX=3,
        FY=3,
        stride_x=stride,
        stride_y=stride,
        input_x=width * stride,
        input_y=height * stride,
        sources=(source,),
    )


def _gemm(name: str, outputs: int, inputs: int, *sources: str) -> Layer:
    return Layer(name, K=outputs, C=inputs, sources=sources)


def resnet8() -> tuple[Layer, ...]:
    """ResNet-8 (CIFAR-10, 32 x 32): 12,501,632 MACs, 77,360 weights; three residual blocks."""
    return (
        _conv("conv0", 16, 3, 32, 3, 1),
        _conv("b1_conv1", 16, 16, 32, 3, 1, "conv0"),
        _conv("b1_conv2", 16, 16, 32, 3, 1, "b1_conv1"),
        _conv("b2_conv1", 32, 16, 16, 3, 2, "b1_conv2", "conv0"),
        _conv("b2_skip", 32, 16, 16, 1, 2, "b1_conv2", "conv0"),
        _conv("b2_conv2", 32, 32, 16, 3, 1, "b2_conv1"),
        _conv("b3_conv1", 64, 32, 8, 3, 2, "b2_conv2", "b2_skip"),
        _conv("b3_skip", 64, 32, 8, 1, 2, "b2_conv2", "b2_skip"),
        _conv("b3_conv2", 64, 64, 8, 3, 1, "b3_conv1"),
        _gemm("fc", 10, 64, "b3_conv2", "b3_skip"),
    )


def ds_cnn() -> tuple[Layer, ...]:
    """DS-CNN (keyword spotting, 49 x 10 features): 2,656,768 MACs, 22,016 weights."""
    layers = [Layer("conv0", K=64, C=1, OX=5, OY=25, FX=4, FY=10, stride_x=2, stride_y=2, input_x=10, input_y=49)]
    for block in range(1, 5):
        layers.append(_depthwise(f"dw{block}", 64, 5, 25, 1, layers[-1].name))
        layers.append(Layer(f"pw{block}", K=64, C=64, OX=5, OY=25, sources=(f"dw{block}",)))
    layers.append(_gemm("fc", 12, 64, "pw4"))
    return tuple(layers)


def mobilenet_v1() -> tuple[Layer, ...]:
    """MobileNetV1-0.25 (visual wake words, 96 x 96): 7,489,664 MACs, 208,112 weights."""
    blocks: Iterable[tuple[int, int, int]] = (
        (16, 48, 1),
        (32, 24, 2),
        (32, 24, 1),
        (64, 12, 2),
        (64, 12, 1),
        (128, 6, 2),
        *((128, 6, 1),) * 5,
        (256, 3, 2),
        (256, 3, 1),
    )
    layers = [_conv("conv0", 8, 3, 48, 3, 2)]
    inputs = 8
    for block, (outputs, size, stride) in enumerate(blocks, start=1):
        layers.append(_depthwise(f"dw{block}", inputs, size, size, stride, layers[-1].name))
        layers.append(_conv(f"pw{block}", outputs, inputs, size, 1, 1, f"dw{block}"))
        inputs = outputs
    layers.append(_gemm("fc", 2, inputs, layers[-1].name))
    return tuple(layers)


def deep_autoencoder() -> tuple[Layer, ...]:
    """Deep autoencoder (anomaly detection, 640 features): 264,192 MACs and weights."""
    widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)
    layers: list[Layer] = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths)):
        layers.append(_gemm(f"fc{index}", outputs, inputs, *(layer.name for layer in layers[-1:])))
    return tuple(layers)


MLPERF_TINY = {
    "resnet8": resnet8,
    "ds_cnn": ds_cnn,
    "mobilenet_v1": mobilenet_v1,
    "deep_autoencoder": deep_autoencoder,
}
"""Builders by network name."""
