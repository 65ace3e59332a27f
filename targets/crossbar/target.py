"""A crossbar target: the macro and the memory around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from imcflow.errors import TargetError
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.macro import Macro
from imcflow.targets.crossbar.memory import Hierarchy, levels_of
from imcflow.targets.crossbar.peak import macro_area_mm2


@dataclass(frozen=True, slots=True)
class CrossbarTarget:
    """What the cost model needs to know of a machine.

    Args:
        name: preset name.
        macro: the computing array.
        hierarchy: memory levels from the array outwards; the first level of weights is the cells.
        idle_power_mw: drawn all the time by everything that is on (leakage, clock); no source of this model gives it.

    Raises:
        TargetError: an operand has no memory, or the first weight level is not the cells.
    """

    name: str
    macro: Macro
    hierarchy: Hierarchy
    idle_power_mw: float = 0.0

    def __post_init__(self) -> None:
        for operand in Operand:
            if not levels_of(self.hierarchy, operand):
                raise TargetError(f"{self.name}: memory has no level for operand {operand}")
        names = [level.name for level in self.hierarchy]
        if len(set(names)) != len(names):
            raise TargetError(f"{self.name}: memory level names must differ, but are {', '.join(names)}")

    def with_cell_depth(self, weights: int) -> CrossbarTarget:
        """The same machine with only `weights` places behind each multiplier free for loading."""
        cells = levels_of(self.hierarchy, Operand.WEIGHT)[0]
        free = replace(cells, size_bits=weights * self.macro.weight_bits)
        return replace(self, hierarchy=tuple(free if level is cells else level for level in self.hierarchy))

    def area_mm2(self, *, count_instances: bool = True) -> dict[str, float]:
        """Area of the macro parts together and of every memory level.

        Args:
            count_instances: count every instance of a register or memory; the ZigZag convention counts each once.
        """
        macro = self.macro
        areas = {"macro": macro_area_mm2(macro).total}
        for level in self.hierarchy:
            instances = level.instances(macro.output_channels, macro.rows, macro.macro_count)
            areas[level.name] = level.area_mm2 * (instances if count_instances else 1)
        return areas
