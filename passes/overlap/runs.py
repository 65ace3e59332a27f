"""One layer in time: starts of all tiles, given when they are ready, in four orders (sheet 2.5 to 2.7).

A block is all temporal reduction steps of one output tile on one bank; re-ordering moves whole blocks, so partial sums
never leave their bank. Tiles wholly beyond the layer, which some mappings have at their ends, take a step in lock step
and nothing in the other orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from imcflow.passes.overlap.grid import output_grid
from imcflow.passes.overlap.latency import queue_ends, step_ends
from imcflow.passes.overlap.maxima import NOTHING
from imcflow.passes.overlap.nests import REDUCTION_DIMS, Dim, Ints, Mapping


class Order(StrEnum):
    """How the tiles of a layer are ordered.

    LOCK_STEP: loop order, all banks take the same step together. INDEPENDENT: loop order, each bank waits for its own
    data. PERMUTED: each bank takes its blocks by ready time; nothing moves. REPLACED: blocks by ready time on any bank.
    """

    LOCK_STEP = "lock-step"
    INDEPENDENT = "independent"
    PERMUTED = "permuted"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class MoveCosts:
    """What moving a block to another bank costs on the one link of the layer, in ticks.

    Args:
        input_ticks: time of the block's inputs on the link.
        weight_ticks: time of its weights, paid once per weight tile and bank that does not hold it.
    """

    input_ticks: int = 0
    weight_ticks: int = 0


FREE_MOVES = MoveCosts()
_T = TypeVar("_T", np.int64, np.bool_)


@dataclass(frozen=True, slots=True)
class Run:
    """Tiles of a layer in time.

    Args:
        order: how they are ordered.
        start: start of every tile of work, in ticks, int64 over the loops of the mapping; -1 for a tile that does not
            run.
        bank: its bank, same shape.
        done: time from which each output tile can be read, int64[K tiles, P tiles, Q tiles].
        end: the last of them.
        moved_blocks: blocks that run on another bank than the loop nest says.
        link_ticks: time the link of the layer is busy with them.
    """

    order: Order
    start: Ints
    bank: Ints
    done: Ints
    end: int
    moved_blocks: int = 0
    link_ticks: int = 0

    @property
    def first_start(self) -> int:
        """Start of the first tile that runs."""
        return int(self.start.min(where=self.start >= 0, initial=np.iinfo(np.int64).max))


def run_layer(
    mapping: Mapping,
    ready: Ints,
    order: Order,
    moves: MoveCosts = FREE_MOVES,
    inside: NDArray[np.bool_] | None = None,
) -> Run:
    """Run a layer as early as its order allows.

    Args:
        mapping: its loops and step time.
        ready: ready time of every tile of work, in ticks, broadcasting over the loops.
        order: how to order the tiles.
        moves: what REPLACED pays for a block on another bank.
        inside: which tiles have outputs, broadcasting over the loops; all if left out.
    """
    used = np.ones((1,) * len(mapping.loops), dtype=np.bool_) if inside is None else inside
    if order is Order.LOCK_STEP:
        in_banks = _by_bank(mapping, ready).max(axis=1, keepdims=True)
        start = step_ends(in_banks, mapping.step_ticks) - mapping.step_ticks
        start = np.broadcast_to(start, (mapping.steps, mapping.banks))
        return _run(order, mapping, _from_banks(mapping, start), _banks(mapping))
    if order is Order.INDEPENDENT:
        works = _by_bank(mapping, used)
        ticks = works * mapping.step_ticks
        before = np.cumsum(ticks, axis=0) - ticks
        start = np.maximum.accumulate(np.where(works, _by_bank(mapping, ready) - before, NOTHING), axis=0) + before
        return _run(order, mapping, _from_banks(mapping, np.where(works, start, -1)), _banks(mapping))
    blocks = _Blocks(mapping)
    works = blocks.inside(used)
    # What does not run sorts behind everything.
    block_ready = np.where(works, blocks.ready(ready), -NOTHING)
    if order is Order.PERMUTED:
        by_ready = np.argsort(block_ready, axis=0, kind="stable")
        ends = step_ends(np.take_along_axis(block_ready, by_ready, axis=0), blocks.ticks)
        start = np.empty_like(ends)
        np.put_along_axis(start, by_ready, ends - blocks.ticks, axis=0)
        return _run(order, mapping, blocks.spread_starts(start, works), _banks(mapping))
    start, bank, moved, link_ticks = _replaced(blocks, block_ready, int(works.sum()), moves)
    banks = blocks.spread(bank, step_inside=False)
    return _run(order, mapping, blocks.spread_starts(start, works), banks, moved, link_ticks)


def _run(order: Order, mapping: Mapping, start: Ints, bank: Ints, moved: int = 0, link_ticks: int = 0) -> Run:
    done = output_grid(mapping, start) + (mapping.step_ticks + mapping.tail_ticks)
    return Run(order, start, bank, done, int(done.max()), moved, link_ticks)


def _banks(mapping: Mapping) -> Ints:
    return np.broadcast_to(mapping.bank_indices(), mapping.shape)


def _by_bank(mapping: Mapping, values: NDArray[_T]) -> NDArray[_T]:
    axes = (*mapping.temporal_axes(), *mapping.spatial_axes())
    full = np.broadcast_to(values, mapping.shape)
    return full.transpose(axes).reshape(mapping.steps, mapping.banks)


def _from_banks(mapping: Mapping, values: Ints) -> Ints:
    axes = (*mapping.temporal_axes(), *mapping.spatial_axes())
    shape = [mapping.shape[axis] for axis in axes]
    return values.reshape(shape).transpose(np.argsort(axes))


class _Blocks:
    """Blocks of a mapping as arrays of int64[blocks per bank, banks]."""

    def __init__(self, mapping: Mapping) -> None:
        self.mapping = mapping
        temporal = mapping.temporal_axes()
        self.inner = tuple(axis for axis in temporal if mapping.loops[axis].dim in REDUCTION_DIMS)
        outer = tuple(axis for axis in temporal if axis not in self.inner)
        self.order = (*outer, *mapping.spatial_axes())
        self.shape = (mapping.steps // mapping.reduction_steps, mapping.banks)
        self.ticks = mapping.reduction_steps * mapping.step_ticks

    def ready(self, ready: Ints) -> Ints:
        """The latest ready time of each block's steps."""
        full = np.broadcast_to(ready, self.mapping.shape)
        return self._packed(full.max(axis=self.inner, keepdims=True))

    def inside(self, inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which blocks have outputs; that does not depend on reduction loops."""
        first = tuple(slice(0, 1) if axis in self.inner else slice(None) for axis in range(len(self.mapping.loops)))
        return self._packed(np.broadcast_to(inside, self.mapping.shape)[first])

    def spread_starts(self, start: Ints, works: NDArray[np.bool_]) -> Ints:
        """Starts of blocks as starts of tiles of work; -1 for blocks that do not run."""
        shown = self.spread(start, step_inside=True)
        return np.where(np.broadcast_to(self.spread(works.astype(np.int64), step_inside=False), shown.shape), shown, -1)

    def weights(self) -> Ints:
        """Which weight tile each block needs: its output channels and its share of a spatial reduction."""
        mapping = self.mapping
        tile = mapping.tile_indices(Dim.K)
        for axis in mapping.axes(*REDUCTION_DIMS):
            loop = mapping.loops[axis]
            if loop.spatial:
                shape = [1] * len(mapping.loops)
                shape[axis] = loop.bound
                tile = tile * loop.bound + np.arange(loop.bound, dtype=np.int64).reshape(shape)
        shape = [1 if axis in self.inner else bound for axis, bound in enumerate(mapping.shape)]
        return self._packed(np.broadcast_to(tile, shape))

    def _packed(self, values: NDArray[_T]) -> NDArray[_T]:
        return values.transpose((*self.order, *self.inner)).reshape(self.shape)

    def spread(self, values: Ints, *, step_inside: bool) -> Ints:
        """Values of blocks as values of tiles of work; `step_inside` adds the time since the block began."""
        mapping = self.mapping
        axes = (*self.order, *self.inner)
        shape = [mapping.shape[axis] for axis in self.order] + [1] * len(self.inner)
        inner = tuple(mapping.shape[axis] for axis in self.inner)
        inside: Ints = np.zeros(inner, dtype=np.int64)
        if step_inside:
            inside = np.arange(mapping.reduction_steps, dtype=np.int64).reshape(inner) * mapping.step_ticks
        return (values.reshape(shape) + inside).transpose(np.argsort(axes))


def _replaced(blocks: _Blocks, ready: Ints, total: int, moves: MoveCosts) -> tuple[Ints, Ints, int, int]:
    """The `total` first blocks by ready time in rounds of one block per bank, aligned at the end, which attains C_T.

    Within a round any assignment of blocks to banks ends at the same time, so blocks stay where they are if they can.
    """
    banks = ready.shape[1]
    sequence = np.argsort(ready, axis=None, kind="stable")[:total]
    # Counted from the end, so that the first round is the incomplete one; -1 marks an idle place.
    rounds = np.full(-(-total // banks) * banks, -1, dtype=np.int64)
    rounds[len(rounds) - total :] = sequence
    rounds = rounds.reshape(-1, banks)
    new_bank = _assign_banks(np.where(rounds >= 0, rounds % banks, -1))
    filled = rounds >= 0
    block, place = rounds[filled], new_bank[filled]
    available = ready.ravel()[block]
    moved = block % banks != place
    link_ticks = 0
    if moved.any() and (moves.input_ticks or moves.weight_ticks):
        available, link_ticks = _delayed_by_link(blocks, block, place, available, moves)
    timeline = np.full(rounds.shape, NOTHING, dtype=np.int64)
    timeline[np.nonzero(filled)[0], place] = available
    start_by_place = step_ends(timeline, blocks.ticks) - blocks.ticks
    start = np.full(ready.size, -1, dtype=np.int64)
    start[block] = start_by_place[np.nonzero(filled)[0], place]
    bank = np.arange(ready.size, dtype=np.int64) % banks
    bank[block] = place
    return start.reshape(ready.shape), bank.reshape(ready.shape), int(moved.sum()), link_ticks


def _assign_banks(own: Ints) -> Ints:
    """Give every block of a round a bank of its own, its old one where no earlier block of the round has it.

    Args:
        own: int64[rounds, banks] old banks, -1 where there is no block.
    """
    rounds, banks = own.shape
    by_bank = np.argsort(own, axis=1, kind="stable")
    ordered = np.take_along_axis(own, by_bank, axis=1)
    first = np.ones(own.shape, dtype=np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    stays = np.empty(own.shape, dtype=np.bool_)
    np.put_along_axis(stays, by_bank, first & (ordered >= 0), axis=1)
    taken = np.zeros(own.shape, dtype=np.bool_)
    row = np.broadcast_to(np.arange(rounds, dtype=np.int64)[:, None], own.shape)
    taken[row[stays], own[stays]] = True
    # Free banks in order, then the taken ones: the i-th block without a bank takes the i-th free one.
    free = np.argsort(taken, axis=1, kind="stable")
    rank = np.cumsum(~stays, axis=1) - 1
    return np.where(stays, own, np.take_along_axis(free, np.clip(rank, 0, banks - 1), axis=1))


def _delayed_by_link(blocks: _Blocks, block: Ints, place: Ints, available: Ints, moves: MoveCosts) -> tuple[Ints, int]:
    """Ready times after the moves, which queue on one link in the order of the blocks."""
    banks = blocks.shape[1]
    weights = blocks.weights().ravel()
    # A bank holds the weights of the blocks the loop nest gives it, and each moved weight tile from then on.
    held = np.unique(weights * banks + np.arange(len(weights)) % banks)
    needed = weights[block] * banks + place
    moved = block % banks != place
    missing = moved & ~np.isin(needed, held)
    first = np.zeros(len(block), dtype=np.bool_)
    _, positions = np.unique(needed[missing], return_index=True)
    first[np.nonzero(missing)[0][positions]] = True
    ticks = moved * moves.input_ticks + first * moves.weight_ticks
    delayed = available.copy()
    delayed[moved] = queue_ends(available[moved], ticks[moved])
    return delayed, int(ticks.sum())
