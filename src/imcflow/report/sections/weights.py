"""Which layer's weights lie in which plane of which macro; crossbar programs only."""

from __future__ import annotations

from imcflow.passes.packing.pictures import packing_svg
from imcflow.passes.packing.program_placement import program_placement
from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Html, joined, paragraph


def weights(data: ReportData) -> Section | None:
    """A picture per macro, and the layers that do not stay."""
    placed = program_placement(data.program)
    if placed is None:
        return None
    parts = [Html(packing_svg(placed.placement, heading=placed.heading))]
    parts += [
        paragraph(f"{name}: {count:,} weights are loaded in every inference") for name, count in placed.reloaded.items()
    ]
    return Section("Weights", f"{placed.heading}. A rectangle is a plane of a macro, a colour a layer.", joined(parts))
