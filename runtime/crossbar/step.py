"""One crossbar kernel made ready to run, and run on some images on all cores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.checks.crossbar import largest_magnitude
from imcflow.runtime.crossbar.columns import window_columns
from imcflow.runtime.crossbar.converters import AnalogNoise, Converters, converts_exactly
from imcflow.runtime.crossbar.exact import ExactKernel, exact_kernel
from imcflow.runtime.crossbar.serial import serial_sums
from imcflow.runtime.crossbar.stream import Product, operations, stepped
from imcflow.runtime.program import ElementType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.execution.blocks import BlockPool
    from imcflow.runtime.program import CrossbarKernel, MacroSummary

PART_BYTES = 4 << 20
"""Window elements of one part: small enough for the cache, large enough for the matrix product."""
FEW_LEVELS = 16
"""Up to here a comparison per level beats a binary search per element."""


class CrossbarStep:
    """A kernel that the loader has checked; call it with images as often as wanted."""

    def __init__(
        self, kernel: CrossbarKernel, macro: MacroSummary, noise: AnalogNoise, dtype: np.dtype[Any], *, literal: bool
    ) -> None:
        """Prepare the kernel.

        Args:
            kernel: the stream.
            macro: of the target.
            noise: disturbances of analog macros; digital ones have none.
            dtype: numpy type of the result tensor.
            literal: run every input digit and weight column instead of whole products.
        """
        self.kernel = kernel
        self._macro, self._noise, self._dtype = macro, noise, dtype
        analog = macro.adc_levels > 0
        self._exact: ExactKernel | None = None
        if not literal and (not analog or (noise.absent and converts_exactly(macro, _full_scales(kernel, macro)))):
            self._exact = exact_kernel(kernel, largest_magnitude(kernel.window))
        self._steps = stepped(kernel)

    def run(self, maps: NDArray[Any], first_image: int, pool: BlockPool) -> NDArray[Any]:
        """Return the result [images, channels, positions] for maps [images, channels, height, width]."""
        images, kernel = len(maps), self.kernel
        result = np.empty((images, kernel.output.channels, kernel.lanes_per_image), self._dtype)
        wide = 8 if self._exact is None else self._exact.dtype.itemsize
        image_bytes = kernel.lanes_per_image * kernel.window.elements * wide
        per_part = max(1, min(PART_BYTES // max(1, image_bytes), -(-images // pool.threads)))

        def run(first: int, last: int) -> None:
            sums = self.sums(maps[first:last], first_image + first)
            sums += kernel.bias[:, None]
            stored = self.stored(sums)
            result[first:last] = stored.reshape(len(stored), last - first, -1).transpose(1, 0, 2)

        pool.run(images, per_part, [run] * pool.threads)
        return result

    def sums(self, maps: NDArray[Any], first_image: int) -> NDArray[np.int64]:
        """Return the sums [channels, images * positions] without bias."""
        kernel = self.kernel
        if self._exact is not None:
            columns = window_columns(kernel.window, maps, self._exact.dtype)
            return self._exact.sums(columns, kernel.output.channels).astype(np.int64)
        columns = window_columns(kernel.window, maps, np.dtype(np.int64))
        converters = None
        if self._macro.adc_levels:
            converters = Converters(self._macro, self._noise, kernel.name, first_image, len(maps))
        return serial_sums(kernel, self._macro, columns, converters)

    def stored(self, sums: NDArray[np.int64]) -> NDArray[np.int64]:
        """Apply step functions to sums [channels, lanes] and clamp to the type of the output, in place."""
        kernel = self.kernel
        if self._steps.any():
            counts = _reached(sums[self._steps], kernel.step_thresholds[self._steps])
            turned = kernel.step_descending[self._steps][:, None]
            levels = kernel.step_thresholds.shape[1]
            sums[self._steps] = np.where(turned, levels - counts, counts) + kernel.step_low[self._steps][:, None]
        element = ElementType(kernel.output.bits, kernel.output.signed)
        return np.clip(sums, element.minimum, element.maximum, out=sums)


def _reached(values: NDArray[np.int64], thresholds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many thresholds [channels, levels] each value [channels, lanes] reaches."""
    counts = np.zeros(values.shape, np.int64)
    if thresholds.shape[1] <= FEW_LEVELS:
        for level in thresholds.T:
            counts += values >= level[:, None]
        return counts
    for channel, row in enumerate(thresholds):
        counts[channel] = np.searchsorted(row, values[channel], side="right")
    return counts


def _full_scales(kernel: CrossbarKernel, macro: MacroSummary) -> list[tuple[int, int]]:
    """Per product: its full scale, and the largest sum that its cells and input digits can give."""
    top_digit = (1 << macro.bits_per_cycle) - 1
    scales: list[tuple[int, int]] = []
    for item in operations(kernel):
        if isinstance(item, Product):
            conducting = max(int((item.weights >> bit & 1).sum(axis=1).max()) for bit in range(kernel.weight_bits))
            scales.append((item.full_scale, conducting * top_digit))
    return scales


def ready_step(
    kernel: CrossbarKernel, macro: MacroSummary | None, noise: AnalogNoise, dtype: np.dtype[Any], *, literal: bool
) -> CrossbarStep:
    """Return a prepared kernel of a program.

    Raises:
        ProgramError: the program's target has no macros.
    """
    if macro is None:
        raise ProgramError(f"step '{kernel.name}': the target has no macros")
    return CrossbarStep(kernel, macro, noise, dtype, literal=literal)
