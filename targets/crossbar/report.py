"""Results of the cost model: per layer and per network, as numbers, as a table and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from imcflow.targets.cost_text import aligned, shortened
from imcflow.targets.crossbar.memory import Part
from imcflow.targets.crossbar.peak import MacroParts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imcflow.targets.crossbar.latency import Cycles
    from imcflow.targets.crossbar.layers import Operand
    from imcflow.targets.crossbar.mapping import LayerMapping
    from imcflow.targets.crossbar.target import CrossbarTarget

Json = dict[str, "Json"] | list["Json"] | str | int | float | None

_PJ_PER_UJ = 1e6
_NS_PER_US = 1e3


@dataclass(frozen=True, slots=True)
class EnergySplit:
    """Energy by part, pJ.

    Args:
        cells: multipliers, bit lines, precharge and weight writes.
        converters: DAC and ADC.
        adders: adder trees and place-value trees.
        accumulators: shift accumulators.
        registers, sram, dram: memory accesses.
        links: between macros; no source models them, so it is 0 here.
        idle: idle power times latency, where the target states one.
    """

    cells: float = 0.0
    converters: float = 0.0
    adders: float = 0.0
    accumulators: float = 0.0
    registers: float = 0.0
    sram: float = 0.0
    dram: float = 0.0
    links: float = 0.0
    idle: float = 0.0

    @classmethod
    def of(
        cls, array: MacroParts, memory: Mapping[Operand, Mapping[str, float]], target: CrossbarTarget, time_ns: float
    ) -> EnergySplit:
        """Sum macro parts and memory levels into the reported parts; mW times ns is pJ."""
        part_of = {level.name: level.part for level in target.hierarchy}
        by_part = dict.fromkeys(Part, 0.0)
        for levels in memory.values():
            for name, energy in levels.items():
                by_part[part_of[name]] += energy
        return cls(
            cells=array.multipliers + array.bit_lines + array.precharge + by_part[Part.CELLS],
            converters=array.dac + array.adc,
            adders=array.adder_tree + array.place_value,
            accumulators=array.accumulators,
            registers=by_part[Part.REGISTERS],
            sram=by_part[Part.SRAM],
            dram=by_part[Part.DRAM],
            idle=target.idle_power_mw * time_ns,
        )

    @property
    def total(self) -> float:
        """Sum over all parts, pJ."""
        return sum(getattr(self, field.name) for field in fields(self))

    def __add__(self, other: EnergySplit) -> EnergySplit:
        return EnergySplit(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def to_json(self) -> dict[str, Json]:
        """Parts and total."""
        parts: dict[str, Json] = {field.name: float(getattr(self, field.name)) for field in fields(self)}
        return {**parts, "total": self.total}


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Cost of one layer.

    Args:
        macs: multiply-accumulate operations.
        array_pj: energy of the macros by part.
        memory_pj: access energy per operand and memory level.
        split: the same energy by reported part.
        cycles: by phase.
        clock_ns: clock period.
        used_multipliers, multipliers: average and total multipliers.
        mapping: the mapping these figures belong to.
    """

    name: str
    macs: int
    array_pj: MacroParts
    memory_pj: Mapping[Operand, Mapping[str, float]]
    split: EnergySplit
    cycles: Cycles
    clock_ns: float
    used_multipliers: float
    multipliers: int
    mapping: LayerMapping

    @property
    def energy_pj(self) -> float:
        """Total energy, pJ."""
        return self.split.total

    @property
    def time_ns(self) -> float:
        """Latency, ns."""
        return self.cycles.total * self.clock_ns

    @property
    def utilisation(self) -> float:
        """Share of the multipliers in use while the macros compute."""
        return self.used_multipliers / self.multipliers

    def renamed(self, name: str) -> LayerCost:
        """The same cost under another layer's name."""
        return self if name == self.name else replace(self, name=name)

    def to_json(self) -> dict[str, Json]:
        """All figures with their units in the keys."""
        array: dict[str, Json] = {f.name: float(getattr(self.array_pj, f.name)) for f in fields(self.array_pj)}
        memory: dict[str, Json] = {o.value: dict(levels) for o, levels in self.memory_pj.items()}
        return {
            "name": self.name,
            "macs": self.macs,
            "energy_pj": self.split.to_json(),
            "array_energy_pj": array,
            "memory_energy_pj": memory,
            "cycles": {
                "compute": self.cycles.compute,
                "stall": self.cycles.stall,
                "loading": self.cycles.loading,
                "unloading": self.cycles.unloading,
                "total": self.cycles.total,
            },
            "time_ns": self.time_ns,
            "utilisation": self.utilisation,
            "spatial_mapping": str(self.mapping.spatial),
            "temporal_mapping": str(self.mapping.temporal),
        }


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """Cost of a network: the sum of its layers, one after another."""

    target: CrossbarTarget
    conventions: str
    layers: tuple[LayerCost, ...]

    @property
    def split(self) -> EnergySplit:
        """Energy by part over all layers."""
        return sum((layer.split for layer in self.layers), EnergySplit())

    @property
    def energy_pj(self) -> float:
        """Total energy, pJ."""
        return self.split.total

    @property
    def array_energy_pj(self) -> float:
        """Energy of the macros without weight writes, pJ."""
        return sum(layer.array_pj.total for layer in self.layers)

    @property
    def cycles(self) -> float:
        """Total cycles."""
        return sum(layer.cycles.total for layer in self.layers)

    @property
    def compute_cycles(self) -> float:
        """Cycles in which the macros compute."""
        return sum(layer.cycles.compute for layer in self.layers)

    @property
    def macs(self) -> int:
        """Multiply-accumulate operations."""
        return sum(layer.macs for layer in self.layers)

    @property
    def time_ns(self) -> float:
        """Latency, ns."""
        return sum(layer.time_ns for layer in self.layers)

    @property
    def tops(self) -> float:
        """Effective throughput, 2 operations per MAC."""
        return 2 * self.macs / self.time_ns / 1000

    @property
    def tops_per_watt(self) -> float:
        """Effective efficiency, 2 operations per MAC."""
        return 2 * self.macs / self.energy_pj

    @property
    def edp_pj_ns(self) -> float:
        """Energy-delay product, pJ ns (1e6 pJ ns = 1 nJ us)."""
        return self.energy_pj * self.time_ns

    def to_json(self) -> dict[str, Json]:
        """Network totals and every layer."""
        areas = self.target.area_mm2()
        return {
            "target": self.target.name,
            "conventions": self.conventions,
            "macs": self.macs,
            "energy_pj": self.split.to_json(),
            "cycles": self.cycles,
            "compute_cycles": self.compute_cycles,
            "time_ns": self.time_ns,
            "tops": self.tops,
            "tops_per_watt": self.tops_per_watt,
            "edp_pj_ns": self.edp_pj_ns,
            "area_mm2": {**areas, "total": sum(areas.values())},
            "layers": [layer.to_json() for layer in self.layers],
        }

    def table(self) -> str:
        """A text table, one row per layer and a total."""
        split = self.split
        parts = tuple(f.name for f in fields(EnergySplit) if f.name not in _SHOWN_IF_ANY or getattr(split, f.name))
        header = ("layer", "MACs", "util %", "cycles", "us", "uJ", *(f"{part} %" for part in parts))
        rows = [_row(c.name, c.macs, c.utilisation, c.cycles.total, c.time_ns, c.split, parts) for c in self.layers]
        busy = sum(layer.utilisation * layer.cycles.compute for layer in self.layers) / max(self.compute_cycles, 1)
        rows.append(_row("total", self.macs, busy, self.cycles, self.time_ns, split, parts))
        return aligned(header, rows)


_SHOWN_IF_ANY = ("links", "idle")


def _row(
    name: str, macs: int, utilisation: float, cycles: float, time_ns: float, split: EnergySplit, parts: tuple[str, ...]
) -> list[str]:
    total = split.total or 1.0
    shares = [f"{100 * getattr(split, part) / total:.1f}" for part in parts]
    return [
        shortened(name),
        str(macs),
        f"{100 * utilisation:.1f}",
        f"{cycles:.0f}",
        f"{time_ns / _NS_PER_US:.2f}",
        f"{split.total / _PJ_PER_UJ:.4f}",
        *shares,
    ]
