"""Charts as inline SVG, without any library and without text inside the drawing.

A *strip chart* is a list of rows on one common scale, each with segments: stacked bars, Gantt charts and tornadoes are
strip charts. Segments are rectangles in per cent of the width, so a chart follows the width of the page and labels
keep their size. Colours are classes (`c0` ... `c7`, `array`, `digital`, ...) that the style sheet resolves for light
and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from imcflow.report.markup import Html, escape

ROW_HEIGHT = 18
MAXIMUM_SEGMENTS = 20_000
"""Of one chart; what is beyond is left out and said."""


class Segment(NamedTuple):
    """A coloured stretch of a row.

    Attributes:
        start, end: on the chart's scale.
        colour: class of the style sheet.
        text: what shows under the pointer.
    """

    start: float
    end: float
    colour: str
    text: str


class Strip(NamedTuple):
    """A row of a chart: its name, its segments and the figure behind it."""

    label: str
    segments: Sequence[Segment]
    figure: str = ""


def stacked(label: str, parts: Sequence[tuple[float, str, str]], figure: str = "") -> Strip:
    """Return a row of parts one after the other; each is (length, colour, text)."""
    segments: list[Segment] = []
    at = 0.0
    for length, colour, text in parts:
        if length > 0:
            segments.append(Segment(at, at + length, colour, text))
        at += length
    return Strip(label, segments, figure)


def strip_chart(
    rows: Sequence[Strip],
    *,
    low: float = 0.0,
    high: float | None = None,
    tick: Callable[[float], str] | None = None,
    mark: float | None = None,
) -> Html:
    """Return a strip chart.

    Args:
        rows: from top to bottom.
        low, high: ends of the scale; default 0 and the largest end of a segment.
        tick: text of a point on the axis; no axis without it.
        mark: value at which a vertical line stands.
    """
    top = max((s.end for row in rows for s in row.segments), default=0.0) if high is None else high
    span = (top - low) or 1.0
    lines: list[str] = []
    drawn = left_out = 0
    for row in rows:
        kept = row.segments[: max(0, MAXIMUM_SEGMENTS - drawn)]
        drawn += len(kept)
        left_out += len(row.segments) - len(kept)
        shapes = [_rectangle(segment, low, span) for segment in kept]
        if mark is not None:
            x = _percent((mark - low) / span)
            shapes.append(f'<line class="mark" x1="{x}" x2="{x}" y1="0" y2="{ROW_HEIGHT}"/>')
        lines.append(
            f'<div class="label" title="{escape(row.label)}">{escape(row.label)}</div>'
            f'<svg width="100%" height="{ROW_HEIGHT}" role="img">{"".join(shapes)}</svg>'
            f'<div class="figure">{escape(row.figure)}</div>'
        )
    if tick is not None:
        lines.append(f'<div></div><div class="axis">{_ticks(low, span, tick)}</div><div></div>')
    note = f'<p class="warn">{left_out:,} segments are not drawn</p>' if left_out else ""
    return Html(f'<div class="strips">{"".join(lines)}</div>{note}')


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """Return the legend of a chart: (colour, name) each."""
    keys = "".join(
        f'<span class="key"><svg width="12" height="12"><rect class="{colour}" width="12" height="12" rx="2"/></svg>'
        f"{escape(name)}</span>"
        for colour, name in entries
    )
    return Html(f'<div class="legend">{keys}</div>')


def bar(share: float, colour: str = "c0") -> Html:
    """Return a small horizontal bar for a table cell; `share` is between 0 and 1."""
    width = _percent(max(0.0, min(1.0, share)))
    return Html(
        f'<svg class="cellbar" width="90" height="10" role="img"><rect class="track" width="100%" height="10" rx="2"/>'
        f'<rect class="{colour}" width="{width}" height="10" rx="2"/></svg>'
    )


def _rectangle(segment: Segment, low: float, span: float) -> str:
    start, end = (segment.start - low) / span, (segment.end - low) / span
    return (
        f'<rect class="{segment.colour}" x="{_percent(start)}" y="1" width="{_percent(max(end - start, 0.0))}" '
        f'height="{ROW_HEIGHT - 2}"><title>{escape(segment.text)}</title></rect>'
    )


def _ticks(low: float, span: float, tick: Callable[[float], str]) -> str:
    return "".join(
        f'<span style="left:{_percent((value - low) / span)}" class="{_edge((value - low) / span)}">'
        f"{escape(tick(value))}</span>"
        for value in round_values(low, low + span)
    )


def round_values(low: float, high: float, most: int = 6) -> list[float]:
    """Return up to `most` multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    span = high - low
    if span <= 0:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / most))
    while span / step > most:
        step *= 2.5 if f"{step:e}".startswith("2") else 2
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _edge(share: float) -> str:
    return "first" if share < 0.02 else "last" if share > 0.97 else ""


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"
