"""Data flow of one operand through its chain of levels: what moves, how often, and for how long there is time.

For every boundary between two levels a transfer has an amount per period (elements of the tile below), a period (MAC
iterations between two transfers) and a count (periods in the layer). Irrelevant loops directly above a level cost no
new transfer: the tile stays. Sheet 2.7; the periodic view is that of the ZigZag latency model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from imcflow.targets.crossbar.conventions import Rounding
from imcflow.targets.crossbar.layers import DIMS, RELEVANT, WINDOW_DIMS, Dim, Operand
from imcflow.targets.crossbar.memory import Move

if TYPE_CHECKING:
    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.mapping import Loop, OperandUnrolling
    from imcflow.targets.crossbar.memory import Hierarchy

_PAIRED = {Dim.OX: Dim.FX, Dim.OY: Dim.FY, Dim.FX: Dim.OX, Dim.FY: Dim.OY}


class Transfer(NamedTuple):
    """One stream of transfers at one port of one level of one operand's chain.

    Args:
        level: index in the operand's chain.
        move: direction, seen from that level.
        amount: elements per period and instance of the level.
        bits: width of an element.
        period: MAC iterations between two transfers (1 at the multipliers).
        repeats: periods in the layer.
        window: iterations of a period in which a level without a second buffer may be refilled.
        mean_bits: bits per iteration averaged over the period.
    """

    level: int
    move: Move
    amount: float
    bits: int
    period: float
    repeats: float
    window: float
    mean_bits: int


class OperandFlow(NamedTuple):
    """Transfers of one operand and the working set it keeps in each level.

    Args:
        transfers: every stream with traffic.
        effective_bits: bits per instance of each level that must be there at the same time; the outermost relevant
            loops are left out, because their data can be replaced piecewise.
        register_bits: bits that the innermost level must receive before the first product.
    """

    transfers: tuple[Transfer, ...]
    effective_bits: tuple[float, ...]
    register_bits: float


def is_irrelevant(operand: Operand, dim: Dim) -> bool:
    """True when an operand does not change along a loop."""
    if dim in RELEVANT[operand]:
        return False
    return not (operand is Operand.INPUT and dim in WINDOW_DIMS)


def merge_down(operand: Operand, levels: tuple[tuple[Loop, ...], ...]) -> list[list[Loop]]:
    """Move irrelevant loops at the bottom of a level to the level below: they do not move data across the boundary."""
    merged = [list(loops) for loops in levels]
    for index in range(1, len(merged)):
        while merged[index] and is_irrelevant(operand, merged[index][0][0]):
            loop = merged[index].pop(0)
            target = index - 1
            while target > 0 and not merged[target]:
                target -= 1
            merged[target].append(loop)
    return merged


def _window_reuse(layer: Layer, below: dict[Dim, float], above: list[Loop]) -> float:
    """Reuse of a shifting window along the innermost output loop above the registers (1 when there is none)."""
    if not above or above[0][0] not in WINDOW_DIMS:
        return 1.0
    dim, trips = above[0][0], 1
    for other, size in above:
        if other is not dim:
            break
        trips *= size
    horizontal = dim in (Dim.OX, Dim.FX)
    moving, fixed = below[dim], below[_PAIRED[dim]]

    def distinct(loop_size: float) -> float:
        outputs, taps = (loop_size, fixed) if dim in (Dim.OX, Dim.OY) else (fixed, loop_size)
        return loop_size * fixed / layer.input_positions(outputs, taps, horizontal=horizontal, clip=False)

    return distinct(moving * trips) / distinct(moving)


def operand_flow(
    layer: Layer,
    operand: Operand,
    chain: Hierarchy,
    unrolling: OperandUnrolling,
    levels: tuple[tuple[Loop, ...], ...],
    conventions: Conventions,
) -> OperandFlow:
    """Transfers of one operand for the loops kept at each level of its chain (innermost first)."""
    merged = merge_down(operand, levels)
    height = len(merged)
    # Position 0 is the multipliers, position a + 1 the level a of the chain.
    elements: list[int] = [1]
    trips_so_far = dict.fromkeys(DIMS, 1)
    unrolled: dict[Dim, float] | None = None
    for spatial, loops in zip(unrolling.tiles, merged, strict=False):
        if not loops and spatial is unrolled:
            elements.append(elements[-1])
            continue
        unrolled = spatial
        for dim, trips in loops:
            trips_so_far[dim] *= trips
        tile = {dim: factor * trips_so_far[dim] for dim, factor in spatial.items()}
        elements.append(round(layer.tile_elements(operand, tile, clip=conventions.clip_padding)))

    iterations = [math.prod(trips for _, trips in loops) for loops in merged]
    total = math.prod(iterations)
    reuse = 1.0
    if conventions.sliding_registers and operand is Operand.INPUT and height > 1:
        reuse = _window_reuse(layer, unrolling.tiles[-1], merged[1])
    stationary = 1
    if operand is not Operand.OUTPUT and not conventions.sliding_registers:
        for dim, trips in merged[0]:
            if not is_irrelevant(operand, dim):
                break
            stationary *= trips
    periods: list[float] = [stationary]
    for index in range(height):
        periods.append(math.prod(iterations[: index + 1]) * (reuse if index == 0 else 1.0))

    top_irrelevant, top_relevant = [1], [1]
    for loops in merged:
        top_irrelevant.append(_top_product(operand, loops, irrelevant=True))
        top_relevant.append(_top_product(operand, loops, irrelevant=False))

    partial = _partial_sums(operand, merged, unrolling)
    widths = [_width(layer, operand, partial=flag) for flag in partial]

    transfers: list[Transfer] = []
    for index in range(height):
        below, above = index, index + 1
        lower_amount = elements[below] * unrolling.boosts[below]
        lower = (lower_amount, periods[below], top_irrelevant[below])
        upper = (elements[above], periods[above], top_irrelevant[above])
        is_top = index == height - 1
        if operand is not Operand.OUTPUT:
            transfers.append(_transfer(index, Move.OUT_TO_BELOW, lower, widths[below], total))
            if not is_top:
                transfers.append(_transfer(index, Move.IN_FROM_ABOVE, upper, widths[above], total))
            continue
        transfers.append(_transfer(index, Move.IN_FROM_BELOW, lower, widths[below], total))
        if partial[below]:
            transfers.append(_transfer(index, Move.OUT_TO_BELOW, lower, widths[below], total))
        if not is_top:
            transfers.append(_transfer(index, Move.OUT_TO_ABOVE, upper, widths[above], total))
            if partial[above]:
                transfers.append(_transfer(index, Move.IN_FROM_ABOVE, upper, widths[above], total))

    effective = tuple(elements[a] * widths[a] // top_relevant[a] for a in range(1, height + 1))
    return OperandFlow(tuple(transfers), effective, elements[1] * widths[1])


def _transfer(level: int, move: Move, stream: tuple[float, float, int], bits: int, total: int) -> Transfer:
    amount, period, top_irrelevant = stream
    exact = total / period
    count = exact if exact != int(exact) else int(exact)
    return Transfer(level, move, amount, bits, period, count, period / top_irrelevant, int(amount * bits / period))


def _top_product(operand: Operand, loops: list[Loop], *, irrelevant: bool) -> int:
    product = 1
    for dim, trips in reversed(loops):
        matches = is_irrelevant(operand, dim) if irrelevant else dim in RELEVANT[operand]
        if not matches:
            break
        product *= trips
    return product


def _partial_sums(operand: Operand, merged: list[list[Loop]], unrolling: OperandUnrolling) -> list[bool]:
    """For the multipliers and each level: whether what is handed up from there is still accumulated above."""
    height = len(merged)
    flags = [False] * (height + 1)
    if operand is not Operand.OUTPUT:
        return flags
    above = False
    for position in range(height, 0, -1):
        spatial = unrolling.tiles[position]
        before = unrolling.tiles[position - 1]
        above = above or any(trips > 1 and is_irrelevant(operand, dim) for dim, trips in merged[position - 1])
        above = above or any(spatial[dim] > before[dim] and is_irrelevant(operand, dim) for dim in DIMS)
        flags[position - 1] = above
    return flags


def _width(layer: Layer, operand: Operand, *, partial: bool) -> int:
    if operand is Operand.WEIGHT:
        return layer.weight_bits
    if operand is Operand.INPUT:
        return layer.activation_bits
    return layer.partial_sum_bits if partial else layer.output_bits


def transfer_accesses(
    transfer: Transfer, chain: Hierarchy, operand: Operand, unrolling: OperandUnrolling, rounding: Rounding
) -> float:
    """Full-width accesses of a stream over the whole layer and all instances of its level."""
    level = chain[transfer.level]
    port = level.port_for(operand, transfer.move)
    if port is None or not transfer.amount:
        return 0.0
    bits = transfer.amount * transfer.bits
    repeats = transfer.repeats * unrolling.unit_counts[transfer.level + 1]
    if rounding is Rounding.PORT_MINIMUM:
        units = math.ceil(bits / port.min_width_bits)
        return float(int(units * (port.min_width_bits / port.max_width_bits) * repeats))
    if rounding is Rounding.FULL_WIDTH:
        return math.ceil(bits / _transfer_width(transfer, chain, operand, unrolling, port.max_width_bits)) * repeats
    return bits / port.max_width_bits * repeats


def _transfer_width(
    transfer: Transfer, chain: Hierarchy, operand: Operand, unrolling: OperandUnrolling, own_width_bits: int
) -> float:
    """Bits per access when the instances below cannot take (or give) the full width of this level's port."""
    if transfer.move not in (Move.OUT_TO_BELOW, Move.IN_FROM_BELOW):
        return own_width_bits
    if transfer.level == 0:
        return transfer.amount * transfer.bits
    facing = Move.IN_FROM_ABOVE if transfer.move is Move.OUT_TO_BELOW else Move.OUT_TO_ABOVE
    other = chain[transfer.level - 1].port_for(operand, facing)
    if other is None:
        return own_width_bits
    return min(own_width_bits, other.max_width_bits * unrolling.ratios[transfer.level])
