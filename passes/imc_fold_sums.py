"""`imc-fold-sums`: a quantised sum of two integer tensors of different scales becomes a sum of integers and thresholds.

Purpose: at the end of a residual block two int8 tensors meet. Each is dequantised with its own scale, the sum is
rectified and quantised again: floating point between two integer layers. But it is a step function of two small
integers, and its borders are nearly straight.

Before: network level, after `imc-lift-scales`.
After: an integer result that depends, through elementwise ops with one parameter per tensor, on two integer tensors of
together at most 18 bits, is a threshold of `a * x + b * y` with integers a and b, if there are any for which that is
the same function. The smallest ones are taken.

```
%p = imc.dequantize %x, %s, %z : (tensor<?x8xsi8>, ...) -> tensor<?x8xf32>
%q = imc.dequantize %y, %t, %o : (tensor<?x8xsi8>, ...) -> tensor<?x8xf32>
%r = imc.add %p, %q : ...
%k = imc.quantize %r, %u, %v {low = -128 : i64, high = 127 : i64} : ... -> tensor<?x8xsi8>
  =>
%a = imc.mul %x, %m : (tensor<?x8xsi8>, tensor<ui8>) -> tensor<?x8xsi16>
%b = imc.mul %y, %n : (tensor<?x8xsi8>, tensor<ui8>) -> tensor<?x8xsi16>
%t = imc.add %a, %b : ... -> tensor<?x8xsi17>
%k = imc.threshold %t, %T {low = -128 : i64} : (tensor<?x8xsi17>, tensor<1x255xsi17>) -> tensor<?x8xsi8>
```

Meaning: unchanged for every pair of integers of the sources' types: the chain is evaluated at all pairs, op by op in
its own arithmetic, and the result is compared with that table. Where float32 (or fixed-point) rounding bends a border
so that no weights fit, the chain is left alone.
Cost: two multiplications by constants, an addition and comparisons instead of floating-point arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, LocationAttr, ModuleOp
from xdsl.ir import Operation, SSAValue
from xdsl.passes import ModulePass

from imcflow.dialect.constants import integer_constant
from imcflow.dialect.locations import fused_location
from imcflow.dialect.ops_elementwise import AddOp, MulOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import element_type_of, is_float, smallest_integer_type
from imcflow.errors import ModelError
from imcflow.passes.network.edit import Editor, erase_dead, network_block
from imcflow.passes.network.forms import range_of
from imcflow.passes.thresholds.chain import ELEMENTWISE
from imcflow.passes.thresholds.pairs import PairChain, PairSteps, find_pair_chain, find_pair_steps


@dataclass(frozen=True)
class ImcFoldSums(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-fold-sums"

    max_levels: int = 1023
    """Most thresholds: 1023 gives 10-bit results."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place, the last sums first, so that what they make dead is gone."""
        block = network_block(op)
        for sink in reversed(list(block.ops)):
            if sink.parent is None or not isinstance(sink, ELEMENTWISE) or is_float(sink.results[0]):
                continue
            chain = find_pair_chain(sink)
            steps = None if chain is None else self._steps(chain)
            if chain is not None and steps is not None:
                _insert(chain, steps)
                erase_dead(block)

    def _steps(self, chain: PairChain) -> PairSteps | None:
        try:
            table = chain.table()
        except ModelError:
            return None
        (low, _), (other_low, _) = map(range_of, chain.sources)
        return find_pair_steps(table, (low, other_low), self.max_levels)


def _insert(chain: PairChain, steps: PairSteps) -> None:
    sink: Operation = chain.ops[-1]
    editor = Editor(sink)
    location = fused_location(chain.ops)
    factors = zip(chain.sources, (steps.first, steps.second), strict=True)
    # A multiple keeps the node that scaled it, or else a later pass that joins sum and thresholds makes it ambiguous
    # which of the four results of one node a tensor is.
    terms = [_multiple(editor, source, factor, fused_location(chain.ops_of(source))) for source, factor in factors]
    ends = [range_of(term) for term in terms]
    total = AddOp(terms[0], terms[1], smallest_integer_type(sum(low for low, _ in ends), sum(high for _, high in ends)))
    total.location = location
    thresholds = editor.value(integer_constant(steps.thresholds[None]))
    element = cast(IntegerType, element_type_of(sink.results[0]))
    folded = ThresholdOp(editor.value(total), thresholds, low=steps.low, result_element=element)
    folded.location = location
    editor.replace(editor.value(folded))


def _multiple(editor: Editor, value: SSAValue, factor: int, location: LocationAttr) -> SSAValue:
    if factor == 1:
        return value
    ends = [factor * end for end in range_of(value)]
    constant = editor.value(integer_constant(np.asarray(factor)))
    multiple = MulOp(value, constant, smallest_integer_type(min(ends), max(ends)))
    multiple.location = location
    return editor.value(multiple)
