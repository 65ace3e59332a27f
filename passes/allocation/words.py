"""Compiled bit-mask bookkeeping of free and zero cells.

The signatures are given, so that callers with other integer types do not each compile another version.

A *lane* is a run of at most 64 domains of one track, so that its cells are the bits of one machine word; a track of d
domains has ceil(d / 64) lanes. Words never cross a lane border.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U64 = NDArray[np.uint64]

LANE_DOMAINS = 64
NONE = -1


@compiled_loop("uint64(int64, int64)")
def word_mask(start: int, bits: int) -> np.uint64:
    """Mask of domains start .. start + bits of a lane."""
    if bits >= LANE_DOMAINS:
        return np.uint64(0xFFFFFFFFFFFFFFFF)
    return ((np.uint64(1) << np.uint64(bits)) - np.uint64(1)) << np.uint64(start)


@compiled_loop("int64(uint64, int64)")
def lowest_fit(cells: np.uint64, bits: int) -> int:
    """Lowest start of `bits` consecutive set bits, or -1."""
    runs = cells
    for _ in range(bits - 1):
        runs &= runs >> np.uint64(1)
    if runs == np.uint64(0):
        return NONE
    start = 0
    while not runs & np.uint64(1):
        runs >>= np.uint64(1)
        start += 1
    return start


@compiled_loop("uint64[::1](int64, int64)")
def all_cells(tracks: int, domains: int) -> U64:
    """Masks with every existing cell set, [tracks * lanes per track]."""
    lanes = (domains + LANE_DOMAINS - 1) // LANE_DOMAINS
    masks = np.empty(tracks * lanes, np.uint64)
    for lane in range(tracks * lanes):
        masks[lane] = word_mask(0, min(LANE_DOMAINS, domains - (lane % lanes) * LANE_DOMAINS))
    return masks


@compiled_loop(
    "int64(uint64[::1], uint64[::1], int64, int64, int64, int64, int64, int64, int64[::1], int64)",
)
def find_word(
    cells: U64,
    without: U64,
    bits: int,
    first_track: int,
    end_track: int,
    from_track: int,
    domains: int,
    limit: int,
    avoid: I64,
    stamp: int,
) -> int:
    """Find room for a word: the first track from `from_track` on, cyclically, that is not avoided.

    Args:
        cells, without: masks of every lane; the word lies in `cells` and outside `without`.
        bits: bits of the word.
        first_track, end_track: range of tracks.
        from_track: where the search starts, inside the range.
        domains: domains per track.
        limit: the word lies below this domain.
        avoid: tracks whose entry equals `stamp` are skipped.
        stamp: see `avoid`.

    Returns:
        the cell of bit 0, or -1.
    """
    lanes = (domains + LANE_DOMAINS - 1) // LANE_DOMAINS
    span = end_track - first_track
    for step in range(span):
        track = from_track + step
        if track >= end_track:
            track -= span
        if avoid[track] == stamp:
            continue
        for lane in range(lanes):
            reach = limit - lane * LANE_DOMAINS
            if reach < bits:
                break
            room = cells[track * lanes + lane] & ~without[track * lanes + lane] & word_mask(0, reach)
            start = lowest_fit(room, bits)
            if start >= 0:
                return track * domains + lane * LANE_DOMAINS + start
    return NONE


@compiled_loop("void(uint64[::1], int64, int64, int64, boolean)")
def set_cells(masks: U64, cell: int, bits: int, domains: int, value: bool) -> None:
    """Set or clear the mask bits of a word."""
    lanes = (domains + LANE_DOMAINS - 1) // LANE_DOMAINS
    track, domain = cell // domains, cell % domains
    lane = track * lanes + domain // LANE_DOMAINS
    mask = word_mask(domain % LANE_DOMAINS, bits)
    if value:
        masks[lane] |= mask
    else:
        masks[lane] &= ~mask


@compiled_loop("boolean(uint64[::1], int64, int64, int64)")
def has_cells(masks: U64, cell: int, bits: int, domains: int) -> bool:
    """Whether a word lies inside one lane and all its mask bits are set."""
    domain = cell % domains
    if domain % LANE_DOMAINS + bits > min(LANE_DOMAINS, domains - domain // LANE_DOMAINS * LANE_DOMAINS):
        return False
    lanes = (domains + LANE_DOMAINS - 1) // LANE_DOMAINS
    mask = word_mask(domain % LANE_DOMAINS, bits)
    return masks[cell // domains * lanes + domain // LANE_DOMAINS] & mask == mask
