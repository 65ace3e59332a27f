"""`imc-canonicalize`: fold constants, drop ops that compute nothing, merge reshapes, transposes and limits.

Purpose: what exporters leave behind (constant subgraphs, transposes there and back, `relu` of unsigned numbers,
poolings of one element) costs cycles and hides patterns from other passes. Unlike xDSL's `canonicalize`, it keeps the
names of the source nodes.

Before: any level. After: the same level, without dead ops; none of the patterns of `imcflow.dialect.canonicalization`
applies any more. Stored integers stay behind `imc.dequantize` unless `fold-scales` is set.

```
%a = imc.reshape %x : (tensor<?x4x1x1xui2>) -> tensor<?x4xui2>
%b = imc.relu %a : (tensor<?x4xui2>) -> tensor<?x4xui2>
%c = imc.reshape %b : (tensor<?x4xui2>) -> tensor<?x2x2xui2>
  =>
%c = imc.reshape %x : (tensor<?x4x1x1xui2>) -> tensor<?x2x2xui2>
```

Meaning: unchanged, bit for bit. Cost: never more ops than before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.pattern_rewriter import RewritePattern
from xdsl.transforms.canonicalize import CanonicalizationRewritePattern

from imcflow.dialect.canonicalization import FoldConstants
from imcflow.passes.rewriting import rewrite_module


@dataclass(frozen=True)
class ImcCanonicalize(ModulePass):
    """See the module docstring."""

    name: ClassVar[str] = "imc-canonicalize"

    fold_scales: bool = False
    """Also turn stored integers with a scale into real constants: once no pass looks for integers any more."""

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the module in place."""
        patterns: list[RewritePattern] = [CanonicalizationRewritePattern()]
        if self.fold_scales:
            patterns.append(FoldConstants(scales=True))
        rewrite_module(op, patterns)
