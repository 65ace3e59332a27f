"""Loop nests: how a layer's work is cut into tiles, put on banks and ordered in time.

A mapping lists the loops at or above the analysis level (a bank of a DRAM, a core, a crossbar macro), outermost first;
what lies below is one tile. A temporal loop counts steps, a spatial one counts banks. For loop i on dimension d_i with
bound b_i (sheet `overlap_mapping.md` 2.1):

    coordinate stride  cs_i = tile_{d_i} * product of b_j over later loops on the same dimension
    time weight        tw_i = product of b_j over later temporal loops if i is temporal, else 0
    place weight       sw_i = product of b_j over later spatial loops if i is spatial, else 0
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from imcflow.errors import ImcflowError

if TYPE_CHECKING:
    from collections.abc import Iterable

Ints: TypeAlias = NDArray[np.int64]
"""Integer arrays; times are in ticks, the smallest time of the target."""

_LOOP = re.compile(r"([KCPQRS])([1-9][0-9]*)(s?)")


class OverlapError(ImcflowError):
    """A layer, mapping or schedule is inconsistent: the message names it and what is allowed."""


class Dim(StrEnum):
    """Dimensions of a layer: output channels, input channels, output rows and columns, kernel rows and columns."""

    K = "K"
    C = "C"
    P = "P"
    Q = "Q"
    R = "R"
    S = "S"


OUTPUT_DIMS = (Dim.K, Dim.P, Dim.Q)
REDUCTION_DIMS = (Dim.C, Dim.R, Dim.S)


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop of a mapping.

    Args:
        dim: what it walks.
        bound: number of iterations, at least 1.
        spatial: iterations lie side by side on banks instead of one after the other.
        level: name of the hardware level that runs it, for reports.

    Raises:
        OverlapError: the bound is below 1.
    """

    dim: Dim
    bound: int
    spatial: bool = False
    level: str = "bank"

    def __post_init__(self) -> None:
        if self.bound < 1:
            raise OverlapError(f"loop {self.dim}: bound {self.bound}, but must be at least 1")

    def __str__(self) -> str:
        return f"{self.dim}{self.bound}{'s' if self.spatial else ''}"


@dataclass(frozen=True)
class Mapping:
    """Loops of one layer, outermost first, and what a step costs.

    Args:
        loops: the loops at or above the analysis level.
        step_ticks: length tau of a step, in ticks.
        tail_ticks: time from the end of a step to its result being readable: the adder tree and moves of a spatial
            reduction loop, in ticks.

    Raises:
        OverlapError: `step_ticks` is below 1 or `tail_ticks` is negative.
    """

    loops: tuple[Loop, ...]
    step_ticks: int = 1
    tail_ticks: int = 0

    def __post_init__(self) -> None:
        if self.step_ticks < 1 or self.tail_ticks < 0:
            raise OverlapError(f"mapping {self}: a step takes {self.step_ticks} ticks, its tail {self.tail_ticks}")

    @classmethod
    def parse(cls, text: str, step_ticks: int = 1, tail_ticks: int = 0) -> Mapping:
        """Read loops as in `P4s P2 Q8`: dimension, bound, `s` for spatial; outermost first.

        Raises:
            OverlapError: names the word that is no loop.
        """
        loops: list[Loop] = []
        for word in text.split():
            match = _LOOP.fullmatch(word)
            if match is None:
                raise OverlapError(f"mapping '{text}': '{word}' is no loop; expected as in P4s (dimension, bound, s)")
            loops.append(Loop(Dim(match[1]), int(match[2]), spatial=match[3] == "s"))
        return cls(tuple(loops), step_ticks, tail_ticks)

    def __str__(self) -> str:
        return " ".join(str(loop) for loop in self.loops) or "one tile"

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Bounds of the loops: the shape of arrays over all tiles of work."""
        return tuple(loop.bound for loop in self.loops)

    @cached_property
    def steps(self) -> int:
        """Steps n of every bank."""
        return math.prod(loop.bound for loop in self.loops if not loop.spatial)

    @cached_property
    def banks(self) -> int:
        """Banks m that work at the same time."""
        return math.prod(loop.bound for loop in self.loops if loop.spatial)

    @cached_property
    def time_weights(self) -> tuple[int, ...]:
        """tw_i of every loop."""
        return _weights(self.loops, spatial=False)

    @cached_property
    def place_weights(self) -> tuple[int, ...]:
        """sw_i of every loop."""
        return _weights(self.loops, spatial=True)

    @property
    def latency_ticks(self) -> int:
        """n * tau: time of the layer alone, from its first step to its last result."""
        return self.steps * self.step_ticks + self.tail_ticks

    @cached_property
    def reduction_step(self) -> int:
        """RED: steps between the first and the last step of one output, sum of (b_i - 1) tw_i over C, R, S."""
        pairs = zip(self.loops, self.time_weights, strict=True)
        return sum((loop.bound - 1) * weight for loop, weight in pairs if loop.dim in REDUCTION_DIMS)

    @cached_property
    def reduction_steps(self) -> int:
        """Steps that one bank spends on one output tile."""
        return math.prod(loop.bound for loop in self.loops if not loop.spatial and loop.dim in REDUCTION_DIMS)

    @cached_property
    def reduction_banks(self) -> int:
        """Banks that share one output tile."""
        return math.prod(loop.bound for loop in self.loops if loop.spatial and loop.dim in REDUCTION_DIMS)

    def axes(self, *dims: Dim) -> tuple[int, ...]:
        """Positions of the loops on the given dimensions, outermost first."""
        return tuple(index for index, loop in enumerate(self.loops) if loop.dim in dims)

    def spatial_axes(self) -> tuple[int, ...]:
        """Positions of the spatial loops."""
        return tuple(index for index, loop in enumerate(self.loops) if loop.spatial)

    def temporal_axes(self) -> tuple[int, ...]:
        """Positions of the temporal loops."""
        return tuple(index for index, loop in enumerate(self.loops) if not loop.spatial)

    def tiles(self, dim: Dim) -> int:
        """Tiles along a dimension."""
        return math.prod(loop.bound for loop in self.loops if loop.dim is dim)

    def tile_indices(self, dim: Dim) -> Ints:
        """Index of the tile along `dim`, as an array that broadcasts over `shape`."""
        total: Ints = np.zeros((1,) * len(self.loops), dtype=np.int64)
        weight = 1
        for axis in reversed(self.axes(dim)):
            total = total + self._along(axis, weight)
            weight *= self.loops[axis].bound
        return total

    def step_indices(self) -> Ints:
        """Step T of every tile of work, as an array that broadcasts over `shape`."""
        return self._sum_along(self.time_weights)

    def bank_indices(self) -> Ints:
        """Bank B of every tile of work, as an array that broadcasts over `shape`."""
        return self._sum_along(self.place_weights)

    def step_shares(self, dim: Dim) -> Ints:
        """f_d by tile index: what the digits on `dim` add to the step, int64[tiles(dim)]."""
        values: Ints = np.zeros(1, dtype=np.int64)
        for axis in self.axes(dim):
            steps = np.arange(self.loops[axis].bound, dtype=np.int64) * self.time_weights[axis]
            values = (values[:, None] + steps).ravel()
        return values

    def _along(self, axis: int, weight: int) -> Ints:
        shape = [1] * len(self.loops)
        shape[axis] = self.loops[axis].bound
        return np.arange(self.loops[axis].bound, dtype=np.int64).reshape(shape) * weight

    def _sum_along(self, weights: Iterable[int]) -> Ints:
        total: Ints = np.zeros((1,) * len(self.loops), dtype=np.int64)
        for axis, weight in enumerate(weights):
            if weight:
                total = total + self._along(axis, weight)
        return total


def _weights(loops: tuple[Loop, ...], *, spatial: bool) -> tuple[int, ...]:
    weights: list[int] = []
    weight = 1
    for loop in reversed(loops):
        weights.append(weight if loop.spatial == spatial else 0)
        if loop.spatial == spatial:
            weight *= loop.bound
    return tuple(reversed(weights))
