"""Optimal packings of small cases with the CP-SAT solver (extra `exact`), as oracle of the packers.

The solver is single-threaded with a fixed seed; OR-tools is imported only when a function is called.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Protocol, cast

from imcflow.passes.packing.bounds import packing_bounds
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingError,
    ceil_div,
    checked_copies,
    layer_passes,
    slice_count,
)
from imcflow.passes.packing.slice_packer import Strip, layer_strips, pack_slices
from imcflow.passes.packing.tile_packer import pack_tiles, tile_cuts

if TYPE_CHECKING:
    from ortools.sat.python.cp_model import (
        BoolVarT,
        BoundedLinearExpression,
        CpModel,
        IntervalVar,
        IntVar,
        LinearExprT,
        LiteralT,
    )

DEFAULT_EFFORT = 20.0
"""Deterministic time of the solver, roughly seconds of an idle core, before it settles for bounds."""


@dataclass(frozen=True, slots=True)
class ExactPlanes:
    """What the solver knows about the planes needed.

    Args:
        planes: planes of the best placement known, the packer's where the solver found none.
        lower_bound: planes that every placement needs.
        heuristic: planes of the packer's placement.
    """

    planes: int
    lower_bound: int
    heuristic: int

    @property
    def proved(self) -> bool:
        """True if `planes` is the optimum."""
        return self.planes == self.lower_bound


def exact_slice_planes(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    copies: Sequence[int] | None = None,
    effort: float = DEFAULT_EFFORT,
) -> ExactPlanes:
    """Fewest planes in slice geometry at the minimum number of passes.

    Output channels are cut at whole macro widths; the reduction may be cut anywhere.

    Raises:
        PackingError: a wrong number of copies, or OR-tools is not installed.
    """
    number_of_copies = checked_copies(layers, copies)
    bound = packing_bounds(layers, geometry, number_of_copies).planes
    heuristic = pack_slices(layers, geometry, number_of_copies).planes
    if heuristic == bound:
        return ExactPlanes(bound, bound, heuristic)
    model = _SliceModel(layers, geometry, number_of_copies, bound, heuristic)
    return _solved(model.model, model.planes, bound, heuristic, effort)


def exact_tile_planes(
    layers: Sequence[LayerShape],
    geometry: MacroGeometry,
    copies: Sequence[int] | None = None,
    effort: float = DEFAULT_EFFORT,
) -> ExactPlanes:
    """Fewest planes in tile geometry at the minimum number of passes, over the cuts that the packer knows.

    Raises:
        PackingError: a wrong number of copies, or OR-tools is not installed.
    """
    number_of_copies = checked_copies(layers, copies)
    bound = packing_bounds(layers, geometry, number_of_copies).planes
    heuristic = pack_tiles(layers, geometry, number_of_copies).planes
    if heuristic == bound:
        return ExactPlanes(bound, bound, heuristic)
    model = _TileModel(layers, geometry, number_of_copies, bound, heuristic)
    return _solved(model.model, model.planes, bound, heuristic, effort)


def _new_model() -> CpModel:
    try:
        from ortools.sat.python.cp_model import CpModel
    except ImportError as error:
        raise PackingError("exact packing needs OR-tools: install the extra `exact`") from error
    return CpModel()


class _Enforceable(Protocol):
    """The part of the solver's constraint that is used here; its own stub leaves a type open."""

    def only_enforce_if(self, literal: LiteralT, /) -> object: ...


def _require_if(model: CpModel, condition: LiteralT, constraint: BoundedLinearExpression | bool) -> None:
    cast("_Enforceable", model.add(constraint)).only_enforce_if(condition)


def _solved(model: CpModel, planes: IntVar, bound: int, heuristic: int, effort: float) -> ExactPlanes:
    from ortools.sat.python.cp_model import FEASIBLE, INFEASIBLE, OPTIMAL, CpSolver

    model.minimize(planes)
    solver = CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = effort
    status = solver.solve(model)
    if status == INFEASIBLE:
        # The model only looks for fewer planes than the packer needed.
        return ExactPlanes(heuristic, heuristic, heuristic)
    least = max(bound, round(solver.best_objective_bound))
    if status in (OPTIMAL, FEASIBLE):
        return ExactPlanes(solver.value(planes), least, heuristic)
    return ExactPlanes(heuristic, min(least, heuristic), heuristic)


class _SliceModel:
    """Rectangles on a strip of all macros' planes laid side by side, without crossing the border of a plane.

    Slices that fill a plane are only counted, per layer and macro.
    """

    def __init__(
        self, layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int], bound: int, heuristic: int
    ) -> None:
        self.model = _new_model()
        self.planes = self.model.new_int_var(bound, heuristic - 1, "planes")
        self._geometry = geometry
        strips = list(layer_strips(layers, copies, geometry))
        free = [strip for strip in strips if not self._fills_planes(strip)]
        pieces = sum(strip.count * strip.most_parts for strip in free)
        self._positions = max(1, min(heuristic - 1, pieces))
        self._used = [self._int(0, self._positions) for _ in range(geometry.macros)]
        whole: list[list[IntVar]] = [[] for _ in range(geometry.macros)]
        in_macro: defaultdict[tuple[int, int], list[IntVar | BoolVarT]] = defaultdict(list)
        for strip in strips:
            if not self._fills_planes(strip):
                continue
            counts = [self._int(0, heuristic - 1) for _ in range(geometry.macros)]
            self.model.add(sum(counts) == strip.count * strip.fewest_parts)
            for macro, count in enumerate(counts):
                whole[macro].append(count)
                in_macro[strip.layer, macro].append(count)
        self._intervals: list[tuple[IntervalVar, IntervalVar]] = []
        self._plane_shares: defaultdict[tuple[int, int], list[LinearExprT]] = defaultdict(list)
        for strip in free:
            earlier: IntVar | None = None
            for _ in range(strip.count):
                first = self._add_strip(strip, in_macro)
                if earlier is not None:
                    self.model.add(earlier <= first)
                earlier = first
        self.model.add_no_overlap_2d([x for x, _ in self._intervals], [y for _, y in self._intervals])
        for shares in self._plane_shares.values():
            self.model.add(sum(shares) <= geometry.plane_weights)
        for macro in range(geometry.macros):
            self.model.add(self._used[macro] + sum(whole[macro]) <= self.planes)
        turns = [
            ceil_div(slice_count(layer, geometry) * number, geometry.macros)
            for layer, number in zip(layers, copies, strict=True)
        ]
        for (layer, _), present in in_macro.items():
            self.model.add(sum(present) <= turns[layer])

    def _fills_planes(self, strip: Strip) -> bool:
        geometry = self._geometry
        forced = strip.most_parts * geometry.rows == strip.length
        return forced and strip.width == geometry.columns

    def _int(self, least: int, most: int) -> IntVar:
        return self.model.new_int_var(least, most, "")

    def _add_strip(self, strip: Strip, in_macro: defaultdict[tuple[int, int], list[IntVar | BoolVarT]]) -> IntVar:
        """Adds the pieces of one strip, highest first, and returns the position of the first."""
        rows = self._geometry.rows
        heights = [
            self._int(1 if part < strip.fewest_parts else 0, min(rows, strip.length))
            for part in range(strip.most_parts)
        ]
        self.model.add(sum(heights) == strip.length)
        for higher, lower in pairwise(heights):
            self.model.add(higher >= lower)
        positions = [self._add_piece(strip, height, in_macro) for height in heights]
        return positions[0]

    def _add_piece(
        self, strip: Strip, height: IntVar, in_macro: defaultdict[tuple[int, int], list[IntVar | BoolVarT]]
    ) -> IntVar:
        model, geometry = self.model, self._geometry
        present = model.new_bool_var("")
        _require_if(model, present, height >= 1)
        _require_if(model, ~present, height == 0)
        macros = [model.new_bool_var("") for _ in range(geometry.macros)]
        model.add(sum(macros) == present)
        plane = self._int(0, self._positions - 1)
        column = self._int(0, geometry.columns - strip.width)
        row = self._int(0, geometry.rows - 1)
        model.add(row + height <= geometry.rows)
        for macro, here in enumerate(macros):
            in_macro[strip.layer, macro].append(here)
            _require_if(model, here, self._used[macro] >= plane + 1)
        # Macros and the planes of a macro are interchangeable: each piece may only open the next new one.
        pieces_before = len(self._intervals)
        model.add(plane <= pieces_before)
        for here in macros[pieces_before + 1 :]:
            model.add(here == 0)
        self._count_area(strip.width, height, plane, macros)
        place = self._int(0, geometry.macros * self._positions * geometry.columns)
        shift = sum(macro * self._positions * here for macro, here in enumerate(macros))
        model.add(place == geometry.columns * (plane + shift) + column)
        row_end = self._int(0, geometry.rows)
        across = model.new_optional_fixed_size_interval_var(place, strip.width, present, "")
        down = model.new_optional_interval_var(row, height, row_end, present, "")
        self._intervals.append((across, down))
        return place

    def _count_area(self, width: int, height: IntVar, plane: IntVar, macros: Sequence[BoolVarT]) -> None:
        """Says how much of each plane a piece takes, which the solver's relaxation does not see in the intervals."""
        at = [self.model.new_bool_var("") for _ in range(self._positions)]
        self.model.add_exactly_one(at)
        self.model.add(plane == sum(position * here for position, here in enumerate(at)))
        shares: list[IntVar] = []
        for macro, in_macro in enumerate(macros):
            for position, on_plane in enumerate(at):
                share = self._int(0, self._geometry.rows)
                self.model.add(share <= self._geometry.rows * in_macro)
                self.model.add(share <= self._geometry.rows * on_plane)
                shares.append(share)
                self._plane_shares[macro, position].append(width * share)
        self.model.add(sum(shares) == height)


class _TileModel:
    """One optional box per layer and macro; boxes of one macro are apart in columns, rows or planes."""

    def __init__(
        self, layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int], bound: int, heuristic: int
    ) -> None:
        self.model = _new_model()
        self.planes = self.model.new_int_var(bound, heuristic - 1, "planes")
        self._geometry = geometry
        self._tallest = heuristic - 1
        boxes = [self._add_layer(layer, number) for layer, number in zip(layers, copies, strict=True)]
        for first, second in combinations(boxes, 2):
            for one, other in zip(first, second, strict=True):
                self._keep_apart(one, other)

    def _int(self, least: int, most: int) -> IntVar:
        return self.model.new_int_var(least, most, "")

    def _add_layer(self, layer: LayerShape, copies: int) -> list[_BoxVariables]:
        model, geometry = self.model, self._geometry
        turns = ceil_div(slice_count(layer, geometry) * copies, geometry.macros)
        footprints = {
            (cut.width, cut.depth, cut.side_by_side): sum(cut.shares)
            for cut in tile_cuts(layer, copies, geometry, layer_passes(layer, copies, turns))
        }
        chosen = [model.new_bool_var("") for _ in footprints]
        model.add_exactly_one(chosen)
        columns, rows = self._int(1, geometry.columns), self._int(1, geometry.rows)
        shares = [self._int(0, turns) for _ in range(geometry.macros)]
        heights = [self._int(0, self._tallest) for _ in range(geometry.macros)]
        for ((width, depth, across), slices), choice in zip(footprints.items(), chosen, strict=True):
            _require_if(model, choice, columns == width * across)
            _require_if(model, choice, rows == depth)
            _require_if(model, choice, sum(shares) == slices)
            for share, height in zip(shares, heights, strict=True):
                _require_if(model, choice, across * height >= share)
        boxes: list[_BoxVariables] = []
        for height in heights:
            column, row = self._int(0, geometry.columns - 1), self._int(0, geometry.rows - 1)
            plane = self._int(0, self._tallest)
            model.add(column + columns <= geometry.columns)
            model.add(row + rows <= geometry.rows)
            model.add(plane + height <= self.planes)
            boxes.append(_BoxVariables(column, row, plane, columns, rows, height))
        return boxes

    def _keep_apart(self, one: _BoxVariables, other: _BoxVariables) -> None:
        apart: list[BoolVarT] = []
        for low, high in ((one, other), (other, one)):
            for start, size, limit in (
                (low.column, low.columns, high.column),
                (low.row, low.rows, high.row),
                (low.plane, low.planes, high.plane),
            ):
                before = self.model.new_bool_var("")
                _require_if(self.model, before, start + size <= limit)
                apart.append(before)
            empty = self.model.new_bool_var("")
            _require_if(self.model, empty, low.planes == 0)
            apart.append(empty)
        self.model.add_bool_or(apart)


@dataclass(frozen=True, eq=False, slots=True)
class _BoxVariables:
    """Corner and extent of a box in the model."""

    column: IntVar
    row: IntVar
    plane: IntVar
    columns: IntVar
    rows: IntVar
    planes: IntVar
