"""Hypothesis strategies for small quantised networks.

Scales are small odd multiples of powers of two and sums stay below 2**24 units, so that every sum inside a
convolution is exact in float32: onnxruntime's result does not depend on its order of summation, and comparing with it
compares integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st
from networks import BatchNorm, Bipolar, Floats, Integers, Join, Layer, Linear, Network, Quantiser, Simple, Window
from onnx_writer import QuantiserForm, WeightForm

T = TypeVar("T")

DIALECTS: dict[str, tuple[QuantiserForm, tuple[WeightForm, ...]]] = {
    "qonnx": ("quant", ("float", "quant")),
    "qdq": ("qdq", ("float", "dequantize")),
    "div": ("div", ("float",)),
    "mul": ("mul", ("float",)),
    "steps": ("steps", ("float",)),
}
WEIGHT_KINDS = ("ternary", "sparse", "two scales", "binary", "int4", "int8")
SAME_SIZE = (Window((1, 1)), Window((3, 3), pads=(1, 1, 1, 1)))
_WEIGHT_BITS = {"ternary": 2, "sparse": 2, "two scales": 4, "binary": 2, "int4": 4, "int8": 8}
_EXACT_BITS = 23  # of the sums of a layer, in units of the product of both scales
_STEPS_BITS = 2  # a sum of comparisons has one node per level


@dataclass
class _Sketch:
    """A network being drawn: the shape and the quantisation of its last tensor."""

    draw: st.DrawFn
    rng: np.random.Generator
    form: QuantiserForm
    weight_forms: tuple[WeightForm, ...]
    shape: tuple[int, int, int]
    bits: int
    scale: float

    def choose(self, *values: T) -> T:
        return self.draw(st.sampled_from(values))

    def flip(self) -> bool:
        return self.draw(st.booleans())

    def step(self) -> float:
        """A scale of few bits."""
        return self.choose(1, 1, 1, 3, 5) * 2.0 ** -self.draw(st.integers(0, 4))

    def quantiser(self, deviation: float, *, signed: bool | None = None, scale: float | None = None) -> Quantiser:
        """A quantiser for values of roughly this standard deviation; it saturates now and then."""
        bits = self.draw(st.integers(1, _STEPS_BITS if self.form == "steps" else 5))
        signed = self.flip() if signed is None else signed
        if signed:
            bits = max(bits, 2)
        if scale is None:
            target = max(deviation * 2.0 / 2**bits, 2.0**-8)
            scale = self.choose(1.0, 1.0, 0.75, 1.25) * 2.0 ** round(float(np.log2(target)))
        self.bits, self.scale = bits, scale
        if self.form == "qdq" and self.flip():
            low = -(2 ** (bits - 1)) if signed else 0
            self.bits += 1  # numbers minus the zero point
            return Quantiser(bits, signed, scale, self.form, self.draw(st.integers(low, low + 2**bits - 1)))
        return Quantiser(bits, signed, scale, self.form)

    def activation(self, deviation: float) -> Quantiser | Bipolar:
        """A quantiser, or in QONNX now and then a bipolar one."""
        if self.form == "quant" and self.choose(False, False, False, True):
            self.bits, self.scale = 2, self.step()
            return Bipolar(self.scale)
        return self.quantiser(deviation)

    def weights(self, shape: tuple[int, ...]) -> tuple[Integers, int]:
        """Integers of the given shape and the bits that hold them."""
        fan_in = int(np.prod(shape[1:]))
        kinds = [kind for kind in WEIGHT_KINDS if self._fits(_WEIGHT_BITS[kind], fan_in)]
        kind = self.choose(*kinds)
        match kind:
            case "ternary":
                values = self.rng.integers(-1, 2, shape)
            case "sparse":
                values = self.rng.choice([-1, 0, 0, 0, 0, 0, 1], shape)
            case "two scales":
                values = self.rng.choice([-3, 0, 2], shape)
            case "binary":
                values = self.rng.choice([-1, 1], shape)
            case "int4":
                values = self.rng.integers(-8, 8, shape)
            case _:
                values = self.rng.integers(-128, 128, shape)
        return values.astype(np.int64), _WEIGHT_BITS[kind]

    def _fits(self, weight_bits: int, fan_in: int) -> bool:
        scale_bits = 6  # both scales have up to three bits
        return self.bits + weight_bits + scale_bits + fan_in.bit_length() <= _EXACT_BITS

    def linear(self, shape: tuple[int, ...], window: Window | None = None, groups: int = 1) -> tuple[Linear, float]:
        """A layer with weights of this shape, and roughly the standard deviation of its result."""
        integers, weight_bits = self.weights(shape)
        scales = [self.step() for _ in range(shape[0] if self.flip() else 1)]
        scale: Floats = np.asarray(scales if len(scales) > 1 else scales[0], np.float32)
        magnitude = float(np.sqrt(np.mean(integers**2) + 0.01)) * float(np.mean(scale))
        deviation = magnitude * self.scale * 2.0 ** (self.bits - 1) * float(np.sqrt(np.prod(shape[1:])))
        bias: Floats | None = None
        if self.flip():
            unit = float(np.min(scale)) * self.scale
            bias = (self.rng.integers(-16, 17, shape[0]) * unit).astype(np.float32)
        form: WeightForm = self.choose(*self.weight_forms)
        as_matmul = window is None and self.flip()
        return Linear(integers, scale, bias, form, weight_bits, window, groups, as_matmul), deviation

    def window(self) -> Window:
        """A window that fits into the current tensor."""
        sizes = self.shape[1:]
        rows, columns = (self.draw(st.integers(1, min(3, size))) for size in sizes)
        top, left, bottom, right = (self.draw(st.integers(0, size - 1)) for size in (rows, columns, rows, columns))
        strides = (self.draw(st.integers(1, 2)), self.draw(st.integers(1, 2)))
        may_dilate = all(2 * (kernel - 1) < size for kernel, size in zip((rows, columns), sizes, strict=True))
        dilations = (2, 2) if may_dilate and self.flip() else (1, 1)
        return Window((rows, columns), strides, (top, left, bottom, right), dilations)

    def convolution(self, channels: int, window: Window) -> tuple[list[Layer], float]:
        """A convolution of the current tensor, perhaps normalised and rectified; moves to its result's shape."""
        depth, height, width = self.shape
        groups = self.choose(1, 1, depth) if channels % depth == 0 else 1
        layer, deviation = self.linear((channels, depth // groups, *window.kernel), window, groups)
        self.shape = (channels, *window.output_size(height, width))
        return [layer, *self.normalisation(channels, deviation)], deviation

    def normalisation(self, channels: int, deviation: float) -> list[Layer]:
        """Perhaps a batch normalisation that keeps the deviation, perhaps a Relu."""
        layers: list[Layer] = []
        if self.flip():
            sign = self.rng.choice([-1.0, 1.0, 1.0], channels)
            layers.append(
                BatchNorm(
                    gamma=(sign * deviation * self.rng.uniform(0.5, 1.5, channels)).astype(np.float32),
                    beta=(deviation * self.rng.normal(0, 0.3, channels)).astype(np.float32),
                    mean=(deviation * self.rng.normal(0, 0.3, channels)).astype(np.float32),
                    variance=(deviation**2 * self.rng.uniform(0.5, 1.5, channels)).astype(np.float32),
                )
            )
        return [*layers, Simple("Relu")] if self.flip() else layers

    def block(self, *, linear: bool) -> list[Layer]:
        """One of the shapes that networks are made of; it ends with a quantised tensor."""
        kind = self.choose("plain", "plain", "residual", "concat", *(() if linear else ("pool", "mean")))
        if kind == "pool":
            return self.pool()
        if kind == "mean":
            return self.mean()
        if kind == "residual":
            return self.residual()
        if kind == "concat":
            return self.concat()
        layers, deviation = self.convolution(self.draw(st.integers(1, 6)), self.window())
        return [*layers, self.activation(deviation)]

    def mean(self) -> list[Layer]:
        """The mean of each channel, quantised again."""
        deviation = self.scale * 2.0 ** (self.bits - 1) / 4
        self.shape = (self.shape[0], 1, 1)
        return [Simple("GlobalAveragePool"), self.quantiser(deviation)]

    def pool(self) -> list[Layer]:
        """Max pooling of the quantised tensor."""
        channels, height, width = self.shape
        kernel = min(self.draw(st.integers(2, 3)), height, width)
        stride = self.draw(st.integers(1, 2))
        self.shape = (channels, (height - kernel) // stride + 1, (width - kernel) // stride + 1)
        return [Simple("MaxPool", {"kernel_shape": [kernel, kernel], "strides": [stride, stride]})]

    def residual(self) -> list[Layer]:
        """x + branch(x); the branch ends on the scale of x, so the sum is one of integers."""
        scale, bits = self.scale, self.bits
        layers, deviation = self.convolution(self.shape[0], self.choose(*SAME_SIZE))
        branch = [*layers, self.quantiser(deviation, scale=scale)]
        self.bits = max(bits, self.bits) + 1
        deviation = scale * 2.0**self.bits / 4
        return [Join("Add", [], branch), *self.normalisation(self.shape[0], deviation), self.quantiser(deviation)]

    def concat(self) -> list[Layer]:
        """Two convolutions of the same tensor, on the same scale, side by side."""
        before = (self.shape, self.bits, self.scale)
        left, deviation = self.convolution(self.draw(st.integers(1, 3)), self.choose(*SAME_SIZE))
        left.append(self.quantiser(deviation))
        left_channels, left_bits, common_scale = self.shape[0], self.bits, self.scale
        self.shape, self.bits, self.scale = before
        right, deviation = self.convolution(self.draw(st.integers(1, 3)), self.choose(*SAME_SIZE))
        right.append(self.quantiser(deviation, scale=common_scale))
        self.bits = max(left_bits, self.bits) + 1  # one side may be signed and the other not
        self.shape = (left_channels + self.shape[0], *self.shape[1:])
        return [Join("Concat", left, right)]

    def head(self) -> tuple[Simple, Linear]:
        """A classifier on the flattened quantised tensor: logits that stay as they are."""
        channels, height, width = self.shape
        layer, _ = self.linear((self.draw(st.integers(1, 5)), channels * height * width))
        return Simple("Flatten", {"axis": 1}), layer


@st.composite
def networks(draw: st.DrawFn, dialects: tuple[str, ...] = tuple(DIALECTS)) -> Network:
    """Draw a network of one to three blocks in one of the dialects, with a batch of one to three images."""
    form, weight_forms = DIALECTS[draw(st.sampled_from(dialects))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 4)), draw(st.integers(2, 7)), draw(st.integers(2, 7)))
    kind = draw(st.sampled_from(("int8", "uint8", "declared", "float")))
    signed = kind == "int8" or (kind != "uint8" and draw(st.booleans()))
    bits = 8 if kind.endswith("int8") else draw(st.integers(2, 8))
    batch = (draw(st.integers(1, 3)), *shape)
    sketch = _Sketch(draw, rng, form, weight_forms, shape, bits, 1.0)
    layers: list[Layer] = []
    if kind == "float":
        images = rng.normal(0, 1, batch).astype(np.float32)
        layers.append(sketch.quantiser(1.0, signed=signed))
    else:
        low = -(2 ** (bits - 1)) if signed else 0
        images = rng.integers(low, low + 2**bits, batch).astype("float32" if kind == "declared" else kind)
    blocks = draw(st.integers(1, 3))
    for index in range(blocks):
        layers += sketch.block(linear=index == blocks - 1)  # without a linear layer there is nothing to accelerate
    output_shape: tuple[int, ...] = sketch.shape
    if draw(st.booleans()):
        head, classifier = sketch.head()
        layers += [head, classifier]
        output_shape = (len(classifier.weights),)
    declared = f"{'s' if signed else 'u'}i{bits}" if kind == "declared" else None
    return Network(str(images.dtype), declared, shape, layers, output_shape, images)
