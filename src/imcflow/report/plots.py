"""Drawings that stand alone in a file: text inside, colours of their own, light and dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from imcflow.report.markup import Html, escape

_CELL, _LEFT, _TOP, _BOTTOM = 46, 96, 58, 66
_STYLE = """
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #1c2430; } text.cell { font-size: 11px; fill: #10141a; }
text.dim { fill: #5d6878; } rect.reached { stroke: #10141a; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e8ee; } text.dim { fill: #9aa5b4; } rect.reached { stroke: #fff; }
}
"""


def heat_map(
    title: str,
    columns: tuple[str, Sequence[str]],
    rows: tuple[str, Sequence[str]],
    values: Sequence[Sequence[float]],
    *,
    reached: float,
    text: Callable[[float], str],
) -> Html:
    """Return an SVG file: one coloured cell per value, on a logarithmic scale around 1.

    Args:
        title: stands above.
        columns, rows: (name of the axis, text of each value); rows from bottom to top.
        values: positive numbers, values[row][column].
        reached: cells with at least this value have a frame.
        text: what stands in a cell.
    """
    names, labels = columns[1], rows[1]
    width = _LEFT + _CELL * len(names) + 24
    height = _TOP + _CELL * len(labels) + _BOTTOM
    largest = max(abs(math.log(value)) for row in values for value in row) or 1.0
    parts = [f'<text x="{_LEFT}" y="20" font-weight="600">{escape(title)}</text>']
    parts.append(f'<text class="dim" x="{_LEFT}" y="40">framed: at least {escape(text(reached))}</text>')
    for row, label in enumerate(labels):
        y = _TOP + _CELL * (len(labels) - 1 - row)
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 27}" text-anchor="end">{escape(label)}</text>')
        for column in range(len(names)):
            value = values[row][column]
            x = _LEFT + _CELL * column
            frame = ' class="reached"' if value >= reached else ""
            parts.append(
                f'<rect x="{x + 2}" y="{y + 2}" width="{_CELL - 4}" height="{_CELL - 4}" rx="4"{frame} '
                f'fill="{_colour(math.log(value) / largest)}"><title>{escape(label)}, {escape(names[column])}: '
                f"{escape(text(value))}</title></rect>"
                f'<text class="cell" x="{x + _CELL / 2}" y="{y + 27}" text-anchor="middle">{escape(text(value))}</text>'
            )
    foot = _TOP + _CELL * len(labels)
    for column, name in enumerate(names):
        x = _LEFT + _CELL * (column + 0.5)
        parts.append(f'<text x="{x}" y="{foot + 18}" text-anchor="middle">{escape(name)}</text>')
    middle = _LEFT + _CELL * len(names) / 2
    parts.append(f'<text class="dim" x="{middle}" y="{foot + 44}" text-anchor="middle">{escape(columns[0])}</text>')
    centre = _TOP + _CELL * len(labels) / 2
    parts.append(
        f'<text class="dim" transform="translate(18 {centre}) rotate(-90)" text-anchor="middle">'
        f"{escape(rows[0])}</text>"
    )
    body = "\n".join(parts)
    return Html(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">\n'
        f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
    )


def _colour(position: float) -> str:
    """Return a colour between red (-1), near white (0) and green (1)."""
    low, middle, high = (222, 110, 92), (245, 240, 226), (92, 178, 128)
    end, share = (high, position) if position > 0 else (low, -position)
    mixed = (round(m + (e - m) * min(1.0, share)) for m, e in zip(middle, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)
