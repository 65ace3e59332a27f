"""Step functions of two integers: found in the graph, tabulated, and written as thresholds of one weighted sum."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.interpreter import evaluate_op
from imcflow.dialect.ops_quantise import QuantizeOp, RequantizeOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.forms import range_of
from imcflow.passes.thresholds.chain import ELEMENTWISE

LARGEST_TABLE = 1 << 18
"""Most pairs of operands: two of 9 bits."""

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PairChain:
    """All ops through which a sink depends on two integer tensors of its shape, and on nothing else that varies.

    Attributes:
        sources: the two tensors.
        ops: in program order; the last one defines the sink.
        constants: arrays of the constant operands, one element each.
    """

    sources: tuple[SSAValue, SSAValue]
    ops: tuple[Operation, ...]
    constants: dict[SSAValue, NDArray[Any]] = field(repr=False)

    def ops_of(self, source: SSAValue) -> tuple[Operation, ...]:
        """Return the ops that depend on `source` and not on the other one, in program order."""
        reach: dict[SSAValue, set[SSAValue]] = {value: {value} for value in self.sources}
        for op in self.ops:
            reach[op.results[0]] = set().union(*(reach.get(operand, set()) for operand in op.operands))
        return tuple(op for op in self.ops if reach[op.results[0]] == {source})

    def table(self) -> IntArray:
        """Return the sink for all pairs: rows by the first source from its least integer on, columns by the second.

        Raises:
            ModelError: if a value does not fit the type of an op's result.
        """
        axes = [np.arange(low, high + 1) for low, high in map(range_of, self.sources)]
        rank = len(shape_of(self.sources[0]))
        grid = [part.reshape((-1,) + (1,) * (rank - 1)) for part in np.meshgrid(*axes, indexing="ij")]
        values: dict[SSAValue, NDArray[Any]] = {**self.constants, **dict(zip(self.sources, grid, strict=True))}
        for op in self.ops:
            values[op.results[0]] = evaluate_op(op, [values[operand] for operand in op.operands])
        return values[self.ops[-1].results[0]].reshape(len(axes[0]), len(axes[1])).astype(np.int64)


@dataclass(frozen=True, eq=False)
class PairSteps:
    """The function `low + #{k : first * x + second * y >= thresholds[k]}`; the weights are not zero."""

    first: int
    second: int
    low: int
    thresholds: IntArray


def find_pair_chain(sink: Operation) -> PairChain | None:
    """Return the shortest chain that ends in `sink` and starts in two integer tensors with a small table.

    Only chains with floating point, or with a fixed-point factor, are of interest: others are cheap as they are.
    """
    constants: dict[SSAValue, NDArray[Any]] = {}
    inside: list[Operation] = []
    shape = shape_of(sink.results[0])
    frontier: set[SSAValue] = {sink.results[0]}
    while True:
        small = [value for value in frontier if not is_float(value) and inside]
        if len(frontier) == 2 and len(small) == 2 and _pairs(frontier) <= LARGEST_TABLE:
            break
        crossed = next((value for value in frontier if _can_cross(value, sink, inside, shape)), None)
        if crossed is None or len(frontier) > 2:
            return None
        op = crossed.owner
        assert isinstance(op, Operation)
        inside.append(op)
        frontier = frontier - {crossed}
        for operand in op.operands:
            array = constant_value(operand)
            if array is None:
                frontier.add(operand)
            elif array.size == 1:
                constants[operand] = array
            else:
                return None
    if not any(isinstance(op, QuantizeOp | RequantizeOp) for op in inside):
        return None
    if any(shape_of(value) != shape for value in frontier):
        return None
    chosen = set(inside)
    block = sink.parent_block()
    assert block is not None
    ops = tuple(op for op in block.ops if op in chosen)
    arguments = [operand for op in ops for operand in op.operands if operand in frontier]
    first = arguments[0]
    (second,) = frontier - {first}
    return PairChain((first, second), ops, constants)


def _pairs(values: set[SSAValue]) -> int:
    sizes = [high - low + 1 for low, high in map(range_of, values)]
    return sizes[0] * sizes[1]


def _can_cross(value: SSAValue, sink: Operation, inside: list[Operation], shape: tuple[int, ...]) -> bool:
    op = value.owner
    if not isinstance(op, ELEMENTWISE) or shape_of(value) != shape:
        return False
    return op is sink or is_float(value) or all(use.operation in inside for use in value.uses)


def find_pair_steps(table: IntArray, lows: tuple[int, int], max_levels: int) -> PairSteps | None:
    """Return weights and thresholds that reproduce the whole table, or None if no weights do.

    Between two levels runs a border through the grid. A weight ratio r works if, for each border, every point below
    it has a smaller `x + r * y` than every point above it: one linear inequality in r for each pair of columns. The
    inequalities leave an open interval; its fraction with the smallest denominator gives the smallest weights.

    Args:
        table: levels [x, y], rising or falling along each axis.
        lows: least x and y.
        max_levels: most thresholds.
    """
    signs = [-1 if np.any(np.diff(table, axis=axis) < 0) else 1 for axis in (0, 1)]
    rising = table[:: signs[0], :: signs[1]]
    if np.any(np.diff(rising, axis=0) < 0) or np.any(np.diff(rising, axis=1) < 0):
        return None
    least, greatest = int(rising[0, 0]), int(rising[-1, -1])
    if not 0 < greatest - least <= max_levels:
        return None
    ratio = _simplest_ratio(_borders(rising, least, greatest), len(table))
    if ratio is None:
        return None
    first, second = signs[0] * ratio.denominator, signs[1] * ratio.numerator
    rows: IntArray = first * (lows[0] + np.arange(table.shape[0], dtype=np.int64))
    columns: IntArray = second * (lows[1] + np.arange(table.shape[1], dtype=np.int64))
    sums: IntArray = np.add.outer(rows, columns)
    order = np.argsort(table, axis=None, kind="stable")
    levels, ordered = table.reshape(-1)[order], sums.reshape(-1)[order]
    starts = np.searchsorted(levels, np.arange(least + 1, greatest + 1))
    # A level that no pair has starts where the next one does.
    lowest_from = np.minimum.accumulate(ordered[::-1])[::-1]
    thresholds = lowest_from[starts]
    found: IntArray = least + np.searchsorted(thresholds, sums, side="right")
    return PairSteps(first, second, least, thresholds) if np.array_equal(found, table) else None


def _borders(rising: IntArray, least: int, greatest: int) -> IntArray:
    """Return how many x of each column y lie below each level: [levels, y]."""
    levels = np.arange(least + 1, greatest + 1)
    return np.stack([np.searchsorted(column, levels) for column in rising.T], axis=1)


def _simplest_ratio(below: IntArray, size: int) -> Fraction | None:
    """Return the fraction r > 0 with the smallest denominator for which no border is crossed.

    The last x below a border in column y is `below - 1`, if there is one, and the first above it is `below`, if that is
    less than `size`. With e = y - y' the inequality is `below[y] - 1 + r * y < below[y'] + r * y'`, or
    `r * e < below[y'] - below[y] + 1`.
    """
    # Columns without a point below (above) a border make no inequality: their sides lie infinitely far away.
    far = np.int64(1) << 40
    last = np.where(below > 0, below - 1, -far)
    first = np.where(below < size, below, far)
    low, high = Fraction(0), Fraction(int(far))
    for e in range(1, below.shape[1]):
        high = min(high, Fraction(int((first[:, :-e] - last[:, e:]).min()), e))
        low = max(low, Fraction(-int((first[:, e:] - last[:, :-e]).min()), e))
    return simplest_between(low, high) if low < high else None


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """Return the fraction with the smallest denominator, and of those the smallest one, in the open interval."""
    whole = low.numerator // low.denominator
    if whole + 1 < high:
        return Fraction(whole + 1)
    rest_low, rest_high = low - whole, high - whole
    inverse = simplest_above(1 / rest_high) if rest_low == 0 else simplest_between(1 / rest_high, 1 / rest_low)
    return whole + 1 / inverse


def simplest_above(low: Fraction) -> Fraction:
    """Return the least integer greater than `low`."""
    return Fraction(low.numerator // low.denominator + 1)
