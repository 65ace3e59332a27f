"""What benchmarks share: tables, figures, missed bars, and the command line around them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass
class Report:
    """Rows of every table, and the bars that are missed; `options` are those of the command line."""

    options: argparse.Namespace
    tables: dict[str, list[Row]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    misses: list[str] = field(default_factory=list)

    def add(self, table: str, rows: Sequence[Row]) -> None:
        """Keeps and prints a table."""
        self.tables[table] = list(rows)
        if not rows:
            return
        print(f"\n## {table}\n")
        columns = list(rows[0])
        cells = [[text(row[column]) for column in columns] for row in rows]
        widths = [max(len(column), *(len(line[i]) for line in cells)) for i, column in enumerate(columns)]
        for line in [columns, ["-" * width for width in widths], *cells]:
            print("| " + " | ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        sys.stdout.flush()

    def note(self, key: str, value: Any, line: str) -> None:
        """Keeps one figure and prints a line about it."""
        self.summary[key] = value
        print(f"\n{line}", flush=True)

    def require(self, holds: bool, complaint: str) -> None:
        """Keeps the complaint if a bar is missed."""
        if not holds:
            self.misses.append(complaint)


def text(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def run_tables(
    description: str | None,
    tables: Mapping[str, Callable[[Report], None]],
    arguments: Sequence[str] | None,
    more_options: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """Runs the chosen tables of a benchmark; returns the exit status.

    Args:
        description: text of the help.
        tables: all tables by name.
        arguments: the command line; default that of the process.
        more_options: adds options to `--json` and `--check`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="*", choices=[*tables, []], help=f"default: all of {', '.join(tables)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure misses its bar")
    if more_options is not None:
        more_options(parser)
    options = parser.parse_args(arguments)
    report = Report(options)
    for name in options.tables or tables:
        tables[name](report)
    if options.json is not None:
        content = {"tables": report.tables, "summary": report.summary, "misses": report.misses}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for miss in report.misses:
        print(f"misses its bar: {miss}", file=sys.stderr)
    return 1 if options.check and report.misses else 0
