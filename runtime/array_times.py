"""When the arrays of a kernel are busy: they run in parallel and meet at MOVEs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.isa import Opcode
from imcflow.runtime.port_shifts import stable_order

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Column = np.ndarray[Any, np.dtype[np.int64]]
    Times = np.ndarray[Any, np.dtype[np.float64]]


def instruction_arrays(table: InstructionTable, cells_per_array: int) -> tuple[Column, Column]:
    """Return, per instruction, the array that it writes (or that it stores from), and the one it comes from."""
    opcode = table["opcode"]
    from_r = table["r"].astype(np.int64) // cells_per_array
    from_a = table["a"].astype(np.int64) // cells_per_array
    owner = np.where((opcode == Opcode.STORE) | (opcode == Opcode.STORE_STEP), from_a, from_r)
    return owner, np.where(opcode == Opcode.MOVE, from_a, owner)


def move_levels(owner: Column, source: Column, arrays_per_tile: int, arrays_per_bank: int) -> Column:
    """Return, per instruction, how far it moves data: 0 within a tile or nowhere, 1 between tiles, 2 between banks."""
    between_tiles = owner // arrays_per_tile != source // arrays_per_tile
    between_banks = owner // arrays_per_bank != source // arrays_per_bank
    return between_tiles.astype(np.int64) + between_banks


def array_times(owner: Column, source: Column, cycles: Times, array_count: int) -> tuple[Times, Times, int]:
    """Return, per array, the cycles of its own instructions and the time at which it ends; and the crossing MOVEs.

    Arrays run in parallel; a MOVE starts when both of its arrays are free and occupies both. Between MOVEs an array
    just adds up, so only MOVEs are visited one by one.
    """
    crossing = np.flatnonzero(owner != source)
    # A crossing MOVE is an event on its destination followed by one on its source.
    occurrences = np.ones(len(owner), np.int64)
    occurrences[crossing] = 2
    at_destination = crossing + np.arange(len(crossing))
    events = np.repeat(np.arange(len(owner)), occurrences)
    owners = owner[events]
    owners[at_destination + 1] = source[crossing]
    order = stable_order(owners)
    owners, work = owners[order], cycles[events[order]]
    busy = np.bincount(owners, weights=work, minlength=array_count).astype(np.float64)
    if not len(crossing):
        return busy, busy, 0

    started = np.cumsum(work) - work
    first = np.searchsorted(owners, np.arange(array_count))
    base = np.append(started, 0.0)[np.minimum(first, len(started))]
    offset_of_event = np.empty(len(order), np.float64)
    offset_of_event[order] = started - base[owners]
    own_at_destination = offset_of_event[at_destination]
    own_at_source = offset_of_event[at_destination + 1]
    waited = np.zeros(array_count, np.float64)
    pairs = zip(
        owner[crossing].tolist(),
        source[crossing].tolist(),
        own_at_destination.tolist(),
        own_at_source.tolist(),
        strict=True,
    )
    for into, out_of, own_destination, own_source in pairs:
        start = max(own_destination + waited[into], own_source + waited[out_of])
        waited[into] = start - own_destination
        waited[out_of] = start - own_source
    return busy, busy + waited, len(crossing)
