"""`imc-lift-scales`: linear layers over quantised values become integer layers followed by one scale.

Purpose: an array adds integers. Trained low-bit networks compute in floating point on tensors that are integers times
a scale. This pass moves the scales behind the linear layers, where `imc-fold-thresholds` absorbs them.

Before: network level. `imc.dequantize` (or a cast of integers) feeds `f32` convolutions, matrix products, poolings,
reshapes, ...; weights are constants, or dequantised constants.
After: network level. Every linear layer whose input is `scale * (integers - zero)` and whose weights are small integers
times a scale per output channel is an integer op followed by one `imc.dequantize` (and one `f32` addition, where the
bias is no multiple of the scale). Reshapes, transposes, slices, pads, concatenations, max pools and sums of equal
scales between them are integer ops, means are `imc.sum_pool`. Rounding followed by limits is an `imc.quantize`. A
linear layer that stays `f32` carries the reason in the attribute `imc.float_reason`.

```
%x = imc.dequantize %q, %s, %z : (tensor<?x2xsi2>, ...) -> tensor<?x2xf32>
%y = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>          // %w = 0.5 * [1, -1]
  =>
%a = imc.gemm %q, %i : (tensor<?x2xsi2>, tensor<1x2xsi2>) -> tensor<?x1xsi3>
%y = imc.dequantize %a, %t, %z : (tensor<?x1xsi3>, ...) -> tensor<?x1xf32>            // %t = 0.5 * %s
```

Meaning: exact in real numbers. Sums of products are exact integers and the scale is applied once, where the source
rounded every partial sum to float32 (in an order that no standard fixes).
Cost: multiply-accumulates in floating point become additions of small integers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from imcflow.passes.network.edit import erase_dead, network_block
from imcflow.passes.scales.lifter import Lifter
from imcflow.passes.scales.recognise import recognise_integers


@dataclass(frozen=True)
class ImcLiftScales(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-lift-scales"

    max_weight_bits: int = 8
    """Weights that need more bits than this stay in floating point."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        recognise_integers(block)
        Lifter(self.max_weight_bits).run(block)
        erase_dead(block)
