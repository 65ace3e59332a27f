"""Counters of crossbar kernels, from their streams alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.converters import columns_per_weight
from imcflow.runtime.crossbar.isa import TileOpcode

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.crossbar.residency import KernelResidency
    from imcflow.runtime.program import CrossbarKernel, MacroSummary


@dataclass(frozen=True)
class CrossbarCounters:
    """Work of one crossbar kernel for one image.

    Attributes:
        tiles: products in the stream; each for all lanes, or for the lanes of its copy.
        lanes_per_image: output positions.
        cycles_per_product: input digits of one product.
        weight_loads: weights that LOADs write into cells.
        load_rows: rows of cells that they write.
        resident_weights: of the weights, those written once per program, because no other LOAD touches their cells.
        reloaded_weights: those written in every inference (once for the whole batch).
        reloaded_rows: rows of cells written in every inference.
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
    resident_weights: int
    reloaded_weights: int
    reloaded_rows: int
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


def count_crossbar_kernel(
    kernel: CrossbarKernel, macro: MacroSummary, residency: KernelResidency, *, step_number: int = 0
) -> CrossbarCounters:
    """Count one kernel of a checked program; see `CrossbarCounters`.

    Args:
        kernel: the stream.
        macro: geometry of the macros.
        residency: of the kernel, among all kernels of the program.
        step_number: in the program.
    """
    table, lanes = kernel.instructions, kernel.lanes_per_image
    rows, columns = table["rows"].astype(np.int64), table["columns"].astype(np.int64)
    opcode = table["opcode"]
    loads, products = opcode == TileOpcode.LOAD, opcode == TileOpcode.MULTIPLY
    cycles = -(-kernel.window.bits // macro.bits_per_cycle)
    tiles = int(products.sum())
    # Lanes of each product: 0 stands for all.
    its_lanes = np.where(table["lanes"] > 0, table["lanes"], lanes).astype(np.int64)[products]
    busy = np.zeros(macro.macros, np.int64)
    np.add.at(busy, table["macro"][products], its_lanes * cycles)
    columns_read = int((columns[products] * its_lanes).sum()) * columns_per_weight(kernel.weight_bits, macro) * cycles
    return CrossbarCounters(
        step=step_number,
        name=kernel.name,
        onnx_nodes=kernel.onnx_nodes,
        tiles=tiles,
        lanes_per_image=lanes,
        cycles_per_product=cycles,
        weight_loads=int((rows * columns)[loads].sum()),
        load_rows=int(rows[loads].sum()),
        resident_weights=residency.resident_weights,
        reloaded_weights=residency.reloaded_weights,
        reloaded_rows=residency.reloaded_rows,
        activations=int(its_lanes.sum()) * cycles,
        rows_driven=int((rows[products] * its_lanes).sum()) * cycles,
        columns_read=columns_read,
        conversions=columns_read if macro.adc_levels else 0,
        multiplications=int(((rows * columns)[products] * its_lanes).sum()),
        accumulations=_accumulations(table, lanes),
        stores=int(columns[opcode == TileOpcode.STORE].sum()) * lanes,
        macro_cycles=tuple(int(count) for count in busy),
        makespan_cycles=int(busy.max(initial=0)),
    )


def _accumulations(table: NDArray[np.void], lanes_per_image: int) -> int:
    """Return how many results are added; an ACCUMULATE works on the lanes of its macro's last MULTIPLY."""
    lanes: dict[int, int] = {}
    total = 0
    for opcode, macro, count, columns in zip(
        *(table[name].tolist() for name in ("opcode", "macro", "lanes", "columns")), strict=True
    ):
        if opcode == TileOpcode.MULTIPLY:
            lanes[macro] = count or lanes_per_image
        elif opcode == TileOpcode.ACCUMULATE:
            total += columns * lanes[macro]
    return total
