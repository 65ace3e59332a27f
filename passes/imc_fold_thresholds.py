"""`imc-fold-thresholds`: scaling, batch normalisation, activation and quantisation become integer thresholds.

Purpose: between two integer layers stands a chain of elementwise ops per channel that maps an integer accumulator to a
few integer levels. If it is monotone, it is a step function, so it is stored exactly as the integers at which it steps.

Before: network level, after `imc-lift-scales`.
After: every integer result that depends, through elementwise ops with one parameter per channel, on one integer tensor,
monotonically, and has at most `max_levels` + 1 levels, is computed by one `imc.threshold`. Quantisers have moved before
reshapes, concatenations and max pools.

```
%r = imc.dequantize %acc, %s, %z : (tensor<?x8x4x4xsi9>, ...) -> tensor<?x8x4x4xf32>
%b = imc.batch_norm %r, %g, %h, %m, %v : ...
%q = imc.quantize %b, %t, %z {low = -1 : i64, high = 1 : i64} : ... -> tensor<?x8x4x4xsi2>
  =>
%q = imc.threshold %acc, %T {low = -1 : i64} : (tensor<?x8x4x4xsi9>, tensor<8x2xsi10>) -> tensor<?x8x4x4xsi2>
```

Meaning: unchanged on every integer of the source's type. The chain itself is evaluated, op by op in its own arithmetic
(`float32` or exact integers), by the reference interpreter: at every integer if there are at most 65,536; else the
chain is proven monotone and bisected per channel and level. Channels that a negative scale turns round are marked
`descending`; levels out of reach have thresholds at the least or beyond the greatest integer. A chain that is not
monotone, or reads something else that varies, is left alone.
Cost: comparisons with constants on the array or in the digital unit instead of floating-point arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import IntegerType, ModuleOp
from xdsl.ir import Block, Operation
from xdsl.passes import ModulePass

from imcflow.dialect.constants import integer_constant
from imcflow.dialect.locations import fused_location
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import element_type_of, integer_type, is_float, shape_of, value_range
from imcflow.passes.network.edit import Editor, erase_dead, network_block
from imcflow.passes.thresholds.chain import ELEMENTWISE, Chain, find_chains
from imcflow.passes.thresholds.hoist import hoist_quantisers
from imcflow.passes.thresholds.search import Steps, find_steps


@dataclass(frozen=True)
class ImcFoldThresholds(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-fold-thresholds"

    max_levels: int = 1023
    """Most thresholds per channel: 1023 gives 10-bit results, what 8-bit activations need where they are summed."""

    keep_bits: int = 0
    """Integers of at most this many bits stay tensors of their own instead of joining the next step function: more
    steps, for looking inside."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        hoist_quantisers(block)
        self._fold(block)
        erase_dead(block)

    def _fold(self, block: Block) -> None:
        """Replace sinks, the last first, so that the longest chain wins and what it makes dead is gone."""
        for op in reversed(list(block.ops)):
            if op.parent is None or not isinstance(op, ELEMENTWISE) or is_float(op.results[0]):
                continue
            for chain in find_chains(op, self.keep_bits):
                if self._replace(chain):
                    erase_dead(block)
                    break

    def _replace(self, chain: Chain) -> bool:
        if not chain.is_worth_folding:
            return False
        element = cast(IntegerType, element_type_of(chain.sink))
        steps = find_steps(chain, self.max_levels, value_range(element))
        if steps is None:
            return False
        _insert(chain, steps, element)
        return True


def _insert(chain: Chain, steps: Steps, element: IntegerType) -> None:
    sink: Operation = chain.ops[-1]
    editor = Editor(sink)
    rows = steps.thresholds
    if np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape)):
        rows = rows[:1]
    descending = None
    if np.any(steps.descending):
        channels = shape_of(chain.source)[1]
        marks = np.broadcast_to(steps.descending, (channels,)).astype(np.int64)
        descending = editor.value(integer_constant(marks, integer_type(1, signed=False)))
    thresholds = editor.value(integer_constant(rows))
    folded = ThresholdOp(chain.source, thresholds, low=steps.low, descending=descending, result_element=element)
    folded.location = fused_location(chain.ops)
    editor.replace(editor.value(folded))
