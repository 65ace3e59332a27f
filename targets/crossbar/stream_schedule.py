"""Order of the products of a round over the lanes, and what it moves.

The stream fixes which tiles are in the cells together; every lane is independent, so a machine may take them in two
orders. *Tile by tile*: every macro runs one product over all lanes, then the next; sums that are not finished go to the
buffer and come back. *Lane by lane*: every macro runs all its products for one lane, then for the next lane; sums stay
in the registers behind the columns, but the weight behind each multiplier changes with every product, and so does the
input where the next product reads other elements. Per round the order that takes less energy is costed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.targets.crossbar.prices import Prices
    from imcflow.targets.crossbar.stream_work import TileProduct

Pass = list[list["TileProduct"]]
"""Products in one sweep over the lanes, by their turn: those of one turn run side by side on different macros."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What some sweeps over the lanes of a batch need.

    Attributes:
        compute_cycles: of the busiest macro.
        stall_cycles: in which macros wait for the read port of the buffer.
        register_bits: written into the input registers.
        read_bits: of activations read from the buffer; one read serves all macros that take it in the same turn.
        partial_read_bits, partial_write_bits: of unfinished sums that wait in the buffer.
        weight_changes: of single multipliers.
        link_bits: of partial sums brought to another macro's accumulators.
    """

    compute_cycles: int = 0
    stall_cycles: int = 0
    register_bits: int = 0
    read_bits: int = 0
    partial_read_bits: int = 0
    partial_write_bits: int = 0
    weight_changes: int = 0
    link_bits: int = 0

    def __add__(self, other: Demand) -> Demand:
        return Demand(*(getattr(self, item.name) + getattr(other, item.name) for item in fields(self)))

    def energy_pj(self, prices: Prices, weight_bits: int) -> float:
        """Of what depends on the order."""
        return (
            self.register_bits * prices.register_pj_per_bit
            + (self.read_bits + self.partial_read_bits) * prices.buffer_read_pj_per_bit
            + self.partial_write_bits * prices.buffer_write_pj_per_bit
            + self.weight_changes * prices.precharge_pj(weight_bits)
        )


@dataclass(slots=True)
class Sums:
    """State of the accumulators of a kernel: per first lane of a range, one entry per channel.

    Attributes:
        left: accumulations still to come.
        home: macro that started the channel; -1 before.
    """

    left: dict[int, NDArray[np.int64]] = field(default_factory=dict[int, "NDArray[np.int64]"])
    home: dict[int, NDArray[np.int64]] = field(default_factory=dict[int, "NDArray[np.int64]"])

    @classmethod
    def of(cls, products: Sequence[TileProduct], channels: int) -> Sums:
        """Before the first product of a kernel."""
        sums = cls()
        for product in products:
            left = sums.left.setdefault(product.first_lane, np.zeros(channels, np.int64))
            sums.home.setdefault(product.first_lane, np.full(channels, -1, np.int64))
            for output, _ in product.outputs:
                left[output : output + product.columns] += 1
        return sums

    def copy(self) -> Sums:
        """The same state, to try an order on."""
        return Sums(
            {lane: values.copy() for lane, values in self.left.items()},
            {lane: values.copy() for lane, values in self.home.items()},
        )


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one kernel and batch: images, bits of a window element, cycles per product, bits of a weight."""

    images: int
    element_bits: int
    cycles_per_product: int
    weight_bits: int


def round_demand(products: Sequence[TileProduct], sums: Sums, sizes: Sizes, prices: Prices) -> tuple[Demand, Sums]:
    """Return what a round needs in the cheaper order, and the accumulators behind it; ties go tile by tile."""
    turns = _turns(products)
    best: tuple[Demand, Sums] | None = None
    least = 0.0
    for sweeps in ([[turn] for turn in turns], [turns]):
        after = sums.copy()
        demand = Demand()
        for sweep in sweeps:
            demand += _sweep_demand(sweep, after, sizes, prices)
        energy = demand.energy_pj(prices, sizes.weight_bits)
        if best is None or energy < least:
            best, least = (demand, after), energy
        if len(turns) == 1:
            break
    assert best is not None
    return best


def _turns(products: Sequence[TileProduct]) -> Pass:
    """The n-th products of all macros, for every n."""
    turns: Pass = []
    count: dict[int, int] = {}
    for product in products:
        turn = count.get(product.macro, 0)
        count[product.macro] = turn + 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(product)
    return turns


def _sweep_demand(sweep: Pass, sums: Sums, sizes: Sizes, prices: Prices) -> Demand:
    """One sweep over the lanes; moves `sums` on."""
    images, cycles = sizes.images, sizes.cycles_per_product
    busy: dict[int, int] = {}
    held: dict[int, tuple[int, int, int, int]] = {}
    register_bits = read_bits = waiting = 0
    for turn in sweep:
        fetched: dict[tuple[int, int, int, int], int] = {}
        for product in turn:
            lanes = product.lanes * images
            busy[product.macro] = busy.get(product.macro, 0) + lanes * cycles
            if held.get(product.macro) != product.inputs:
                held[product.macro] = product.inputs
                register_bits += product.rows * sizes.element_bits * lanes
                fetched[product.inputs] = product.rows * sizes.element_bits
        read_bits += sum(bits * inputs[3] * images for inputs, bits in fetched.items())
        port_cycles = -(-sum(fetched.values()) // prices.buffer_width_bits)
        waiting += max(0, port_cycles - cycles) * max(product.lanes for product in turn) * images
    products = [product for turn in sweep for product in turn]
    singles = len(sweep) == 1
    changes = sum(p.rows * p.columns * (1 if singles else p.lanes * images) for p in products)
    partial_read, partial_write, links = _sum_traffic(products, sums, sizes, prices)
    compute = max(busy.values())
    reading = -(-(read_bits + partial_read) // prices.buffer_width_bits)
    return Demand(
        compute_cycles=compute,
        stall_cycles=max(waiting, reading - compute),
        register_bits=register_bits,
        read_bits=read_bits,
        partial_read_bits=partial_read,
        partial_write_bits=partial_write,
        weight_changes=changes,
        link_bits=links,
    )


def _sum_traffic(products: Sequence[TileProduct], sums: Sums, sizes: Sizes, prices: Prices) -> tuple[int, int, int]:
    """Bits of unfinished sums read before and written behind a sweep, and bits brought to other macros."""
    links = 0
    before = {lane: home >= 0 for lane, home in sums.home.items()}
    touched: dict[int, tuple[NDArray[np.bool_], int]] = {}
    for product in products:
        lane = product.first_lane
        left, home = sums.left[lane], sums.home[lane]
        channels = touched.setdefault(lane, (np.zeros(len(left), np.bool_), product.lanes))[0]
        for output, starts in product.outputs:
            part = slice(output, output + product.columns)
            left[part] -= 1
            channels[part] = True
            if starts:
                home[part] = product.macro
            links += int((home[part] != product.macro).sum()) * product.lanes
    read = write = 0
    for lane, (channels, lanes) in touched.items():
        read += int((channels & before[lane]).sum()) * lanes
        write += int((channels & (sums.left[lane] > 0)).sum()) * lanes
    bits = prices.accumulator_bits * sizes.images
    return read * bits, write * bits, links * bits
