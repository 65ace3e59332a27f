"""Counters of crossbar kernels, from their streams alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.isa import TileOpcode

if TYPE_CHECKING:
    from imcflow.runtime.program import CrossbarKernel, MacroSummary


@dataclass(frozen=True)
class CrossbarCounters:
    """Work of one crossbar kernel for one image.

    Attributes:
        tiles: products per lane.
        lanes_per_image: output positions.
        cycles_per_product: input digits of one product.
        weight_loads: weights written into cells; the same for every batch.
        load_rows: rows of cells written.
        activations: macro cycles: products x lanes x input digits.
        rows_driven: rows that get an input digit, summed over all activations.
        columns_read: physical columns that are summed, over all activations.
        conversions: columns read by a converter; 0 on digital macros.
        multiplications: one weight by one activation, cells without weight in the tile's rectangle included.
        accumulations: results of a column added to an accumulator.
        stores: elements stored.
        macro_cycles: activations of each macro, one after the other.
        makespan_cycles: activations of the busiest macro; loads not counted.
    """

    step: int
    name: str
    onnx_nodes: tuple[str, ...]
    tiles: int
    lanes_per_image: int
    cycles_per_product: int
    weight_loads: int
    load_rows: int
    activations: int
    rows_driven: int
    columns_read: int
    conversions: int
    multiplications: int
    accumulations: int
    stores: int
    macro_cycles: tuple[int, ...]
    makespan_cycles: int

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {**asdict(self), "onnx_nodes": list(self.onnx_nodes), "macro_cycles": list(self.macro_cycles)}


def count_crossbar_kernel(kernel: CrossbarKernel, macro: MacroSummary, *, step_number: int = 0) -> CrossbarCounters:
    """Count one kernel of a checked program; see `CrossbarCounters`."""
    table, lanes = kernel.instructions, kernel.lanes_per_image
    rows, columns = table["rows"].astype(np.int64), table["columns"].astype(np.int64)
    opcode = table["opcode"]
    loads, products = opcode == TileOpcode.LOAD, opcode == TileOpcode.MULTIPLY
    cycles = -(-kernel.window.bits // macro.bits_per_cycle)
    tiles = int(products.sum())
    busy = np.bincount(table["macro"][products], minlength=macro.macros) * cycles * lanes
    columns_read = int(columns[products].sum()) * kernel.weight_bits * cycles * lanes
    return CrossbarCounters(
        step=step_number,
        name=kernel.name,
        onnx_nodes=kernel.onnx_nodes,
        tiles=tiles,
        lanes_per_image=lanes,
        cycles_per_product=cycles,
        weight_loads=int((rows * columns)[loads].sum()),
        load_rows=int(rows[loads].sum()),
        activations=tiles * cycles * lanes,
        rows_driven=int(rows[products].sum()) * cycles * lanes,
        columns_read=columns_read,
        conversions=columns_read if macro.adc_levels else 0,
        multiplications=int((rows * columns)[products].sum()) * lanes,
        accumulations=int(columns[opcode == TileOpcode.ACCUMULATE].sum()) * lanes,
        stores=int(columns[opcode == TileOpcode.STORE].sum()) * lanes,
        macro_cycles=tuple(int(count) for count in busy),
        makespan_cycles=int(busy.max(initial=0)),
    )
