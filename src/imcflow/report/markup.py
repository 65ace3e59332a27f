"""HTML by hand: escaped text, tables, figures in tiles. Everything that reports put on a page goes through here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as _escape
from typing import NamedTuple


class Html(str):
    """Text that is markup already; everything else is escaped when it is put on a page."""

    __slots__ = ()


class Column(NamedTuple):
    """Head of a table column.

    Attributes:
        title: what stands above it.
        numeric: numbers line up to the right.
    """

    title: str
    numeric: bool = False


def escape(text: object) -> Html:
    """Return `text` as markup; what is markup already stays."""
    return text if isinstance(text, Html) else Html(_escape(str(text)))


def joined(parts: Sequence[str]) -> Html:
    """Return markup parts one after the other."""
    return Html("\n".join(escape(part) for part in parts))


def paragraph(text: object, *, kind: str = "note") -> Html:
    """Return a paragraph of class `kind`: `note` for what explains, `warn` for what is missing."""
    return Html(f'<p class="{kind}">{escape(text)}</p>')


def heading(text: object) -> Html:
    """Return a heading inside a section."""
    return Html(f"<h3>{escape(text)}</h3>")


def tiles(figures: Sequence[tuple[str, str, str]]) -> Html:
    """Return the main figures as tiles.

    Args:
        figures: (what it is, value with unit, remark) each.
    """
    cells = "".join(
        f'<div class="tile"><span class="what">{escape(what)}</span><span class="value">{escape(value)}</span>'
        f'<span class="remark">{escape(remark)}</span></div>'
        for what, value, remark in figures
    )
    return Html(f'<div class="tiles">{cells}</div>')


def table(columns: Sequence[Column], rows: Sequence[Sequence[object]], *, total: bool = False) -> Html:
    """Return a table that scrolls by itself where it is wider than the page.

    Args:
        columns: heads.
        rows: cells, text or markup.
        total: the last row is a sum.
    """
    head = "".join(f"<th{_alignment(column)}>{escape(column.title)}</th>" for column in columns)
    lines: list[str] = []
    for number, row in enumerate(rows):
        cells = "".join(
            f"<td{_alignment(column)}>{escape(cell)}</td>" for column, cell in zip(columns, row, strict=True)
        )
        lines.append(f'<tr class="total">{cells}</tr>' if total and number == len(rows) - 1 else f"<tr>{cells}</tr>")
    body = "\n".join(lines)
    return Html(f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>')


def facts(pairs: Sequence[tuple[str, object]]) -> Html:
    """Return names and values in two columns."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return Html(f'<dl class="facts">{rows}</dl>')


def folded(summary: object, content: str) -> Html:
    """Return content that is hidden until `summary` is clicked."""
    return Html(f"<details><summary>{escape(summary)}</summary>\n{escape(content)}\n</details>")


def preformatted(text: object) -> Html:
    """Return text with its own line breaks."""
    return Html(f"<pre>{escape(text)}</pre>")


def shortened(text: str, length: int = 44) -> Html:
    """Return text of at most `length` characters; all of it shows under the pointer."""
    if len(text) <= length:
        return escape(text)
    return Html(f'<span title="{_escape(text)}">{_escape(text[: length - 1])}…</span>')


def _alignment(column: Column) -> str:
    return ' class="number"' if column.numeric else ""
