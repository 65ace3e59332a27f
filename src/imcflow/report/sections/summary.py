"""The main figures, and what the program is."""

from __future__ import annotations

from imcflow.report.data import ReportData, Section
from imcflow.report.markup import Column, facts, joined, paragraph, table, tiles
from imcflow.targets.ap_cost import ProgramCost
from imcflow.targets.cost_text import with_unit
from imcflow.targets.crossbar.program_report import CrossbarProgramCost


def summary(data: ReportData) -> Section:
    """Tiles with latency, energy and what limits them; ports as a table."""
    program, cost = data.program, data.cost
    figures: list[tuple[str, str, str]] = []
    if cost is not None:
        batch = f"batch of {cost.images}" if cost.images > 1 else "one image"
        figures += [
            ("latency", with_unit(cost.seconds, "s"), batch),
            ("energy", with_unit(cost.energy.total, "J"), batch),
            ("throughput", _rate(cost.images / cost.seconds) if cost.seconds else "-", "images, layers in turn"),
        ]
    if isinstance(cost, ProgramCost):
        figures += _ap_figures(cost)
    elif isinstance(cost, CrossbarProgramCost):
        figures += [
            ("efficiency", f"{cost.tops_per_watt:.4g} TOPS/W", "two operations per MAC"),
            ("MACs", f"{cost.macs:,}", f"{cost.tops:.4g} TOPS"),
            ("area", f"{cost.area_mm2:.4g} mm2", "macros, registers and buffer"),
            ("once", with_unit(cost.start_joules, "J"), "writing the weights that stay"),
        ]
    instructions = sum(len(kernel.instructions) for kernel in (*program.kernels, *program.crossbar_kernels))
    figures.append(("instructions", f"{instructions:,}", f"{len(program.steps)} steps"))
    ports = [
        [kind, port.name, "x".join(map(str, program.tensors[port.tensor].shape)), program.tensors[port.tensor].dtype]
        for kind, group in (("input", program.inputs), ("output", program.outputs))
        for port in group
    ]
    parts = [tiles(figures)]
    if cost is None:
        parts.append(paragraph(data.why_no_cost, kind="warn"))
    parts += [
        table([Column("port"), Column("name"), Column("shape"), Column("type")], ports),
        facts([("program hash", data.content_hash), ("target hash", program.target.content_hash)]),
    ]
    return Section("Summary", "", joined(parts))


def _rate(per_second: float) -> str:
    return f"{per_second:,.0f} /s" if per_second >= 1000 else f"{per_second:.4g} /s"


def _ap_figures(cost: ProgramCost) -> list[tuple[str, str, str]]:
    figures = [
        ("array cycles", f"{cost.cycles:,.0f}", "search, write, shift, movement"),
        ("activation movement", f"{cost.movement_share:.2%}", "of the energy"),
        ("arrays", f"{cost.arrays_needed:,}", f"of {cost.arrays_available:,}, busiest layer"),
    ]
    if cost.lifetime_years is not None:
        figures.append(("lifetime", f"{cost.lifetime_years:.3g} years", "non-stop, most written cell"))
    if cost.area_mm2 is not None:
        figures.append(("area", f"{cost.area_mm2:.4g} mm2", "all arrays and the digital unit"))
    return figures
