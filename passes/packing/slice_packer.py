"""Slice geometry: slices of all layers share planes at any row and column offset.

The packer asks whether a given number of planes suffices, starting at the lower bound, and answers with several
deterministic greedy attempts: orders of the slices times rules for choosing among the free rectangles. A strip of a
layer that needs several slices may be cut anywhere, as long as the number of its slices, and with it the passes, stays
the same; cutting where a gap ends fills planes that equal or full cuts cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice, product
from random import Random

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
from imcflow.passes.packing.tile_packer import pack_tiles


class _Fit(Enum):
    """How a free rectangle is chosen."""

    SHORT_SIDE = "short side"
    AREA = "area"


class _Spread(Enum):
    """How much the balance of the macros counts."""

    NONE = "best gap anywhere"
    GAPS = "gap of the lightest macro"
    MACROS = "lightest macro, in a new plane if need be"


@dataclass(frozen=True, slots=True)
class Strip:
    """`count` equal strips of one layer: `width` output channels by the whole reduction, `length`.

    A strip needs `fewest_parts` slices; up to `most_parts` cost no pass, because macros would idle otherwise.
    """

    layer: int
    first_channel: int
    width: int
    length: int
    fewest_parts: int
    most_parts: int
    count: int


class _Cutting(Enum):
    """Where strips are cut."""

    WHOLE_PLANES = "whole planes and a rest"
    FEWEST_PARTS = "into the fewest parts, where gaps end"
    MOST_PARTS = "into as many parts as cost no pass, where gaps end"

    def parts(self, strip: Strip, rows: int) -> int:
        """Parts that a strip may be cut into freely; 1 for the default cut."""
        if self is _Cutting.WHOLE_PLANES:
            return 1
        parts = strip.fewest_parts if self is _Cutting.FEWEST_PARTS else strip.most_parts
        return parts if parts * rows > strip.length else 1


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
    """A grid of equal rectangles of one strip, placed at once and repeated in `planes` planes."""

    strip: int
    macro: int
    plane: int
    planes: int
    place: Rectangle
    across: int
    down: int
    piece_of: int | None
    """Number of the strip that a freely cut piece belongs to; None for rectangles cut in the default way."""


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way of trying: the jobs in the order of placement, and the rule for choosing among gaps."""

    jobs: tuple[_Job, ...]
    fit: _Fit
    spread: _Spread


def _by_area(job: _Job) -> tuple[int, ...]:
    return (-job.area, -job.height, job.layer)


def _by_height(job: _Job) -> tuple[int, ...]:
    return (-job.height, -job.width, job.layer)


def _by_width(job: _Job) -> tuple[int, ...]:
    return (-job.width, -job.height, job.layer)


def _by_long_side(job: _Job) -> tuple[int, ...]:
    return (-max(job.width, job.height), -job.area, job.layer)


_ORDERS = (_by_area, _by_height, _by_width, _by_long_side)

SHUFFLED_SLICES = 20_000
"""Slices placed, over all attempts with a perturbed order, when no sorted order reaches the bound."""

MOST_SHUFFLED_ATTEMPTS = 300
FEWEST_SHUFFLED_ATTEMPTS = 8

FITTING_ATTEMPTS = 24
"""Sorted orders that are tried where it only counts whether a network fits."""

PERTURBATION = 0.7
"""Standard deviation of the logarithm of the factor that a perturbed order multiplies the areas with."""


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
    strips = list(layer_strips(layers, number_of_copies, geometry))
    result = PackingResult(tuple(layers), geometry, PackingStyle.SLICE, number_of_copies, (), (), bounds)
    board = _filled_board(geometry, bounds.passes_per_pixel, bounds.planes, _sorted_attempts(strips, geometry))
    if board is None:
        # Tiles are slices, too: they are the fallback, and what is left to improve on.
        tiles = pack_tiles(layers, replace(geometry, planes=None), number_of_copies)
        result = replace(result, slices=tiles.slices)
        planes = tiles.planes - 1
        for attempts in (_sorted_attempts(strips, geometry), _shuffled_attempts(strips, geometry)):
            for attempt in attempts:
                while planes >= bounds.planes:
                    fewer = _filled_board(geometry, bounds.passes_per_pixel, planes, [attempt])
                    if fewer is None:
                        break
                    board, planes = fewer, fewer.planes - 1
    if board is not None:
        slices = _named_slices(board.blocks, strips, layers, number_of_copies, geometry.rows)
        result = replace(result, slices=slices)
    return check_planes(result)


def fit_slices(
    layers: Sequence[LayerShape], geometry: MacroGeometry, copies: Sequence[int] | None = None
) -> PackingResult | None:
    """Packs all layers into the planes that the target has; None if the sorted orders alone do not manage it.

    Args:
        layers: the layers to hold.
        geometry: the macros with their planes.
        copies: copies per layer, default 1.

    Raises:
        PackingError: a wrong number of copies.
    """
    number_of_copies = checked_copies(layers, copies)
    bounds = packing_bounds(layers, geometry, number_of_copies)
    planes = geometry.planes or bounds.planes
    if bounds.planes > planes:
        return None
    strips = list(layer_strips(layers, number_of_copies, geometry))
    attempts = islice(_sorted_attempts(strips, geometry), FITTING_ATTEMPTS)
    board = _filled_board(geometry, bounds.passes_per_pixel, planes, attempts)
    if board is None:
        return None
    slices = _named_slices(board.blocks, strips, layers, number_of_copies, geometry.rows)
    return PackingResult(tuple(layers), geometry, PackingStyle.SLICE, number_of_copies, slices, (), bounds)


def _filled_board(
    geometry: MacroGeometry,
    passes_per_pixel: Sequence[int],
    planes: int,
    attempts: Iterable[_Attempt],
) -> _Board | None:
    """The first attempt that gets along with so many planes."""
    for attempt in attempts:
        board = _Board(geometry, planes, passes_per_pixel, attempt)
        if board.place_all():
            return board
    return None


def _spreads(geometry: MacroGeometry) -> tuple[_Spread, ...]:
    return tuple(_Spread) if geometry.macros > 1 else (_Spread.NONE,)


def _job_sets(strips: Sequence[Strip], geometry: MacroGeometry) -> list[tuple[_Job, ...]]:
    """The jobs under every way of cutting that makes a difference."""
    return list(dict.fromkeys(tuple(_jobs(strips, geometry, cutting)) for cutting in _Cutting))


def _sorted_attempts(strips: Sequence[Strip], geometry: MacroGeometry) -> Iterator[_Attempt]:
    """Every order under every rule; slices of fixed size come before strips that can be cut to fit the rest."""
    for jobs in _job_sets(strips, geometry):
        for spread in _spreads(geometry):
            for order in _ORDERS:
                rigid_first = sorted(jobs, key=lambda job, order=order: (job.parts > 1, order(job)))
                for fit in _Fit:
                    yield _Attempt(tuple(rigid_first), fit, spread)


def _shuffled_attempts(strips: Sequence[Strip], geometry: MacroGeometry) -> Iterator[_Attempt]:
    """Orders by area with a random factor, always the same sequence."""
    random = Random(len(strips))
    slices = sum(strip.count * strip.fewest_parts for strip in strips)
    attempts = max(FEWEST_SHUFFLED_ATTEMPTS, min(MOST_SHUFFLED_ATTEMPTS, SHUFFLED_SLICES // slices))
    job_sets, spreads = _job_sets(strips, geometry), _spreads(geometry)
    for number in range(attempts):
        jobs = job_sets[-1 - number % len(job_sets)]
        areas = {job: job.width * min(job.height, geometry.rows) for job in jobs}
        keys = {job: -area * random.lognormvariate(0, PERTURBATION) for job, area in areas.items()}
        fit = _Fit.AREA if number & 4 else _Fit.SHORT_SIDE
        yield _Attempt(tuple(sorted(jobs, key=keys.__getitem__)), fit, spreads[number // 2 % len(spreads)])


def layer_strips(layers: Sequence[LayerShape], copies: Sequence[int], geometry: MacroGeometry) -> Iterator[Strip]:
    """Strips of all layers: output channels cut at whole macro widths, the last strip of a group may be narrower."""
    for index, (layer, number) in enumerate(zip(layers, copies, strict=True)):
        fewest = ceil_div(layer.reduction, geometry.rows)
        whole, rest = divmod(layer.output_channels, geometry.columns)
        strips = layer.groups * number * (whole + (rest > 0))
        turns = ceil_div(strips * fewest, geometry.macros)
        most = min(turns * geometry.macros // strips, layer.reduction)
        if whole:
            count = layer.groups * number * whole
            yield Strip(index, 0, geometry.columns, layer.reduction, fewest, most, count)
        if rest:
            count = layer.groups * number
            yield Strip(index, whole * geometry.columns, rest, layer.reduction, fewest, most, count)


def _jobs(strips: Sequence[Strip], geometry: MacroGeometry, cutting: _Cutting) -> Iterator[_Job]:
    for index, strip in enumerate(strips):
        parts = cutting.parts(strip, geometry.rows)
        if parts > 1:
            yield _Job(index, strip.layer, strip.width, strip.length, parts, strip.count)
            continue
        whole, rest = divmod(strip.length, geometry.rows)
        if whole:
            yield _Job(index, strip.layer, strip.width, geometry.rows, 1, strip.count * whole)
        if rest:
            yield _Job(index, strip.layer, strip.width, rest, 1, strip.count)


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

    @property
    def planes(self) -> int:
        """Planes in use in the fullest macro."""
        return max(self._used_planes)

    def place_all(self) -> bool:
        """Places every job of the attempt; False as soon as one does not fit."""
        return all(
            self._place_rectangles(job) if job.parts == 1 else self._place_strips(job) for job in self._attempt.jobs
        )

    def _place_rectangles(self, job: _Job) -> bool:
        if job.width == self._geometry.columns and job.height == self._geometry.rows:
            return self._place_whole_planes(job)
        left = job.count
        while left:
            found = self._gap_or_plane(job)
            if found is None:
                return False
            plane, gap = found
            left -= self._fill(job, plane, gap, left)
        return True

    def _place_whole_planes(self, job: _Job) -> bool:
        """Gives every slice a plane of its own, several at once where only one macro is left to choose."""
        left = job.count
        while left:
            macros = self._macros_with_planes(job.layer)
            if not macros:
                return False
            macro, first = macros[0], self._used_planes[macros[0]]
            room = min(left, self._room[job.layer][macro], self._planes - first)
            planes = room if len(macros) == 1 else 1
            self._use(job.layer, macro, planes, planes * self._geometry.plane_weights)
            self._used_planes[macro] += planes
            place = Rectangle(0, 0, job.width, job.height)
            self.blocks.append(_Block(job.strip, macro, first, planes, place, 1, 1, None))
            left -= planes
        return True

    def _macros_with_planes(self, layer: int) -> list[int]:
        """Macros that may take a slice of the layer in a new plane, those with the fewest planes first."""
        room = self._room[layer]
        macros = [macro for macro, used in enumerate(self._used_planes) if used < self._planes and room[macro]]
        macros.sort(key=lambda macro: (self._used_planes[macro], self._used_weights[macro]))
        return macros

    def _use(self, layer: int, macro: int, slices: int, weights: int) -> None:
        self._room[layer][macro] -= slices
        self._used_weights[macro] += weights

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
            while length:
                piece = self._next_piece(job, length, parts)
                if piece is None:
                    return False
                plane, place = piece
                self._occupy(job, plane, place, 1, 1, self._next_piece_of)
                length -= place.height
                parts -= 1
        return True

    def _next_piece(self, job: _Job, length: int, parts: int) -> tuple[_OpenPlane, Rectangle] | None:
        """The piece to cut off a strip of `length` that may end up in at most `parts` pieces."""
        rows = self._geometry.rows
        if length <= rows:
            last = replace(job, height=length, parts=1)
            found = self._best_gap(last) or (self._new_plane(last) if parts == 1 else None)
            if found or parts == 1:
                return found and (found[0], Rectangle(found[1].column, found[1].row, job.width, length))
        least = max(1, length - (parts - 1) * rows)
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
            return plane, Rectangle(gap.column, gap.row, job.width, min(gap.height, length))
        found = self._new_plane(job)
        return found and (found[0], Rectangle(0, 0, job.width, min(rows, length)))

    def _gap_or_plane(self, job: _Job) -> tuple[_OpenPlane, Rectangle] | None:
        if self._attempt.spread is not _Spread.MACROS:
            return self._best_gap(job) or self._new_plane(job)
        room = self._room[job.layer]
        macros = [macro for macro in range(self._geometry.macros) if room[macro]]
        for macro in sorted(macros, key=self._used_weights.__getitem__):
            found = self._best_gap(job, macro) or self._new_plane(job, macro)
            if found is not None:
                return found
        return None

    def _best_gap(self, job: _Job, only: int | None = None) -> tuple[_OpenPlane, Rectangle] | None:
        width, height = job.width, job.height
        room = self._room[job.layer]
        by_area = self._attempt.fit is _Fit.AREA
        weigh = self._attempt.spread is _Spread.GAPS
        best: tuple[tuple[int, ...], _OpenPlane, Rectangle] | None = None
        for plane in self._open:
            if not room[plane.macro] or (only is not None and plane.macro != only):
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

    def _new_plane(self, job: _Job, only: int | None = None) -> tuple[_OpenPlane, Rectangle] | None:
        macros = self._macros_with_planes(job.layer)
        if only is not None:
            macros = [macro for macro in macros if macro == only]
        if not macros:
            return None
        plane = _OpenPlane(self._geometry, macros[0], self._used_planes[macros[0]])
        self._used_planes[macros[0]] += 1
        self._open.append(plane)
        return plane, plane.free[0]

    def _occupy(
        self, job: _Job, plane: _OpenPlane, place: Rectangle, across: int, down: int, piece_of: int | None
    ) -> None:
        self._use(job.layer, plane.macro, across * down, place.width * place.height)
        plane.occupy(place)
        if not plane.free:
            self._open.remove(plane)
        self.blocks.append(_Block(job.strip, plane.macro, plane.index, 1, place, across, down, piece_of))


def _named_slices(
    blocks: Sequence[_Block],
    strips: Sequence[Strip],
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
        for plane, across, down in product(range(block.planes), range(block.across), range(block.down)):
            if block.piece_of is None:
                owner, start = unnamed[block.strip].take(height)
            else:
                key = (block.strip, block.piece_of)
                owner, start = running.get(key) or (next(owners[block.strip]), 0)
                running[key] = (owner, start + height)
            column = block.place.column + across * width
            row = block.place.row + down * height
            weights = (strip.layer, owner.copy, owner.group, owner.channel, width, start, height)
            slices.append(PlacedSlice(*weights, block.macro, block.plane + plane, column, row))
    slices.sort(key=lambda piece: (piece.layer, piece.copy, piece.group, piece.channel, piece.reduction))
    return tuple(slices)


@dataclass(frozen=True, slots=True)
class _Owner:
    """The strip of weights that a piece belongs to."""

    copy: int
    group: int
    channel: int


def _strip_owners(strip: Strip, layer: LayerShape, copies: int) -> Iterator[_Owner]:
    per_group = strip.count // (layer.groups * copies)
    for copy in range(copies):
        for group in range(layer.groups):
            for chunk in range(per_group):
                yield _Owner(copy, group, strip.first_channel + chunk * strip.width)


class _DefaultCut:
    """Hands out the slices of strips cut into whole planes and one rest."""

    def __init__(self, strip: Strip, owners: Iterator[_Owner], rows: int) -> None:
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
