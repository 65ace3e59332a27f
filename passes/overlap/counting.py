"""How many tiles of a producer any k tiles of its consumer read together, at least.

A single tile has a small window, but k tiles have windows that reach beyond them on every side, so a consumer lags
behind its producer whatever the order. With I(y) and J(x) the ranges of producer rows and columns that position (y, x)
reads, let g(t) be the fewest rows that any t rows of positions read, and h(w) the same for columns. Pushing the
positions of each column together towards row 0 does not enlarge what they read, counted by g; summing over the rows t
with w_t positions each, w falling,

    U(k) = min over w_1 >= w_2 >= ... with sum w = k of sum over t of (g(t) - g(t - 1)) h(w_t)

is a lower bound for all sets of k positions. (Compression argument as for vertex isoperimetry in grids.)
"""

from __future__ import annotations

import numpy as np

from imcflow.passes.overlap.nests import Ints

MOST_WORK = 100_000_000
"""Array elements that `fewest_read` may touch; larger grids are left out of the bound."""
_FAR = 1 << 40


def fewest_rows(low: Ints, high: Ints) -> Ints:
    """g(t) for t = 0..n: fewest rows that any t of n ranges cover together.

    With ranges in order, a choice covers what its last range adds to the one before it: high - max(high before,
    low - 1). Least sums over the choices of t ranges that end with a given one follow from those of t - 1.

    Args:
        low: int64[n] first rows, not falling.
        high: int64[n] last rows, not falling, at least `low`.
    """
    count = len(low)
    # added[j, i]: rows that range i adds behind range j < i.
    added = high[None, :] - np.maximum(high[:, None], low[None, :] - 1)
    added[np.tril_indices(count)] = _FAR
    fewest = np.zeros(count + 1, dtype=np.int64)
    ending = high - low + 1
    for size in range(1, count + 1):
        fewest[size] = ending.min()
        ending = (ending[:, None] + added).min(axis=0)
    return fewest


def fewest_read(rows: Ints, columns: Ints) -> Ints | None:
    """U(k) for k = 0..(rows x columns): fewest grid cells that any k positions read together.

    Args:
        rows: g(t) for t = 0..number of rows of positions.
        columns: h(w) for w = 0..number of columns of positions.

    Returns:
        int64[positions + 1], or None where the table would be too large.
    """
    if len(rows) > len(columns):
        rows, columns = columns, rows
    height, width = len(rows) - 1, len(columns) - 1
    positions = height * width
    if height * width * positions > MOST_WORK:
        return None
    steps = np.diff(rows)
    # best[w, k]: least cost of k positions whose last row has w of them; row 0 of the table stands for "no more rows".
    best = np.full((width + 1, positions + 1), _FAR, dtype=np.int64)
    best[width, 0] = 0
    result = np.full(positions + 1, _FAR, dtype=np.int64)
    result[0] = 0
    for step in steps.tolist():
        wider = np.minimum.accumulate(best[::-1], axis=0)[::-1]
        best = np.full_like(best, _FAR)
        for size in range(1, width + 1):
            best[size, size:] = wider[size, : positions + 1 - size] + step * int(columns[size])
        np.minimum(result, best.min(axis=0), out=result)
    return np.minimum.accumulate(result[::-1])[::-1]
