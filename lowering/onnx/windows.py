"""Kernel, strides, pads and dilations of convolutions and poolings; one-dimensional ones get height 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xdsl.ir import SSAValue

from imcflow.dialect.types import shape_of
from imcflow.lowering.onnx.builder import NetworkBuilder
from imcflow.lowering.onnx.node import Node

WINDOW_ATTRIBUTES = ("auto_pad", "kernel_shape", "strides", "pads", "dilations")


@dataclass(frozen=True)
class Window:
    """A two-dimensional window; pads are top, left, bottom, right."""

    kernel: tuple[int, int]
    strides: tuple[int, int]
    pads: tuple[int, int, int, int]
    dilations: tuple[int, int]


def image_of(node: Node, build: NetworkBuilder, value: SSAValue) -> SSAValue:
    """Return a feature map `[N, C, H, W]`, made of `[N, C, W]` by a height of 1.

    Raises:
        ModelError: if the value has another number of axes.
    """
    shape = shape_of(value)
    if len(shape) == 3:
        return build.reshaped(value, [shape[1], 1, shape[2]])
    if len(shape) != 4:
        raise node.error(f"input has {len(shape)} axes; only [N, C, W] and [N, C, H, W] are supported")
    return value


def from_image(build: NetworkBuilder, value: SSAValue, rank: int) -> SSAValue:
    """Return the result `[N, C, 1, W]` as `[N, C, W]` where the node's input had three axes."""
    if rank == 4:
        return value
    shape = shape_of(value)
    return build.reshaped(value, [shape[1], shape[3]])


def window_of(node: Node, sizes: Sequence[int], kernel: Sequence[int]) -> Window:
    """Return the window of a node over an image of height and width `sizes`.

    Args:
        node: its attributes have one or two spatial axes.
        sizes: height and width; the height is 1 for a one-dimensional node.
        kernel: one or two sizes.

    Raises:
        ModelError: if the attributes have another number of axes.
    """
    axes = len(kernel)
    if axes not in (1, 2):
        raise node.error(f"the window has {axes} spatial axes; one or two are supported")
    declared = node.integers("kernel_shape")
    if declared is not None and declared != list(kernel):
        raise node.error(f"attribute 'kernel_shape' is {declared}, but the weights have {list(kernel)}")
    if min(kernel) < 1:
        raise node.error(f"attribute 'kernel_shape' is {list(kernel)}, expected integers of at least 1")
    strides = _sizes(node, "strides", axes)
    dilations = _sizes(node, "dilations", axes)
    spatial = list(sizes)[-axes:]
    pads = _pads(node, spatial, kernel, strides, dilations)
    if axes == 1:
        return Window((1, kernel[0]), (1, strides[0]), (0, pads[0], 0, pads[1]), (1, dilations[0]))
    return Window(
        (kernel[0], kernel[1]),
        (strides[0], strides[1]),
        (pads[0], pads[1], pads[2], pads[3]),
        (dilations[0], dilations[1]),
    )


def _sizes(node: Node, name: str, axes: int) -> list[int]:
    values = node.integers(name) or [1] * axes
    if len(values) != axes or min(values) < 1:
        raise node.error(f"attribute '{name}' is {values}, expected {axes} integers of at least 1")
    return values


def _pads(
    node: Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    axes = len(sizes)
    mode = node.text("auto_pad", "NOTSET")
    if mode == "NOTSET":
        pads = node.integers("pads") or [0] * (2 * axes)
        if len(pads) != 2 * axes or min(pads) < 0:
            raise node.error(f"attribute 'pads' is {pads}, expected {2 * axes} integers of at least 0")
        return pads
    if mode not in ("VALID", "SAME_UPPER", "SAME_LOWER"):
        raise node.error(f"attribute 'auto_pad' is '{mode}', expected NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    pads = [0] * (2 * axes) if mode == "VALID" else _same_pads(mode, sizes, kernel, strides, dilations)
    declared = node.integers("pads") or []
    if any(declared) and declared != pads:
        raise node.error(f"attribute 'pads' is {declared}, but attribute 'auto_pad' is '{mode}' and means {pads}")
    return pads


def _same_pads(
    mode: str, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    begins: list[int] = []
    ends: list[int] = []
    for size, span, stride, dilation in zip(sizes, kernel, strides, dilations, strict=True):
        total = max((-(-size // stride) - 1) * stride + (span - 1) * dilation + 1 - size, 0)
        small, large = total // 2, total - total // 2
        begins.append(small if mode == "SAME_UPPER" else large)
        ends.append(large if mode == "SAME_UPPER" else small)
    return begins + ends
