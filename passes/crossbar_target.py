"""What the passes of the crossbar macros need to know of a target, and which kind a target is of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imcflow.runtime.program import MacroSummary, TargetSummary
    from imcflow.targets.crossbar.fabric import FabricModel


@dataclass(frozen=True)
class CrossbarTarget:
    """A crossbar target as the compiler sees it.

    Attributes:
        summary: what the program will carry.
        macro: geometry of the macros.
        fixed_offsets: whether the tiles of a layer in one macro must start at the same row and column.
        fabric: sites and links of the macros, if the target describes them.
    """

    summary: TargetSummary
    macro: MacroSummary
    fixed_offsets: bool = False
    fabric: FabricModel | None = None


def load_crossbar_target(name: str) -> CrossbarTarget:
    """Return the crossbar target called `name`: a preset or a YAML file.

    Raises:
        TargetError: there is no such target, it is wrong, or it has no crossbar macros.
    """
    from imcflow.errors import TargetError
    from imcflow.targets import load_target
    from imcflow.targets.crossbar.models import CrossbarDescription

    description = load_target(name)
    if not isinstance(description, CrossbarDescription):
        raise TargetError(f"target {name} is of kind {description.kind}, a crossbar (aimc, dimc) is needed")
    summary = description.macro_summary()
    fixed = description.macro.tile_offsets == "per-layer"
    return CrossbarTarget(replace(description.summary(), macro=summary), summary, fixed, description.fabric)


def load_fabric(name: str) -> tuple[CrossbarTarget, FabricModel]:
    """Return a crossbar target and its fabric.

    Raises:
        TargetError: there is no such target, it is wrong, or it has no crossbar macros or no fabric.
    """
    from imcflow.errors import TargetError

    target = load_crossbar_target(name)
    if target.fabric is None:
        raise TargetError(f"target {name} has no fabric, which pipelined layers need")
    return target, target.fabric


def is_crossbar_target(name: str) -> bool:
    """Return whether a target has crossbar macros.

    Raises:
        TargetError: there is no such target, or it is wrong.
    """
    from imcflow.targets import load_target

    return load_target(name).kind in ("aimc", "dimc")


def is_analog_target(name: str) -> bool:
    """Return whether a target has crossbar macros with converters.

    Raises:
        TargetError: there is no such target, or it is wrong.
    """
    from imcflow.targets import load_target

    return load_target(name).kind == "aimc"
