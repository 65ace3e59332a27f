"""Partial sums of one layer on several arrays: who adds which outputs, and how long their words become.

Each of n arrays (a power of two) holds the sums of all outputs over its own input channels. They are added by recursive
halving: in every round an array and its partner share the outputs they still hold, each takes over one half and
receives the other's partial sums of it. All arrays add at the same time; after log2(n) rounds each holds the whole
sums of its own n-th part of the outputs, and stores them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from imcflow.dialect.add_sub_program import Bounds
from imcflow.errors import ImcflowError
from imcflow.passes.reduction.reduce import output_bounds

REDUCED_SHARE = 0.2
"""Cycles of a layer with shared sums, over those of its plain accumulations: 0.17 to 0.22 on trained networks."""
MOST_ROUNDS = 50

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imcflow.dialect.add_sub_program import AddSubProgram
    from imcflow.passes.reduction.reduce import BitCycles


@dataclass(frozen=True, eq=False)
class Exchange:
    """One direction of one round: `keeper` receives the partial sums of `outputs` from `giver` and adds them.

    Attributes:
        round: from 0 on.
        keeper, giver: arrays, counted inside the layer's part.
        outputs: int64, ascending.
    """

    round: int
    keeper: int
    giver: int
    outputs: NDArray[np.int64]


def reach(matrices: Sequence[NDArray[np.int64]], inputs: Bounds, biases: Sequence[NDArray[np.int64]]) -> Bounds:
    """Return intervals that hold the sum of any of the partial sums, per output.

    Args:
        matrices: of the arrays, [outputs, window elements].
        inputs: intervals of the window elements.
        biases: of the arrays, [outputs].
    """
    parts = [output_bounds(matrix, inputs, bias) for matrix, bias in zip(matrices, biases, strict=True)]
    low, high = np.stack([part.low for part in parts]), np.stack([part.high for part in parts])
    # A word holds one part at least, so that the ends of single parts count even where they are far from 0.
    return Bounds(
        np.minimum(np.minimum(low, 0).sum(axis=0), low.min(axis=0)),
        np.maximum(np.maximum(high, 0).sum(axis=0), high.max(axis=0)),
    )


def exchanges(arrays: int, outputs: int) -> list[Exchange]:
    """Return all exchanges, round by round; the two directions of a pair follow each other.

    Args:
        arrays: a power of two.
        outputs: number of outputs of the part.

    Raises:
        ImcflowError: `arrays` is no power of two.
    """
    if arrays < 1 or arrays & (arrays - 1):
        raise ImcflowError(f"partial sums need a power of two of arrays, got {arrays}")
    held = [np.arange(outputs, dtype=np.int64) for _ in range(arrays)]
    plan: list[Exchange] = []
    distance, number = arrays // 2, 0
    while distance:
        for first in range(arrays):
            second = first ^ distance
            if second < first:
                continue
            half = (len(held[first]) + 1) // 2
            held[first], held[second] = held[first][:half], held[first][half:]
            plan.append(Exchange(number, first, second, held[first]))
            plan.append(Exchange(number, second, first, held[second]))
        distance, number = distance // 2, number + 1
    return plan


def most_arrays(wanted: int, channels: int, array_count: int) -> int:
    """Return the largest power of two of arrays that may share a layer's input channels.

    Args:
        wanted: at most so many.
        channels: input channels; each array needs one.
        array_count: arrays of a row block, 0 for no limit.
    """
    limit = min(wanted, channels, array_count or wanted)
    return 1 << (limit.bit_length() - 1)


@dataclass(frozen=True)
class SharedLayer:
    """What dividing the input channels of one layer is estimated to cost.

    Attributes:
        accumulation: cycles of the layer on one array.
        exchange: cycles of adding the partial sums of one more array.
        row_blocks: copies of the arrays that work at the same time, for the energy.
        most: largest number of arrays, a power of two; 1 for layers that are not divided.
    """

    accumulation: float
    exchange: float
    row_blocks: int
    most: int

    def cycles(self, arrays: int) -> float:
        """Each array accumulates its share, and adds the partial sums of all others for its share of the outputs."""
        return self.accumulation / arrays + self.exchange * (1 - 1 / arrays)

    def energy(self, arrays: int) -> float:
        """In cycles of one array that works."""
        return self.row_blocks * (self.accumulation + self.exchange * (arrays - 1))


def shared_layer(
    digits: int, outputs: int, row_blocks: int, most: int, cycles: BitCycles, move_cycles_per_bit: float
) -> SharedLayer:
    """Estimate a layer; words of all its sums count as equally long.

    Args:
        digits: nonzero signed digits.
        outputs: of the layer.
        row_blocks: for one image.
        most: a power of two.
        cycles: of an array, per bit.
        move_cycles_per_bit: of a word from array to array.
    """
    # A word is sent once and received once by every array, and its ports travel for each of the three instructions.
    exchange = outputs * (cycles.in_place + 2 * move_cycles_per_bit + 3 * cycles.travel)
    return SharedLayer(REDUCED_SHARE * digits * cycles.in_place, exchange, row_blocks, most)


def economic_arrays(layers: Sequence[SharedLayer]) -> list[int]:
    """Return the number of arrays of each layer for the least energy-delay product of all layers one after another.

    The product of the two sums is least where every layer has the least energy + weight * time, with the weight the
    ratio of the sums: it is found by repetition, from one array per layer on.
    """
    chosen = [1] * len(layers)
    for _ in range(MOST_ROUNDS):
        energy = sum(layer.energy(arrays) for layer, arrays in zip(layers, chosen, strict=True))
        time = sum(layer.cycles(arrays) for layer, arrays in zip(layers, chosen, strict=True))
        weight = energy / time if time else 0.0
        better = [
            min(
                (1 << power for power in range(layer.most.bit_length())),
                key=lambda arrays, layer=layer: layer.energy(arrays) + weight * layer.cycles(arrays),
            )
            for layer in layers
        ]
        if better == chosen:
            break
        chosen = better
    return chosen


def share_channels(matrix: NDArray[np.int64], channel: int, arrays: int) -> list[NDArray[np.int64]]:
    """Return the matrices of the arrays: each keeps a range of input channels, with about as many nonzero weights.

    Args:
        matrix: integers [outputs, window elements].
        channel: window elements of one input channel.
        arrays: at most the number of channels.
    """
    channels = matrix.shape[1] // channel
    # A channel without weights counts a little, so that borders are distinct.
    load: NDArray[np.float64] = np.count_nonzero(matrix.reshape(len(matrix), channels, channel), axis=(0, 2)) + 1e-6
    reached = np.cumsum(load) / load.sum()
    borders = [0]
    for array in range(1, arrays):
        wanted = int(np.searchsorted(reached, array / arrays)) + 1
        borders.append(min(max(wanted, borders[-1] + 1), channels - (arrays - array)))
    borders.append(channels)
    shares: list[NDArray[np.int64]] = []
    for begin, end in pairwise(borders):
        share = np.zeros_like(matrix)
        share[:, begin * channel : end * channel] = matrix[:, begin * channel : end * channel]
        shares.append(share)
    return shares


def used_elements(matrix: NDArray[np.int64], channel: int) -> slice:
    """Return the window elements from the first to the last channel with a weight; those of one channel at least."""
    used = np.flatnonzero(matrix.any(axis=0)) // channel
    begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    return slice(begin * channel, end * channel)


def among(program: AddSubProgram, elements: slice, element_count: int) -> AddSubProgram:
    """Return the program of some window elements as a program of all of them.

    Args:
        program: without intervals; its inputs are `elements`.
        elements: a range.
        element_count: number of all window elements.
    """
    added = element_count - program.input_count

    def moved(values: NDArray[np.int32]) -> NDArray[np.int32]:
        return (values + np.where(values < program.input_count, elements.start, added)).astype(np.int32)

    slice_inputs = program.slice_inputs + np.int32(elements.start)
    slice_inputs[0], slice_inputs[-1] = 0, element_count
    return replace(
        program,
        input_count=element_count,
        lhs=moved(program.lhs),
        rhs=moved(program.rhs),
        accumulate_value=moved(program.accumulate_value),
        slice_inputs=slice_inputs,
    )


def final_outputs(arrays: int, outputs: int) -> list[NDArray[np.int64]]:
    """Return the outputs that each array stores in the end; arguments and errors as for `exchanges`."""
    final = [np.arange(outputs, dtype=np.int64) for _ in range(arrays)]
    for exchange in exchanges(arrays, outputs):
        final[exchange.keeper] = exchange.outputs
    return final


def contributes(program: AddSubProgram) -> NDArray[np.bool_]:
    """Return which outputs of a program are not simply 0, [outputs]."""
    nonzero = program.bias != 0
    nonzero[program.accumulate_output] = True
    return nonzero


def widened(programs: Sequence[AddSubProgram]) -> list[AddSubProgram]:
    """Return the programs of one part with words long enough for every sum that they will hold.

    Args:
        programs: one per array, with intervals.
    """
    low = np.stack([_outputs(program).low for program in programs])
    high = np.stack([_outputs(program).high for program in programs])
    sum_low, sum_high = low.copy(), high.copy()
    for exchange in exchanges(len(programs), low.shape[1]):
        keeper, chosen = exchange.keeper, exchange.outputs
        sum_low[keeper, chosen] += sum_low[exchange.giver, chosen]
        sum_high[keeper, chosen] += sum_high[exchange.giver, chosen]
        low[keeper, chosen] = np.minimum(low[keeper, chosen], sum_low[keeper, chosen])
        high[keeper, chosen] = np.maximum(high[keeper, chosen], sum_high[keeper, chosen])
    return [replace(program, outputs=Bounds(low[i], high[i])) for i, program in enumerate(programs)]


def _outputs(program: AddSubProgram) -> Bounds:
    if program.outputs is None:
        raise ImcflowError("partial sums are combined after imc-infer-widths, a program has no intervals")
    return program.outputs
