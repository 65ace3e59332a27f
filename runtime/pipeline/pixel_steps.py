"""The steps of a core on a few pixels at a time: products of windows, and operations of the digital unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.checks.crossbar import largest_magnitude
from imcflow.runtime.crossbar.converters import AnalogNoise
from imcflow.runtime.crossbar.exact import exact_kernel
from imcflow.runtime.crossbar.step import ready_step
from imcflow.runtime.crossbar.stream import stepped
from imcflow.runtime.digital import run_operation
from imcflow.runtime.digital.registry import Call
from imcflow.runtime.digital_ops import complete_attributes
from imcflow.runtime.execution.storage import storage_dtype
from imcflow.runtime.program import CrossbarKernel, DigitalOp, ElementType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.pipeline.reading import Reading
    from imcflow.runtime.program import Program

    Pixels = NDArray[Any]
    """[pixels, channels], or [pixels, channels, KH, KW] for windows."""

MANY_COMPARISONS = 1 << 18


class CrossbarPixels:
    """A crossbar kernel on windows."""

    def __init__(self, kernel: CrossbarKernel, program: Program) -> None:
        """Put the tiles together.

        Raises:
            ProgramError: an analog kernel whose converters lose bits: these run layer by layer.
        """
        element = program.tensors[kernel.output.tensor].element
        self.dtype = storage_dtype(element)
        step = ready_step(kernel, program.target.macro, AnalogNoise(), self.dtype, literal=False)
        if not step.is_exact:
            raise ProgramError(f"step '{kernel.name}': converters that lose bits run layer by layer only")
        exact = exact_kernel(kernel, largest_magnitude(kernel.window))
        whole = (0, kernel.lanes_per_image)
        if any((block.first_lane, block.last_lane) != whole for block in exact.blocks):
            raise ProgramError(f"step '{kernel.name}': tiles that serve some positions only run layer by layer only")
        self._blocks, self._sum_dtype = exact.blocks, exact.dtype
        self._kernel = kernel
        self._steps = stepped(kernel)
        self._limits = ElementType(kernel.output.bits, kernel.output.signed)
        levels = kernel.step_thresholds.shape[1]
        low, high = kernel.step_low.min(initial=0), kernel.step_low.max(initial=0) + levels
        self._fits = bool(self._steps.all() and low >= self._limits.minimum and high <= self._limits.maximum)

    def run(self, tensors: Sequence[Pixels]) -> Pixels:
        """Return the result [pixels, channels] of the windows [pixels, channels, KH, KW] of the only operand."""
        kernel, windows = self._kernel, tensors[0]
        rows = windows.reshape(len(windows), -1).astype(self._sum_dtype)
        sums = self._sums(rows).astype(np.int64) + kernel.bias
        if self._steps.all():
            counts = _reached(sums, kernel.step_thresholds)
            levels = kernel.step_thresholds.shape[1]
            sums = np.where(kernel.step_descending, levels - counts, counts) + kernel.step_low
        elif self._steps.any():
            chosen = self._steps
            counts = _reached(sums[:, chosen], kernel.step_thresholds[chosen])
            levels = kernel.step_thresholds.shape[1]
            turned = np.where(kernel.step_descending[chosen], levels - counts, counts)
            sums[:, chosen] = turned + kernel.step_low[chosen]
        if not self._fits:
            sums = np.minimum(np.maximum(sums, self._limits.minimum), self._limits.maximum)
        return sums.astype(self.dtype)

    def _sums(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the sums [pixels, channels] of window elements [pixels, elements]."""
        channels = self._kernel.output.channels
        if len(self._blocks) == 1 and len(self._blocks[0].weights) == channels:
            (block,) = self._blocks
            return rows[:, block.element : block.element + block.weights.shape[1]] @ block.weights.T
        sums = np.zeros((len(rows), channels), self._sum_dtype)
        for block in self._blocks:
            count, elements = block.weights.shape
            part = rows[:, block.element : block.element + elements] @ block.weights.T
            sums[:, block.output : block.output + count] += part
        return sums


def _reached(values: NDArray[np.int64], thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many thresholds [channels, levels] each value [pixels, channels] reaches."""
    if values.size * thresholds.shape[1] <= MANY_COMPARISONS:
        return np.count_nonzero(values[:, :, None] >= thresholds, axis=2)
    counts = np.empty(values.shape, np.int64)
    for channel, row in enumerate(thresholds):
        counts[:, channel] = np.searchsorted(row, values[:, channel], side="right")
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class DigitalPixels:
    """An operation of the digital unit on pixels: each is an image with a map of one position."""

    step: DigitalOp
    operands: tuple[NDArray[Any] | None, ...]
    attributes: Mapping[str, Any]
    element: ElementType
    shape: tuple[int, ...]

    def run(self, tensors: Sequence[Pixels]) -> Pixels:
        """Return the result [pixels, channels] of the operands that are tensors, in order."""
        given = iter(tensors)
        operands = [next(given) if operand is None else operand for operand in self.operands]
        count = len(tensors[0])
        dtype = storage_dtype(self.element)
        call = Call(operands, self.attributes, self.element, dtype, (count, *self.shape))
        return run_operation(self.step.op, call).reshape(count, self.shape[0])


def digital_pixels(step: DigitalOp, reading: Reading, program: Program) -> DigitalPixels:
    """Return an operation that computes single pixels from windows that already hold their padding."""
    attributes = complete_attributes(step.op, step.attributes)
    if not reading.is_pixel and "kernel" in attributes:
        attributes |= {"strides": list(reading.kernel), "pads": [0, 0, 0, 0], "dilations": [1, 1], "ceil_mode": False}
    result = program.tensors[step.output]
    constants = tuple(program.constants[operand] if isinstance(operand, str) else None for operand in step.inputs)
    shape = (result.shape[0], *(1 for _ in result.shape[1:]))
    return DigitalPixels(step, constants, attributes, result.element, shape)


def padding_of(step: CrossbarKernel | DigitalOp, dtype: np.dtype[Any]) -> float:
    """Return what a window holds outside of the map: the pad value, or what never wins or counts."""
    if isinstance(step, CrossbarKernel):
        return step.window.pad_value
    if step.op != "max_pool":
        return 0
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)
