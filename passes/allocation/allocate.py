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


class CapacityError(ImcflowError):
    """A layer does not fit an array: the message names the layer, what it needs and what there is."""


@dataclass(frozen=True)
class ArrayGeometry:
    """One associative-processor array: cells per row are `tracks` x `domains`."""

    tracks: int
    domains: int


def place_program(
    program: AddSubProgram,
    geometry: ArrayGeometry,
    layer: str,
    *,
    loaded_bits: NDArray[np.int32] | None = None,
    negated_store: bool = False,
    in_place: bool = True,
) -> Placement:
    """Order the steps of a program and give every word its cells.

    The last track holds the carry cell, the tracks below it the accumulators, all others the values.

    Args:
        program: with intervals.
        geometry: of the array.
        layer: name for messages.
        loaded_bits: bits in which each window element is loaded, if more than its interval needs [inputs].
        negated_store: an output that is minus a value may be stored as it is, with flag NEGATED.
        in_place: overwrite operands at their last use.

    Raises:
        CapacityError: accumulators and values do not fit the array at any one time.
    """
    from imcflow.passes.allocation.place import place_accumulators, place_steps
    from imcflow.passes.allocation.schedule import depth_first_schedule

    if program.values is None or program.outputs is None:
        raise ImcflowError(f"{layer}: tracks are allocated after imc-infer-widths, the program has no intervals")
    kind, index = depth_first_schedule(
        program.input_count,
        program.output_count,
        program.lhs,
        program.rhs,
        program.accumulate_output,
        program.accumulate_value,
        program.slice_accumulations,
    )
    stored_directly = _stored_directly(program, negated_store)
    output_bits = program.outputs.bits
    tracks, domains = geometry.tracks, geometry.domains
    output_cells, accumulator_tracks = place_accumulators(
        kind, index, program.accumulate_output, output_bits, ~stored_directly, tracks - 1, domains
    )
    if accumulator_tracks < 0:
        needed = -(-int(output_bits[~stored_directly].sum()) // domains)
        raise CapacityError(
            f"{layer}: the accumulators need at least {needed} tracks of {domains} domains, an array has {tracks - 1}"
        )
    value_tracks = tracks - 1 - accumulator_tracks
    output_cells = np.where(output_cells >= 0, output_cells + value_tracks * domains, output_cells).astype(np.int32)
    room = 3 * len(kind) + 8 * (program.slice_count + 1) * (domains // 64 + 1) + 8
    columns = [np.zeros(room, dtype=np.uint8), np.zeros(room, dtype=np.uint8)]
    columns += [np.full(room, -1, dtype=np.int32) for _ in range(4)]
    count = place_steps(
        kind,
        index,
        _slice_of_step(program, kind, index),
        program.input_count,
        program.lhs,
        program.rhs,
        program.lhs_shift,
        program.rhs_shift,
        program.subtract,
        word_bits(program, loaded_bits),
        program.values.signed,
        program.accumulate_output,
        program.accumulate_value,
        program.accumulate_subtract,
        output_bits,
        output_cells,
        program.bias != 0,
        tracks,
        domains,
        value_tracks,
        in_place,
        *columns,
    )
    if count < 0:
        value = -1 - count
        raise CapacityError(
            f"{layer}: no room for value {value} ({program.values.bits[value]} bits): of {tracks} tracks of {domains} "
            f"domains, {accumulator_tracks} hold accumulators and 1 the carry; use a smaller scope"
        )
    kind, flags, index, a, b, r = (column[:count].copy() for column in columns)
    return Placement(tracks, domains, (tracks - 1) * domains, kind, flags, index, a, b, r)


def word_bits(program: AddSubProgram, loaded_bits: NDArray[np.int32] | None) -> NDArray[np.int32]:
    """Return the cells that each value of a program with intervals fills."""
    assert program.values is not None
    bits = program.values.bits
    if loaded_bits is not None:
        bits[: program.input_count] = np.maximum(bits[: program.input_count], loaded_bits)
    return bits


def accumulator_tracks(program: AddSubProgram, geometry: ArrayGeometry, layer: str) -> int:
    """Return how many tracks the accumulators of a program fill if all outputs have one.

    More tracks than the array has are possible: the caller decides.

    Args:
        program: with intervals.
        geometry: of the array.
        layer: name for messages.

    Raises:
        CapacityError: an accumulator is longer than a track.
    """
    from imcflow.passes.allocation.place import place_accumulators
    from imcflow.passes.allocation.schedule import depth_first_schedule

    assert program.outputs is not None
    bits = program.outputs.bits
    longest = min(geometry.domains, 64)
    if int(bits.max(initial=0)) > longest:
        raise CapacityError(f"{layer}: an accumulator of {int(bits.max())} bits does not fit {longest} domains")
    kind, index = depth_first_schedule(
        program.input_count,
        program.output_count,
        program.lhs,
        program.rhs,
        program.accumulate_output,
        program.accumulate_value,
        program.slice_accumulations,
    )
    words = np.ones(program.output_count, dtype=np.bool_)
    _, used = place_accumulators(
        kind, index, program.accumulate_output, bits, words, program.output_count + 1, geometry.domains
    )
    return used


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
