"""A program as one HTML file: what it is, what it costs, where time and energy go, what the figures depend on.

`SECTIONS` is all there is to register: a function "module:name" takes `ReportData` and returns a `Section`, or None
where it has nothing to say about the program. Sections are imported when a report is written.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from imcflow.report.data import ReportData, Section

SECTIONS = (
    "imcflow.report.sections.summary:summary",
    "imcflow.report.sections.layers:layers",
    "imcflow.report.sections.energy:energy",
    "imcflow.report.sections.cycles:cycles",
    "imcflow.report.sections.macros:macros",
    "imcflow.report.sections.timeline:timeline",
    "imcflow.report.sections.schedule:schedule",
    "imcflow.report.sections.sensitivity:sensitivity",
    "imcflow.report.sections.memory:memory",
    "imcflow.report.sections.weights:weights",
    "imcflow.report.sections.endurance:endurance",
    "imcflow.report.sections.source_map:source_map",
    "imcflow.report.sections.description:description",
)
"""In the order of the page."""


def report_page(data: ReportData) -> str:
    """Return the report as HTML text."""
    from imcflow.report.page import html_page

    program = data.program
    subtitle = f"for {program.target.name}, kind {program.target.kind}"
    return html_page(f"imcflow: {program.name}", subtitle, report_sections(data))


def report_sections(data: ReportData) -> list[Section]:
    """Return the sections that have something to say about a program."""
    found: list[Section] = []
    for path in SECTIONS:
        module, name = path.split(":")
        make = cast("Callable[[ReportData], Section | None]", getattr(import_module(module), name))
        section = make(data)
        if section is not None:
            found.append(section)
    return found
