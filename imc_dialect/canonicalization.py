"""Canonicalisation of the network ops: what computes nothing goes, what is known becomes a constant.

`ImcOp` offers these patterns to every canonicaliser; each rewrites one op and keeps its meaning bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xdsl.ir import Operation, SSAValue
from xdsl.pattern_rewriter import PatternRewriter, RewritePattern

from imcflow.dialect.constants import array_of, constant_op, float_constant, integer_constant
from imcflow.dialect.locations import fused_location
from imcflow.dialect.ops_elementwise import AddOp, CastOp, ClampOp, ClipOp, DivOp, MulOp, ReluOp, SubOp
from imcflow.dialect.ops_network import AvgPoolOp, ConstantOp, MaxPoolOp, PoolOp, SumPoolOp
from imcflow.dialect.ops_quantise import DequantizeOp
from imcflow.dialect.ops_shape import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from imcflow.dialect.types import element_type_of, integer_element_of, is_float, is_signed, shape_of, value_range

if TYPE_CHECKING:
    import numpy as np

LARGEST_FOLDED = 1 << 24
"""Elements of the largest constant that folding creates."""


@dataclass(frozen=True)
class FoldConstants(RewritePattern):
    """Evaluate an op whose operands are constants.

    Attributes:
        scales: also apply the scale of stored integers (`imc.dequantize`, casts to `f32`). Before `imc-lift-scales`
            that would hide the integers.
    """

    scales: bool = False

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        is_scaling = isinstance(op, DequantizeOp) or (isinstance(op, CastOp) and is_float(op.result))
        if (is_scaling and not self.scales) or not op.operands or len(op.results) != 1:
            return
        constants = [constant_op(operand) for operand in op.operands]
        if any(constant is None for constant in constants):
            return
        import numpy as np

        from imcflow.dialect.interpreter import evaluate_op

        arrays = [array_of(constant.value) for constant in constants if constant is not None]
        if sum(array.size for array in arrays) > LARGEST_FOLDED:
            return
        value = evaluate_op(op, [array if array.dtype.kind == "f" else array.astype(np.int64) for array in arrays])
        rewriter.replace(op, _constant(value, op.results[0]))


def _constant(value: np.ndarray[tuple[int, ...], np.dtype[np.generic]], like: SSAValue) -> ConstantOp:
    return float_constant(value) if is_float(like) else integer_constant(value, integer_element_of(like))


class DropIdentity(RewritePattern):
    """Replace an op that returns one of its operands by that operand."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        source = identity_of(op)
        if source is not None and source.type == op.results[0].type:
            rewriter.replace(op, [], [source])


def identity_of(op: Operation) -> SSAValue | None:
    """Return the operand whose elements `op` returns unchanged, if there is one; the types may differ."""
    match op:
        case ReshapeOp() | CastOp():
            return op.input
        case TransposeOp():
            order = list(op.permutation.get_values())
            return op.input if order == sorted(order) else None
        case ConcatOp():
            return op.inputs[0] if len(op.inputs) == 1 else None
        case PadOp():
            return None if any(op.pads.get_values()) else op.input
        case SliceOp():
            return op.input if shape_of(op.input) == shape_of(op.result) else None
        case ReluOp():
            return op.input if _is_never_negative(op.input) else None
        case ClampOp():
            low, high = value_range(integer_element_of(op.input))
            return op.input if op.low.value.data <= low and high <= op.high.value.data else None
        case MaxPoolOp() | SumPoolOp() | AvgPoolOp():
            return op.input if _is_pointwise(op) else None
        case AddOp() | SubOp() | MulOp() | DivOp():
            return _neutral(op)
        case _:
            return None


def _is_never_negative(value: SSAValue) -> bool:
    op = value.owner
    if isinstance(op, ReluOp):
        return True
    if is_float(value):
        return isinstance(op, ClipOp) and op.low.value.data >= 0
    return not is_signed(integer_element_of(value))


def _is_pointwise(op: PoolOp) -> bool:
    steps = (*op.kernel.get_values(), *op.strides.get_values())
    return all(step == 1 for step in steps) and not any(op.pads.get_values())


def _neutral(op: AddOp | SubOp | MulOp | DivOp) -> SSAValue | None:
    """Return the operand to which 0 is added or by which 1 is multiplied."""
    neutral = 0 if isinstance(op, AddOp | SubOp) else 1
    pairs = [(op.lhs, op.rhs)] if isinstance(op, SubOp | DivOp) else [(op.lhs, op.rhs), (op.rhs, op.lhs)]
    for value, other in pairs:
        constant = constant_op(other)
        if constant is not None and bool((array_of(constant.value) == neutral).all()):
            return value
    return None


class MergeReshapes(RewritePattern):
    """`reshape(reshape(x))` is one reshape."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        if isinstance(op, ReshapeOp) and isinstance(inner := op.input.owner, ReshapeOp):
            merged = ReshapeOp(inner.input, shape_of(op.result)[1:])
            merged.location = fused_location([inner, op])
            rewriter.replace(op, merged)


class MergeTransposes(RewritePattern):
    """`transpose(transpose(x))` is one transpose."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        if isinstance(op, TransposeOp) and isinstance(inner := op.input.owner, TransposeOp):
            first = inner.permutation.get_values()
            merged = TransposeOp(inner.input, [first[axis] for axis in op.permutation.get_values()])
            merged.location = fused_location([inner, op])
            rewriter.replace(op, merged)


class MergeLimits(RewritePattern):
    """`relu(relu(x))`, `clamp(clamp(x))`: one op with the tighter limits."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        if not isinstance(op, ClampOp) or not isinstance(inner := op.input.owner, ClampOp):
            return
        low, high = op.low.value.data, op.high.value.data
        least = min(max(inner.low.value.data, low), high)
        greatest = min(max(inner.high.value.data, low), high)
        merged = ClampOp(inner.input, integer_element_of(op.result), low=least, high=greatest)
        merged.location = fused_location([inner, op])
        rewriter.replace(op, merged)


class ReshapeTrivialTranspose(RewritePattern):
    """A transpose that only moves axes of size 1 is a reshape, which costs nothing."""

    def match_and_rewrite(self, op: Operation, rewriter: PatternRewriter, /) -> None:
        """Rewrite `op` if it matches."""
        if not isinstance(op, TransposeOp):
            return
        shape = shape_of(op.input)
        moved = [axis for axis in op.permutation.get_values() if shape[axis] != 1]
        if moved == sorted(moved) and element_type_of(op.input) == element_type_of(op.result):
            rewriter.replace(op, ReshapeOp(op.input, shape_of(op.result)[1:]))


PATTERNS: dict[type[Operation], tuple[RewritePattern, ...]] = {
    ReshapeOp: (MergeReshapes(),),
    TransposeOp: (MergeTransposes(), ReshapeTrivialTranspose()),
    ClampOp: (MergeLimits(),),
}
"""Patterns for single ops, tried before the general ones."""


def patterns_of(kind: type[Operation]) -> tuple[RewritePattern, ...]:
    """Return the canonicalisation patterns of the ops of class `kind`."""
    return (*PATTERNS.get(kind, ()), DropIdentity(), FoldConstants())
