"""Put a reduced program on the tracks of one associative-processor array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.placement import Placement
from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram


SPREAD_SHARE = 0.5
"""Accumulators are spread over at most this share of the tracks."""
SCRATCH_TRACKS = 48
"""Tracks that values used once take in turn."""
CARRY_TRACKS = 16
"""Carry cells of an array with at least `CARRY_SHARE` times as many tracks; smaller ones have one. Cells in turn are
cleared together by one write, and wear evenly: the carry is the most written cell of all."""
CARRY_SHARE = 16
SHORTEST_BAND = 8
"""Domains that such a value may fill at least."""


class CapacityError(ImcflowError):
    """A layer does not fit an array: the message names the layer, what it needs and what there is."""


@dataclass(frozen=True)
class ArrayGeometry:
    """One associative-processor array: cells per row are `tracks` x `domains`."""

    tracks: int
    domains: int

    @property
    def carry_tracks(self) -> int:
        """Tracks that hold one carry cell each."""
        return CARRY_TRACKS if self.tracks >= CARRY_SHARE * CARRY_TRACKS else 1

    @property
    def word_tracks(self) -> int:
        """Tracks for words."""
        return self.tracks - self.carry_tracks


def place_program(
    program: AddSubProgram,
    geometry: ArrayGeometry,
    layer: str,
    *,
    loaded_bits: NDArray[np.int32] | None = None,
    negated_store: bool = False,
    in_place: bool = True,
    keep_outputs: bool = False,
) -> Placement:
    """Order the steps of a program and give every word its cells.

    The last tracks hold the carry cells, the tracks below them the accumulators, all others the values.

    Args:
        program: with intervals.
        geometry: of the array.
        layer: name for messages.
        loaded_bits: bits in which each window element is loaded, if more than its interval needs [inputs].
        negated_store: an output that is minus a value may be stored as it is, with flag NEGATED.
        in_place: overwrite operands at their last use.
        keep_outputs: every output has an accumulator of its own, which keeps it after the store.

    Raises:
        CapacityError: accumulators and values do not fit the array at any one time.
    """
    if program.values is None or program.outputs is None:
        raise ImcflowError(f"{layer}: tracks are allocated after imc-infer-widths, the program has no intervals")
    kind, index = _schedule(program)
    job = _Job(
        program,
        geometry,
        kind,
        index,
        word_bits(program, loaded_bits),
        np.zeros(program.output_count, dtype=np.bool_) if keep_outputs else _stored_directly(program, negated_store),
        in_place,
        keep_outputs,
    )
    bits = program.outputs.bits
    widest = int(bits.max(initial=1))
    # Few accumulators per track keep its port close to them; but values need tracks too.
    limits = sorted({widest * words for words in range(1, geometry.domains // widest + 1)} | {geometry.domains})
    value = -1
    for limit in limits:
        cells, used = job.accumulators(limit)
        if used < 0 or (limit != geometry.domains and used > job.word_tracks * SPREAD_SHARE):
            continue
        placement, value = job.values(cells, used)
        if placement is not None:
            return placement
    if value < 0:
        needed = -(-int(bits[~job.direct].sum()) // geometry.domains)
        raise CapacityError(
            f"{layer}: the accumulators need at least {needed} tracks of {geometry.domains} domains, "
            f"an array has {geometry.word_tracks}"
        )
    raise CapacityError(
        f"{layer}: no room for value {value} ({program.values.bits[value]} bits) beside the accumulators on "
        f"{geometry.tracks} tracks of {geometry.domains} domains; use a smaller scope"
    )


@dataclass(frozen=True, eq=False)
class _Job:
    """One schedule to place: `words` is the word length of every value, `direct` marks outputs without accumulator."""

    program: AddSubProgram
    geometry: ArrayGeometry
    kind: NDArray[np.uint8]
    index: NDArray[np.int32]
    words: NDArray[np.int32]
    direct: NDArray[np.bool_]
    in_place: bool
    keep_outputs: bool

    @property
    def lifted(self) -> bool:
        """Whether some value is lifted: the last track for words then holds a 1."""
        return self.program.lift is not None

    @property
    def word_tracks(self) -> int:
        """Tracks for words, less that of the 1."""
        return self.geometry.word_tracks - self.lifted

    def accumulators(self, limit: int) -> tuple[NDArray[np.int32], int]:
        """Cells of the accumulators below domain `limit`, tracks counted from 0, and their tracks; -1 for no room."""
        from imcflow.passes.allocation.place import place_accumulators

        assert self.program.outputs is not None
        cells = np.empty(self.program.output_count, dtype=np.int32)
        used = place_accumulators(
            self.kind,
            self.index,
            self.program.accumulate_output,
            self.program.outputs.bits,
            ~self.direct,
            self.word_tracks,
            self.geometry.domains,
            limit,
            self.keep_outputs,
            cells,
        )
        return cells, used

    def values(self, cells: NDArray[np.int32], accumulator_tracks: int) -> tuple[Placement | None, int]:
        """Place everything with the accumulators on the upper tracks; or return the value that finds no room."""
        from imcflow.passes.allocation.place import place_steps

        program, tracks, domains = self.program, self.word_tracks, self.geometry.domains
        assert program.values is not None
        assert program.outputs is not None
        value_tracks = tracks - accumulator_tracks
        room = 3 * len(self.kind) + 8 * (program.slice_count + 1) * (domains // 64 + 1) + 8
        kind, flags = np.zeros(room, dtype=np.uint8), np.zeros(room, dtype=np.uint8)
        index, a, b, r = (np.full(room, -1, dtype=np.int32) for _ in range(4))
        band = min(domains, 64, max(SHORTEST_BAND, int(self.words.max(initial=1))))
        count = place_steps(
            self.kind,
            self.index,
            _slice_of_step(program, self.kind, self.index),
            program.input_count,
            program.lhs,
            program.rhs,
            program.lhs_shift,
            program.rhs_shift,
            program.subtract,
            self.words,
            program.values.signed,
            program.accumulate_output,
            program.accumulate_value,
            program.accumulate_subtract,
            program.outputs.bits,
            np.where(cells >= 0, cells + value_tracks * domains, cells).astype(np.int32),
            program.bias != 0,
            np.zeros(len(self.words), dtype=np.uint8) if program.lift is None else program.lift,
            tracks * domains if self.lifted else -1,
            tracks,
            domains,
            value_tracks,
            min(SCRATCH_TRACKS, value_tracks // 3),
            band,
            self.in_place,
            kind,
            flags,
            index,
            a,
            b,
            r,
        )
        if count < 0:
            return None, -1 - count
        carry = self.geometry.word_tracks * domains
        kind, flags = kind[:count].copy(), flags[:count].copy()
        index, a, b, r = (column[:count].copy() for column in (index, a, b, r))
        return Placement(self.geometry.tracks, domains, carry, kind, flags, index, a, b, r), -1


def word_bits(program: AddSubProgram, loaded_bits: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """Return the cells that each value of a program with intervals fills."""
    assert program.values is not None
    bits = program.values.bits
    if loaded_bits is not None:
        bits[: program.input_count] = np.maximum(bits[: program.input_count], loaded_bits)
    return bits


def accumulator_tracks(
    program: AddSubProgram, geometry: ArrayGeometry, layer: str, *, keep_outputs: bool = False
) -> int:
    """Return how many tracks the accumulators of a program fill if all outputs have one.

    More tracks than the array has are possible: the caller decides.

    Args:
        program: with intervals.
        geometry: of the array.
        layer: name for messages.
        keep_outputs: they stay after the store.

    Raises:
        CapacityError: an accumulator is longer than a track.
    """
    from imcflow.passes.allocation.place import place_accumulators

    assert program.outputs is not None
    bits = program.outputs.bits
    longest = min(geometry.domains, 64)
    if int(bits.max(initial=0)) > longest:
        raise CapacityError(f"{layer}: an accumulator of {int(bits.max())} bits does not fit {longest} domains")
    kind, index = _schedule(program)
    words = np.ones(program.output_count, dtype=np.bool_)
    return place_accumulators(
        kind,
        index,
        program.accumulate_output,
        bits,
        words,
        program.output_count + 1,
        geometry.domains,
        geometry.domains,
        keep_outputs,
        np.empty(program.output_count, dtype=np.int32),
    )


def _schedule(program: AddSubProgram) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Kind and index of every step, in the order of `depth_first_schedule`."""
    from imcflow.passes.allocation.schedule import depth_first_schedule

    # Every input is loaded, every operation and accumulation runs, and every output is stored once at most.
    room = program.input_count + program.operation_count + len(program.accumulate_value) + program.output_count
    kind, index = np.empty(room, dtype=np.uint8), np.empty(room, dtype=np.int32)
    count = depth_first_schedule(
        program.input_count,
        program.output_count,
        program.lhs,
        program.rhs,
        program.accumulate_output,
        program.accumulate_value,
        program.slice_accumulations,
        kind,
        index,
    )
    return kind[:count], index[:count]


def _stored_directly(program: AddSubProgram, negated_store: bool) -> NDArray[np.bool_]:
    """Outputs that are a value as it is: one accumulation without shift (and without sign), no bias."""
    counts = np.bincount(program.accumulate_output, minlength=program.output_count)
    plain = np.zeros(program.output_count, dtype=np.bool_)
    simple = program.accumulate_shift == 0
    if not negated_store:
        simple &= program.accumulate_subtract == 0
    plain[program.accumulate_output[simple]] = True
    return plain & (counts == 1) & (program.bias == 0)


def _slice_of_step(program: AddSubProgram, kind: NDArray[np.uint8], index: NDArray[np.int32]) -> NDArray[np.int32]:
    """Slice in which every step of the schedule runs; a STORE runs with the step before it."""
    from imcflow.passes.allocation.schedule import ACCUMULATE, LOAD, OPERATE

    slices = np.zeros(len(kind), dtype=np.int32)
    for step_kind, borders in (
        (LOAD, program.slice_inputs),
        (OPERATE, program.slice_operations),
        (ACCUMULATE, program.slice_accumulations),
    ):
        chosen = kind == step_kind
        slices[chosen] = np.searchsorted(borders, index[chosen], side="right") - 1
    return np.maximum.accumulate(slices)
