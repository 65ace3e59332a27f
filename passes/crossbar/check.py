"""The contract of crossbar layers at the mapped level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from xdsl.dialects.builtin import ModuleOp

from imcflow.dialect.attributes import Unit
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_crossbar import CrossbarLinearOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.errors import ImcflowError
from imcflow.passes.crossbar.emit import layer_matrix
from imcflow.passes.crossbar.tiles import part_factor, part_values
from imcflow.passes.units import runs_on

if TYPE_CHECKING:
    from imcflow.runtime.program import MacroSummary


def check_mapped_crossbar(module: ModuleOp, macro: MacroSummary) -> None:
    """Every layer of the crossbar is mapped; tiles fit macros and slots; together they hold exactly the weights.

    Raises:
        ImcflowError: names node, tile and limit.
    """
    for layer in module.walk():
        if isinstance(layer, Conv2dOp | GemmOp) and runs_on(layer, Unit.CROSSBAR):
            raise ImcflowError(f"{describe(layer)} is not mapped; run imc-map-crossbar")
        if isinstance(layer, CrossbarLinearOp):
            _check_places(layer, macro)
            _check_weights(layer)


def _check_places(layer: CrossbarLinearOp, macro: MacroSummary) -> None:
    if layer.weight_bits.value.data > macro.weight_bits:
        raise ImcflowError(
            f"{describe(layer)}: weight_bits {layer.weight_bits.value.data}, a cell word has {macro.weight_bits}"
        )
    limits = {"macro": macro.macros - 1, "slot": macro.slots - 1, "rows": macro.rows, "columns": macro.columns}
    table = layer.tiles.table()
    for name, limit in limits.items():
        outside = np.flatnonzero((table[name] < 0) | (table[name] > limit))
        if len(outside):
            number = int(outside[0])
            raise ImcflowError(
                f"{describe(layer)}: tile {number}: {name} {int(table[name][number])} exceeds the target's {limit}"
            )


def _check_weights(layer: CrossbarLinearOp) -> None:
    """Add the tiles of each run of columns up and compare with the weights."""
    matrix, table, bits = layer_matrix(layer), layer.tiles.table(), layer.weight_bits.value.data
    starts = np.flatnonzero(np.diff(table["output"], prepend=-1))
    covered = 0
    for start, stop in zip(starts, [*starts[1:], len(table)], strict=True):
        output, columns = int(table[start]["output"]), int(table[start]["columns"])
        if output != covered:
            raise ImcflowError(f"{describe(layer)}: tile {start} begins at output {output}, expected {covered}")
        covered += columns
        run = table[start:stop]
        first, last = int(run["element"].min()), int((run["element"] + run["rows"]).max())
        held = np.zeros((columns, last - first), np.int64)
        for tile in run:
            element, rows, shift, flags = (int(tile[name]) for name in ("element", "rows", "shift", "flags"))
            if int(tile["columns"]) != columns:
                raise ImcflowError(f"{describe(layer)}: tiles of output {output} differ in their columns")
            values = part_values(matrix.block(element, rows, output, columns), shift, flags, bits)
            held[:, element - first : element - first + rows] += values * part_factor(shift, flags)
        groups = np.arange(output, output + columns) // matrix.group_outputs
        reach = (int(groups[0]) * matrix.group_elements, (int(groups[-1]) + 1) * matrix.group_elements)
        if (first, last) != reach or not np.array_equal(held, matrix.block(first, last - first, output, columns)):
            raise ImcflowError(f"{describe(layer)}: the tiles of output {output} do not add up to the weights")
    if covered != len(matrix.weights):
        raise ImcflowError(f"{describe(layer)}: tiles cover {covered} of {len(matrix.weights)} output channels")
