"""Where the weights of a compiled program lie: read back from its streams, for pictures and reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from imcflow.passes.packing.bounds import packing_bounds
from imcflow.passes.packing.shapes import LayerShape, MacroGeometry, PackingResult, PackingStyle, PlacedSlice
from imcflow.runtime.crossbar.isa import TileOpcode
from imcflow.runtime.crossbar.residency import kernel_residencies
from imcflow.runtime.crossbar.stream import lane_range
from imcflow.runtime.program import CrossbarKernel, Program


@dataclass(frozen=True)
class ProgramPlacement:
    """The resident weights of a program.

    Args:
        placement: a layer per kernel; its bounds hold for the slices as the stream cuts them.
        reloaded: weights that are loaded in every inference, by kernel name.
        heading: one line: planes in use beside their bound, share of the cells, reloaded weights.
    """

    placement: PackingResult
    reloaded: dict[str, int]
    heading: str


def program_placement(program: Program) -> ProgramPlacement | None:
    """Read the placement of a checked program; None for one without crossbar kernels."""
    macro, kernels = program.target.macro, program.crossbar_kernels
    if macro is None or not kernels:
        return None
    slices: list[PlacedSlice] = []
    copies: list[int] = []
    reloaded: dict[str, int] = {}
    for index, (kernel, residency) in enumerate(zip(kernels, kernel_residencies(kernels), strict=True)):
        stays = dict(zip(residency.loads.tolist(), residency.resident.tolist(), strict=True))
        found, ranges = _kernel_slices(index, kernel, stays)
        slices += found
        copies.append(max(1, ranges))
        if residency.reloaded_weights:
            reloaded[kernel.name] = residency.reloaded_weights
    layers = [
        LayerShape(
            kernel.name,
            kernel.output.channels,
            kernel.window.elements,
            output_height=kernel.output.height,
            output_width=kernel.output.width,
        )
        for kernel in kernels
    ]
    geometry = MacroGeometry(macro.columns, macro.rows, macro.macros, macro.slots)
    sizes = Counter((piece.channels, piece.reductions) for piece in slices)
    rectangles = [LayerShape("slices", *size, groups=count) for size, count in sizes.items()]
    bounds = packing_bounds(rectangles or layers[:1], geometry)
    placement = PackingResult(tuple(layers), geometry, PackingStyle.SLICE, tuple(copies), tuple(slices), (), bounds)
    stored = sum(piece.channels * piece.reductions for piece in slices)
    share = stored / (macro.macros * macro.slots * geometry.plane_weights)
    heading = (
        f"{placement.planes if slices else 0} of {macro.slots} planes in use (lower bound "
        f"{bounds.planes if slices else 0}), {stored:,} weights stay in {share:.1%} of all cells, "
        f"{sum(reloaded.values()):,} are loaded in every inference"
    )
    return ProgramPlacement(placement, reloaded, heading)


def _kernel_slices(index: int, kernel: CrossbarKernel, stays: dict[int, bool]) -> tuple[list[PlacedSlice], int]:
    """The resident slices of a kernel, and how many ranges of lanes its products tell apart."""
    loads: dict[tuple[int, ...], int] = {}
    element: dict[int, int] = {}
    output: dict[int, int] = {}
    lanes: dict[int, tuple[int, int]] = {}
    register: dict[int, int] = {}
    table = kernel.instructions
    for number, row in enumerate(table):
        place = tuple(int(row[name]) for name in ("macro", "slot", "row", "column"))
        opcode = int(row["opcode"])
        if opcode == TileOpcode.LOAD:
            loads[place] = number
        elif opcode == TileOpcode.MULTIPLY:
            load = register[place[0]] = loads[place]
            element.setdefault(load, int(row["element"]))
            lanes[load] = lane_range(int(row["lane"]), int(row["lanes"]), kernel.lanes_per_image)
        elif opcode == TileOpcode.ACCUMULATE:
            output.setdefault(register[place[0]], int(row["output"]))
    ranges = sorted(set(lanes.values()))
    slices: list[PlacedSlice] = []
    for number in (number for number, resident in stays.items() if resident):
        row = table[number]
        copy = ranges.index(lanes[number]) if number in lanes else 0
        weights = (output.get(number, 0), int(row["columns"]), element.get(number, 0), int(row["rows"]))
        place = (int(row["macro"]), int(row["slot"]), int(row["column"]), int(row["row"]))
        slices.append(PlacedSlice(index, copy, 0, *weights, *place))
    return slices, len(ranges)
