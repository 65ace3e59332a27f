"""What the passes of the associative processor need to know of a target, and what follows from it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.allocation.allocate import ArrayGeometry, accumulator_tracks
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.plain import plain_program
from imcflow.passes.reduction.reduce import OR_LATCH, STRICT, BitCycles, output_bounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.counters import CycleWeights
    from imcflow.runtime.program import TargetSummary
    from imcflow.targets.ap import ApUnits

LANE_DOMAINS = 64
"""Words never cross a multiple of this many domains."""
ACCUMULATOR_SHARE = 0.75
"""Largest part of an array's tracks for accumulators; the rest holds window elements and shared sums."""


@dataclass(frozen=True)
class ApTarget:
    """An associative-processor target as the compiler sees it.

    Attributes:
        summary: what the program will carry.
        units: where thresholds, pooling and additions of tensors run.
        weights: cycles of array instructions, shifts and moved bits.
        arrays: all arrays of the target.
    """

    summary: TargetSummary
    units: ApUnits
    weights: CycleWeights
    arrays: int

    @property
    def geometry(self) -> ArrayGeometry:
        """Tracks and domains of one array."""
        return ArrayGeometry(self.summary.tracks, self.summary.domains)

    @property
    def cycles(self) -> BitCycles:
        """Search and write cycles per bit of the machine's tag latch."""
        return OR_LATCH if self.summary.or_latch else STRICT


def load_ap_target(name: str) -> ApTarget:
    """Return the associative-processor target called `name`: a preset or a YAML file.

    Raises:
        TargetError: there is no such target, it is wrong, or it is no associative processor.
    """
    from imcflow.errors import TargetError
    from imcflow.targets import load_target
    from imcflow.targets.ap import ApTarget as Description

    description = load_target(name)
    if not isinstance(description, Description):
        raise TargetError(f"target {name} is of kind {description.kind}, an associative processor (ap) is needed")
    arrays = description.hierarchy.arrays
    return ApTarget(description.summary(), description.units, description.cycle_weights(), arrays)


def split_outputs(
    matrix: NDArray[np.int64],
    bounds: Bounds,
    bias: NDArray[np.int64],
    group: int,
    target: ApTarget,
    layer: str,
    *,
    keep_outputs: bool = False,
) -> list[slice]:
    """Cut the outputs of a layer into the fewest equal parts whose accumulators leave room on an array.

    Outputs that one slice completes (depthwise layers) free their accumulator early; this is taken into account.

    Args:
        matrix: integers [outputs, inputs].
        bounds: intervals of the window elements.
        bias: int64 [outputs].
        group: window elements per slice, 0 for one slice.
        target: limits the tracks.
        layer: name for messages.
        keep_outputs: accumulators are not freed, because partial sums of other arrays are added in the end.

    Raises:
        CapacityError: a single accumulator does not fit.
    """
    outputs = len(matrix)
    limit = int(ACCUMULATOR_SHARE * target.geometry.tracks)
    widest = int(output_bounds(matrix, bounds, bias).bits.max(initial=1))
    words_per_track = min(target.geometry.domains, LANE_DOMAINS) // widest
    if words_per_track and -(-outputs // words_per_track) <= limit:
        return [slice(0, outputs)]
    parts = 1
    while True:
        size = -(-outputs // parts)
        pieces = [slice(begin, min(begin + size, outputs)) for begin in range(0, outputs, size)]
        needed = 0
        for piece in pieces:
            program = infer_bounds(plain_program(matrix[piece], group=group, bias=bias[piece]), bounds)
            needed = max(needed, accumulator_tracks(program, target.geometry, layer, keep_outputs=keep_outputs))
        if needed <= limit or size == 1:
            return pieces
        parts = max(parts + 1, parts * needed // limit)
