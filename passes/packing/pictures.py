"""Pictures of a placement: one per macro, plane by plane, as text for terminals and as SVG for reports."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape, quoteattr

from imcflow.passes.packing.shapes import PackingResult, PlacedSlice

MOST_PLANES = 64
"""Planes drawn per macro; the rest is named in a line."""

BAR_LENGTH = 20
"""Characters of the utilisation bar in the text picture."""

PLANES_PER_ROW = 8
PLANE_WIDTH_PX = 110.0
PLANE_HEIGHT_PX = 90.0
GAP_PX = 14.0
TITLE_PX = 34.0
LEGEND_LINE_PX = 16.0
LEGEND_COLUMNS = 5

_GOLDEN_ANGLE = 137.508
"""Degrees between the hues of neighbouring layers: any few in a row differ well."""


def packing_summary(result: PackingResult) -> str:
    """One line: planes, passes and use beside their bounds."""
    bounds = result.bounds
    known = f"volume {bounds.volume}, dual feasible {bounds.dual_feasible}, conflict {bounds.conflict}"
    return (
        f"{result.style.value} geometry on {result.geometry.label}: {result.planes} planes "
        f"(lower bound {bounds.planes}; {known}), {result.total_passes} passes, "
        f"{result.utilisation:.1%} of the cells used"
    )


def packing_text(result: PackingResult, most_planes: int = MOST_PLANES, heading: str | None = None) -> str:
    """Who sits in which plane of which macro, with a bar for the use of each plane.

    Args:
        result: the placement.
        most_planes: planes listed per macro.
        heading: first line; default the summary.
    """
    lines = [packing_summary(result) if heading is None else heading]
    for macro, planes in enumerate(_planes(result)):
        used = sum(len(plane) > 0 for plane in planes)
        lines.append(f"macro {macro}: {used} planes used, {_use(result, planes):.1%} of them filled")
        for index, plane in enumerate(planes[:most_planes]):
            share = _use(result, [plane])
            bar = "#" * round(share * BAR_LENGTH)
            lines.append(f"  plane {index:3d} [{bar:<{BAR_LENGTH}}] {share:4.0%}  {_members(result, plane)}")
        if used > most_planes:
            lines.append(f"  and {used - most_planes} more planes")
    return "\n".join(lines) + "\n"


def packing_svg(result: PackingResult, most_planes: int = MOST_PLANES, heading: str | None = None) -> str:
    """The placement as one SVG document: a block of planes per macro, a colour per layer, names as tooltips.

    Args:
        result: the placement.
        most_planes: planes drawn per macro.
        heading: title of the document; default the summary.
    """
    body: list[str] = []
    top = TITLE_PX
    for macro, planes in enumerate(_planes(result)):
        shown = planes[:most_planes]
        hidden = len(planes) - len(shown)
        title = f"macro {macro}: {_use(result, planes):.1%} of {len(planes)} planes"
        body.append(_label(GAP_PX, top - 10, title + (f", {hidden} more not drawn" if hidden else "")))
        for index, plane in enumerate(shown):
            row, column = divmod(index, PLANES_PER_ROW)
            left = GAP_PX + column * (PLANE_WIDTH_PX + GAP_PX)
            body.extend(_plane_svg(result, plane, index, left, top + row * (PLANE_HEIGHT_PX + 2 * GAP_PX)))
        rows = -(-len(shown) // PLANES_PER_ROW)
        top += rows * (PLANE_HEIGHT_PX + 2 * GAP_PX) + TITLE_PX
    body.extend(_legend(result, top))
    width = GAP_PX + PLANES_PER_ROW * (PLANE_WIDTH_PX + GAP_PX)
    height = top + LEGEND_LINE_PX * (1 + -(-len(result.layers) // LEGEND_COLUMNS))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="sans-serif" font-size="11">\n'
        f"<title>{escape(packing_summary(result) if heading is None else heading)}</title>\n"
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _planes(result: PackingResult) -> list[list[list[PlacedSlice]]]:
    """Slices by macro and plane."""
    planes: list[list[list[PlacedSlice]]] = [[[] for _ in range(result.planes)] for _ in range(result.geometry.macros)]
    for piece in result.slices:
        planes[piece.macro][piece.plane].append(piece)
    return planes


def _use(result: PackingResult, planes: Sequence[Sequence[PlacedSlice]]) -> float:
    """Share of the cells of these planes that hold a weight, planes without any left out."""
    used = [plane for plane in planes if plane]
    if not used:
        return 0.0
    weights = sum(piece.channels * piece.reductions for plane in used for piece in plane)
    return weights / (len(used) * result.geometry.plane_weights)


def _members(result: PackingResult, plane: Sequence[PlacedSlice]) -> str:
    counts = Counter((piece.layer, piece.channels, piece.reductions) for piece in plane)
    names: defaultdict[int, list[str]] = defaultdict(list)
    for (layer, channels, reductions), count in sorted(counts.items()):
        names[layer].append(f"{channels}x{reductions}" + (f" *{count}" if count > 1 else ""))
    return "; ".join(f"{result.layers[layer].name} {', '.join(sizes)}" for layer, sizes in names.items())


def _plane_svg(
    result: PackingResult, plane: Sequence[PlacedSlice], index: int, left: float, top: float
) -> Iterator[str]:
    across = PLANE_WIDTH_PX / result.geometry.columns
    down = PLANE_HEIGHT_PX / result.geometry.rows
    yield _rectangle(left, top, PLANE_WIDTH_PX, PLANE_HEIGHT_PX, 'fill="#f4f4f4" stroke="#999"')
    for piece in plane:
        layer = result.layers[piece.layer]
        tooltip = (
            f"{layer.name}: outputs {piece.channel}..{piece.channel + piece.channels - 1}, "
            f"inputs {piece.reduction}..{piece.reduction + piece.reductions - 1}"
            + (f", group {piece.group}" if layer.groups > 1 else "")
            + (f", copy {piece.copy}" if result.copies[piece.layer] > 1 else "")
        )
        style = f'fill="{_colour(piece.layer)}" stroke="#fff" stroke-width="0.4"'
        yield _rectangle(
            left + piece.column * across,
            top + piece.row * down,
            piece.channels * across,
            piece.reductions * down,
            style,
            tooltip,
        )
    yield _label(left, top + PLANE_HEIGHT_PX + 11, f"plane {index}: {_use(result, [plane]):.0%}")


def _legend(result: PackingResult, top: float) -> Iterator[str]:
    step = (PLANES_PER_ROW * (PLANE_WIDTH_PX + GAP_PX)) / LEGEND_COLUMNS
    for index, layer in enumerate(result.layers):
        row, column = divmod(index, LEGEND_COLUMNS)
        left, line = GAP_PX + column * step, top + row * LEGEND_LINE_PX
        yield _rectangle(left, line - 9, 10, 10, f'fill="{_colour(index)}"')
        yield _label(left + 14, line, layer.name)


def _colour(layer: int) -> str:
    return f"hsl({layer * _GOLDEN_ANGLE % 360:.0f},60%,{45 + 12 * (layer % 3)}%)"


def _label(left: float, baseline: float, text: str) -> str:
    return f'<text x="{left:g}" y="{baseline:g}">{escape(text)}</text>'


def _rectangle(left: float, top: float, width: float, height: float, style: str, tooltip: str | None = None) -> str:
    place = f"x={quoteattr(f'{left:.2f}')} y={quoteattr(f'{top:.2f}')}"
    size = f"width={quoteattr(f'{width:.2f}')} height={quoteattr(f'{height:.2f}')}"
    inner = f"><title>{escape(tooltip)}</title></rect>" if tooltip else "/>"
    return f"<rect {place} {size} {style}{inner}"
