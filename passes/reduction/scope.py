"""Choose how many input channels share sums: the scope whose emitted program takes the fewest cycles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.passes.allocation.allocate import CapacityError, place_program
from imcflow.passes.emission.emit import EmissionPoint, emit_instructions
from imcflow.passes.reduction.intervals import infer_bounds
from imcflow.passes.reduction.reduce import output_bounds, reduce_matrix
from imcflow.runtime.isa import Opcode
from imcflow.runtime.microcode import table_passes
from imcflow.runtime.port_shifts import port_shifts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.dialect.placement import Placement
    from imcflow.passes.ap_target import ApTarget

FIRST_SCOPE_ELEMENTS = 36
"""Four channels of a 3x3 window: the smallest scope that is ever best on trained networks; smaller ones are tried only
where this one does not fit."""
SAMPLE_SCOPES = 16
"""Scopes are compared on at most so many times the channels of the first scope."""
LARGEST_SEARCH_TERMS = 60_000
"""Slices with more terms are not tried: elimination takes time quadratic in the terms of a slice."""


def reduce_in_best_scope(
    matrix: NDArray[np.int64],
    inputs: Bounds,
    bias: NDArray[np.int64],
    channel: int,
    target: ApTarget,
    layer: str,
    repairs_per_term: float = 0.0,
    loaded_bits: NDArray[np.int32] | None = None,
    kept: Bounds | None = None,
) -> AddSubProgram:
    """Return the program of the scope that takes the fewest cycles.

    Scopes grow by factors of two until one does not fit the array or takes more cycles than the one before; where
    even the first does not fit, they shrink. Layers of many channels are compared on their first ones: slices of one
    size cost about the same.

    Args:
        matrix: integers [outputs, window elements].
        inputs: intervals of the window elements.
        bias: int64 [outputs].
        channel: window elements of one input channel.
        target: size and cycles of the array.
        layer: name for messages.
        repairs_per_term: effort of the search for fewer operations, in the scope chosen without it; its program is
            taken if it fits and takes fewer cycles.
        loaded_bits: bits in which each window element is loaded, if more than its interval needs.
        kept: for one of several partial sums, intervals of what the outputs' words hold in the end [outputs].

    Raises:
        CapacityError: not even slices of one channel fit.
    """
    channels = matrix.shape[1] // channel
    first = min(channels, max(1, FIRST_SCOPE_ELEMENTS // channel))
    sample = min(channels, first * SAMPLE_SCOPES)
    part = slice(0, sample * channel)
    terms = np.count_nonzero(matrix[:, part]) / max(sample, 1)
    sampled = Bounds(inputs.low[part], inputs.high[part])
    loaded = None if loaded_bits is None else loaded_bits[part]
    # Words of the outputs as wide as in the whole layer: they decide what fits, and how much an accumulation costs.
    words = kept if kept is not None else output_bounds(matrix, inputs, bias)
    trial = _Trial(matrix[:, part], sampled, bias, channel, target, layer, loaded, words, keeps=kept is not None)
    scope = chosen = first
    best: _Placed | None = None
    fewest: float | None = None
    while True:
        try:
            if best is None:
                best, chosen = trial.fitting(scope), scope
            else:
                other = trial.fitting(scope)
                # The first one is only emitted and counted if there is another to compare it with.
                fewest = trial.cycles(best) if fewest is None else fewest
                cycles = trial.cycles(other)
                if cycles >= fewest:
                    break
                best, chosen, fewest = other, scope, cycles
        except CapacityError:
            if best is not None:
                break
            if scope == 1:
                raise
            scope //= 2
            continue
        if scope >= sample or scope < first or 2 * scope * terms > LARGEST_SEARCH_TERMS:
            break
        scope *= 2
    whole = _Trial(matrix, inputs, bias, channel, target, layer, loaded_bits, kept, keeps=kept is not None)
    while sample != channels:
        try:
            best = whole.fitting(chosen)
            break
        except CapacityError:
            if chosen == 1:
                raise
            chosen //= 2
    if repairs_per_term > 0:
        try:
            searched = whole.fitting(chosen, repairs_per_term)
        except CapacityError:
            return best.program
        # Placed as the whole layer is, in which words may be narrower than those of a sample.
        return searched.program if whole.cycles(searched) < whole.cycles(whole.placed(best.program)) else best.program
    return best.program


@dataclass(frozen=True, eq=False)
class _Placed:
    """A program, the same with intervals, and where its words are."""

    program: AddSubProgram
    bounded: AddSubProgram
    placement: Placement


@dataclass(frozen=True, eq=False)
class _Trial:
    """A layer, or some of its channels, to be compiled with one scope or another."""

    matrix: NDArray[np.int64]
    inputs: Bounds
    bias: NDArray[np.int64]
    channel: int
    target: ApTarget
    layer: str
    loaded_bits: NDArray[np.int32] | None
    words: Bounds | None
    keeps: bool

    def fitting(self, scope: int, repairs_per_term: float = 0.0) -> _Placed:
        """Program with slices of `scope` channels.

        Raises:
            CapacityError: the program does not fit the array.
        """
        return self.placed(self._reduce(scope, repairs_per_term))

    def placed(self, program: AddSubProgram) -> _Placed:
        """Place a program.

        Raises:
            CapacityError: it does not fit the array.
        """
        bounded = infer_bounds(program, self.inputs)
        if self.words is not None:
            bounded = replace(bounded, outputs=self.words)
        geometry, loaded = self.target.geometry, self.loaded_bits
        placement = place_program(bounded, geometry, self.layer, loaded_bits=loaded, keep_outputs=self.keeps)
        return _Placed(program, bounded, placement)

    def cycles(self, placed: _Placed) -> float:
        """Cycles of a program, which takes longer to find than its place."""
        return _cycles_at(placed.bounded, placed.placement, self.target, self.layer)

    def _reduce(self, scope: int, repairs_per_term: float = 0.0) -> AddSubProgram:
        elements = scope * self.channel
        group = 0 if elements >= self.matrix.shape[1] else elements
        return reduce_matrix(
            self.matrix,
            self.inputs,
            group=group,
            bias=self.bias,
            cycles=self.target.cycles,
            repairs_per_term=repairs_per_term,
        )


def emitted_cycles(
    program: AddSubProgram,
    target: ApTarget,
    layer: str,
    loaded_bits: NDArray[np.int32] | None = None,
    *,
    keep_outputs: bool = False,
) -> float:
    """Return the search, write, shift and load cycles of the instruction table of a program with intervals.

    Raises:
        CapacityError: the program does not fit the array.
    """
    placement = place_program(program, target.geometry, layer, loaded_bits=loaded_bits, keep_outputs=keep_outputs)
    return _cycles_at(program, placement, target, layer)


def _cycles_at(program: AddSubProgram, placement: Placement, target: ApTarget, layer: str) -> float:
    table = emit_instructions(program, placement, layer, EmissionPoint())
    passes = table_passes(table, or_latch=target.summary.or_latch)
    weights = target.weights
    cycles = weights.search * passes.searches.sum() + weights.write * passes.writes.sum()
    cycles += weights.shift * port_shifts(table, target.geometry.domains, target.summary.ports).shift_cycles.sum()
    cycles += weights.load * table["r_bits"][table["opcode"] == Opcode.LOAD].sum(dtype=np.int64)
    return float(cycles)
