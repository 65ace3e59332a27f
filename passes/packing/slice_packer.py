"""Slice geometry: slices of all layers share planes at any row and column offset.

The packer asks whether a given number of planes suffices, starting at the lower bound, and answers with several
deterministic greedy attempts: orders of the slices times rules for choosing among the free rectangles. A strip of a
layer that needs several slices may be cut anywhere, as long as the number of its slices, and with it the passes, stays
the same; cutting where a gap ends fills planes that equal or full cuts cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from imcflow.passes.packing.bounds import packing_bounds
from imcflow.passes.packing.maxrects import FreePlane, Rectangle
from imcflow.passes.packing.shapes import (
    LayerShape,
    MacroGeometry,
    PackingResult,
    PackingStyle,
    PlacedSlice,
    ceil_div,
    check_planes,
    checked_copies,
)


class _Fit(Enum):
    """How a free rectangle is chosen."""

    SHORT_SIDE = "short side"
    AREA = "area"


@dataclass(frozen=True, slots=True)
class _Strip:
    """`count` equal strips of one layer: `width` output channels by the whole reduction, cut into `parts` slices."""

    layer: int
    first_channel: int
    width: int
    length: int
    parts: int
    count: int

    def cuttable(self, rows: int) -> bool:
        return self.parts > 1 and self.parts * rows > self.length


@dataclass(frozen=True, slots=True)
class _Job:
    """Slices to place: `count` rectangles of one size, or, if `parts` > 1, `count` strips cut where gaps end."""

    strip: int
    layer: int
    width: int
    height: int
    parts: int
    count: int

    @property
    def area(self) -> int:
        return self.width * self.height


@dataclass(frozen=True, slots=True)
class _Block:
    """A grid of equal rectangles of one strip, placed at once."""

    strip: int
    macro: int
    plane: int
    place: Rectangle
    across: int
    down: int
    piece_of: int | None
    """Number of the strip that a freely cut piece belongs to; None for rectangles cut in the default way."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way of trying."""

    order: Callable[[_Job], tuple[int, ...]]
    fit: _Fit
    lightest_macro_first: bool
    cut_freely: bool


def _by_area(job: _Job) -> tuple[int, ...]:
    return (-job.area, -job.height, job.layer)


def _by_height(job: _Job) -> tuple[int, ...]:
    return (-job.height, -job.width, job.layer)


def _by_width(job: _Job) -> tuple[int, ...]:
    return (-job.width, -job.height, job.layer)


def _by_long_side(job: _Job) -> tuple[int, ...]:
    return (-max(job.width, job.height), -job.area, job.layer)


_ORDERS = (_by_area, _by_height, _by_width, _by_long_side)


def pack_slices(
    layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None
) -> PackingResult:
    """Packs all layers in slice geometry with the minimum number of passes and few planes.

    Args:
        layers: the layers to hold, in any order; the result keeps it.
        geometry: the macros; with `planes` None as many planes as needed are used.
        copies: copies per layer, each working on its own output columns; default 1.

    Returns:
        A placement with ceil(S/macros) passes per pixel for a layer of S slices. The same input gives the same output.

    Raises:
        PackingError: a wrong number of copies, or the target has too few planes.
    """
    number_of_copies = checked_copies(layers, copies)
    bounds = packing_bounds(layers, geometry, number_of_copies)
    strips = list(_strips(layers, number_of_copies, geometry))
    result = PackingResult(
        tuple(layers), geometry, PackingStyle.SLICE, number_of_copies, (), (), bounds
    )
    planes = bounds.planes
    while True:
        for attempt in _attempts(strips, geometry):
            board = _Board(geometry, planes, bounds.passes_per_pixel, attempt)
            if board.place_all(_jobs(strips, geometry, attempt.cut_freely)):
                slices = _named_slices(board.blocks, strips, layers, number_of_copies, geometry.rows)
                return check_planes(replace(result, slices=slices))
        planes += 1


def _attempts(strips: Sequence[_Strip], geometry: MacroGeometry) -> Iterator[_Attempt]:
    cuttable = any(strip.cuttable(geometry.rows) for strip in strips)
    for cut_freely in (False, True) if cuttable else (False,):
        for lightest_macro_first in (False, True) if geometry.macros > 1 else (False,):
            for order in _ORDERS:
                for fit in _Fit:
                    yield _Attempt(order, fit, lightest_macro_first, cut_freely)


def _strips(layers: Sequence[LayerShape], copies: Sequence[int], geometry: MacroGeometry) -> Iterator[_Strip]:
    for index, (layer, number) in enumerate(zip(layers, copies, strict=True)):
        parts = ceil_div(layer.reduction, geometry.rows)
        whole, rest = divmod(layer.output_channels, geometry.columns)
        strips = layer.groups * number
        if whole:
            yield _Strip(index, 0, geometry.columns, layer.reduction, parts, strips * whole)
        if rest:
            yield _Strip(index, whole * geometry.columns, rest, layer.reduction, parts, strips)


def _jobs(strips: Sequence[_Strip], geometry: MacroGeometry, cut_freely: bool) -> list[_Job]:
    jobs: list[_Job] = []
    for index, strip in enumerate(strips):
        if cut_freely and strip.cuttable(geometry.rows):
            jobs.append(_Job(index, strip.layer, strip.width, strip.length, strip.parts, strip.count))
            continue
        whole, rest = divmod(strip.length, geometry.rows)
        if whole:
            jobs.append(_Job(index, strip.layer, strip.width, geometry.rows, 1, strip.count * whole))
        if rest:
            jobs.append(_Job(index, strip.layer, strip.width, rest, 1, strip.count))
    return jobs


class _OpenPlane(FreePlane):
    __slots__ = ("index", "macro")

    def __init__(self, geometry: MacroGeometry, macro: int, index: int) -> None:
        super().__init__(geometry.columns, geometry.rows)
        self.macro = macro
        self.index = index


class _Board:
    """The planes of all macros while one attempt fills them."""

    def __init__(
        self, geometry: MacroGeometry, planes: int, passes_per_pixel: Sequence[int], attempt: _Attempt
    ) -> None:
        self.blocks: list[_Block] = []
        self._geometry = geometry
        self._planes = planes
        self._attempt = attempt
        self._open: list[_OpenPlane] = []
        self._used_planes = [0] * geometry.macros
        self._used_weights = [0] * geometry.macros
        self._room = [[passes] * geometry.macros for passes in passes_per_pixel]
        self._next_piece_of = 0

    def place_all(self, jobs: Sequence[_Job]) -> bool:
        """Places every job; False as soon as one does not fit."""
        rigid = sorted((job for job in jobs if job.parts == 1), key=self._attempt.order)
        elastic = sorted((job for job in jobs if job.parts > 1), key=self._attempt.order)
        return all(self._place_rectangles(job) for job in rigid) and all(self._place_strips(job) for job in elastic)

    def _place_rectangles(self, job: _Job) -> bool:
        left = job.count
        while left:
            found = self._best_gap(job) or self._new_plane(job)
            if found is None:
                return False
            plane, gap = found
            left -= self._fill(job, plane, gap, left)
        return True

    def _fill(self, job: _Job, plane: _OpenPlane, gap: Rectangle, left: int) -> int:
        """Fills a gap with a grid of the job's rectangles and returns how many there are."""
        most = min(left, self._room[job.layer][plane.macro])
        down = min(gap.height // job.height, most)
        across = min(gap.width // job.width, most // down)
        place = Rectangle(gap.column, gap.row, across * job.width, down * job.height)
        self._occupy(job, plane, place, across, down, None)
        return across * down

    def _place_strips(self, job: _Job) -> bool:
        for _ in range(job.count):
            self._next_piece_of += 1
            length, parts = job.height, job.parts
            while parts:
                piece = self._next_piece(job, length, parts)
                if piece is None:
                    return False
                plane, place = piece
                self._occupy(job, plane, place, 1, 1, self._next_piece_of)
                length -= place.height
                parts -= 1
        return True

    def _next_piece(self, job: _Job, length: int, parts: int) -> tuple[_OpenPlane, Rectangle] | None:
        """The piece to cut off a strip of `length` that must end up in `parts` pieces."""
        rows = self._geometry.rows
        if parts == 1:
            last = replace(job, height=length, parts=1)
            found = self._best_gap(last) or self._new_plane(last)
            return found and (found[0], Rectangle(found[1].column, found[1].row, job.width, length))
        # Every later piece is at least one row and at most a whole plane high.
        least, most = max(1, length - (parts - 1) * rows), length - (parts - 1)
        best: tuple[tuple[int, ...], _OpenPlane, Rectangle] | None = None
        for plane in self._open:
            if not self._room[job.layer][plane.macro]:
                continue
            for gap in plane.free:
                if gap.width < job.width or gap.height < least:
                    continue
                score = (gap.width - job.width, -gap.height)
                if best is None or score < best[0]:
                    best = (score, plane, gap)
        if best is not None:
            _, plane, gap = best
            return plane, Rectangle(gap.column, gap.row, job.width, min(gap.height, most))
        found = self._new_plane(job)
        return found and (found[0], Rectangle(0, 0, job.width, min(rows, most)))

    def _best_gap(self, job: _Job) -> tuple[_OpenPlane, Rectangle] | None:
        width, height = job.width, job.height
        room = self._room[job.layer]
        by_area = self._attempt.fit is _Fit.AREA
        weigh = self._attempt.lightest_macro_first
        best: tuple[tuple[int, ...], _OpenPlane, Rectangle] | None = None
        for plane in self._open:
            if not room[plane.macro]:
                continue
            weight = self._used_weights[plane.macro] if weigh else 0
            for gap in plane.free:
                spare_width, spare_height = gap[2] - width, gap[3] - height
                if spare_width < 0 or spare_height < 0:
                    continue
                short = spare_width if spare_width < spare_height else spare_height
                score = (weight, gap[2] * gap[3], short) if by_area else (weight, short, spare_width + spare_height)
                if best is None or score < best[0]:
                    best = (score, plane, gap)
        return best and (best[1], best[2])

    def _new_plane(self, job: _Job) -> tuple[_OpenPlane, Rectangle] | None:
        macros = [
            macro
            for macro in range(self._geometry.macros)
            if self._used_planes[macro] < self._planes and self._room[job.layer][macro]
        ]
        if not macros:
            return None
        macro = min(macros, key=lambda macro: (self._used_planes[macro], self._used_weights[macro]))
        plane = _OpenPlane(self._geometry, macro, self._used_planes[macro])
        self._used_planes[macro] += 1
        self._open.append(plane)
        return plane, plane.free[0]

    def _occupy(
        self, job: _Job, plane: _OpenPlane, place: Rectangle, across: int, down: int, piece_of: int | None
    ) -> None:
        self._room[job.layer][plane.macro] -= across * down
        self._used_weights[plane.macro] += place.width * place.height
        plane.occupy(place)
        if not plane.free:
            self._open.remove(plane)
        self.blocks.append(_Block(job.strip, plane.macro, plane.index, place, across, down, piece_of))


def _named_slices(
    blocks: Sequence[_Block],
    strips: Sequence[_Strip],
    layers: Sequence[LayerShape],
    copies: Sequence[int],
    rows: int,
) -> tuple[PlacedSlice, ...]:
    """Says which weights each placed rectangle holds."""
    owners = [_strip_owners(strip, layers[strip.layer], copies[strip.layer]) for strip in strips]
    unnamed = [_DefaultCut(strip, owner, rows) for strip, owner in zip(strips, owners, strict=True)]
    running: dict[tuple[int, int], tuple[_Owner, int]] = {}
    slices: list[PlacedSlice] = []
    for block in blocks:
        strip = strips[block.strip]
        height = block.place.height // block.down
        width = block.place.width // block.across
        for across in range(block.across):
            for down in range(block.down):
                if block.piece_of is None:
                    owner, start = unnamed[block.strip].take(height)
                else:
                    key = (block.strip, block.piece_of)
                    owner, start = running.get(key) or (next(owners[block.strip]), 0)
                    running[key] = (owner, start + height)
                column = block.place.column + across * width
                row = block.place.row + down * height
                slices.append(
                    PlacedSlice(
                        strip.layer, owner.copy, owner.group, owner.channel, width, start, height,
                        block.macro, block.plane, column, row,
                    )
                )  # fmt: skip
    slices.sort(key=lambda piece: (piece.layer, piece.copy, piece.group, piece.channel, piece.reduction))
    return tuple(slices)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The strip of weights that a piece belongs to."""

    copy: int
    group: int
    channel: int


def _strip_owners(strip: _Strip, layer: LayerShape, copies: int) -> Iterator[_Owner]:
    per_group = strip.count // (layer.groups * copies)
    for copy in range(copies):
        for group in range(layer.groups):
            for chunk in range(per_group):
                yield _Owner(copy, group, strip.first_channel + chunk * strip.width)


class _DefaultCut:
    """Hands out the slices of strips cut into whole planes and one rest."""

    def __init__(self, strip: _Strip, owners: Iterator[_Owner], rows: int) -> None:
        self._strip = strip
        self._owners = owners
        self._rows = rows
        self._waiting: dict[int, list[tuple[_Owner, int]]] = {}

    def take(self, height: int) -> tuple[_Owner, int]:
        """The owner and the first reduction index of a slice of this height."""
        while not self._waiting.get(height):
            owner = next(self._owners)
            for start in range(0, self._strip.length, self._rows):
                size = min(self._rows, self._strip.length - start)
                self._waiting.setdefault(size, []).append((owner, start))
        return self._waiting[height].pop()
