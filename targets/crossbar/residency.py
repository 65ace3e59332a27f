"""Which memory level each tensor of a network lives in between layers.

Reference conventions keep a tensor in the buffer only when one layer writes it and one layer reads it; branch tensors
go through the outermost memory (sheet 6: 37 % of ResNet-8's energy). The physical convention keeps every tensor in
the buffer while the live ones fit, and lets the largest idle tensor out when they do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.targets.crossbar.layers import Operand
from imcflow.targets.crossbar.memory import levels_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imcflow.targets.crossbar.conventions import Conventions
    from imcflow.targets.crossbar.layers import Layer
    from imcflow.targets.crossbar.memory import Hierarchy
    from imcflow.targets.crossbar.target import CrossbarTarget


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a layer's tensors come from and go to.

    Args:
        input_level, output_level: name of the outermost level the inputs and outputs pass.
        weights_resident: the weights already are in the cells.
    """

    input_level: str
    output_level: str
    weights_resident: bool = False

    def chains(self, hierarchy: Hierarchy) -> dict[Operand, Hierarchy]:
        """The levels each operand passes, from the array outwards.

        Raises:
            TargetError: a level of the placement does not hold that operand.
        """
        weights = levels_of(hierarchy, Operand.WEIGHT)
        return {
            Operand.INPUT: _up_to(levels_of(hierarchy, Operand.INPUT), self.input_level),
            Operand.OUTPUT: _up_to(levels_of(hierarchy, Operand.OUTPUT), self.output_level),
            Operand.WEIGHT: weights[:1] if self.weights_resident else weights,
        }


def _up_to(chain: Hierarchy, name: str) -> Hierarchy:
    for index, level in enumerate(chain):
        if level.name == name:
            return chain[: index + 1]
    raise TargetError(f"no memory level {name} in the chain {', '.join(level.name for level in chain)}")


def _buffers(target: CrossbarTarget) -> Hierarchy:
    """Levels that hold inputs and outputs, from the array outwards.

    Raises:
        TargetError: there is none.
    """
    both = tuple(
        level for level in target.hierarchy if Operand.INPUT in level.operands and Operand.OUTPUT in level.operands
    )
    if not both:
        raise TargetError(f"{target.name}: no memory level holds both inputs and outputs")
    return both


def _innermost_fit(target: CrossbarTarget, bits: int) -> str:
    buffers = _buffers(target)
    for level in buffers:
        if bits <= level.size_bits:
            return level.name
    raise TargetError(
        f"{target.name}: {bits} bits of activations do not fit {buffers[-1].name} of {buffers[-1].size_bits} bits"
    )


def default_placement(target: CrossbarTarget, layer: Layer) -> Placement:
    """Inputs and outputs in the innermost buffer that holds both, weights from the outermost memory."""
    name = _innermost_fit(target, layer.operand_bits(Operand.INPUT) + layer.operand_bits(Operand.OUTPUT))
    return Placement(name, name)


def _consumers(layers: Sequence[Layer]) -> dict[str, list[int]]:
    """For each layer the indices of the layers that read it.

    Raises:
        TargetError: a source that is no earlier layer, or a name used twice.
    """
    readers: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        for source in layer.sources:
            if source not in readers:
                raise TargetError(f"layer {layer.name}: source {source} is no earlier layer")
            readers[source].append(index)
        if layer.name in readers:
            raise TargetError(f"layer name {layer.name} is used twice")
        readers[layer.name] = []
    return readers


def network_placements(target: CrossbarTarget, layers: Sequence[Layer], conventions: Conventions) -> list[Placement]:
    """A placement for every layer of a network.

    Raises:
        TargetError: a source that does not exist, a repeated name, or activations larger than every memory.
    """
    if not layers:
        raise TargetError("a network needs at least one layer")
    readers = _consumers(layers)
    if conventions.branch_tensors_on_chip:
        output_levels = _kept_outputs(target, layers, readers)
    else:
        output_levels = _linear_outputs(target, layers, readers)
    outermost = _buffers(target)[-1].name
    order = [level.name for level in _buffers(target)]
    placements: list[Placement] = []
    for layer in layers:
        if layer.sources:
            levels = [output_levels[source] for source in layer.sources]
            input_level = max(levels, key=order.index)
        elif not conventions.network_io_on_chip:
            input_level = outermost
        elif conventions.branch_tensors_on_chip:
            input_level = default_placement(target, layer).input_level
        else:
            input_level = output_levels[layer.name]
        placements.append(Placement(input_level, output_levels[layer.name]))
    return placements


def _linear_outputs(target: CrossbarTarget, layers: Sequence[Layer], readers: dict[str, list[int]]) -> dict[str, str]:
    """Outputs with several readers, or whose reader has several sources, go to the outermost memory."""
    outermost = _buffers(target)[-1].name
    levels: dict[str, str] = {}
    for layer in layers:
        read_by = readers[layer.name]
        branches = len(read_by) > 1 or (len(read_by) == 1 and len(layers[read_by[0]].sources) > 1)
        levels[layer.name] = outermost if branches else default_placement(target, layer).output_level
    return levels


def _kept_outputs(target: CrossbarTarget, layers: Sequence[Layer], readers: dict[str, list[int]]) -> dict[str, str]:
    """Outputs stay in the innermost buffer while the live tensors fit; the largest idle one leaves first."""
    buffers = _buffers(target)
    inner, outer = buffers[0], buffers[-1].name
    levels = {layer.name: default_placement(target, layer).output_level for layer in layers}
    position = {layer.name: index for index, layer in enumerate(layers)}
    finished = {
        layer.name: int(layer.tile_elements(Operand.OUTPUT, layer.sizes, clip=True)) * layer.output_bits
        for layer in layers
    }
    for index, layer in enumerate(layers):
        idle = [
            name
            for name, read_by in readers.items()
            if position[name] < index
            and any(reader > index for reader in read_by)
            and name not in layer.sources
            and levels[name] == inner.name
        ]
        in_use = layer.operand_bits(Operand.INPUT) + layer.operand_bits(Operand.OUTPUT)
        idle.sort(key=lambda name: (-finished[name], position[name]))
        while idle and in_use + sum(finished[name] for name in idle) > inner.size_bits:
            levels[idle.pop(0)] = outer
    return levels
