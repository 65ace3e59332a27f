"""Random numbers of the converters: standard normal, a stream per tile, image, column and reading.

Lane l of a row gets `normal(mix(mix(l * 0x9E3779B9 + a) ^ b))`, where a and b are the halves of the row's 64-bit key
and `mix` is the 32-bit finaliser of MurmurHash3; the key of row n of a tile is step n + 1 of SplitMix64 (Steele, Lea,
Flood, OOPSLA 2014) started at the tile's key. Nothing depends on what was drawn before: any part of a batch on any
thread gets the same numbers.

`normal` takes bit 0 of its 32 bits as the sign and the others as the tail probability (h + 1/2) / 2^32, below one half,
through the quantile function of the normal distribution, linear in 128 pieces per octave of the probability. So
|z| <= 6.3, and the distribution function is that of the normal distribution within 1e-5.
"""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[np.uint32]

LANE_STEP = 0x9E3779B9
MIX_FACTORS = (0x85EBCA6B, 0xC2B2AE35)
MIX_SHIFTS = (16, 13, 16)
KEY_STEP = 0x9E3779B97F4A7C15
KEY_FACTORS = (0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
KEY_SHIFTS = (30, 27, 31)

PIECE_BITS = 7
"""log2 of the pieces per octave."""
PIECE_SHIFT = 23 - PIECE_BITS
FIRST_PIECE = 126 << PIECE_BITS
"""Of 0.5, the least value, in the bits of a float32 without the lowest `PIECE_SHIFT`."""
OCTAVES = 32


@cache
def quantile_pieces() -> NDArray[np.float32]:
    """Return float32 [pieces, 2]: quantile at the start of a piece, and what one step of the low bits adds.

    The last piece is for the one value that rounds up to 2^31: a probability of one half.
    """
    starts = np.arange(FIRST_PIECE, FIRST_PIECE + (OCTAVES << PIECE_BITS) + 1, dtype=np.uint32) << PIECE_SHIFT
    probabilities = starts.view(np.float32).astype(np.float64) / 2.0**32
    quantile = NormalDist().inv_cdf
    knots = np.array([quantile(min(probability, 0.5)) for probability in probabilities.tolist()])
    pieces = np.stack([knots, np.append(np.diff(knots) / (1 << PIECE_SHIFT), 0.0)], axis=1)
    return np.ascontiguousarray(pieces, np.float32)


def read_noise(key: int, first_image: int, shape: tuple[int, int, int, int]) -> NDArray[np.float32]:
    """Return standard normal numbers [columns, readings, images, lanes] of a tile.

    Row (image * columns + column) * readings + reading of the tile's rows is theirs.
    """
    columns, readings, images, lanes = shape
    keys = row_keys(key, first_image * columns * readings, images * columns * readings)
    drawn = normal(random_words(keys, lanes)).reshape(images, columns, readings, lanes)
    return drawn.transpose(1, 2, 0, 3)


def tile_key(seed: int, kernel_hash: int, number: int) -> int:
    """Return the 64-bit key of a tile."""
    return int(np.random.SeedSequence((seed, kernel_hash, number)).generate_state(1, np.uint64)[0])


def row_keys(key: int, first: int, count: int) -> NDArray[np.uint64]:
    """Return the keys of rows `first` to `first + count` of a tile."""
    with np.errstate(over="ignore"):
        state = np.uint64(key) + (np.arange(first, first + count, dtype=np.uint64) + np.uint64(1)) * np.uint64(KEY_STEP)
        state = (state ^ (state >> np.uint64(KEY_SHIFTS[0]))) * np.uint64(KEY_FACTORS[0])
        state = (state ^ (state >> np.uint64(KEY_SHIFTS[1]))) * np.uint64(KEY_FACTORS[1])
    return state ^ (state >> np.uint64(KEY_SHIFTS[2]))


def random_words(keys: NDArray[np.uint64], lanes: int) -> Words:
    """Return uint32 [rows, lanes]."""
    low, high = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32)
    with np.errstate(over="ignore"):
        counters = np.arange(lanes, dtype=np.uint32) * np.uint32(LANE_STEP)
        return _mixed(_mixed(counters + low[:, None]) ^ high[:, None])


def _mixed(words: Words) -> Words:
    for shift, factor in zip(MIX_SHIFTS, (*MIX_FACTORS, 1), strict=True):
        words = (words ^ (words >> np.uint32(shift))) * np.uint32(factor)
    return words


def normal(words: Words) -> NDArray[np.float32]:
    """Return standard normal numbers, one per word."""
    bits = ((words >> np.uint32(1)).astype(np.float32) + np.float32(0.5)).view(np.uint32)
    pieces = quantile_pieces()[(bits >> np.uint32(PIECE_SHIFT)) - np.uint32(FIRST_PIECE)]
    position = (bits & np.uint32((1 << PIECE_SHIFT) - 1)).astype(np.float32)
    tail = pieces[..., 0] + position * pieces[..., 1]
    return np.where(words & np.uint32(1), -tail, tail)
