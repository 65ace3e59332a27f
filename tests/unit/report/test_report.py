"""The report is one well-formed page without outside references, and shows the figures of the cost model."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
import pytest
from crossbar_kernels import MACRO, kernel_of
from sum_programs import machine, sum_program

from imcflow.compiled import CompiledProgram
from imcflow.errors import TargetError
from imcflow.report.charts import Segment, Strip, round_values, stacked, strip_chart
from imcflow.report.markup import Column, Html, escape, shortened, table
from imcflow.report.plots import heat_map
from imcflow.report.sections.memory import live_bytes
from imcflow.runtime.container import write_program
from imcflow.runtime.program import PortInfo, Program, TargetSummary, TensorInfo
from imcflow.runtime.schedule.table import Schedule, task_dtype
from imcflow.targets.cost_text import with_unit
from imcflow.tools.imcflow_main import main

if TYPE_CHECKING:
    from imcflow.runtime.program import CrossbarKernel

_VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that tags are balanced; collects headings, cells, texts under the pointer and references."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.cells: list[str] = []
        self.references: list[str] = []
        self.identifiers: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        values = dict(attrs)
        self.references += [values[name] or "" for name in ("href", "src") if name in values]
        if values.get("id"):
            self.identifiers.append(values["id"] or "")
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)
        if "td" in self.open:
            self.cells[-1] += data


def crossbar_program() -> Program:
    """One matrix product on small digital macros."""
    kernel: CrossbarKernel = kernel_of(np.arange(-4, 4).reshape(2, 4), np.zeros(2, np.int64), MACRO)
    return Program(
        name="product",
        target=TargetSummary(
            name="dimc-256x64", kind="dimc", content_hash="0" * 64, rows=1, tracks=1, domains=1, macro=MACRO
        ),
        tensors=(TensorInfo("x", (4,), "si4"), TensorInfo("y", (2,), "si32")),
        inputs=(PortInfo("x", 0, "int8"),),
        outputs=(PortInfo("y", 1, "int32"),),
        steps=(kernel,),
    )


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = CompiledProgram(sum_program(machine())).report()
    page = Page(text)
    assert page.headings == [
        "Summary",
        "Layers",
        "Energy",
        "Cycles",
        "Timeline",
        "Sensitivity",
        "Memory",
        "Endurance",
        "Source map",
        "Target and passes",
    ]
    assert page.references
    assert all(reference.startswith("#") and reference[1:] in page.identifiers for reference in page.references)
    assert {"script", "link", "img", "iframe"}.isdisjoint(page.tags)
    assert "url(" not in text
    assert "@import" not in text


def test_the_page_shows_the_figures_of_the_cost_model() -> None:
    program = CompiledProgram(sum_program(machine()))
    cost = program.cost(images=300)
    page = Page(program.report(images=300))
    for step in cost.steps:
        assert step.name in page.cells
        assert with_unit(step.energy.total, "J") in page.cells
    assert with_unit(cost.energy.total, "J") in page.cells
    assert with_unit(cost.energy.search, "J") in page.cells
    assert {entry.key for entry in cost.sensitivity} <= set(page.cells)
    assert "Add_0, Relu_1" in page.cells


def test_names_cannot_become_markup() -> None:
    text = CompiledProgram(sum_program(machine(), name="<script>alert(1)</script> & co")).report()
    assert "script" not in Page(text).tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text


def test_a_program_without_costs_is_still_reported() -> None:
    program = crossbar_program()
    page = Page(CompiledProgram(program).report())
    assert {"Summary", "Memory", "Source map"} <= set(page.headings)
    assert program.steps[0].name in page.cells
    foreign = replace(sum_program(machine()), target=replace(machine().summary(), name="no-such-target"))
    assert "no-such-target" in CompiledProgram(foreign).report()
    with pytest.raises(TargetError):
        CompiledProgram(foreign).report(target="nor-this")


def test_the_command_writes_a_whole_file_or_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_program(sum_program(machine()), tmp_path / "sums.imcp")
    assert main(["report", str(tmp_path / "sums.imcp")]) == 0
    Page((tmp_path / "sums.html").read_text(encoding="utf-8"))
    before = sorted(tmp_path.iterdir())
    assert main(["report", str(tmp_path / "sums.imcp"), "-o", str(tmp_path / "none" / "r.html")]) == 1
    assert main(["report", str(tmp_path / "sums.imcp"), "-t", "dram-pim-hbm2", "-o", str(tmp_path / "r.html")]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert sorted(tmp_path.iterdir()) == before


def widths(chart: str) -> list[tuple[float, float]]:
    return [
        (float(start), float(width))
        for start, width in re.findall(r'<rect class="c\d" x="([\d.e-]+)%" y="1" width="([\d.e-]+)%"', chart)
    ]


def test_segments_are_in_scale() -> None:
    chart = strip_chart([stacked("a", [(1.0, "c0", "first"), (3.0, "c1", "second")]), stacked("b", [(2.0, "c0", "")])])
    assert widths(chart) == [(0, 25), (25, 75), (0, 50)]
    shifted = strip_chart([Strip("t", [Segment(15, 20, "c0", "")])], low=10, high=30, mark=20)
    assert widths(shifted) == [(25, 25)]
    assert 'x1="50%"' in shifted


def test_what_is_not_drawn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcflow.report.charts.MAXIMUM_SEGMENTS", 3)
    chart = strip_chart([stacked("a", [(1.0, "c0", "")] * 5)])
    assert len(widths(chart)) == 3
    assert "2 segments are not drawn" in chart


@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.0, 413.1, [0, 100, 200, 300, 400]),
        (206.6, 2001.0, [500, 1000, 1500, 2000]),
        (3.0, 3.0, [3.0]),
        (0.0, 1.3e-6, [0, 2.5e-7, 5e-7, 7.5e-7, 1e-6, 1.25e-6]),
    ],
)
def test_axes_have_round_values(low: float, high: float, values: list[float]) -> None:
    found = round_values(low, high)
    assert len(found) <= 7
    steps = np.diff(found)
    assert steps == pytest.approx(steps[0] if len(steps) else [])
    if values != [0, 2.5e-7, 5e-7, 7.5e-7, 1e-6, 1.25e-6]:
        assert found == pytest.approx(values)


def test_markup_helpers() -> None:
    assert escape("a<b") == "a&lt;b"
    assert escape(Html("<b>")) == "<b>"
    assert shortened("short") == "short"
    assert shortened("x" * 50, 10) == f'<span title="{"x" * 50}">{"x" * 9}…</span>'
    assert '<tr class="total">' in table([Column("a")], [["1"], ["2"]], total=True)


def test_live_activations_count_inputs_until_their_last_reader() -> None:
    # x: 2 values of 4 bits, y: 5 bits, z: 10 bits; each in whole bytes. y dies with the second step.
    assert live_bytes(sum_program(machine())) == [1 + 1, 1 + 2]


def test_a_heat_map_frames_what_reaches_the_value() -> None:
    svg = heat_map(
        "ratio <now>",
        ("fJ", ["1", "2"]),
        ("pJ", ["a & b", "c", "d"]),
        [[8.0, 1.0], [2.0, 0.5], [7.5, 0.1]],
        reached=7.5,
        text=lambda value: f"{value:g}",
    )
    root = ElementTree.fromstring(svg)
    name = "{http://www.w3.org/2000/svg}"
    cells = root.findall(f"{name}rect")
    assert len(cells) == 6
    framed = [cell.findtext(f"{name}title") for cell in cells if cell.get("class") == "reached"]
    assert framed == ["a & b, 1: 8", "d, 1: 7.5"]
    # The first row of values stands at the bottom.
    assert float(cells[0].get("y") or 0) > float(cells[4].get("y") or 0)
    assert cells[1].get("fill") == "#f5f0e2"


def test_the_schedule_of_a_program_is_drawn() -> None:
    tasks = np.zeros(3, task_dtype())
    # The array computes lanes 0 to 3 and 3 to 4 without a pause, the digital unit waits for both.
    tasks["step"], tasks["start"], tasks["cycles"] = [0, 0, 1], [0, 30, 40], [30, 10, 5]
    tasks["first"], tasks["stop"] = [0, 3, 0], [3, 4, 4]
    plan = Schedule(tasks, arrays=1, digital_operations_per_cycle=1, sequential_cycles=90, bound_cycles=40)
    text = CompiledProgram(replace(sum_program(machine()), schedule=plan)).report()
    assert "Schedule" in Page(text).headings
    assert "sum: cycles 0 to 40" in text
    assert "square: cycles 40 to 45" in text
    assert "2.00 times" in text
    assert "end is 1.125 times" in text
