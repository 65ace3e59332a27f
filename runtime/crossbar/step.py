"""One crossbar kernel made ready to run, and run on some images on all cores."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.checks.crossbar import largest_magnitude
from imcflow.runtime.crossbar.analog import AnalogKernel
from imcflow.runtime.crossbar.columns import window_columns
from imcflow.runtime.crossbar.converters import AnalogNoise, Converters, converts_exactly
from imcflow.runtime.crossbar.exact import ExactKernel, exact_kernel
from imcflow.runtime.crossbar.serial import kernel_readings, largest_column_sum, serial_sums, weight_cells
from imcflow.runtime.crossbar.step_tables import StepTables
from imcflow.runtime.crossbar.stream import Product, operations, stepped
from imcflow.runtime.execution.workspace import Workspace
from imcflow.runtime.program import ElementType

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.execution.blocks import BlockPool
    from imcflow.runtime.program import CrossbarKernel, MacroSummary

PART_BYTES = 4 << 20
"""Window elements of one part: small enough for the cache, large enough for the matrix product."""
MAX_TABLED_BITS = 31
"""Widest results of compiled step tables."""
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
        self._macro, self._dtype = macro, dtype
        analog = macro.adc_levels > 0
        self._converters = Converters(macro, noise, kernel.name) if analog else None
        self._exact: ExactKernel | None = None
        self._analog: AnalogKernel | None = None
        if not literal and (not analog or (noise.absent and converts_exactly(macro, _full_scales(kernel, macro)))):
            self._exact = exact_kernel(kernel, largest_magnitude(kernel.window))
        elif not literal and self._converters is not None:
            self._analog = AnalogKernel(kernel, self._converters)
        self._steps = stepped(kernel)
        self._tabled = not literal and bool(self._steps.all()) and kernel.output.bits <= MAX_TABLED_BITS
        self._tables: StepTables | None = None
        self._memory = Workspace()

    @property
    def is_exact(self) -> bool:
        """Whether every product is the exact one: digital macros, or converters that lose nothing."""
        return self._exact is not None

    def run(self, maps: NDArray[Any], first_image: int, pool: BlockPool) -> NDArray[Any]:
        """Return the result [images, channels, positions] for maps [images, channels, height, width]."""
        images, kernel = len(maps), self.kernel
        result = np.empty((images, kernel.output.channels, kernel.lanes_per_image), self._dtype)
        per_part = max(1, min(PART_BYTES // max(1, self.image_bytes), -(-images // pool.threads)))
        tables = self._step_tables()

        def part(first: int, last: int, memory: Workspace) -> None:
            sums = self._sums(maps[first:last], first_image + first, memory)
            if tables is not None:
                tables.store(sums, result[first:last])
                return
            stored = self.stored(sums.astype(np.int64, copy=False) + kernel.bias[:, None])
            result[first:last] = stored.reshape(len(stored), last - first, -1).transpose(1, 0, 2)

        pool.run(images, per_part, [partial(part, memory=memory) for memory in pool.memories], self._kernel_name)
        return result

    @property
    def _kernel_name(self) -> str:
        if self._exact is not None:
            return f"exact {self._exact.dtype}"
        return "literal" if self._analog is None else f"analog {self._analog.dtype}"

    def _step_tables(self) -> StepTables | None:
        """Return the compiled stores, if all channels go through step functions."""
        if self._tabled and self._tables is None:
            sums = np.dtype(np.float64) if self._exact is None else self._exact.dtype
            self._tables = StepTables(self.kernel, sums, self._dtype)
        return self._tables

    @property
    def image_bytes(self) -> int:
        """Working memory of one image: window elements, column sums with their noise, accumulators."""
        kernel = self.kernel
        cycles = -(-kernel.window.bits // self._macro.bits_per_cycle)
        if self._exact is not None:
            size, cycles, readings = self._exact.dtype.itemsize, 1, 0
        else:
            size = 8 if self._analog is None else self._analog.dtype.itemsize
            readings = kernel_readings(kernel, self._macro)
        per_lane = kernel.window.elements * cycles * size + kernel.output.channels * (readings * (size + 4) + 8)
        return kernel.lanes_per_image * per_lane

    def sums(self, maps: NDArray[Any], first_image: int) -> NDArray[np.int64]:
        """Return the sums [channels, images * positions] without bias; one thread at a time may call it."""
        return self._sums(maps, first_image, self._memory).astype(np.int64)

    def _sums(self, maps: NDArray[Any], first_image: int, memory: Workspace) -> NDArray[Any]:
        """Return integers [channels, lanes], of which type ever, without bias."""
        kernel = self.kernel
        if self._exact is not None:
            return self._exact.sums(self._exact.windows(maps, memory), kernel.output.channels, memory)
        if self._analog is not None:
            return self._analog.sums(maps, first_image, memory)
        columns = window_columns(kernel.window, maps, np.dtype(np.int64))
        return serial_sums(kernel, self._macro, columns, self._converters, first_image)

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
    scales: list[tuple[int, int]] = []
    for item in operations(kernel):
        if isinstance(item, Product):
            cells = weight_cells(item.weights, kernel.weight_bits, macro.cell_bits, signed=item.signed).values
            scales.append((item.full_scale, largest_column_sum(cells, kernel.window.bits, kernel.window.signed, macro)))
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
