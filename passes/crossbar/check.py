"""The contract of crossbar layers at the mapped level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from imcflow.dialect.attributes import Unit
from imcflow.dialect.crossbar_tables import TilePart
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.types import shape_of
from imcflow.errors import ImcflowError
from imcflow.passes.crossbar.emit import layer_matrix
from imcflow.passes.crossbar.tiles import LayerMatrix, part_factor, part_values
from imcflow.passes.units import runs_on
from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.stream import lane_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import MacroSummary


def check_mapped_crossbar(module: ModuleOp, macro: MacroSummary, *, fixed_offsets: bool = False) -> None:
    """Every layer of the crossbar is mapped; tiles fit macros and slots; together they hold exactly the weights.

    Cells of tiles that are marked as resident belong to one tile of the whole network. With fixed offsets, the tiles of
    a layer in one macro start at the same row, and at the same column unless they hold different groups.

    Raises:
        ImcflowError: names node, tile and limit.
    """
    layers: list[CrossbarLinearOp] = []
    for layer in module.walk():
        if isinstance(layer, Conv2dOp | GemmOp) and runs_on(layer, Unit.CROSSBAR):
            raise ImcflowError(f"{describe(layer)} is not mapped; run imc-map-crossbar")
        if isinstance(layer, CrossbarLinearOp):
            _check_places(layer, macro)
            _check_weights(layer)
            if fixed_offsets:
                _check_offsets(layer)
            layers.append(layer)
    _check_residents(layers)


def _check_places(layer: CrossbarLinearOp, macro: MacroSummary) -> None:
    if layer.weight_bits.value.data > macro.weight_bits:
        raise ImcflowError(
            f"{describe(layer)}: weight_bits {layer.weight_bits.value.data}, a cell word has {macro.weight_bits}"
        )
    limits = {"macro": macro.macros - 1, "slot": macro.slots - 1, "rows": macro.rows, "columns": macro.columns}
    limits |= {"row": macro.rows - 1, "column": macro.columns - 1}
    table = layer.tiles.table()
    for name, limit in limits.items():
        outside = np.flatnonzero((table[name] < 0) | (table[name] > limit))
        if len(outside):
            number = int(outside[0])
            raise ImcflowError(
                f"{describe(layer)}: tile {number}: {name} {int(table[name][number])} exceeds the target's {limit}"
            )
    for first, size, limit in (("row", "rows", macro.rows), ("column", "columns", macro.columns)):
        outside = np.flatnonzero(table[first] + table[size] > limit)
        if len(outside):
            number = int(outside[0])
            raise ImcflowError(
                f"{describe(layer)}: tile {number}: {first} {int(table[first][number])} and "
                f"{int(table[size][number])} {size} exceed the macro's {limit}"
            )


def _check_offsets(layer: CrossbarLinearOp) -> None:
    names = ("row", "column") if layer.groups.value.data == 1 else ("row",)
    first: dict[tuple[int, str], int] = {}
    for number, tile in enumerate(layer.tiles.table()):
        for name in names:
            found = first.setdefault((int(tile["macro"]), name), int(tile[name]))
            if found != int(tile[name]):
                raise ImcflowError(
                    f"{describe(layer)}: tile {number} starts at {name} {tile[name]} of macro {tile['macro']}, an "
                    f"earlier one at {found}; the target has one {name} per layer and macro"
                )


def _check_weights(layer: CrossbarLinearOp) -> None:
    """Add the tiles of each run of columns up, in every range of lanes, and compare with the weights."""
    matrix, table = layer_matrix(layer), layer.tiles.table()
    lanes = math.prod(shape_of(layer.result)[2:])
    starts = np.flatnonzero(np.diff(table["output"], prepend=-1))
    covered = 0
    for start, stop in zip(starts, [*starts[1:], len(table)], strict=True):
        run = table[start:stop]
        output, columns = int(run[0]["output"]), int(run[0]["columns"])
        if output != covered:
            raise ImcflowError(f"{describe(layer)}: tile {start} begins at output {output}, expected {covered}")
        covered += columns
        if (run["columns"] != columns).any():
            raise ImcflowError(f"{describe(layer)}: tiles of output {output} differ in their columns")
        ranges = sorted({lane_range(int(tile["lane"]), int(tile["lanes"]), lanes) for tile in run})
        if [first for first, _ in ranges] != [0, *(last for _, last in ranges[:-1])] or ranges[-1][1] != lanes:
            raise ImcflowError(
                f"{describe(layer)}: tiles of output {output} serve the lanes {ranges}, expected a partition of {lanes}"
            )
        for first, _ in ranges:
            _check_run(layer, matrix, run[run["lane"] == first])
    if covered != len(matrix.weights):
        raise ImcflowError(f"{describe(layer)}: tiles cover {covered} of {len(matrix.weights)} output channels")


def _check_run(layer: CrossbarLinearOp, matrix: LayerMatrix, run: NDArray[np.void]) -> None:
    """Tiles of the same columns and lanes hold the weights of these columns."""
    bits = layer.weight_bits.value.data
    output, columns = int(run[0]["output"]), int(run[0]["columns"])
    begin, end = int(run["element"].min()), int((run["element"] + run["rows"]).max())
    held = np.zeros((columns, end - begin), np.int64)
    for tile in run:
        element, rows, shift, flags = (int(tile[name]) for name in ("element", "rows", "shift", "flags"))
        values = part_values(matrix.block(element, rows, output, columns), shift, flags, bits)
        held[:, element - begin : element - begin + rows] += values * part_factor(shift, flags)
    groups = np.arange(output, output + columns) // matrix.group_outputs
    reach = (int(groups[0]) * matrix.group_elements, (int(groups[-1]) + 1) * matrix.group_elements)
    if (begin, end) != reach or not np.array_equal(held, matrix.block(begin, end - begin, output, columns)):
        raise ImcflowError(f"{describe(layer)}: the tiles of output {output} do not add up to the weights")


def _check_residents(layers: list[CrossbarLinearOp]) -> None:
    """No tile of the network shares a cell with a resident one."""
    tables = [layer.tiles.table() for layer in layers]
    if not any((table["flags"] & TilePart.RESIDENT).any() for table in tables):
        return
    tiles = np.concatenate(tables)
    broken = ((tiles["flags"] & TilePart.RESIDENT) > 0) & ~shared_cells(tiles).alone
    if broken.any():
        first = int(np.argmax(broken))
        ends = np.cumsum([len(table) for table in tables])
        which = int(np.searchsorted(ends, first, side="right"))
        number, tile = first - int(ends[which]) + len(tables[which]), tiles[first]
        raise ImcflowError(
            f"{describe(layers[which])}: tile {number} is resident, but another tile lies in its cells at "
            f"row {tile['row']}, column {tile['column']} of slot {tile['slot']} of macro {tile['macro']}"
        )
