"""Row and column blocks of a layer's weight matrix on crossbars of one size.

    rows = K K C_in    columns = C_out g    crossbars = ceil(rows / R) ceil(columns / C)    (sheet 2.1)

A layer may also hold its kernel several times in the same crossbars, shifted, so that one product yields a patch of
h x w output pixels from their common window (the idea of shifted and duplicated kernels, arXiv 2112.11282):

    rows = (K + (h-1) s) (K + (w-1) s) C_in    columns = h w C_out g
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from imcflow.passes.pipelining.layers import PipelineError, Stage

Patch = tuple[int, int]
"""Height and width, in output pixels, of what one step of a stage computes."""

PIXEL: Patch = (1, 1)


@dataclass(frozen=True, slots=True)
class Crossbar:
    """One core's array.

    Args:
        rows: R, inputs.
        columns: C, outputs.
        slices: g, columns that hold one weight together.

    Raises:
        PipelineError: a value is below 1.
    """

    rows: int = 256
    columns: int = 256
    slices: int = 1

    def __post_init__(self) -> None:
        if min(self.rows, self.columns, self.slices) < 1:
            raise PipelineError(f"{self}: needs at least 1 row, column and slice")


@dataclass(frozen=True, slots=True)
class Blocks:
    """A stage's weights on crossbars.

    Args:
        rows: of the matrix.
        columns: of the matrix, slices included.
        row_blocks: crossbars whose results are added.
        column_blocks: crossbars whose results stand side by side.
    """

    rows: int
    columns: int
    row_blocks: int
    column_blocks: int

    @property
    def crossbars(self) -> int:
        """Of one copy; 0 for a stage without weights."""
        return self.row_blocks * self.column_blocks

    @property
    def adder_depth(self) -> int:
        """Levels of the tree that adds the row blocks."""
        return max(self.row_blocks - 1, 0).bit_length()


def stage_blocks(stage: Stage, crossbar: Crossbar, patch: Patch = PIXEL) -> Blocks:
    """Blocks of a stage that computes one patch of output pixels per step."""
    if stage.inputs == 0:
        return Blocks(0, 0, 0, 0)
    window = stage.edges[0]
    height = stage.taps[0] + (patch[0] - 1) * window.rows.stride
    width = stage.taps[1] + (patch[1] - 1) * window.columns.stride
    rows = height * width * stage.inputs
    columns = patch[0] * patch[1] * stage.channels * crossbar.slices
    return Blocks(rows, columns, math.ceil(rows / crossbar.rows), math.ceil(columns / crossbar.columns))


def steps(stage: Stage, patch: Patch = PIXEL) -> int:
    """Steps of one copy for one image."""
    return math.ceil(stage.height / patch[0]) * math.ceil(stage.width / patch[1])


@lru_cache(maxsize=4096)
def useful_patches(stage: Stage, crossbar: Crossbar, most_pixels: int = 64) -> tuple[Patch, ...]:
    """Patches of at most `most_pixels` for which no other one needs neither more crossbars nor more steps.

    Sorted by crossbars; the first is the single pixel or a patch that costs no more.
    """
    if stage.inputs == 0:
        return (PIXEL,)
    found: list[tuple[int, int, int, Patch]] = []
    for height in range(1, min(stage.height, most_pixels) + 1):
        for width in range(1, min(stage.width, most_pixels // height) + 1):
            patch = (height, width)
            found.append((stage_blocks(stage, crossbar, patch).crossbars, steps(stage, patch), height * width, patch))
    found.sort()
    front: list[Patch] = []
    fewest = stage.pixels + 1
    for _, count, _, patch in found:
        if count < fewest:
            front.append(patch)
            fewest = count
    return tuple(front)
