"""Functions of linalg operations as text: layers of any layout, with zero points, requantisation and poolings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """One convolution with what stands behind it; channels are first or last."""

    last: bool
    depthwise: bool
    channels: int
    outputs: int
    size: int
    kernel: int
    stride: int
    dilation: int
    pad: int
    zero_point: int
    shift: int
    bits: int
    pool: str
    seed: int


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    """A small layer whose windows fit its map."""
    kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    size = draw(st.integers(kernel * dilation, kernel * dilation + 3))
    channels = draw(st.integers(1, 3))
    return Layer(
        last=draw(st.booleans()),
        depthwise=draw(st.booleans()),
        channels=channels,
        outputs=draw(st.integers(1, 3)),
        size=size,
        kernel=kernel,
        stride=draw(st.integers(1, 2)),
        dilation=dilation,
        pad=draw(st.integers(0, 1)),
        zero_point=draw(st.integers(-4, 4)),
        shift=draw(st.integers(0, 5)),
        bits=draw(st.integers(1, 5)),
        pool=draw(st.sampled_from(["", "max", "sum"])),
        seed=draw(st.integers(0, 1 << 20)),
    )


def _shape(layer: Layer, channels: int, height: int) -> str:
    sizes = [height, height, channels] if layer.last else [channels, height, height]
    return "x".join(map(str, [1, *sizes]))


def _axes(layer: Layer, channel: str, row: str, column: str) -> str:
    return f"(n, {row}, {column}, {channel})" if layer.last else f"(n, {channel}, {row}, {column})"


def layer_text(layer: Layer) -> str:
    """Return the function `main` of a layer on `i8`."""
    generator = np.random.default_rng(layer.seed)
    outputs = layer.channels if layer.depthwise else layer.outputs
    padded = layer.size + 2 * layer.pad
    out = (padded - layer.dilation * (layer.kernel - 1) - 1) // layer.stride + 1
    kernel = (layer.channels, layer.kernel, layer.kernel)
    weights = generator.integers(-1, 2, kernel if layer.depthwise else (outputs, *kernel))
    bias = generator.integers(-20, 21, outputs)
    loops = "n, f, oh, ow, kh, kw" if layer.depthwise else "n, f, oh, ow, c, kh, kw"
    channel = "f" if layer.depthwise else "c"
    row, column = (f"o{a} * {layer.stride} + k{a} * {layer.dilation}" for a in "hw")
    filters = f"({channel}, kh, kw)" if layer.depthwise else "(f, c, kh, kw)"
    kinds = ", ".join(['"parallel"'] * 4 + ['"reduction"'] * (2 if layer.depthwise else 3))
    given, inside = _shape(layer, layer.channels, layer.size), _shape(layer, layer.channels, padded)
    result = _shape(layer, outputs, out)
    pads = ", ".join(str(layer.pad if axis in "hw" else 0) for axis in ("nhwc" if layer.last else "nchw"))
    weight_type = "x".join(map(str, weights.shape))
    identity = f"affine_map<(n, c, h, w) -> {_axes(layer, 'c', 'h', 'w')}>"
    lines = [
        f"#in = affine_map<({loops}) -> {_axes(layer, channel, row, column)}>",
        f"#w = affine_map<({loops}) -> {filters}>",
        f"#out = affine_map<({loops}) -> {_axes(layer, 'f', 'oh', 'ow')}>",
        f"#id = {identity}",
        "#ch = affine_map<(n, c, h, w) -> (c)>",
        f"func.func @main(%x: tensor<{given}xi8>) -> tensor<RESULT> {{",
        f"  %zp = arith.constant {layer.zero_point} : i8",
        f"  %zp32 = arith.constant {layer.zero_point} : i32",
        f"  %pad = tensor.pad %x low[{pads}] high[{pads}] {{",
        "  ^bb0(%i: index, %j: index, %k: index, %l: index):",
        "    tensor.yield %zp : i8",
        f"  }} : tensor<{given}xi8> to tensor<{inside}xi8>",
        f"  %w = arith.constant dense<{weights.tolist()}> : tensor<{weight_type}xi8>",
        "  %c0 = arith.constant 0 : i32",
        f"  %e = tensor.empty() : tensor<{result}xi32>",
        f"  %zero = linalg.fill ins(%c0 : i32) outs(%e : tensor<{result}xi32>) -> tensor<{result}xi32>",
        f"  %y = linalg.generic {{indexing_maps = [#in, #w, #out], iterator_types = [{kinds}]}} "
        f"ins(%pad, %w : tensor<{inside}xi8>, tensor<{weight_type}xi8>) outs(%zero : tensor<{result}xi32>) {{",
        "  ^bb0(%a: i8, %b: i8, %acc: i32):",
        "    %a32 = arith.extsi %a : i8 to i32",
        "    %centred = arith.subi %a32, %zp32 : i32",
        "    %b32 = arith.extsi %b : i8 to i32",
        "    %p = arith.muli %centred, %b32 : i32",
        "    %s = arith.addi %acc, %p : i32",
        "    linalg.yield %s : i32",
        f"  }} -> tensor<{result}xi32>",
        f"  %bias = arith.constant dense<{bias.tolist()}> : tensor<{outputs}xi32>",
        f"  %e8 = tensor.empty() : tensor<{result}xi8>",
        '  %r = linalg.generic {indexing_maps = [#id, #ch, #id], iterator_types = ["parallel", "parallel", "parallel", '
        f'"parallel"]}} ins(%y, %bias : tensor<{result}xi32>, tensor<{outputs}xi32>) '
        f"outs(%e8 : tensor<{result}xi8>) {{",
        "  ^bb0(%a: i32, %b: i32, %o: i8):",
        f"    %n = arith.constant {layer.shift} : i32",
        "    %three = arith.constant 3 : i32",
        f"    %hi = arith.constant {(1 << layer.bits) - 1} : i32",
        "    %s = arith.addi %a, %b : i32",
        "    %m = arith.muli %s, %three : i32",
        "    %q = arith.shrsi %m, %n : i32",
        "    %k = arith.cmpi sgt, %q, %c0 : i32",
        "    %q1 = arith.select %k, %q, %c0 : i32",
        "    %q2 = arith.minsi %q1, %hi : i32",
        "    %t = arith.trunci %q2 : i32 to i8",
        "    linalg.yield %t : i8",
        f"  }} -> tensor<{result}xi8>",
        *(_pool(layer, outputs, out) if layer.pool and out >= 2 else [f"  func.return %r : tensor<{result}xi8>"]),
        "}",
    ]
    returned = lines[-2].partition(" : tensor<")[2].rstrip(">")
    return "\n".join(lines).replace("RESULT", returned)


def _pool(layer: Layer, channels: int, size: int) -> list[str]:
    bits, operation, start = (8, "maxsi", -128) if layer.pool == "max" else (32, "addi", 0)
    given, result = _shape(layer, channels, size), _shape(layer, channels, size // 2)
    loops = "n, c, oh, ow, kh, kw"
    extended = "%a" if bits == 8 else "%wide"
    return [
        f"  %start = arith.constant dense<{start}> : tensor<{result}xi{bits}>",
        "  %window = tensor.empty() : tensor<2x2xi8>",
        f"  %pool = linalg.generic {{indexing_maps = [affine_map<({loops}) -> "
        f"{_axes(layer, 'c', 'oh * 2 + kh', 'ow * 2 + kw')}>, affine_map<({loops}) -> (kh, kw)>, "
        f"affine_map<({loops}) -> {_axes(layer, 'c', 'oh', 'ow')}>], iterator_types = "
        '["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]} '
        f"ins(%r, %window : tensor<{given}xi8>, tensor<2x2xi8>) outs(%start : tensor<{result}xi{bits}>) {{",
        f"  ^bb0(%a: i8, %b: i8, %acc: i{bits}):",
        *([] if bits == 8 else ["    %wide = arith.extsi %a : i8 to i32"]),
        f"    %s = arith.{operation} %acc, {extended} : i{bits}",
        f"    linalg.yield %s : i{bits}",
        f"  }} -> tensor<{result}xi{bits}>",
        f"  func.return %pool : tensor<{result}xi{bits}>",
    ]
