"""Proposals of spatial mappings: what to unroll along the columns and rows of a macro and over the macros.

Columns take output channels (or, on a diagonal, output positions or groups that share no inputs), rows take the
reduction, macros take channels, groups or positions. All proposals come in a fixed order.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.array_energy import mapped_array
from imcflow.targets.crossbar.conventions import SpatialSearch
from imcflow.targets.crossbar.layers import DIMS, Dim
from imcflow.targets.crossbar.mapping import SpatialMapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.macro import Macro

Factors = dict[Dim, float]

_ROW_DIMS = (Dim.FX, Dim.C, Dim.FY)
_MACRO_DIMS = (Dim.K, Dim.G, Dim.OX, Dim.OY)
_DIVISOR_PROPOSALS = 3
_UNEVEN_PROPOSALS = 6


def spatial_proposals(macro: Macro, layer: Layer, conventions: Conventions) -> list[SpatialMapping]:
    """Spatial mappings worth a temporal search, best filled first."""
    search = {
        SpatialSearch.DIVISORS: _divisor_proposals,
        SpatialSearch.FULLEST: _fullest_proposals,
        SpatialSearch.EVERY: _fullest_proposals,
        SpatialSearch.UNEVEN: _uneven_proposals,
    }[conventions.spatial]
    return search(macro, layer, conventions)


def divisors(value: int) -> list[int]:
    """All divisors in ascending order."""
    low = [d for d in range(1, math.isqrt(value) + 1) if value % d == 0]
    return low + [value // d for d in reversed(low) if d * d != value]


def _without_ones(factors: Factors) -> Factors:
    return {dim: factor for dim, factor in factors.items() if factor != 1}


def _divisor_options(layer: Layer, dims: Sequence[Dim], extent: int) -> list[tuple[int, Factors]]:
    """Unrollings of one axis by divisors of the (clipped) dimensions, most multipliers first."""
    pools = {dim: divisors(min(layer.size(dim), extent)) for dim in dims}
    options: list[tuple[int, Factors]] = []
    for dim in dims:
        options.extend((factor, {dim: factor}) for factor in reversed(pools[dim]))
    for count in range(2, len(dims) + 1):
        for mixed in itertools.combinations(dims, count):
            for factors in itertools.product(*(pools[dim][1:] for dim in mixed)):
                product = math.prod(factors)
                if product <= extent:
                    options.append((product, dict(zip(mixed, map(float, factors), strict=True))))
    options.sort(key=lambda option: -option[0])
    return options


def _divisor_proposals(macro: Macro, layer: Layer, _: Conventions) -> list[SpatialMapping]:
    """The three divisor mappings with the highest indicator u + u / max_d u_d - 1 (u multipliers, u_d unrolling of d).

    The indicator is at most 2 u - 1, so the search stops where even the best remaining options cannot enter the list.
    """
    present = {dim for dim in DIMS if layer.size(dim) > 1}
    axes: list[list[tuple[int, Factors]]] = []
    for dims, extent in (
        ((Dim.K,), macro.output_channels),
        (_ROW_DIMS, macro.rows),
        (_MACRO_DIMS, macro.macro_count),
    ):
        chosen = [dim for dim in dims if dim in present]
        axes.append(_divisor_options(layer, chosen, extent) if chosen and extent > 1 else [(1, {})])
    best: list[tuple[float, SpatialMapping]] = []
    for columns_used, columns in axes[0]:
        if _hopeless(best, columns_used * axes[1][0][0] * axes[2][0][0]):
            break
        for rows_used, rows in axes[1]:
            if _hopeless(best, columns_used * rows_used * axes[2][0][0]):
                break
            for macros_used, macros in axes[2]:
                used = columns_used * rows_used * macros_used
                if _hopeless(best, used):
                    break
                mapping = SpatialMapping(_without_ones(columns), _without_ones(rows), _without_ones(macros))
                unrolled = {dim: mapping.factor(dim) for dim in (*columns, *rows, *macros)}
                if any(factor > layer.size(dim) for dim, factor in unrolled.items()):
                    continue
                indicator = used + used / max(unrolled.values(), default=1) - 1
                best.append((indicator, mapping))
                best.sort(key=lambda item: -item[0])
                del best[_DIVISOR_PROPOSALS:]
    return [mapping for _, mapping in best]


def _hopeless(best: list[tuple[float, SpatialMapping]], used: float) -> bool:
    return len(best) == _DIVISOR_PROPOSALS and 2 * used - 1 < best[-1][0]


def _prime_products(layer: Layer, dims: Sequence[Dim], extent: int) -> Iterator[Factors]:
    """Every unrolling of some dimensions by divisors of their size, clipped to the axis."""
    for factors in itertools.product(*(divisors(min(layer.size(dim), extent)) for dim in dims)):
        if 1 < math.prod(factors) <= extent:
            yield _without_ones(dict(zip(dims, map(float, factors), strict=True)))


def _fullest_proposals(macro: Macro, layer: Layer, conventions: Conventions) -> list[SpatialMapping]:
    """Channels and diagonal output columns on the columns, the reduction on the rows; only the fullest unless EVERY."""
    column_options: list[Factors] = [{}]
    for dims in ((Dim.K,), (Dim.OX,)):
        column_options.extend(_fullest(_prime_products(layer, dims, macro.output_channels)))
    column_options.extend(_prime_products(layer, (Dim.K, Dim.OX), macro.output_channels))
    row_options: list[Factors] = [{}]
    for count in range(1, len(_ROW_DIMS) + 1):
        for dims in itertools.combinations((Dim.C, Dim.FX, Dim.FY), count):
            row_options.extend(_fullest(_prime_products(layer, dims, macro.rows)))
    fitting: dict[str, SpatialMapping] = {}
    for columns, rows in itertools.product(column_options, row_options):
        mapping = SpatialMapping(columns, rows)
        diagonal = rows.get(Dim.FX, 1) + columns.get(Dim.OX, 1) - 1
        if rows.get(Dim.C, 1) * rows.get(Dim.FY, 1) * diagonal <= macro.rows:
            fitting.setdefault(str(mapping), mapping)
    if conventions.spatial is SpatialSearch.EVERY:
        return list(fitting.values())
    most = max(mapping.used_multipliers for mapping in fitting.values())
    return [mapping for mapping in fitting.values() if mapping.used_multipliers == most]


def _fullest(options: Iterable[Factors]) -> list[Factors]:
    listed = list(options)
    most = max((math.prod(factors.values()) for factors in listed), default=0)
    return [factors for factors in listed if math.prod(factors.values()) == most]


def _uneven_proposals(macro: Macro, layer: Layer, conventions: Conventions) -> list[SpatialMapping]:
    """As many rows, columns and macros as fit, last tiles uneven; fewest matrix-vector products first."""
    proposals: dict[str, tuple[float, SpatialMapping]] = {}
    for rows in _row_options(macro, layer):
        for columns in _column_options(macro, layer, rows):
            for macros in _macro_options(macro, layer, columns):
                mapping = SpatialMapping(columns, rows, macros)
                if mapped_array(layer, mapping, conventions).rows > macro.rows:
                    continue
                products = math.prod(mapping.temporal_sizes(layer).values())
                proposals.setdefault(str(mapping), (products, mapping))
    ranked = sorted(proposals.values(), key=lambda item: item[0])
    return [mapping for _, mapping in ranked[:_UNEVEN_PROPOSALS]]


def _filled(layer: Layer, dims: Iterable[Dim], extent: int) -> Factors:
    """Unroll dimensions one after another as far as the axis reaches, uneven where they do not divide."""
    factors: Factors = {}
    left = extent
    for dim in dims:
        factor = min(layer.size(dim), left)
        if factor > 1:
            trips = math.ceil(layer.size(dim) / factor)
            factor = math.ceil(layer.size(dim) / trips)
            factors[dim] = factor
            left //= factor
    return factors


def _row_options(macro: Macro, layer: Layer) -> list[Factors]:
    orders = ((Dim.FX, Dim.FY, Dim.C), (Dim.FX, Dim.C, Dim.FY), (Dim.FY, Dim.C, Dim.FX), (Dim.C, Dim.FX, Dim.FY))
    return [_filled(layer, order, macro.rows) for order in orders]


def _column_options(macro: Macro, layer: Layer, rows: Factors) -> Iterator[Factors]:
    """Channels; then, where columns are left, groups or output columns laid on a diagonal of the rows."""
    channels = _filled(layer, (Dim.K,), macro.output_channels)
    yield channels
    left = macro.output_channels // int(math.prod(channels.values()))
    used_rows = int(math.prod(rows.values()))
    groups = min(layer.G, left, macro.rows // used_rows)
    if groups > 1:
        yield {**channels, **_filled(layer, (Dim.G,), groups)}
    for dim, taps in ((Dim.OX, Dim.FX), (Dim.OY, Dim.FY)):
        others = used_rows // int(rows.get(taps, 1))
        reach = macro.rows // others - int(rows.get(taps, 1)) + 1
        positions = min(layer.size(dim), left, reach)
        if positions > 1:
            yield {**channels, **_filled(layer, (dim,), positions)}


def _macro_options(macro: Macro, layer: Layer, columns: Factors) -> Iterator[Factors]:
    if macro.macro_count == 1:
        yield {}
        return
    for order in itertools.permutations(_MACRO_DIMS, 2):
        left = macro.macro_count
        factors: Factors = {}
        for dim in order:
            factor = min(math.ceil(layer.size(dim) / columns.get(dim, 1)), left)
            if factor > 1:
                factors[dim] = factor
                left //= factor
        yield factors
