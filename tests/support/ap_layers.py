"""Random layers, and the way from a matrix to an instruction table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
from imcflow.dialect.placement import Placement
from imcflow.passes.allocation.allocate import ArrayGeometry, place_program
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.offsets import lift_values
from imcflow.passes.reduction.reduce import COUNT_ONLY, OR_LATCH, STRICT, reduce_matrix


@dataclass(frozen=True, eq=False)
class Layer:
    """A matrix with the intervals of its inputs, compiled with random options."""

    matrix: np.ndarray
    inputs: Bounds
    bias: np.ndarray
    program: AddSubProgram
    geometry: ArrayGeometry
    in_place: bool

    def placement(self, **options: Any) -> Placement:
        return place_program(self.program, self.geometry, "layer", in_place=self.in_place, **options)

    def table(self, placement: Placement) -> np.ndarray:
        return emit_instructions(self.program, placement, "layer", EmissionPoint())

    def lanes(self, count: int = 16) -> np.ndarray:
        rng = np.random.default_rng(len(self.matrix))
        return rng.integers(self.inputs.low[:, None], self.inputs.high[:, None] + 1, (len(self.inputs.low), count))


def compile_layer(seed: int, geometry: ArrayGeometry) -> Layer:
    rng = np.random.default_rng(seed)
    outputs, inputs = int(rng.integers(1, 20)), int(rng.integers(1, 30))
    bits = int(rng.integers(1, 8))
    matrix = rng.integers(-(2**bits) + 1, 2**bits, (outputs, inputs)) * (rng.random((outputs, inputs)) < rng.random())
    if rng.integers(2):
        matrix = np.sign(matrix)
    low = rng.integers(-9, 1, inputs) * rng.integers(0, 2)
    bounds = Bounds(low, low + rng.integers(0, 16, inputs))
    bias = rng.integers(-50, 50, outputs) * rng.integers(0, 2, outputs)
    program = reduce_matrix(
        matrix,
        bounds,
        group=int(rng.integers(0, 12)),
        bias=bias,
        cycles=(STRICT, OR_LATCH, COUNT_ONLY)[int(rng.integers(3))],
        share=bool(rng.integers(4)),
    )
    program, in_place = infer_bounds(program, bounds), bool(rng.integers(2))
    if rng.integers(2):
        program, moved = lift_values(program, bounds, movable=bool(rng.integers(4)))
        bias = bias + moved
    return Layer(matrix, bounds, bias, program, geometry, in_place)


geometries = st.builds(ArrayGeometry, st.integers(60, 90), st.sampled_from((32, 64, 100, 128)))
layers = st.builds(compile_layer, st.integers(0, 2**31), geometries)
