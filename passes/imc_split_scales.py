"""`imc-split-scales`: linear layers with two real scales per filter become integer layers with two outputs per filter.

Purpose: trained ternary quantisation (Zhu et al., arXiv 1612.01064) learns one scale for the positive and another for
the negative weights. Their ratio is no ratio of small integers, so `imc-lift-scales` finds no integer weights, and the
layer would stay in floating point.

Before: network level, after `imc-lift-scales`.
After: network level. A convolution or matrix product over quantised values whose filters have at most two magnitudes of
weights each is `p * P - n * N`: one integer layer with weights -1, 0 and 1 computes P and N of every filter, side by
side, and floating point joins them. Layers whose input is not quantised, or with more magnitudes, are left alone.

```
%x = imc.dequantize %q, %s, %z : (tensor<?x3xui4>, ...) -> tensor<?x3xf32>
%y = imc.gemm %x, %w : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>              // %w = [0.71, 0, -0.29]
  =>
%s = imc.gemm %q, %t : (tensor<?x3xui4>, tensor<2x3xsi2>) -> tensor<?x2xui4>               // %t = [1, 0, 0], [0, 0, 1]
%a = imc.slice %s {start = 0, stop = 2, step = 2, ...} : (tensor<?x2xui4>) -> tensor<?x1xui4>
%b = imc.slice %s {start = 1, stop = 2, step = 2, ...} : (tensor<?x2xui4>) -> tensor<?x1xui4>
%p = imc.dequantize %a, %u, %z : (tensor<?x1xui4>, ...) -> tensor<?x1xf32>                 // %u = 0.71 * %s
%n = imc.dequantize %b, %v, %z : (tensor<?x1xui4>, ...) -> tensor<?x1xf32>                 // %v = 0.29 * %s
%y = imc.sub %p, %n : (tensor<?x1xf32>, tensor<?x1xf32>) -> tensor<?x1xf32>
```

Meaning: exact in real numbers, as for `imc-lift-scales`: P and N are exact integers. Each is scaled once, and the
difference and the bias round once each, where the source rounded every partial sum.
Cost: multiply-accumulates in floating point become additions of small integers, one per weight; three operations in
floating point per output stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue
from xdsl.passes import ModulePass

from imcflow.dialect.constants import float_constant
from imcflow.dialect.ops_elementwise import AddOp, SubOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import f32, is_float, shape_of
from imcflow.passes.factoring import factored, slice_pairs
from imcflow.passes.network.constants import collapse, constant_value
from imcflow.passes.network.edit import Editor, erase_dead, network_block
from imcflow.passes.network.forms import Quantised, materialise
from imcflow.passes.network.weights import weight_form
from imcflow.passes.scales.lifter import Lifter
from imcflow.passes.scales.linear import integer_sums


@dataclass(frozen=True)
class ImcSplitScales(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-split-scales"

    max_weight_bits: int = 8
    """Layers whose weights are integers of at most this many bits times a scale are left to `imc-lift-scales`."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        lifter = Lifter(self.max_weight_bits)
        for layer in list(block.ops):
            if isinstance(layer, Conv2dOp | GemmOp) and is_float(layer.input):
                self._split(layer, lifter)
        erase_dead(block)

    def _split(self, layer: Conv2dOp | GemmOp, lifter: Lifter) -> None:
        weights = constant_value(layer.weights)
        bias = None if layer.bias is None else constant_value(layer.bias)
        if weights is None or (layer.bias is not None and bias is None) or not np.all(np.isfinite(weights)):
            return
        if not isinstance(weight_form(layer.weights, self.max_weight_bits), str):
            return
        rows = factored(weights.astype(np.float32))
        form = None if rows is None else lifter.form_of(layer.input)
        if rows is None or form is None:
            return
        editor = Editor(layer)
        factors = np.stack([rows.first, rows.second], axis=1).reshape((-1,) + (1,) * (weights.ndim - 1))
        filters = editor.value(float_constant((rows.ternary * factors).astype(np.float32)))
        # Never executed, and dead at once: it tells `integer_sums` weights and window.
        both = editor.add(_doubled(layer, filters))
        sums = integer_sums(editor, both, form, self.max_weight_bits)
        if isinstance(sums, str):
            return
        axes = (-1,) + (1,) * (len(shape_of(layer.result)) - 2)
        first, second = slice_pairs(editor, sums.integers)
        left = _scaled(editor, first, sums.scale[0::2].reshape(axes))
        right = _scaled(editor, second, sums.scale[1::2].reshape(axes))
        result = editor.value(SubOp(left, right, f32))
        if bias is not None:
            constant = editor.value(float_constant(bias.astype(np.float32).reshape(axes)))
            result = editor.value(AddOp(result, constant, f32))
        editor.replace(result)


def _doubled(layer: Conv2dOp | GemmOp, filters: SSAValue) -> Conv2dOp | GemmOp:
    """Return the layer with these filters and without a bias."""
    if isinstance(layer, GemmOp):
        return GemmOp(layer.input, filters, f32)
    return Conv2dOp(
        layer.input,
        filters,
        f32,
        strides=layer.strides.get_values(),
        pads=layer.pads.get_values(),
        dilations=layer.dilations.get_values(),
        groups=layer.groups.value.data,
        pad_value=layer.pad_value.value.data,
    )


def _scaled(editor: Editor, integers: SSAValue, scale: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> SSAValue:
    common = collapse(scale)
    return materialise(editor, Quantised(integers, common, np.zeros((1,) * common.ndim, np.int64)))
