"""What commands print: tables that line up, and JSON objects with stable keys."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence


def print_json(values: Mapping[str, object]) -> None:
    """Print one JSON object on stdout."""
    sys.stdout.write(json.dumps(values, indent=2, sort_keys=False) + "\n")


def print_text(text: str) -> None:
    """Print `text` and a line end on stdout."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return an aligned text table: numbers to the right, with thousands separators; everything else to the left."""
    cells = [list(header)] + [[_cell(value) for value in row] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(header))]
    numeric = [
        bool(rows) and all(isinstance(row[column], int | float) for row in rows) for column in range(len(header))
    ]
    lines = [
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cell(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4g}"
