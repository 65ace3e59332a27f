"""Loop orders and where their loops are kept: the candidates of the temporal mapping search.

Loops are split into few factors, every distinct order of the factors is a candidate, and each order is allocated from
the array outwards: a level keeps as many of the next loops as fit (after LOMA, Symons et al., IEEE 9458493). Orders
that move the same data over the same periods are one candidate, so that only distinct ones are evaluated.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from imcflow.targets.crossbar.flow import is_irrelevant
from imcflow.targets.crossbar.layers import DIMS, RELEVANT, WINDOW_DIMS, Dim, Operand

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.mapping import Loop, OperandUnrolling
    from imcflow.targets.crossbar.memory import Hierarchy, MemoryLevel

Levels = tuple[tuple["Loop", ...], ...]
"""Loops kept at each level of an operand's chain, innermost first."""

Signature = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One allocation of all loops to the levels.

    Args:
        levels: for each operand the loops kept at each level of its chain.
        signatures: for each operand a key; equal keys of one `OrderSpace` mean equal data flow.
    """

    levels: Mapping[Operand, Levels]
    signatures: Mapping[Operand, Signature]

    @classmethod
    def of(cls, levels: Mapping[Operand, Levels]) -> Candidate:
        """A given allocation; its own levels are its key."""
        return cls(levels, levels)


_OPERANDS = (Operand.INPUT, Operand.OUTPUT, Operand.WEIGHT)


def prime_factors(value: int) -> list[int]:
    """Prime factors in ascending order; empty for 1."""
    factors: list[int] = []
    divisor = 2
    while divisor * divisor <= value:
        while value % divisor == 0:
            factors.append(divisor)
            value //= divisor
        divisor += 1
    if value > 1:
        factors.append(value)
    return factors


def loop_factors(trips: Mapping[Dim, int], limit: int) -> list[Loop]:
    """Split loops into prime factors, then merge the two smallest of the most divided loop until `limit` remain."""
    split = {dim: prime_factors(count) for dim, count in trips.items() if count > 1}
    limit = max(limit, len(split))
    while sum(len(factors) for factors in split.values()) > limit:
        factors = max(split.values(), key=len)
        merged = factors.pop(0) * factors.pop(0)
        factors.append(merged)
        factors.sort()
    return [(dim, factor) for dim, factors in split.items() for factor in factors]


def distinct_orders(counts: list[int], settled: Callable[[list[int]], bool]) -> Iterator[tuple[int, ...]]:
    """Distinct sequences with `counts[i]` times the item i, in lexicographic order.

    Args:
        counts: how often each item occurs; used as scratch space.
        settled: asked for every beginning of a sequence; when it says that nothing later matters, only the first
            completion is given.
    """
    length = sum(counts)
    sequence: list[int] = []

    def extend() -> Iterator[tuple[int, ...]]:
        if len(sequence) == length:
            yield tuple(sequence)
            return
        if sequence and settled(sequence):
            rest = [item for item, left in enumerate(counts) for _ in range(left)]
            yield (*sequence, *rest)
            return
        for item, left in enumerate(counts):
            if left:
                counts[item] -= 1
                sequence.append(item)
                yield from extend()
                sequence.pop()
                counts[item] += 1

    return extend()


@dataclass(slots=True)
class OrderSpace:
    """All loop orders of a layer under one spatial mapping, allocated to the levels.

    Args:
        layer, hierarchy, conventions: what is mapped where.
        chains: levels that each operand passes.
        unrollings: average spatial unrolling per operand.
        trips: temporal trip counts per dimension.
    """

    layer: Layer
    hierarchy: Hierarchy
    chains: Mapping[Operand, Hierarchy]
    unrollings: Mapping[Operand, OperandUnrolling]
    trips: Mapping[Dim, int]
    conventions: Conventions
    _kinds: list[Loop] = field(init=False)
    _counts: list[int] = field(init=False)
    _weights: list[int] = field(init=False)
    _irrelevant: dict[Operand, list[bool]] = field(init=False)
    _relevant: dict[Operand, list[bool]] = field(init=False)
    _bits: dict[tuple[Operand, int, int, bool], float] = field(init=False)
    _prefix_trips: dict[int, dict[Dim, int]] = field(init=False)
    _spatially_partial: list[bool] = field(init=False)
    _crowded: set[Operand] = field(init=False)
    """Operands whose outermost level may be too full for a second buffer."""
    _inner: dict[Operand, tuple[int, bool]] = field(init=False)
    _accumulates: bool = field(init=False)
    _levels: list[tuple[MemoryLevel, list[tuple[Operand, int, bool]], bool]] = field(init=False)

    def __post_init__(self) -> None:
        factors = loop_factors(self.trips, self.conventions.loop_factor_limit)
        self._kinds = list(dict.fromkeys(factors))
        self._counts = [factors.count(kind) for kind in self._kinds]
        self._weights = []
        weight = 1
        for count in self._counts:
            self._weights.append(weight)
            weight *= count + 1
        self._irrelevant = {o: [is_irrelevant(o, dim) for dim, _ in self._kinds] for o in _OPERANDS}
        self._relevant = {o: [dim in RELEVANT[o] for dim, _ in self._kinds] for o in _OPERANDS}
        self._bits = {}
        self._prefix_trips = {0: dict.fromkeys(DIMS, 1)}
        tiles = self.unrollings[Operand.OUTPUT].tiles
        self._spatially_partial = [
            any(tiles[-1][dim] > tile[dim] and is_irrelevant(Operand.OUTPUT, dim) for dim in DIMS) for tile in tiles
        ]
        self._levels, self._crowded = [], set()
        for level in self.hierarchy:
            residents: list[tuple[Operand, int, bool]] = []
            for operand in level.operands:
                chain = self.chains[operand]
                if level in chain:
                    index = chain.index(level)
                    residents.append((operand, index, index == len(chain) - 1))
            if residents:
                whole = self._whole_bits(residents)
                self._levels.append((level, residents, whole <= level.size_bits))
                if 2 * whole > level.size_bits and any(top for _, _, top in residents):
                    self._crowded.update(operand for operand, _, top in residents if top)

        self._inner = self._innermost()
        self._accumulates = self._spatially_partial[0] or any(self._irrelevant[Operand.OUTPUT])

    def _whole_bits(self, residents: list[tuple[Operand, int, bool]]) -> float:
        """Bits of the whole operands of a level side by side, outputs as partial sums."""
        total = 0.0
        for operand, index, _ in residents:
            spatial = self.unrollings[operand].tiles[index]
            whole = {dim: spatial[dim] * self.trips.get(dim, 1) for dim in DIMS}
            total += self.layer.tile_elements(operand, whole, clip=self.conventions.clip_padding) * self._width(operand)
        return total

    def _width(self, operand: Operand, *, partial: bool = True) -> int:
        if operand is Operand.OUTPUT:
            return self.layer.partial_sum_bits if partial else self.layer.output_bits
        return self.layer.activation_bits if operand is Operand.INPUT else self.layer.weight_bits

    def candidates(self) -> Iterator[Candidate]:
        """One allocation per distinct data flow, in a fixed order."""
        seen: set[tuple[Signature, ...]] = set()
        for order in distinct_orders(list(self._counts), self._settled):
            keys = self._prefix_keys(order)
            splits = self._allocate(order, keys)
            if splits is None:
                continue
            signature = tuple(self._signature(operand, order, keys, splits[operand]) for operand in _OPERANDS)
            if signature in seen:
                continue
            seen.add(signature)
            levels = {operand: self._loops(order, splits[operand]) for operand in _OPERANDS}
            yield Candidate(levels, dict(zip(_OPERANDS, signature, strict=True)))

    def _prefix_keys(self, order: Sequence[int]) -> list[int]:
        """A key for the loops before each position; equal for equal loops in any order."""
        keys = [0]
        for item in order:
            key = keys[-1] + self._weights[item]
            if key not in self._prefix_trips:
                trips = dict(self._prefix_trips[keys[-1]])
                dim, count = self._kinds[item]
                trips[dim] *= count
                self._prefix_trips[key] = trips
            keys.append(key)
        return keys

    def _settled(self, start: list[int]) -> bool:
        """True when the loops after this beginning cannot change the data flow, whatever their order.

        That is so when the innermost level of every operand is full, a loop that moves its data follows, and every
        other level holds everything.
        """
        if not self._inner:
            return False
        keys = self._prefix_keys(start)
        for operand, (size_bits, holds_everything) in self._inner.items():
            irrelevant = self._irrelevant[operand]
            position = 0
            if not holds_everything:
                partial = operand is Operand.OUTPUT and self._accumulates
                while (
                    position < len(start)
                    and self._operand_bits(operand, 0, keys[position + 1], partial=partial) <= size_bits
                ):
                    position += 1
            while position < len(start) and irrelevant[start[position]]:
                position += 1
            if position == len(start) or all(irrelevant[item] for item in start):
                return False
            if operand is Operand.INPUT and self.conventions.sliding_registers:
                dims = [self._kinds[item][0] for item in start[position:]]
                if dims[0] in WINDOW_DIMS and all(dim is dims[0] for dim in dims):
                    return False
        return True

    def _innermost(self) -> dict[Operand, tuple[int, bool]]:
        """Size of each operand's innermost level and whether it holds everything; empty when outer levels matter."""
        inner: dict[Operand, tuple[int, bool]] = {}
        for level, residents, holds_everything in self._levels:
            for operand, index, _ in residents:
                if index > 0 and (not holds_everything or operand in self._crowded):
                    return {}
                if index == 0:
                    if len(residents) > 1 or operand in self._crowded:
                        return {}
                    inner[operand] = (level.size_bits, holds_everything)
        return inner

    def _loops(self, order: tuple[int, ...], splits: list[int]) -> Levels:
        return tuple(
            tuple(self._kinds[item] for item in order[start:stop]) for start, stop in itertools.pairwise([0, *splits])
        )

    def _operand_bits(self, operand: Operand, index: int, key: int, *, partial: bool) -> float:
        cache_key = (operand, index, key, partial)
        bits = self._bits.get(cache_key)
        if bits is None:
            spatial, trips = self.unrollings[operand].tiles[index], self._prefix_trips[key]
            tile = {dim: spatial[dim] * trips[dim] for dim in DIMS}
            bits = self.layer.tile_elements(operand, tile, clip=self.conventions.clip_padding)
            bits *= self._width(operand, partial=partial)
            self._bits[cache_key] = bits
        return bits

    def _allocate(self, order: tuple[int, ...], keys: list[int]) -> dict[Operand, list[int]] | None:
        """For each operand the number of loops kept up to each level; None when a level is too small for this order."""
        splits: dict[Operand, list[int]] = {operand: [] for operand in _OPERANDS}
        length = len(order)
        for level, residents, holds_everything in self._levels:
            if holds_everything:
                for operand, _, _ in residents:
                    splits[operand].append(length)
                continue
            options: list[list[tuple[int, float]]] = []
            for operand, index, top in residents:
                start = splits[operand][-1] if splits[operand] else 0
                irrelevant = self._irrelevant[operand]
                partial = operand is Operand.OUTPUT and (
                    self._spatially_partial[index] or any(irrelevant[item] for item in order[start:])
                )
                if top:
                    bits = self._operand_bits(operand, index, keys[length], partial=partial)
                    if bits > level.size_bits:
                        return None
                    options.append([(length, bits)])
                    continue
                fitting: list[tuple[int, float]] = []
                for stop in range(start, length + 1):
                    bits = self._operand_bits(operand, index, keys[stop], partial=partial)
                    if bits > level.size_bits:
                        break
                    fitting.append((stop, bits))
                if not fitting and not self.conventions.sliding_registers:
                    return None
                options.append(fitting or [(start, 0.0)])
            chosen = self._best_split(level, residents, options, order)
            if chosen is None:
                return None
            for (operand, _, _), stop in zip(residents, chosen, strict=True):
                splits[operand].append(stop)
        return splits

    def _best_split(
        self,
        level: MemoryLevel,
        residents: list[tuple[Operand, int, bool]],
        options: list[list[tuple[int, float]]],
        order: tuple[int, ...],
    ) -> list[int] | None:
        """The combination with the fewest accesses above that fits together; keeping more loops wins a tie."""
        largest = [choice[-1] for choice in options]
        if sum(bits for _, bits in largest) <= level.size_bits:
            return [stop for stop, _ in largest]
        best: list[int] | None = None
        fewest = math.inf
        for combination in itertools.product(*options):
            if sum(bits for _, bits in combination) > level.size_bits:
                continue
            accesses = 0.0
            for (_, _, top), (stop, bits) in zip(residents, combination, strict=True):
                if not top:
                    accesses += bits * math.prod(self._kinds[item][1] for item in order[stop:])
            if accesses <= fewest:
                fewest, best = accesses, [stop for stop, _ in combination]
        return best

    def _signature(self, operand: Operand, order: tuple[int, ...], keys: list[int], splits: list[int]) -> Signature:
        """What determines an operand's data flow: its tiles, periods and the loops at the top of each level."""
        irrelevant, relevant = self._irrelevant[operand], self._relevant[operand]
        starts = [0, *splits[:-1]]
        length = len(order)
        for level in range(1, len(starts)):
            start = max(starts[level], starts[level - 1])
            while start < length and irrelevant[order[start]]:
                start += 1
            starts[level] = start
        stationary = 0
        while stationary < length and irrelevant[order[stationary]]:
            stationary += 1
        parts: list[object] = [keys[stationary]]
        last = len(starts) - 1
        for level, start in enumerate(starts):
            if level == last:
                # Nothing leaves the outermost level; only how much of it is in use at once can depend on the order.
                if operand in self._crowded:
                    parts.append(self._top_trips(order, start, length, relevant))
                break
            stop = starts[level + 1]
            if stop == length:
                # Everything is below this boundary: it is crossed once, whatever the order.
                parts.append(keys[stop])
                continue
            parts.append((keys[stop], self._top_trips(order, start, stop, irrelevant)))
            parts.append(self._top_trips(order, start, stop, relevant))
        if self.conventions.sliding_registers and operand is Operand.INPUT and len(starts) > 1:
            position = starts[1]
            if position < length and self._kinds[order[position]][0] in WINDOW_DIMS:
                run = position
                dim = self._kinds[order[position]][0]
                while run < length and self._kinds[order[run]][0] is dim:
                    run += 1
                parts.append((keys[run] - keys[position], dim))
        return tuple(parts)

    def _top_trips(self, order: tuple[int, ...], start: int, stop: int, flags: list[bool]) -> int:
        """Trips of the consecutive flagged loops at the top of a level."""
        trips = 1
        while stop > start and flags[order[stop - 1]]:
            stop -= 1
            trips *= self._kinds[order[stop]][1]
        return trips
