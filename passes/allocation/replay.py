"""Check a placement by replaying it on what its cells hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.placement import StepKind
from imcflow.errors import ImcflowError
from imcflow.passes.allocation.allocate import word_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.dialect.placement import Placement
    from imcflow.passes.allocation.allocate import ArrayGeometry

COMPLAINTS = {
    1: "leaves the array or crosses the end of a track",
    2: "has two words on one track, or one on the carry's",
    3: "reads cells that do not hold the word it needs",
    4: "promises zeros that are not known",
    5: "names something that does not exist",
    6: "stores an output for the second time",
    7: "runs out of order",
}


class PlacementError(ImcflowError):
    """A placement is wrong: the message names the step."""


def check_placement(
    program: AddSubProgram,
    placement: Placement,
    geometry: ArrayGeometry,
    loaded_bits: NDArray[np.int32] | None = None,
) -> None:
    """Replay a placement.

    Args:
        program: with intervals.
        placement: of that program.
        geometry: of the target's arrays.
        loaded_bits: as for `place_program`.

    Raises:
        PlacementError: on the first wrong step, or if an output is never stored.
    """
    from imcflow.passes.allocation.replay_kernel import replay

    if program.values is None or program.outputs is None:
        raise PlacementError("the program has no intervals")
    if (placement.tracks, placement.domains) != (geometry.tracks, geometry.domains):
        raise PlacementError(
            f"placed on {placement.tracks} tracks of {placement.domains} domains, "
            f"the target's arrays have {geometry.tracks} of {geometry.domains}"
        )
    stored = np.zeros(program.output_count, dtype=np.bool_)
    step, complaint = replay(
        placement.tracks,
        placement.domains,
        placement.carry,
        placement.kind,
        placement.flags,
        placement.index,
        placement.a,
        placement.b,
        placement.r,
        program.input_count,
        program.lhs,
        program.rhs,
        program.accumulate_output,
        program.accumulate_value,
        program.values.bits,
        word_bits(program, loaded_bits),
        program.outputs.bits,
        program.bias != 0,
        np.zeros(len(program.values.low), dtype=np.uint8) if program.lift is None else program.lift,
        stored,
    )
    if step >= 0:
        kind = placement.kind[step]
        what = StepKind(int(kind)).name.lower() if kind in iter(StepKind) else f"kind {kind}"
        raise PlacementError(f"step {step} ({what} {placement.index[step]}) {COMPLAINTS[complaint]}")
    missing = np.flatnonzero(~stored)
    if len(missing):
        raise PlacementError(f"output {missing[0]} is never stored")
