"""The counting bound against all subsets of small grids."""

from __future__ import annotations

from itertools import combinations
from random import Random

import numpy as np
import pytest

from imcflow.passes.overlap import counting
from imcflow.passes.overlap.counting import fewest_read, fewest_rows


def windows(random: Random, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    stride, reach, pad = random.randint(1, 2), random.randint(1, 3), random.randint(0, 1)
    low = np.clip(np.arange(count) * stride - pad, 0, size - 1)
    high = np.clip(np.arange(count) * stride - pad + reach - 1, low, size - 1)
    return low.astype(np.int64), high.astype(np.int64)


def covered(ranges: tuple[np.ndarray, np.ndarray], chosen: tuple[int, ...]) -> set[int]:
    return {cell for index in chosen for cell in range(int(ranges[0][index]), int(ranges[1][index]) + 1)}


@pytest.mark.parametrize("seed", range(25))
def test_no_rows_read_less(seed: int):
    random = Random(seed)
    count = random.randint(1, 7)
    ranges = windows(random, count, random.randint(2, 10))
    fewest = fewest_rows(*ranges)
    for size in range(1, count + 1):
        assert fewest[size] == min(len(covered(ranges, chosen)) for chosen in combinations(range(count), size))


@pytest.mark.parametrize("seed", range(25))
def test_no_set_of_positions_reads_less(seed: int):
    random = Random(seed)
    height, width = random.randint(1, 3), random.randint(1, 4)
    rows, columns = windows(random, height, random.randint(2, 6)), windows(random, width, random.randint(2, 6))
    fewest = fewest_read(fewest_rows(*rows), fewest_rows(*columns))
    assert fewest is not None
    positions = [(y, x) for y in range(height) for x in range(width)]
    cells = [{(i, j) for i in covered(rows, (y,)) for j in covered(columns, (x,))} for y, x in positions]
    for size in range(1, len(positions) + 1):
        least = min(len(set().union(*chosen)) for chosen in combinations(cells, size))
        assert fewest[size] <= least


def test_windows_of_three_lag_by_a_row():
    ranges = np.array([0, 0, 1, 2, 3]), np.array([1, 2, 3, 4, 4])
    fewest = fewest_rows(*ranges)
    assert fewest.tolist() == [0, 2, 3, 4, 5, 5]
    grid = fewest_read(fewest, fewest)
    assert grid is not None
    # One position reads a corner of 2 x 2, four read 3 x 3, a full row reads two.
    assert grid[[1, 4, 5]].tolist() == [4, 9, 10]


def test_large_tables_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(counting, "MOST_WORK", 10)
    assert fewest_read(np.arange(5), np.arange(5)) is None
