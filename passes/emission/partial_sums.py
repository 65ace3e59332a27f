"""Instructions that add the partial sums of several arrays.

A partial sum moves to a word of the array that keeps its output, on a track below the accumulators: values are no
longer needed there. It is added in place. The two arrays of a pair take turns to move, then add at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.placement import StepKind
from imcflow.errors import ImcflowError
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.reduction.partial_sums import Exchange, contributes, exchanges, final_outputs
from imcflow.runtime.isa import Flag, Opcode, instruction_dtype

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.dialect.placement import Placement

    Table = NDArray[np.void]

LANDING_TRACKS = 16
"""Tracks that arriving words take in turn, so that none wears out first."""
STORES = (Opcode.STORE, Opcode.STORE_STEP)


@dataclass(frozen=True, eq=False)
class _Array:
    """One array of the part: where its sums lie.

    Attributes:
        first_cell: of the array in the kernel.
        cells: int64 [outputs], accumulators inside the array.
        carry: first carry cell inside the array; `carries` of them on consecutive tracks.
        landing: cells inside the array for arriving words.
    """

    program: AddSubProgram
    placement: Placement
    first_cell: int
    cells: NDArray[np.int64]
    carries: int
    landing: tuple[int, ...]
    contributes: NDArray[np.bool_]


def emit_partial_sums(
    programs: Sequence[AddSubProgram], placements: Sequence[Placement], layer: str, points: Sequence[EmissionPoint]
) -> list[Table]:
    """Return the instructions of one part of a layer: those of each array, the additions, the stores.

    Args:
        programs: one per array, over different window elements; a power of two of them, with intervals of all sums.
        placements: of the programs, with every output in an accumulator until the end.
        layer: name for messages.
        points: where in the kernel the programs go.

    Returns:
        one table per array, then one with the additions, then one with the stores.

    Raises:
        ImcflowError: as for `emit_instructions`; or an array has no room for arriving words.
    """
    bodies: list[Table] = []
    stores: list[Table] = []
    final = final_outputs(len(programs), programs[0].output_count)
    for program, placement, at, own in zip(programs, placements, points, final, strict=True):
        table = emit_instructions(program, placement, layer, at)
        stored = np.isin(table["opcode"], STORES)
        bodies.append(table[~stored])
        stores.append(table[stored & np.isin(table["imm"] - at.first_output, own)])
    arrays = [
        _array(*item, layer) for item in zip(programs, placements, (point.array for point in points), strict=True)
    ]
    rows: list[Table] = []
    plan = exchanges(len(programs), programs[0].output_count)
    for one, other in zip(plan[::2], plan[1::2], strict=True):
        rows += _pair(arrays, one, other)
    return [*bodies, np.concatenate([np.zeros(0, instruction_dtype()), *rows]), np.concatenate(stores)]


def _array(program: AddSubProgram, placement: Placement, number: int, layer: str) -> _Array:
    domains = placement.domains
    chosen = placement.kind == StepKind.STORE
    cells = np.full(program.output_count, -1, dtype=np.int64)
    cells[placement.index[chosen]] = placement.a[chosen]
    assert program.outputs is not None
    order = np.argsort(cells)
    if bool(np.any(cells[order][:-1] + program.outputs.bits[order][:-1] > cells[order][1:])):
        raise ImcflowError(f"{layer}: outputs of array {number} share cells, so that partial sums cannot wait there")
    carries = placement.tracks - placement.carry // domains
    landing = tuple(track * domains for track in range(min(LANDING_TRACKS, int(cells.min()) // domains)))
    if not landing:
        raise ImcflowError(f"{layer}: accumulators fill array {number}, no track is left for partial sums of others")
    first_cell = number * placement.tracks * domains
    return _Array(program, placement, first_cell, cells, carries, landing, contributes(program))


def _pair(arrays: Sequence[_Array], one: Exchange, other: Exchange) -> list[Table]:
    """Both directions of one round, output by output."""
    streams = [
        [_addition(arrays[way.keeper], arrays[way.giver], output, turn) for turn, output in enumerate(outputs.tolist())]
        for way in (one, other)
        for outputs in (_arriving(arrays, way),)
    ]
    rows: list[Table] = []
    for turn in range(max(map(len, streams))):
        steps = [stream[turn] for stream in streams if turn < len(stream)]
        rows += [clear for clear, _, _ in steps if clear is not None]
        rows += [move for _, move, _ in steps]
        rows += [add for _, _, add in steps]
    return rows


def _arriving(arrays: Sequence[_Array], way: Exchange) -> NDArray[np.int64]:
    """Outputs of an exchange to which the giver has anything to add, from this array or from those before it."""
    gives = arrays[way.giver].contributes
    arriving = way.outputs[gives[way.outputs]]
    arrays[way.keeper].contributes[arriving] = True
    return arriving


def _addition(keeper: _Array, giver: _Array, output: int, turn: int) -> tuple[Table | None, Table, Table]:
    """CLEAR of the carries where a round of them begins, MOVE, and ADD_INTO."""
    assert giver.program.outputs is not None
    assert keeper.program.outputs is not None
    domains = keeper.placement.domains
    bits = giver.program.outputs.bits[output]
    arrived = keeper.first_cell + keeper.landing[turn % len(keeper.landing)]
    clear = None
    flags = Flag.A_SIGNED if giver.program.outputs.signed[output] else Flag(0)
    if keeper.carries > 1:
        flags |= Flag.C_IS_ZERO
        if turn % keeper.carries == 0:
            clear = _row(Opcode.CLEAR, r=keeper.first_cell + keeper.placement.carry, r_bits=1, imm=keeper.carries)
    move = _row(Opcode.MOVE, a=giver.first_cell + giver.cells[output], a_bits=bits, r=arrived, r_bits=bits)
    add = _row(
        Opcode.ADD_INTO,
        flags=flags,
        a=arrived,
        a_bits=bits,
        r=keeper.first_cell + keeper.cells[output],
        r_bits=keeper.program.outputs.bits[output],
        c=keeper.first_cell + keeper.placement.carry + turn % keeper.carries * domains,
    )
    return clear, move, add


def _row(opcode: Opcode, **fields: int | np.integer | Flag) -> Table:
    row: Table = np.zeros(1, instruction_dtype())
    row["opcode"] = opcode
    for name, value in fields.items():
        row[name] = value
    return row
