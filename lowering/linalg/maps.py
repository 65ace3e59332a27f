"""Indexing maps of structured operations as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

from xdsl.ir.affine import (
    AffineBinaryOpExpr,
    AffineBinaryOpKind,
    AffineConstantExpr,
    AffineDimExpr,
    AffineExpr,
    AffineMap,
)


@dataclass(frozen=True)
class Index:
    """One result of an indexing map: `sum of coefficient * loop + offset`; `terms` are (loop, coefficient)."""

    terms: tuple[tuple[int, int], ...]
    offset: int = 0

    @property
    def loop(self) -> int | None:
        """The loop, if the index is just that loop."""
        return self.terms[0][0] if len(self.terms) == 1 and self.terms[0][1] == 1 and self.offset == 0 else None


def indices(affine_map: AffineMap) -> list[Index]:
    """Return the results of a map.

    Raises:
        ValueError: a result is not linear in the loops.
    """
    if affine_map.num_symbols:
        raise ValueError("indexing maps with symbols are not supported")
    found: list[Index] = []
    for expression in affine_map.results:
        terms, offset = _linear(expression)
        found.append(Index(tuple(sorted((loop, factor) for loop, factor in terms.items() if factor)), offset))
    return found


def _linear(expression: AffineExpr) -> tuple[dict[int, int], int]:
    match expression:
        case AffineDimExpr():
            return {expression.position: 1}, 0
        case AffineConstantExpr():
            return {}, expression.value
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Add):
            left, right = _linear(expression.lhs), _linear(expression.rhs)
            loops = left[0].keys() | right[0].keys()
            return {loop: left[0].get(loop, 0) + right[0].get(loop, 0) for loop in loops}, left[1] + right[1]
        case AffineBinaryOpExpr(kind=AffineBinaryOpKind.Mul):
            left, right = _linear(expression.lhs), _linear(expression.rhs)
            if left[0] and right[0]:
                raise ValueError(f"index {expression} is not linear")
            (terms, offset), factor = (left, right[1]) if left[0] else (right, left[1])
            return {loop: coefficient * factor for loop, coefficient in terms.items()}, offset * factor
        case _:
            raise ValueError(f"index {expression} is not linear")
