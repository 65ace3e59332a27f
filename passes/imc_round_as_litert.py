"""`imc-round-as-litert`: quantised layers compute the integers of LiteRT's reference kernels instead of float32.

Purpose: an int8 network that was converted from a `.tflite` file has two meanings. The ONNX file says float32 between
`DequantizeLinear` and `QuantizeLinear`, rounded once, ties to even; LiteRT's integer kernels say fixed-point factors
of 31 bits, rounded twice. They differ by one now and then, and the differences grow from layer to layer. This pass
chooses the second meaning, which is integer throughout and has one right answer.

Before: network level, canonical; layers stand between `imc.dequantize` and `imc.quantize`.
After: convolutions, matrix products and their activations, sums of two tensors, and average pools that keep their
scale are integer ops; the factors are `imc.requantize`. What has no such kernel (a softmax, above all) stays in
float32. `imc-fold-thresholds` turns the factors into step functions, as it does float32 arithmetic.

```
%x = imc.dequantize %q, %s, %z : (tensor<?x2xsi8>, ...) -> tensor<?x2xf32>
%y = imc.gemm %x, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
%r = imc.quantize %y, %t, %o {low = -128 : i64, high = 127 : i64} : ... -> tensor<?x1xsi8>
  =>
%a = imc.gemm %q, %i bias %b : (tensor<?x2xsi8>, tensor<1x2xsi8>, tensor<1xsi16>) -> tensor<?x1xsi17>
%h = imc.requantize %a, %m, %0, %2147483648 {mode = #imc<rounding half_up>} : ...        // the upper half of a product
%s = imc.requantize %h, %1, %0, %256 {mode = #imc<rounding half_away>} : ...             // the power of two
%t = imc.add %s, %o : ...
%r = imc.clamp %t {low = -128 : i64, high = 127 : i64} : ... -> tensor<?x1xsi8>
```

Meaning: changed from the ONNX file's to LiteRT's (`--arithmetic litert`); on networks without quantised layers nothing
changes.
Cost: none by itself; sums of two tensors need no floating point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from imcflow.dialect.ops_quantise import QuantizeOp
from imcflow.passes.litert.kernels import output_of, rewrite
from imcflow.passes.network.edit import Editor, erase_dead, network_block


@dataclass(frozen=True)
class ImcRoundAsLitert(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-round-as-litert"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        for quantiser in list(block.ops):
            if not isinstance(quantiser, QuantizeOp):
                continue
            found = output_of(quantiser)
            if found is None:
                continue
            editor = Editor(quantiser)
            integers = rewrite(editor, *found)
            if integers is not None:
                editor.replace(integers)
        erase_dead(block)
