"""Choose how many input channels share sums: the scope whose emitted program takes the fewest cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from imcflow.passes.allocation.allocate import CapacityError, place_program
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import reduce_matrix
from imcflow.runtime.isa import Opcode
from imcflow.runtime.microcode import table_passes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram, Bounds
    from imcflow.passes.ap_target import ApTarget

FIRST_SCOPE_CHANNELS = 4
LARGEST_SEARCH_TERMS = 400_000
"""Slices with more terms are not tried: their elimination takes time quadratic in the scope."""


def best_scope(
    matrix: NDArray[np.int64],
    inputs: Bounds,
    bias: NDArray[np.int64],
    channel: int,
    target: ApTarget,
    layer: str,
) -> int:
    """Return the number of window elements per slice; 0 for the whole layer.

    Scopes of 4, 8, 16, ... input channels are compiled until one does not fit the array or takes more cycles than the
    one before. Where even four channels do not fit, two and one are tried.

    Args:
        matrix: integers [outputs, window elements].
        inputs: intervals of the window elements.
        bias: int64 [outputs].
        channel: window elements of one input channel.
        target: size and cycles of the array.
        layer: name for messages.

    Raises:
        CapacityError: not even slices of one channel fit.
    """
    channels = matrix.shape[1] // channel
    terms_per_channel = np.count_nonzero(matrix) / max(channels, 1)
    best, fewest = 0, None
    scope = min(FIRST_SCOPE_CHANNELS, channels)
    while True:
        group = 0 if scope >= channels else scope * channel
        try:
            cycles = program_cycles(matrix, inputs, bias, group, target, layer)
        except CapacityError:
            if fewest is not None:
                return best
            if scope == 1:
                raise
            scope //= 2
            if scope < FIRST_SCOPE_CHANNELS // 2:
                scope = 1
            continue
        if fewest is not None and cycles >= fewest:
            return best
        best, fewest = group, cycles
        if group == 0 or scope < FIRST_SCOPE_CHANNELS or 2 * scope * terms_per_channel > LARGEST_SEARCH_TERMS:
            return best
        scope *= 2


def program_cycles(
    matrix: NDArray[np.int64], inputs: Bounds, bias: NDArray[np.int64], group: int, target: ApTarget, layer: str
) -> int:
    """Return the search, write and load cycles of a layer compiled with one scope.

    Raises:
        CapacityError: the program does not fit the array.
    """
    program = reduce_matrix(matrix, inputs, group=group, bias=bias, cycles=target.cycles)
    return emitted_cycles(infer_bounds(program, inputs), target, layer)


def emitted_cycles(program: AddSubProgram, target: ApTarget, layer: str) -> int:
    """Return the search, write and load cycles of the instruction table of a program with intervals.

    Raises:
        CapacityError: the program does not fit the array.
    """
    placement = place_program(program, target.geometry, layer)
    table = emit_instructions(program, placement, layer, EmissionPoint())
    passes = table_passes(table, or_latch=target.summary.or_latch)
    loaded = int(table["r_bits"][table["opcode"] == Opcode.LOAD].sum(dtype=np.int64))
    return int(passes.searches.sum() + passes.writes.sum()) + loaded
