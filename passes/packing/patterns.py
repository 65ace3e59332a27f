"""The pattern bound: the linear relaxation of filling planes with slices, by column generation (extra `exact`).

A pattern is a set of slices that fits one plane; the bound is the least number of patterns, fractions allowed, that
holds all slices (Gilmore and Gomory, Oper. Res. 9, 1961). It is the strongest bound here for layers that are cut into
whole planes and one rest. Prices come from a linear program in floating point; the bound is then computed in
integers from the prices and the solver's proof that no pattern is worth more, so that rounding cannot make it wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingError, ceil_div, checked_copies

if TYPE_CHECKING:
    from ortools.linear_solver.python.model_builder import LinearConstraint
    from ortools.sat.python.cp_model import BoolVarT, IntervalVar, LinearExprT

PRICE_SCALE = 1_000_000
"""A plane is worth this much in integer prices."""

MOST_ROUNDS = 60
MOST_ITEMS = 48
"""Rectangles in one pricing problem; the smallest kinds of slices are left out to keep it."""

DEFAULT_PRICING_EFFORT = 5.0
"""Deterministic time of one pricing problem, roughly seconds of an idle core."""


@dataclass(frozen=True, slots=True)
class PatternBound:
    """A lower bound on planes for slices of whole planes and rests.

    Args:
        planes: planes per macro that every such packing needs.
        patterns: patterns that were generated.
        left_out: kinds of slices that the bound does not count, the smallest ones.
    """

    planes: int
    patterns: int
    left_out: int


@dataclass(frozen=True, slots=True)
class _Kind:
    """Slices of one size."""

    width: int
    height: int
    count: int
    most: int
    """How many of them a plane holds at most."""


def pattern_bound(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    copies: Sequence[int] | None = None,
    effort: float = DEFAULT_PRICING_EFFORT,
) -> PatternBound:
    """The pattern bound of a network.

    Args:
        layers: the network.
        geometry: the macros.
        copies: copies per layer, default 1.
        effort: deterministic time of the solver per pricing problem.

    Raises:
        PackingError: a wrong number of copies, or OR-tools is not installed.
    """
    sizes = _slice_sizes(layers, geometry, checked_copies(layers, copies))
    whole = sizes.pop((geometry.columns, geometry.rows), 0)
    kinds = [
        _Kind(width, height, count, min(count, (geometry.columns // width) * (geometry.rows // height)))
        for (width, height), count in sizes.items()
    ]
    kinds.sort(key=lambda kind: (-kind.width * kind.height, -kind.height))
    counted: list[_Kind] = []
    for kind in kinds:
        if sum(member.most for member in counted) + kind.most <= MOST_ITEMS:
            counted.append(kind)
    planes, patterns = _covering_bound(counted, geometry, effort) if counted else (0, 0)
    return PatternBound(ceil_div(whole + planes, geometry.macros), patterns, len(kinds) - len(counted))


def _slice_sizes(
    layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int]
) -> Counter[tuple[int, int]]:
    sizes: Counter[tuple[int, int]] = Counter()
    for layer, number in zip(layers, copies, strict=True):
        for channel in range(0, layer.output_channels, geometry.columns):
            width = min(geometry.columns, layer.output_channels - channel)
            for start in range(0, layer.reduction, geometry.rows):
                sizes[width, min(geometry.rows, layer.reduction - start)] += layer.groups * number
    return sizes


def _covering_bound(kinds: Sequence[_Kind], geometry: MacroGeometry, effort: float) -> tuple[int, int]:
    """Planes over all macros, and the number of patterns."""
    patterns = [[kind.most if other is kind else 0 for other in kinds] for kind in kinds]
    best = 1
    for _ in range(MOST_ROUNDS):
        prices = _prices(kinds, patterns)
        pattern, worth = _best_pattern(kinds, prices, geometry, effort)
        total = sum(price * kind.count for price, kind in zip(prices, kinds, strict=True))
        best = max(best, ceil_div(total, worth)) if worth and total else best
        value = sum(price * number for price, number in zip(prices, pattern, strict=True))
        if value <= PRICE_SCALE or pattern in patterns:
            break
        patterns.append(pattern)
    return best, len(patterns)


def _prices(kinds: Sequence[_Kind], patterns: Sequence[Sequence[int]]) -> list[int]:
    """Duals of the covering problem over the known patterns, in units of `PRICE_SCALE`."""
    try:
        from ortools.linear_solver.python.model_builder import Model, Solver
    except ImportError as error:
        raise PackingError("the pattern bound needs OR-tools: install the extra `exact`") from error
    model = Model()
    used = [model.new_num_var(0.0, float("inf"), "") for _ in patterns]
    covers = [
        model.add(sum(pattern[index] * amount for pattern, amount in zip(patterns, used, strict=True)) >= kind.count)
        for index, kind in enumerate(kinds)
    ]
    model.minimize(sum(used))
    solver = Solver("glop")
    solver.solve(model)
    return [max(0, int(solver.dual_value(cast("LinearConstraint", cover)) * PRICE_SCALE)) for cover in covers]


def _best_pattern(
    kinds: Sequence[_Kind], prices: Sequence[int], geometry: MacroGeometry, effort: float
) -> tuple[list[int], int]:
    """A pattern of high worth, and a proved limit on the worth of every pattern."""
    from ortools.sat.python.cp_model import FEASIBLE, OPTIMAL, CpModel, CpSolver

    model = CpModel()
    across: list[IntervalVar] = []
    down: list[IntervalVar] = []
    here: list[Sequence[BoolVarT]] = []
    worth: list[LinearExprT] = []
    for kind, price in zip(kinds, prices, strict=True):
        present = [model.new_bool_var("") for _ in range(kind.most)]
        for earlier, later in pairwise(present):
            model.add_implication(later, earlier)
        for is_here in present:
            column = model.new_int_var(0, geometry.columns - kind.width, "")
            row = model.new_int_var(0, geometry.rows - kind.height, "")
            across.append(model.new_optional_fixed_size_interval_var(column, kind.width, is_here, ""))
            down.append(model.new_optional_fixed_size_interval_var(row, kind.height, is_here, ""))
            worth.append(price * is_here)
        here.append(present)
    model.add_no_overlap_2d(across, down)
    areas = [
        kind.width * kind.height * is_here for kind, present in zip(kinds, here, strict=True) for is_here in present
    ]
    model.add(sum(areas) <= geometry.plane_weights)
    model.maximize(sum(worth))
    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = effort
    status = solver.solve(model)
    limit = max(1, round(solver.best_objective_bound))
    if status not in (OPTIMAL, FEASIBLE):
        return [0] * len(kinds), limit
    return [sum(solver.boolean_value(is_here) for is_here in present) for present in here], limit
