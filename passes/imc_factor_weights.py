"""The pass `imc-factor-weights`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import is_float
from imcflow.passes.network.edit import erase_dead, functions

if TYPE_CHECKING:
    from xdsl.ir import Operation


@dataclass(frozen=True)
class ImcFactorWeights(ModulePass):
    """Sum the activations that share a weight first, then multiply each sum once.

    A filter trained with two scales holds -n, 0 and p. Added up digit by digit, every weight costs as many additions as
    its signed digits, on words as wide as the weighted sum. By the distributive law the filter is `p * P - n * N`,
    where P is the sum of the activations at p and N of those at -n: one output of a layer with weights 0 and 1 each.
    Both outputs of all filters share sums in one elimination. Any filter with at most two magnitudes factors so, with
    weights -1, 0 and 1.

    Precondition: quantised level.
    Postcondition: every integer convolution and matrix product that the rule below names has twice the outputs and
    ternary weights; its result is an integer combination of two slices of them. Types and values are unchanged.

    Before:
        %y = imc.gemm %x, %w : (tensor<?x4xui4>, tensor<1x4xsi4>) -> tensor<?x1xsi8>                // [[7, 0, -5, 7]]
    After:
        %s = imc.gemm %x, %t : (tensor<?x4xui4>, tensor<2x4xsi2>) -> tensor<?x2xui5>    // [[1, 0, 0, 1], [0, 0, 1, 0]]
        %p = imc.slice %s {start = 0, stop = 2, step = 2, ...} : (tensor<?x2xui5>) -> tensor<?x1xui5>
        %n = imc.slice %s {start = 1, stop = 2, step = 2, ...} : (tensor<?x2xui5>) -> tensor<?x1xui5>
        %a = imc.mul %p, %seven : (tensor<?x1xui5>, tensor<ui3>) -> tensor<?x1xui8>
        %b = imc.mul %n, %five : (tensor<?x1xui5>, tensor<ui3>) -> tensor<?x1xui8>
        %y = imc.sub %a, %b : (tensor<?x1xui8>, tensor<?x1xui8>) -> tensor<?x1xsi8>

    Effect on cost: the array adds no signed digits of scales, and its accumulators are as narrow as the sums; there are
    twice the words to store, and up to four operations of the digital unit per output. A layer is factored if its
    weights have at least `digits` signed digits each on average.

    Options:
        digits: least average number of signed digits of the nonzero weights.
    """

    name = "imc-factor-weights"

    digits: float = 1.25

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the layers in place."""
        if not self.digits > 1:
            raise PassFailedException(f"{self.name}: digits must be more than 1, got {self.digits:g}")
        for function in functions(op):
            layers: list[Operation] = list(function.body.block.ops)
            for layer in layers:
                if isinstance(layer, Conv2dOp | GemmOp) and not is_float(layer.result):
                    self._factor(layer)
            erase_dead(function.body.block)

    def _factor(self, layer: Conv2dOp | GemmOp) -> None:
        from imcflow.passes.factoring import factor_layer, factored, mean_digits
        from imcflow.passes.network.constants import constant_value

        weights = constant_value(layer.weights)
        if weights is None or mean_digits(weights) < self.digits:
            return
        rows = factored(weights)
        if rows is not None:
            factor_layer(layer, rows)
