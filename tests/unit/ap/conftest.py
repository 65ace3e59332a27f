"""One small layer for tests that look at single steps."""

from __future__ import annotations

import numpy as np
import pytest
from ap_layers import Layer

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.allocation.allocate import ArrayGeometry
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import reduce_matrix


@pytest.fixture(scope="session")
def small_layer() -> Layer:
    """A layer of some dozens of steps, with shared sums, several slices and a bias."""
    matrix = np.random.default_rng(5).integers(-1, 2, (6, 12))
    bounds = Bounds(np.zeros(12, np.int64), np.full(12, 15, np.int64))
    bias = np.array([0, 3, 0, 0, -2, 0])
    program = infer_bounds(reduce_matrix(matrix, bounds, group=6, bias=bias), bounds)
    return Layer(matrix, bounds, bias, program, ArrayGeometry(24, 64), in_place=True)
