"""How many rows the searches of a run found and its writes reached, layer by layer: what fidelity `count` gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from imcflow.runtime.kernels.layout import Counter
from imcflow.runtime.microcode import table_passes
from imcflow.runtime.program import ApKernel, Program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class StepMatches:
    """What the passes of one array step met on the images of a run.

    Attributes:
        step: number of the step in the program.
        name, onnx_nodes: of the step.
        rows: occupied rows, images times lanes per image; the stream runs once on each of them.
        searches, writes: passes of the stream.
        matched_rows: rows that match the key, summed over the searches.
        tagged_rows: rows that are written, summed over the writes behind searches.
        tagged_cells: the same in cells.
    """

    step: int
    name: str
    onnx_nodes: tuple[str, ...]
    rows: int
    searches: int
    writes: int
    matched_rows: int
    tagged_rows: int
    tagged_cells: int

    @property
    def match_share(self) -> float:
        """Share of the rows that a search finds, on average."""
        return self.matched_rows / (self.searches * self.rows) if self.searches and self.rows else 0.0

    @property
    def tagged_cells_per_row(self) -> float:
        """Cells that writes behind searches put into a row, on average."""
        return self.tagged_cells / self.rows if self.rows else 0.0

    def to_json(self) -> dict[str, object]:
        """Return a JSON object with stable keys."""
        return {
            "step": self.step,
            "name": self.name,
            "onnx_nodes": list(self.onnx_nodes),
            "rows": self.rows,
            "searches": self.searches,
            "writes": self.writes,
            "matched_rows": self.matched_rows,
            "match_share": self.match_share,
            "tagged_rows": self.tagged_rows,
            "tagged_cells": self.tagged_cells,
            "tagged_cells_per_row": self.tagged_cells_per_row,
        }


def step_matches(program: Program, counted: Mapping[int, NDArray[np.int64]], images: int) -> tuple[StepMatches, ...]:
    """Return the counts of all array steps.

    Args:
        program: what ran.
        counted: by number of the step, the `Counter` slots.
        images: size of the batch.
    """
    return tuple(
        _matches(number, step, counted[number], images, or_latch=program.target.or_latch)
        for number, step in enumerate(program.steps)
        if isinstance(step, ApKernel) and number in counted
    )


def _matches(number: int, step: ApKernel, slots: NDArray[np.int64], images: int, *, or_latch: bool) -> StepMatches:
    passes = table_passes(step.instructions, or_latch=or_latch)
    return StepMatches(
        step=number,
        name=step.name,
        onnx_nodes=step.onnx_nodes,
        rows=images * step.lanes_per_image,
        searches=int(passes.searches.sum()),
        writes=int(passes.writes.sum()),
        matched_rows=int(slots[Counter.MATCHED_ROWS]),
        tagged_rows=int(slots[Counter.TAGGED_ROWS]),
        tagged_cells=int(slots[Counter.TAGGED_CELLS]),
    )


def match_rows(steps: Iterable[StepMatches]) -> list[list[Any]]:
    """Return a table row per step, in the order of `MATCH_HEADER`."""
    return [
        [
            step.name,
            step.rows,
            step.searches,
            step.matched_rows,
            step.match_share,
            step.tagged_rows,
            step.tagged_cells,
        ]
        for step in steps
    ]


MATCH_HEADER = ("step", "rows", "searches", "matching rows", "share", "rows written", "cells written")
