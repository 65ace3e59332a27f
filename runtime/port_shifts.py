"""Shifts of racetrack tracks under a stream of instructions: `docs/instruction-stream.md` section 4.

Every instruction uses a few tracks; on each it enters at one domain and leaves at another, moving steadily in between.
Shifts are therefore a matter of where the track was left before: one stable sort by track, no loop over instructions.

With several ports, port k stands over domain k * domains / ports of a track at rest, and a word is served by the port
of the section in which its bit 0 lies. What counts is then how far the track is moved, which is the distance of a cell
from that port's own domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.isa import OPERANDS, Flag, Opcode

if TYPE_CHECKING:
    from imcflow.runtime.program import InstructionTable

    Column = np.ndarray[Any, np.dtype[np.int64]]
    Mask = np.ndarray[Any, np.dtype[np.bool_]]

_SLOTS = ("r", "a", "b", "c")


def _opcode_table(names: tuple[str, ...], kinds: tuple[str, ...]) -> dict[str, Mask]:
    tables: dict[str, Mask] = {}
    for name in names:
        tables[name] = np.zeros(256, np.bool_)
        for opcode in Opcode:
            use = OPERANDS[opcode]
            operands = {"words": (*use.reads, *use.writes), "cells": use.cells}
            tables[name][opcode] = any(name in operands[kind] for kind in kinds)
    return tables


_USES = _opcode_table(_SLOTS, ("words", "cells"))
_IS_CELL = _opcode_table(_SLOTS, ("cells",))
_DOWNWARDS = np.zeros((len(_SLOTS), 256), np.bool_)
for _opcode, _names in ((Opcode.MAX_INTO, "ra"), (Opcode.RELU, "r"), (Opcode.STEP, "a")):
    for _name in _names:
        _DOWNWARDS[_SLOTS.index(_name), _opcode] = True


@dataclass(frozen=True)
class PortShifts:
    """Shifts of a stream.

    Attributes:
        shifts: int64 [instructions]; steps of all tracks.
        shift_cycles: int64 [instructions]; tracks move in parallel.
        tracks: int64 [used tracks]; their numbers, ascending.
        final_positions: int64 [used tracks]; how far each track is from rest at the end.
    """

    shifts: Column
    shift_cycles: Column
    tracks: Column
    final_positions: Column

    def rewind_cycles(self, array_count: int, tracks_per_array: int) -> Column:
        """Return, per array, the shift cycles that bring all its tracks back to rest."""
        cycles = np.zeros(array_count, np.int64)
        np.maximum.at(cycles, self.tracks // tracks_per_array, self.final_positions)
        return cycles


def port_shifts(instructions: InstructionTable, domains: int, ports: int = 1) -> PortShifts:
    """Return the shifts of a checked stream whose tracks all start at rest.

    Args:
        instructions: checked instruction rows.
        domains: cells per track.
        ports: ports per track; a divisor of `domains`.
    """
    count = len(instructions)
    if not count:
        nothing = np.zeros(0, np.int64)
        return PortShifts(nothing, nothing, nothing, nothing)
    owner, slot, track, entry, leave = _visits(instructions, domains, domains // ports)
    order = stable_order(track)
    sorted_track, sorted_leave = track[order], leave[order]
    new_track = np.ones(len(order), np.bool_)
    new_track[1:] = sorted_track[1:] != sorted_track[:-1]
    before = np.zeros(len(order), np.int64)
    before[1:] = np.where(new_track[1:], 0, sorted_leave[:-1])
    align = np.empty(len(order), np.int64)
    align[order] = np.abs(entry[order] - before)
    travel = np.abs(leave - entry)

    # The result word of a STEP is reached after A has been walked through: its moves come on top of the others'.
    late = (slot == 0) & (instructions["opcode"][owner] == Opcode.STEP)
    starts = np.searchsorted(owner, np.arange(count))
    cycles = np.maximum.reduceat(np.where(late, 0, align), starts)
    cycles += np.maximum.reduceat(np.where(late, 0, travel), starts)
    cycles[owner[late]] += (align + travel)[late]
    last = np.append(new_track[1:], True)
    return PortShifts(
        shifts=np.add.reduceat(align + travel, starts),
        shift_cycles=cycles,
        tracks=sorted_track[last],
        final_positions=sorted_leave[last],
    )


def _visits(
    instructions: InstructionTable, domains: int, section: int
) -> tuple[Column, Column, Column, Column, Column]:
    """Return (instruction, slot, track, first position, last position) of every use of a track, by instruction."""
    opcode = instructions["opcode"]
    count = len(instructions)
    steps = _steps(instructions)
    track = np.empty((count, len(_SLOTS)), np.int64)
    entry = np.empty_like(track)
    leave = np.empty_like(track)
    used = np.empty((count, len(_SLOTS)), np.bool_)
    for slot, name in enumerate(_SLOTS):
        cell = instructions[name].astype(np.int64)
        track[:, slot] = cell // domains
        low = (cell - track[:, slot] * domains) % section
        high = low + np.where(_IS_CELL[name][opcode], 1, steps[name]) - 1
        down = _DOWNWARDS[slot][opcode]
        entry[:, slot] = np.where(down, high, low)
        leave[:, slot] = np.where(down, low, high)
        used[:, slot] = _USES[name][opcode] & (_IS_CELL[name][opcode] | (steps[name] > 0))
    # A CLEAR of several words uses its r slot once per track.
    repeats = used.astype(np.int64)
    clears = opcode == Opcode.CLEAR
    repeats[clears, 0] = instructions["imm"][clears]
    repeats = repeats.reshape(-1)
    flat = np.repeat(np.arange(count * len(_SLOTS)), repeats)
    first = np.cumsum(repeats) - repeats
    word = np.arange(len(flat)) - first[flat]
    owner, slots = np.divmod(flat, len(_SLOTS))
    return owner, slots, track.reshape(-1)[flat] + word, entry.reshape(-1)[flat], leave.reshape(-1)[flat]


def _steps(instructions: InstructionTable) -> dict[str, Column]:
    """Return how many cells of each word the bit steps of an instruction visit."""
    opcode, flags = instructions["opcode"], instructions["flags"]
    a, b, r = (instructions[f"{name}_bits"].astype(np.int64) for name in "abr")
    walks_result = (opcode >= Opcode.COPY) & (opcode <= Opcode.SUB_FROM)
    a_steps = np.where(walks_result, np.minimum(a, r), a)
    b_steps = np.where(walks_result, np.minimum(b, r), b)
    # A COPY into zeros ends with its unsigned source: there is nothing to do for the bits above.
    short_copy = (opcode == Opcode.COPY) & ((flags & Flag.A_SIGNED) == 0) & ((flags & Flag.R_IS_ZERO) != 0)
    r_steps = np.where(short_copy, np.minimum(a, r), r)
    return {"a": a_steps, "b": b_steps, "r": r_steps, "c": np.ones_like(r)}


def stable_order(keys: Column) -> Column:
    """Return the stable sorting order of non-negative `keys` below 2**32, by radix sorts of 16 bits."""
    low = (keys & 0xFFFF).astype(np.uint16)
    order = np.argsort(low, kind="stable")
    if len(keys) and int(keys.max()) >> 16:
        high = (keys >> 16).astype(np.uint16)
        order = order[np.argsort(high[order], kind="stable")]
    return order
