"""Cycles of a layer: computation, stalls of the memory ports, loading before and unloading after it.

Every port has a list of periodic streams. A stream stalls when it needs more cycles per period than its window
allows, and gains slack when it needs fewer; the streams of one port share it, ports work in parallel, so the slowest
port sets the stall. This is the latency model of ZigZag (sheet 2.7, 5.2); `ICCAD23` adds its own serial weight
loading and neither loading nor unloading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from imcflow.targets.crossbar.layers import OPERANDS, Operand
from imcflow.targets.crossbar.memory import Move

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from imcflow.targets.crossbar.flow import OperandFlow, Transfer
    from imcflow.targets.crossbar.memory import Hierarchy, MemoryLevel, Port

_ORDER = (Operand.OUTPUT, Operand.WEIGHT, Operand.INPUT)


@dataclass(frozen=True, slots=True)
class Cycles:
    """Clock cycles of a layer by phase."""

    compute: float
    stall: float = 0.0
    loading: float = 0.0
    unloading: float = 0.0

    @property
    def total(self) -> float:
        """All phases, one after another."""
        return self.compute + self.stall + self.loading + self.unloading


class Activity(NamedTuple):
    """One stream on one port: cycles needed and allowed per period, and the period."""

    needed: int
    allowed: float
    period: float
    repeats: float

    @property
    def slack(self) -> float:
        """Stall (positive) or slack (negative) cycles after the first period."""
        return (self.needed - self.allowed) * (self.repeats - 1)


class MovingFlows(NamedTuple):
    """Flows of all operands of a layer, averaged over tiles (working sets) and for whole tiles (transfers)."""

    chains: Mapping[Operand, Hierarchy]
    average: Mapping[Operand, OperandFlow]
    whole: Mapping[Operand, OperandFlow]


def double_buffered(flows: MovingFlows) -> dict[Operand, list[bool]]:
    """For the multipliers and each level: whether the next tile can be loaded while the present one is used.

    True when the working sets of all operands fill at most half of a level, or when what one operand needs still fits
    beside them; space granted to one operand is gone for the next.
    """
    used: dict[str, float] = {}
    for operand, chain in flows.chains.items():
        for level, bits in zip(chain, flows.average[operand].effective_bits, strict=True):
            used[level.name] = used.get(level.name, 0.0) + bits / level.size_bits
    flags: dict[Operand, list[bool]] = {}
    for operand in _ORDER:
        flags[operand] = [False]
        for level, bits in zip(flows.chains[operand], flows.average[operand].effective_bits, strict=True):
            own = bits / level.size_bits
            if used[level.name] <= 0.5:
                flags[operand].append(True)
            elif own <= 1 - used[level.name]:
                flags[operand].append(True)
                used[level.name] += own
            else:
                flags[operand].append(False)
    return flags


def union_of_windows(activities: Sequence[Activity]) -> float:
    """Cycles in which at least one stream of a port may transfer.

    Windows lie at the start of their periods; the periods divide one another, because all are products of the same
    loop order from the inside.
    """
    for activity in activities:
        if activity.allowed == activity.period:
            return activity.period * activity.repeats
    ordered = sorted(activities, key=lambda activity: (activity.period, activity.allowed))

    def covered(depth: int, length: float) -> float:
        """Cycles covered by the `depth` shortest-period windows within the first `length` cycles."""
        if depth == 0 or length <= 0:
            return 0.0
        period, window = ordered[depth - 1].period, ordered[depth - 1].allowed
        whole, rest = divmod(length, period)
        within = window + covered(depth - 1, period) - covered(depth - 1, window)
        start = min(rest, window)
        return whole * within + start + covered(depth - 1, rest) - covered(depth - 1, start)

    longest = ordered[-1]
    return covered(len(ordered), longest.period) * longest.repeats


def port_stall(activities: Sequence[Activity]) -> float:
    """Stall cycles of one port: unavoidable stalls plus the collisions that the shared slack cannot take up."""
    if not activities:
        return 0.0
    if len(activities) == 1:
        return activities[0].slack
    stalls = sum(activity.slack for activity in activities if activity.slack > 0)
    slack = sum(activity.slack for activity in activities if activity.slack <= 0)
    windows = sum(activity.allowed * (activity.repeats - 1) for activity in activities)
    return stalls + max(0.0, slack + windows - union_of_windows(activities))


def _needed(transfer: Transfer, port: Port, width_scale: int) -> int:
    return math.ceil(transfer.amount * transfer.bits / (port.max_width_bits * width_scale))


def needed_cycles(transfer: Transfer, chain: Hierarchy, operand: Operand) -> int:
    """Cycles that one period of a stream between two levels occupies its port; 0 at the multipliers."""
    if transfer.level == 0 and transfer.move is not Move.IN_FROM_ABOVE:
        return 0
    port = chain[transfer.level].port_for(operand, transfer.move)
    return 0 if port is None else _needed(transfer, port, 1)


def _streams(flows: MovingFlows) -> dict[tuple[str, str], list[tuple[Operand, Transfer, Port, MemoryLevel]]]:
    """Streams of every port, by level and port name."""
    streams: dict[tuple[str, str], list[tuple[Operand, Transfer, Port, MemoryLevel]]] = {}
    for operand in _ORDER:
        chain = flows.chains[operand]
        for transfer in flows.whole[operand].transfers:
            level = chain[transfer.level]
            port = level.port_for(operand, transfer.move)
            if port is not None and int(transfer.repeats) > 0:
                streams.setdefault((level.name, port.name), []).append((operand, transfer, port, level))
    return streams


def layer_cycles(
    flows: MovingFlows, iterations: int, cycles_per_mac: int, *, ignore_registers: bool, loading: bool
) -> Cycles:
    """Cycles of a layer whose weights pass the ports like all other data.

    Args:
        flows: data flow of all operands.
        iterations: matrix-vector products per macro.
        cycles_per_mac: n; every period lasts n times as many cycles.
        ignore_registers: reading the innermost level is wiring and never stalls.
        loading: count the first load and the last unload.
    """
    buffered = double_buffered(flows)
    streams = _streams(flows)
    stall = 0.0
    for entries in streams.values():
        activities: list[Activity] = []
        for operand, transfer, port, _ in entries:
            below = transfer.move in (Move.OUT_TO_BELOW, Move.IN_FROM_BELOW)
            if ignore_registers and below and transfer.level == 0:
                continue
            position = transfer.level if below else transfer.level + 1
            free = buffered[operand][position]
            allowed = math.ceil((int(transfer.period) if free else int(transfer.window)) * cycles_per_mac)
            period = math.ceil(int(transfer.period) * cycles_per_mac)
            activities.append(Activity(_needed(transfer, port, 1), allowed, period, int(transfer.repeats)))
        stall = max(stall, port_stall(activities))
    compute = iterations * cycles_per_mac
    if not loading:
        return Cycles(compute, stall)
    remaining = _first_and_last(streams, flows, math.ceil(compute) + stall, cycles_per_mac)
    return Cycles(compute, stall, _loading(flows, remaining), _unloading(flows, remaining))


def serial_weight_cycles(
    flows: MovingFlows, iterations: int, cycles_per_mac: int, *, mapped_rows: float, kept_tiles: int
) -> Cycles:
    """Cycles of a layer whose weights are written row by row between the computations (ICCAD'23).

    Args:
        flows, iterations, cycles_per_mac: as for `layer_cycles`; here a port is n times as wide per iteration.
        mapped_rows: rows written per reload.
        kept_tiles: weight tiles written per reload (1 unless D_m > 1).
    """
    buffered = double_buffered(flows)
    stall = 0.0
    for entries in _streams(flows).values():
        activities: list[Activity] = []
        for operand, transfer, port, _ in entries:
            below = transfer.move in (Move.OUT_TO_BELOW, Move.IN_FROM_BELOW)
            position = transfer.level if below else transfer.level + 1
            allowed = transfer.period if buffered[operand][position] else transfer.window
            needed = _needed(transfer, port, cycles_per_mac)
            activities.append(Activity(needed, allowed, transfer.period, transfer.repeats))
        stall = max(stall, port_stall(activities))
    reloads = 0.0
    chain = flows.chains[Operand.WEIGHT]
    if len(chain) > 1:
        writes = [t for t in flows.whole[Operand.WEIGHT].transfers if t.move is Move.IN_FROM_ABOVE and t.level == 0]
        reloads = sum(transfer.repeats for transfer in writes)
    return Cycles(iterations * cycles_per_mac, max(stall, reloads * mapped_rows * kept_tiles))


_Ends = dict[tuple[Operand, int, Move], tuple[float, bool]]
"""Cycles of the first (inputs) or last (outputs) period of a stream, and whether its port serves both inputs."""


def _first_and_last(
    streams: Mapping[tuple[str, str], Sequence[tuple[Operand, Transfer, Port, MemoryLevel]]],
    flows: MovingFlows,
    computation_cycles: float,
    cycles_per_mac: int,
) -> _Ends:
    """First and last transfers; what is moved only once hides behind the computation as far as its port is idle.

    The longest stream hides first; inputs, then weights, then outputs when they are equally long.
    """
    ends: _Ends = {}
    for entries in streams.values():
        once: list[tuple[tuple[Operand, int, Move], float, float]] = []
        busy_bits = 0
        port = entries[0][2]
        shared = port.shared_by_inputs and _serves_both(port, flows)
        for operand, transfer, _, _ in entries:
            if operand is Operand.OUTPUT and transfer.move in (Move.OUT_TO_BELOW, Move.IN_FROM_ABOVE):
                continue
            key = (operand, transfer.level, transfer.move)
            cycles = _needed(transfer, port, 1)
            if int(transfer.repeats) == 1:
                least = math.ceil(flows.whole[operand].register_bits / port.max_width_bits)
                once.append((key, cycles, least))
            else:
                busy_bits += math.ceil(transfer.mean_bits / cycles_per_mac)
                ends[key] = (cycles, shared)
        idle = max(0.0, (port.max_width_bits - busy_bits) / port.max_width_bits * computation_cycles)
        for key, cycles, least in sorted(once, key=lambda item: (-item[1], OPERANDS.index(item[0][0]))):
            hidden = min(max(0.0, cycles - least), idle)
            idle -= hidden
            ends[key] = (cycles - hidden, shared)
    return ends


def _serves_both(port: Port, flows: MovingFlows) -> bool:
    """A port counts as shared only when both inputs still pass the level it belongs to."""
    levels = [
        any(port in level.ports for level in flows.chains[operand]) for operand in (Operand.INPUT, Operand.WEIGHT)
    ]
    return all(levels)


def _loading(flows: MovingFlows, ends: _Ends) -> float:
    """Cycles before the first product: the two inputs load side by side except where they share a port on both ends."""
    alone: dict[Operand, float] = {Operand.INPUT: 0.0, Operand.WEIGHT: 0.0}
    half = dict(alone)
    both = dict(alone)
    for operand in alone:
        for level in range(len(flows.chains[operand]) - 1):
            lower = ends.get((operand, level, Move.IN_FROM_ABOVE), (0.0, False))
            upper = ends.get((operand, level + 1, Move.OUT_TO_BELOW), (0.0, False))
            longest = max(lower[0], upper[0])
            if lower[1] and upper[1]:
                both[operand] += longest
            elif lower[1] or upper[1]:
                half[operand] = longest
            else:
                alone[operand] += longest
    first, second = Operand.WEIGHT, Operand.INPUT
    options: list[float] = []
    for one, other in ((first, second), (second, first)):
        rest = both[other] + half[other] + alone[other]
        options.append(both[one] + max(rest, half[one] + alone[one]))
    return min(options)


def _unloading(flows: MovingFlows, ends: _Ends) -> float:
    """Cycles after the last product: outputs move up level by level."""
    total = 0.0
    for level in range(len(flows.chains[Operand.OUTPUT]) - 1):
        lower = ends.get((Operand.OUTPUT, level, Move.OUT_TO_ABOVE), (0.0, False))
        upper = ends.get((Operand.OUTPUT, level + 1, Move.IN_FROM_BELOW), (0.0, False))
        total += max(lower[0], upper[0])
    return total
