"""Which weights stay in the cells from one inference to the next: known from the streams of a program alone.

Inferences repeat the steps of a program. A tile keeps its cells if no other LOAD of the program, in whichever kernel,
touches one of them: it is loaded once, before the first inference. Every other LOAD is executed in every inference,
for a batch of images as a whole, because the weights it brings have been overwritten since.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.cells import shared_cells
from imcflow.runtime.crossbar.isa import TileOpcode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel


@dataclass(frozen=True, eq=False)
class KernelResidency:
    """The LOADs of one kernel, in order, and which of them are executed once only.

    Attributes:
        loads: int64, numbers of the LOAD instructions.
        resident: bool per LOAD, whether its tile stays in the cells.
        weights: int64 per LOAD, weights it writes.
        rows: int64 per LOAD, rows of cells it writes.
    """

    loads: NDArray[np.int64]
    resident: NDArray[np.bool_]
    weights: NDArray[np.int64]
    rows: NDArray[np.int64]

    @property
    def resident_weights(self) -> int:
        """Weights that are written once per program."""
        return int(self.weights[self.resident].sum())

    @property
    def reloaded_weights(self) -> int:
        """Weights that are written in every inference."""
        return int(self.weights[~self.resident].sum())

    @property
    def reloaded_rows(self) -> int:
        """Rows of cells that are written in every inference."""
        return int(self.rows[~self.resident].sum())


def kernel_residencies(kernels: Sequence[CrossbarKernel]) -> list[KernelResidency]:
    """Return what stays in the cells, for each of the kernels that share the macros of a program.

    Args:
        kernels: all crossbar kernels of a checked program.
    """
    numbers = [np.flatnonzero(kernel.instructions["opcode"] == TileOpcode.LOAD) for kernel in kernels]
    tables = [kernel.instructions[found] for kernel, found in zip(kernels, numbers, strict=True)]
    if not tables:
        return []
    alone = np.split(shared_cells(np.concatenate(tables)).alone, np.cumsum([len(table) for table in tables])[:-1])
    return [
        KernelResidency(
            loads=found,
            resident=resident,
            weights=table["rows"].astype(np.int64) * table["columns"],
            rows=table["rows"].astype(np.int64),
        )
        for found, resident, table in zip(numbers, alone, tables, strict=True)
    ]
