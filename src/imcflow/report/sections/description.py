"""The hardware description that priced the program, with its sources, and the passes that made it."""

from __future__ import annotations

from imcflow.errors import TargetError
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, Html, escape, folded, heading, joined, paragraph, preformatted, table
from imcflow.targets.registry import load_target


def description(data: ReportData) -> Section:
    """Quantities with value, origin and range; pipeline and metadata."""
    program = data.program
    name = program.target.name if data.cost is None else data.cost.target
    parts: list[Html] = []
    try:
        target = load_target(name)
    except TargetError as error:
        parts.append(paragraph(error, kind="warn"))
    else:
        rows = [
            [
                key,
                f"{quantity.value:g}",
                "" if quantity.assumption is None else f"{quantity.low:g} .. {quantity.high:g}",
                Html(f'<span class="wrap">{escape(quantity.source or f"assumed: {quantity.assumption}")}</span>'),
            ]
            for key, quantity in target.quantities().items()
        ]
        columns = [Column("quantity"), Column("value", numeric=True), Column("range", numeric=True), Column("origin")]
        parts += [
            paragraph(target.description),
            folded(f"{len(rows)} quantities and their sources", table(columns, rows)),
        ]
        if target.content_hash != program.target.content_hash:
            parts.append(paragraph(f"{name} is not the description the program was compiled for", kind="warn"))
    if program.pipeline:
        parts += [heading("Passes"), preformatted(program.pipeline)]
    if program.metadata:
        rows = [[key, value] for key, value in program.metadata.items()]
        parts += [heading("Metadata"), table([Column("key"), Column("value")], rows)]
    return Section("Target and passes", f"{name}, content hash {program.target.content_hash[:16]}…", joined(parts))
