"""`imc-ternarize`: replace the real weights of inner layers by ternary ones, and say what that costs.

Purpose: models that were trained in floating point, or with two scales per layer, get weights that arrays can add.

Before: network level; convolutions and matrix products with real constant weights.
After: network level. The weights of every such layer are integers behind `imc.dequantize` with one scale per output
channel. Layers whose weights are small integers times scales already are left alone. A layer trained with two scales
(at most one positive and one negative value per channel) keeps its pattern: the values become the integers `{-n, 0, p}`
of at most `max-bits` bits with the fewest signed digits that come within `tolerance`. The first and the last layer stay
real, or get `ends` bits.

```
%w = imc.constant dense<[[0.9, -0.1, -1.1]]> : tensor<1x3xf32> as tensor<1x3xf32>
  =>
%i = imc.constant dense<[[1, 0, -1]]> : tensor<1x3xi8> as tensor<1x3xsi2>
%w = imc.dequantize %i, %s, %z : (tensor<1x3xsi2>, tensor<1x1xf32>, tensor<ui1>) -> tensor<1x3xf32>      // %s = 1.0
```

Meaning: changes. The module's attributes `imc.weight_report` and `imc.notes` tell layer by layer the bits, the share of
zeros and the relative error of the weights.
Cost: a multiplication by a real weight becomes an addition, a subtraction or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.passes import ModulePass

from imcflow.dialect.constants import float_constant, integer_constant
from imcflow.dialect.locations import node_names
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.ops_quantise import DequantizeOp
from imcflow.dialect.types import is_float
from imcflow.passes.calibration.fit import Fit, fit_uniform, fit_weights
from imcflow.passes.calibration.report import WEIGHTS_ATTRIBUTE, WeightReport, attach
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import Editor, erase_dead, network_block
from imcflow.passes.network.weights import weight_form, weight_type


@dataclass(frozen=True)
class ImcTernarize(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-ternarize"

    method: Literal["threshold", "least-squares"] = "least-squares"
    """How real weights become ternary."""

    ratio: float | int = 0.7
    """Of `threshold`: weights below this share of the mean magnitude become 0."""

    max_bits: int = 8
    """Most bits of weights with two scales, and of weights that are left alone."""

    tolerance: float | int = 0.0001
    """Relative error up to which two scales take the integers with the fewest digits."""

    ends: int = 0
    """Bits of the weights of the first and the last layer; 0 leaves them real."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        layers = [layer for layer in block.ops if isinstance(layer, Conv2dOp | GemmOp)]
        reports: list[WeightReport] = []
        for layer in layers:
            if not is_float(layer.input):
                continue
            is_end = layer is layers[0] or layer is layers[-1]
            if is_end and not self.ends:
                continue
            report = self._replace(layer, is_end)
            if report is not None:
                reports.append(report)
        erase_dead(block)
        attach(op, WEIGHTS_ATTRIBUTE, reports)

    def _replace(self, layer: Conv2dOp | GemmOp, is_end: bool) -> WeightReport | None:
        weights = constant_value(layer.weights)
        if weights is None or not isinstance(weight_form(layer.weights, self.max_bits), str):
            return None
        real = weights.astype(np.float64)
        if not np.all(np.isfinite(real)):
            return None
        if is_end:
            fit = fit_uniform(real, self.ends)
        else:
            fit = fit_weights(
                real, method=self.method, ratio=self.ratio, max_bits=self.max_bits, tolerance=self.tolerance
            )
        _insert(layer, fit)
        return WeightReport(_name(layer), fit.kind, fit.bits, fit.zeros, fit.error)


def _insert(layer: Conv2dOp | GemmOp, fit: Fit) -> None:
    editor = Editor(layer)
    integers = fit.weights.integers
    scales = fit.weights.scale.astype(np.float32).reshape((-1,) + (1,) * (integers.ndim - 1))
    stored = editor.value(integer_constant(integers, weight_type(integers)))
    scale = editor.value(float_constant(scales))
    zero = editor.value(integer_constant(np.zeros((), np.int64)))
    layer.operands[1] = editor.value(DequantizeOp(stored, scale, zero))


def _name(op: Operation) -> str:
    names = node_names(op)
    return ", ".join(names) if names else op.name
