"""Which activation tensors of a program stay in the buffer, and which go through the outermost memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imcflow.errors import TargetError
from imcflow.runtime.program import tensors_read, tensors_written

if TYPE_CHECKING:
    from imcflow.runtime.program import Program
    from imcflow.targets.crossbar.prices import Prices


def tensor_bits(program: Program, number: int, images: int) -> int:
    """Size of one tensor for a batch."""
    tensor = program.tensors[number]
    return tensor.size * tensor.element.bits * images


def tensors_outside(program: Program, prices: Prices, images: int) -> frozenset[int]:
    """Return the tensors that do not stay in the buffer while they are live.

    While the live tensors do not fit, the largest one that the current step does not use leaves; if what the step uses
    does not fit by itself, the largest of that streams through.

    Args:
        program: a checked program.
        prices: size of the buffer.
        images: size of the batch.

    Raises:
        TargetError: activations do not fit and the target keeps only weights outside.
    """
    size = {number: tensor_bits(program, number, images) for number in range(len(program.tensors))}
    first = {port.tensor: -1 for port in program.inputs}
    last = {port.tensor: len(program.steps) for port in program.outputs}
    for index, step in enumerate(program.steps):
        for number in tensors_written(step):
            first[number] = index
        for number in tensors_read(step):
            last[number] = max(last.get(number, -1), index)
    outside: set[int] = set()
    for index, step in enumerate(program.steps):
        used = {*tensors_read(step), *tensors_written(step)}
        live = {n for n in first if n not in outside and (n in used or first[n] < index < last.get(n, -1))}
        leaving = sorted(live, key=lambda n: (n in used, -size[n], n))
        total = sum(size[n] for n in live)
        while total > prices.buffer_size_bits and leaving:
            number = leaving.pop(0)
            total -= size[number]
            outside.add(number)
            if not prices.dram_holds_activations:
                raise TargetError(
                    f"step '{step.name}': {total + size[number]:,} bits of live activations exceed the buffer by "
                    f"{total + size[number] - prices.buffer_size_bits:,}, and the target keeps only weights in DRAM"
                )
    return frozenset(outside)
