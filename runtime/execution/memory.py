"""How many images fit a memory budget, and which tensors are still needed when."""

from __future__ import annotations

from collections.abc import Sequence

from imcflow.errors import ImcflowError
from imcflow.runtime.execution.prepare import PreparedKernel
from imcflow.runtime.execution.split import SplitRows
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.execution.windows import ImageLayout
from imcflow.runtime.kernels.layout import USUAL_WORDS
from imcflow.runtime.program import ApKernel, CrossbarKernel, Program, tensors_read, tensors_written

DIGITAL_TEMPORARIES = 16  # bytes per element that a digital operation may need besides its operands and result


def last_uses(program: Program, kept: frozenset[int]) -> dict[int, int]:
    """Return per tensor id the last step that reads it; tensors in `kept` and outputs are used to the end."""
    uses = {tensor: -1 for tensor in range(len(program.tensors))}
    for index, step in enumerate(program.steps):
        for tensor in tensors_read(step):
            uses[tensor] = index
    for tensor in {port.tensor for port in program.outputs} | kept:
        uses[tensor] = len(program.steps)
    return uses


def image_bytes(program: Program, prepared: Sequence[PreparedKernel | None], kept: frozenset[int]) -> int:
    """Return the peak working memory that one image adds, over all steps."""
    sizes = [info.size * storage_dtype(info.element).itemsize for info in program.tensors]
    uses = last_uses(program, kept)
    live = {port.tensor for port in program.inputs}
    peak = 0
    for index, (step, ready) in enumerate(zip(program.steps, prepared, strict=True)):
        written = tensors_written(step)
        if isinstance(step, ApKernel):
            planes = ready.byte_planes if ready else ()
            layouts = [ImageLayout(window, 1, count) for window, count in zip(step.inputs, planes, strict=False)]
            temporary = sum(layout.buffer_bytes for layout in layouts)
        elif isinstance(step, CrossbarKernel):
            temporary = 8 * step.lanes_per_image * (step.window.elements + 3 * step.output.channels)
        else:
            temporary = program.tensors[step.output].size * DIGITAL_TEMPORARIES
        live.update(written)
        peak = max(peak, sum(sizes[tensor] for tensor in live) + temporary)
        live = {tensor for tensor in live if uses[tensor] > index}
    return max(peak, 1)


def fixed_bytes(prepared: Sequence[PreparedKernel | None], threads: int, splits: Sequence[SplitRows] = ()) -> int:
    """Return the working memory that does not depend on the number of images.

    Args:
        prepared: streams of the array steps.
        threads: workers, each with a state.
        splits: streams that also run in halves; two workers share a state of twice the size, one of them keeps its own.
    """
    ready = [kernel for kernel in prepared if kernel is not None]
    plane_bytes = 8 * 2 * USUAL_WORDS
    states = threads * max((kernel.cell_count * plane_bytes for kernel in ready), default=0)
    states += threads // 2 * max((split.cell_count // 2 * plane_bytes for split in splits), default=0)
    rows = sum(kernel.resident_bytes for kernel in ready) + sum(split.resident_bytes for split in splits)
    return rows + states


def images_per_chunk(batch: int, fixed: int, per_image: int, memory_bytes: int) -> int:
    """Return how many images run together: all chunks alike, each within the budget.

    Raises:
        ImcflowError: not even one image fits.
    """
    if fixed + per_image > memory_bytes:
        needed, given = (fixed + per_image) / 2**20, memory_bytes / 2**20
        raise ImcflowError(f"memory budget of {given:.1f} MiB is too small: one image needs {needed:.1f} MiB")
    limit = max(1, min(batch, (memory_bytes - fixed) // per_image))
    chunks = -(-batch // limit)
    return -(-batch // chunks) if chunks else 1
