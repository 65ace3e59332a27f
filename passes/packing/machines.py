"""The machine of a target: what packing weighs energy and time with."""

from __future__ import annotations

from imcflow.errors import TargetError
from imcflow.passes.packing.economy import Machine, machine_of
from imcflow.passes.packing.shapes import PackingStyle
from imcflow.targets import load_target
from imcflow.targets.crossbar.models import CrossbarDescription


def load_machine(name: str) -> tuple[Machine, int, PackingStyle]:
    """Return the machine of a crossbar target, its planes per macro, and the geometry that it can execute.

    A description without memory gets the default memories of `Machine`.

    Raises:
        TargetError: there is no such target, it is wrong, or it has no crossbar macros.
    """
    description = load_target(name)
    if not isinstance(description, CrossbarDescription):
        raise TargetError(f"target {name} is of kind {description.kind}, a crossbar (aimc, dimc) is needed")
    if description.memory is None:
        machine = Machine(description.crossbar_macro())
    else:
        machine = machine_of(description.crossbar_target())
    fixed = description.macro.tile_offsets == "per-layer"
    style = PackingStyle.TILE if fixed else PackingStyle.SLICE
    return machine, description.macro.weights_per_multiplier, style
