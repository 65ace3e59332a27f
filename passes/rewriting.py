"""Greedy pattern rewriting that keeps source locations.

xDSL gives every op that a pattern creates an unknown location. Cost reports, error messages and source maps are keyed
by the ONNX node name in the location, so passes rewrite through `rewrite_module`: each op created while a pattern
works on an op gets that op's location, unless the pattern set one itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from xdsl.context import Context
from xdsl.dialects.builtin import LocationAttr, ModuleOp, UnknownLoc
from xdsl.ir import Operation, OpResult, SSAValue
from xdsl.pattern_rewriter import (
    GreedyRewritePatternApplier,
    PatternRewriter,
    PatternRewriterListener,
    PatternRewriteWalker,
    RewritePattern,
)


def rewrite_module(
    module: ModuleOp,
    patterns: Sequence[RewritePattern],
    *,
    context: Context | None = None,
    apply_recursively: bool = True,
    walk_reverse: bool = False,
) -> bool:
    """Apply `patterns` greedily to every op of `module` and keep the locations.

    Args:
        module: rewritten in place.
        patterns: tried in order on each op; the first that changes anything ends the visit. Dead ops are erased.
        context: if given, ops are also folded; folding needs it to build constants.
        apply_recursively: visit created ops too, and repeat until nothing changes.
        walk_reverse: visit the last op first, so that users are seen before definitions.

    Returns:
        True if the module changed.
    """
    applier = GreedyRewritePatternApplier(list(patterns), ctx=context, folding_enabled=context is not None)
    keeper = _LocationKeeper(applier)
    walker = PatternRewriteWalker(
        keeper, apply_recursively=apply_recursively, walk_reverse=walk_reverse, listener=keeper.listener()
    )
    return walker.rewrite_module(module)


@dataclass
class _LocationKeeper(RewritePattern):
    """Wraps a pattern and listens to it; `guessed` are the ops that got `location` for want of a better one."""

    pattern: RewritePattern
    location: LocationAttr = field(default_factory=UnknownLoc, init=False)
    guessed: set[Operation] = field(default_factory=set[Operation], init=False)

    def listener(self) -> PatternRewriterListener:
        return PatternRewriterListener(
            operation_insertion_handler=[self._on_insertion],
            operation_replacement_handler=[self._on_replacement],
        )

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        self.location = op.location
        self.guessed.clear()
        self.pattern.match_and_rewrite(op, rewriter)

    def _on_insertion(self, inserted: Operation) -> None:
        """Give `inserted` and the ops inside it the matched op's location, where they have none."""
        for op in inserted.walk():
            if isinstance(op.location, UnknownLoc):
                op.location = self.location
                self.guessed.add(op)

    def _on_replacement(self, replaced: Operation, new_results: Sequence[SSAValue | None]) -> None:
        """Give the ops behind `new_results` the location of the op that they replace, unless the pattern set one."""
        for result in new_results:
            if isinstance(result, OpResult) and result.op in self.guessed:
                result.op.location = replaced.location
