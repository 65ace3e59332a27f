"""Compiled placement of scheduled words on tracks."""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.allocation.schedule import ACCUMULATE, LOAD, OPERATE, lists_by_key
from imcflow.passes.allocation.words import LANE_DOMAINS, all_cells, find_word, has_cells, set_cells
from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
U64 = NDArray[np.uint64]
Flags = NDArray[np.bool_]

NONE = -1
CLEAR, IN_PLACE, COPY, START, SET, STORE, LIFT, ONE = 0, 3, 4, 5, 7, 8, 9, 10
"""Values of `imcflow.dialect.placement.StepKind`."""
ZERO, NEGATED, SWAPPED = 1, 2, 4
"""Values of `imcflow.dialect.placement.StepFlag`."""
CLEAR_BITS = 62
"""Longest word of one instruction."""
SHORTEST_RUN = 4
"""Clearing a run of tracks costs about as much as clearing three words one by one."""


@compiled_loop
def place_accumulators(
    kind: U8,
    index: I32,
    accumulate_output: I32,
    output_bits: I32,
    has_word: Flags,
    tracks: int,
    domains: int,
    limit: int,
    keep: bool,
    cells: I32,
) -> int:
    """Give every accumulator a word, from its first accumulation to its store; lowest track first.

    Args:
        kind, index: the schedule.
        accumulate_output: output of every accumulation.
        output_bits: word length of every output.
        has_word: which outputs have an accumulator.
        tracks, domains: room; words lie below domain `limit`.
        keep: words are not free again after the store.
        cells: receives the cell of every output (tracks counted from 0, -1 without a word).

    Returns:
        the number of tracks used; -1 when `tracks` are not enough.
    """
    for output in range(len(cells)):
        cells[output] = NONE
    free = all_cells(tracks, domains)
    nothing = np.zeros(len(free), np.uint64)
    avoid = np.zeros(tracks, np.int64)
    used = 0
    for step in range(len(kind)):
        if kind[step] == ACCUMULATE or kind[step] == STORE:
            output = accumulate_output[index[step]] if kind[step] == ACCUMULATE else index[step]
            if not has_word[output]:
                continue
            if cells[output] == NONE:
                cell = find_word(free, nothing, output_bits[output], 0, tracks, 0, domains, limit, avoid, 1)
                if cell == NONE:
                    return NONE
                cells[output] = cell
                set_cells(free, cell, output_bits[output], domains, False)
                used = max(used, cell // domains + 1)
            if kind[step] == STORE and not keep:
                set_cells(free, cells[output], output_bits[output], domains, True)
    return used


@compiled_loop
def place_steps(
    kind: U8,
    index: I32,
    slice_of_step: I32,
    inputs: int,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    word_bits: I32,
    value_signed: Flags,
    accumulate_output: I32,
    accumulate_value: I32,
    accumulate_subtract: U8,
    output_bits: I32,
    output_cells: I32,
    has_bias: Flags,
    lift: U8,
    one: int,
    tracks: int,
    domains: int,
    value_tracks: int,
    scratch_tracks: int,
    band: int,
    in_place: bool,
    out_kind: U8,
    out_flags: U8,
    out_index: I32,
    out_a: I32,
    out_b: I32,
    out_r: I32,
) -> int:
    """Place every word of a schedule and write the steps of a `Placement`.

    A lifted value is followed by a LIFT, which reads the cell `one`.

    Values live on tracks 0 .. value_tracks, accumulators (`output_cells`) on the tracks above. Values that are used
    once live briefly and take turns on the first `scratch_tracks`; the others take turns on the rest. A word avoids
    the tracks of the operands of its operation and of the placed words that it will meet. It goes to the lowest
    `band` of domains that still has cells known to be 0, so that ports travel little and no clearing is needed. Such
    cells are made in bulk: all value tracks are cleared between slices if the next slice would clear more bits one by
    one, and free runs of scratch tracks whenever their lowest band is used up.

    Returns:
        number of steps, or -1 - value of the first value for which there is no room.
    """
    count = 0
    free = all_cells(tracks, domains)
    zero = np.zeros(len(free), np.uint64)
    nothing = np.zeros(len(free), np.uint64)
    avoid = np.zeros(tracks, np.int64)
    stamp = 0
    cells = np.full(len(word_bits), NONE, np.int32)
    started = np.zeros(len(output_bits), np.bool_)
    operand_of_start, operand_of = lists_by_key(np.concatenate((lhs, rhs)), len(word_bits))
    operations = len(lhs)
    uses = np.zeros(len(word_bits), np.int32)
    step_count = len(kind)
    for step in range(step_count):
        if kind[step] == OPERATE:
            uses[lhs[index[step]]] += 1
            uses[rhs[index[step]]] += 1
        elif kind[step] == ACCUMULATE:
            uses[accumulate_value[index[step]]] += 1

    if one != NONE:
        out_kind[count], out_flags[count], out_index[count] = ONE, 0, 0
        out_a[count], out_b[count], out_r[count] = NONE, NONE, one
        count += 1
    # Accumulators start from 0: one sweep over all their tracks.
    accumulator_top = 0
    for output in range(len(output_cells)):
        if output_cells[output] != NONE:
            accumulator_top = max(accumulator_top, output_cells[output] % domains + output_bits[output])
    count = _clear(
        zero,
        value_tracks,
        tracks,
        0,
        accumulator_top,
        domains,
        count,
        out_kind,
        out_flags,
        out_index,
        out_a,
        out_b,
        out_r,
    )

    slice_bits = np.zeros(slice_of_step[-1] + 1 if step_count else 0, np.int64)
    for step in range(step_count):
        if kind[step] == OPERATE:
            slice_bits[slice_of_step[step]] += word_bits[inputs + index[step]]
    # Per zone (0: scratch, 1: lasting): tracks, next track in turn, height of the bands in use.
    zone_first = np.array([0, scratch_tracks])
    zone_end = np.array([scratch_tracks, value_tracks])
    turn = zone_first.copy()
    height = np.array([band, band])
    previous_slice = NONE
    dirty_top = domains
    for step in range(step_count):
        if slice_of_step[step] != previous_slice:
            previous_slice = slice_of_step[step]
            if slice_bits[previous_slice] > dirty_top:
                count = _clear(
                    zero,
                    0,
                    value_tracks,
                    0,
                    dirty_top,
                    domains,
                    count,
                    out_kind,
                    out_flags,
                    out_index,
                    out_a,
                    out_b,
                    out_r,
                )
                dirty_top = 0
                height[0], height[1] = band, band
        item = index[step]
        what = kind[step]
        flags, a, b, r = 0, NONE, NONE, NONE
        if what in (LOAD, OPERATE):
            value = item if what == LOAD else inputs + item
            bits = word_bits[value]
            left, right, copied = NONE, NONE, NONE
            if what == OPERATE:
                left, right = lhs[item], rhs[item]
                a, b = cells[left], cells[right]
                if a // domains == b // domains:
                    stamp += 1
                    avoid[a // domains] = stamp
                    copy_bits = word_bits[right]
                    cell = _any_word(
                        free, zero, nothing, copy_bits, zone_first, zone_end, turn, 0, domains, avoid, stamp
                    )
                    if cell == NONE:
                        return -1 - value
                    is_zero = has_cells(zero, cell, copy_bits, domains)
                    out_kind[count], out_flags[count], out_index[count] = COPY, ZERO if is_zero else 0, right
                    out_a[count], out_b[count], out_r[count] = b, NONE, cell
                    count += 1
                    b = copied = cell
                    dirty_top = max(dirty_top, b % domains + copy_bits)
                    set_cells(free, b, copy_bits, domains, False)
                    set_cells(zero, b, copy_bits, domains, False)
            # Tracks of the words that this value will meet in later operations.
            stamp += 1
            for at in range(operand_of_start[value], operand_of_start[value + 1]):
                use = operand_of[at]
                partner = rhs[use] if use < operations else lhs[use - operations]
                if cells[partner] >= 0:
                    avoid[cells[partner] // domains] = stamp
            placed = False
            if what == OPERATE and in_place and lhs_shift[item] == 0 and rhs_shift[item] == 0:
                keep = _dying_operand(left, right, subtract[item], uses, word_bits)
                if keep == right and copied != NONE:
                    keep = NONE
                if keep != NONE and avoid[(a if keep == left else b) // domains] != stamp:
                    r = a if keep == left else b
                    had = word_bits[keep]
                    extra = bits - had
                    if extra <= 0 or (
                        not value_signed[keep]
                        and has_cells(free, r + had, extra, domains)
                        and has_cells(zero, r + had, extra, domains)
                        and (r % domains) // LANE_DOMAINS == (r % domains + bits - 1) // LANE_DOMAINS
                    ):
                        placed = True
                        if extra > 0:
                            set_cells(free, r + had, extra, domains, False)
                            set_cells(zero, r + had, extra, domains, False)
                        elif extra < 0:
                            set_cells(free, r + bits, -extra, domains, True)
                        what = IN_PLACE
                        flags = SWAPPED if keep == right else 0
                        other = b if keep == left else a
                        a, b = other, NONE
            if not placed:
                if what == OPERATE:
                    avoid[a // domains] = stamp
                    avoid[b // domains] = stamp
                zone = 0 if what == OPERATE and uses[value] == 1 else 1
                cell = NONE
                if what == LOAD:
                    # Loading needs no zeros: used cells first.
                    cell = find_word(
                        free,
                        zero,
                        bits,
                        zone_first[1],
                        zone_end[1],
                        turn[1],
                        domains,
                        height[1],
                        avoid,
                        stamp,
                    )
                swept = False
                while cell == NONE and height[zone] <= domains:
                    cell = find_word(
                        zero,
                        nothing,
                        bits,
                        zone_first[zone],
                        zone_end[zone],
                        turn[zone],
                        domains,
                        height[zone],
                        avoid,
                        stamp,
                    )
                    if cell != NONE:
                        break
                    if zone == 0 and not swept and slice_bits[previous_slice] > SHORTEST_RUN * band:
                        swept = True
                        count = _sweep(
                            free,
                            zero,
                            scratch_tracks,
                            band,
                            domains,
                            count,
                            out_kind,
                            out_flags,
                            out_index,
                            out_a,
                            out_b,
                            out_r,
                        )
                        height[0] = band
                        continue
                    height[zone] += band
                if cell == NONE:
                    cell = _any_word(free, zero, nothing, bits, zone_first, zone_end, turn, zone, domains, avoid, stamp)
                if cell == NONE:
                    # Every track with room holds a future partner: avoid only the operands of this operation.
                    stamp += 1
                    if what == OPERATE:
                        avoid[a // domains] = stamp
                        avoid[b // domains] = stamp
                    cell = _any_word(free, zero, nothing, bits, zone_first, zone_end, turn, zone, domains, avoid, stamp)
                if cell == NONE:
                    return -1 - value
                r = cell
                zone = 0 if r // domains < scratch_tracks else 1
                turn[zone] = r // domains + 1
                if turn[zone] >= zone_end[zone]:
                    turn[zone] = zone_first[zone]
                if what == OPERATE and has_cells(zero, r, bits, domains):
                    flags |= ZERO
                set_cells(free, r, bits, domains, False)
                set_cells(zero, r, bits, domains, False)
            dirty_top = max(dirty_top, r % domains + bits)
            cells[value] = r
            out_kind[count], out_flags[count], out_index[count] = what, flags, item
            out_a[count], out_b[count], out_r[count] = a, b, r
            count += 1
            if lift[value]:
                out_kind[count], out_flags[count], out_index[count] = LIFT, 0, value
                out_a[count], out_b[count], out_r[count] = one, NONE, r
                count += 1
            if what != LOAD:
                if copied != NONE:
                    set_cells(free, copied, word_bits[right], domains, True)
                for side in range(2):
                    operand = right if side else left
                    uses[operand] -= 1
                    if uses[operand] == 0 and not (what == IN_PLACE and cells[operand] == r):
                        set_cells(free, cells[operand], word_bits[operand], domains, True)
        elif what == ACCUMULATE:
            output, value = accumulate_output[item], accumulate_value[item]
            if output_cells[output] == NONE:
                # The value is the output: it is stored from where it is, by the STORE that follows.
                continue
            r = output_cells[output]
            if not started[output]:
                started[output] = True
                if not has_cells(zero, r, output_bits[output], domains):
                    out_kind[count], out_flags[count], out_index[count] = CLEAR, 0, 1
                    out_a[count], out_b[count], out_r[count] = NONE, output_bits[output], r
                    count += 1
                set_cells(zero, r, output_bits[output], domains, False)
                if has_bias[output]:
                    out_kind[count], out_flags[count], out_index[count] = SET, 0, output
                    out_a[count], out_b[count], out_r[count] = NONE, NONE, r
                    count += 1
                else:
                    what, flags = START, ZERO
            out_kind[count], out_flags[count], out_index[count] = what, flags, item
            out_a[count], out_b[count], out_r[count] = cells[value], NONE, r
            count += 1
            uses[value] -= 1
            if uses[value] == 0:
                set_cells(free, cells[value], word_bits[value], domains, True)
        else:
            a = output_cells[item]
            if a == NONE:
                accumulation = index[step - 1]
                value = accumulate_value[accumulation]
                a = cells[value]
                flags = NEGATED if accumulate_subtract[accumulation] else 0
                uses[value] -= 1
                if uses[value] == 0:
                    set_cells(free, a, word_bits[value], domains, True)
            elif not started[item]:
                out_kind[count], out_flags[count], out_index[count] = SET, 0, item
                out_a[count], out_b[count], out_r[count] = NONE, NONE, a
                count += 1
                set_cells(zero, a, output_bits[item], domains, False)
            out_kind[count], out_flags[count], out_index[count] = STORE, flags, item
            out_a[count], out_b[count], out_r[count] = a, NONE, NONE
            count += 1
    return count


@compiled_loop(
    "int64(uint64[::1], uint64[::1], uint64[::1], int64, int64[::1], int64[::1], int64[::1], int64, int64, int64[::1],"
    " int64)",
)
def _any_word(
    free: U64,
    zero: U64,
    nothing: U64,
    bits: int,
    zone_first: I64,
    zone_end: I64,
    turn: I64,
    zone: int,
    domains: int,
    avoid: I64,
    stamp: int,
) -> int:
    """Any room for a word, zone `zone` first: cells known to be 0, then any free cells."""
    for attempt in range(4):
        chosen = zone if attempt < 2 else 1 - zone
        if zone_end[chosen] == zone_first[chosen]:
            continue
        cell = find_word(
            free if attempt % 2 else zero,
            nothing,
            bits,
            zone_first[chosen],
            zone_end[chosen],
            turn[chosen],
            domains,
            domains,
            avoid,
            stamp,
        )
        if cell != NONE:
            return cell
    return NONE


@compiled_loop
def _sweep(
    free: U64,
    zero: U64,
    end_track: int,
    band: int,
    domains: int,
    count: int,
    out_kind: U8,
    out_flags: U8,
    out_index: I32,
    out_a: I32,
    out_b: I32,
    out_r: I32,
) -> int:
    """Clear the lowest band of the runs of free tracks; return the new number of steps."""
    track = 0
    while track < end_track:
        first, used = track, 0
        while track < end_track and has_cells(free, track * domains, band, domains):
            if not has_cells(zero, track * domains, band, domains):
                used += 1
            track += 1
        if used >= SHORTEST_RUN:
            count = _clear(
                zero, first, track, 0, band, domains, count, out_kind, out_flags, out_index, out_a, out_b, out_r
            )
        track += 1
    return count


@compiled_loop
def _dying_operand(left: int, right: int, subtract: int, uses: I32, value_bits: I32) -> int:
    """The operand that may be overwritten: not used again, never the subtrahend, the wider one of two; or -1."""
    if left == right:
        return NONE
    left_dies = uses[left] == 1
    right_dies = uses[right] == 1 and not subtract
    if left_dies and right_dies:
        return left if value_bits[left] >= value_bits[right] else right
    if left_dies:
        return left
    return right if right_dies else NONE


@compiled_loop(
    "int64(uint64[::1], int64, int64, int64, int64, int64, int64, uint8[::1], uint8[::1], int32[::1], int32[::1],"
    " int32[::1], int32[::1])",
)
def _clear(
    zero: U64,
    first_track: int,
    end_track: int,
    first_domain: int,
    end_domain: int,
    domains: int,
    count: int,
    out_kind: U8,
    out_flags: U8,
    out_index: I32,
    out_a: I32,
    out_b: I32,
    out_r: I32,
) -> int:
    """Write CLEAR steps over a rectangle of tracks and domains; return the new number of steps."""
    if end_track <= first_track:
        return count
    at = first_domain
    while at < end_domain:
        bits = min(CLEAR_BITS, end_domain - at, LANE_DOMAINS - at % LANE_DOMAINS)
        out_kind[count], out_flags[count], out_index[count] = CLEAR, 0, end_track - first_track
        out_a[count], out_b[count], out_r[count] = NONE, bits, first_track * domains + at
        for track in range(first_track, end_track):
            set_cells(zero, track * domains + at, bits, domains, True)
        count += 1
        at += bits
    return count
