"""Analog execution at the speed of the matrix product: one product per tile for all cycles, one pass of converters.

Sums of columns are integers, so the product may be taken in float32 where they stay below 2^24 and in any order; the
converters are one compiled loop over it. `imcflow.runtime.crossbar.serial` is the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.columns import DigitWindows
from imcflow.runtime.crossbar.exact import FLOAT32_EXACT
from imcflow.runtime.crossbar.noise import quantile_pieces
from imcflow.runtime.crossbar.serial import weight_cells
from imcflow.runtime.crossbar.stream import Product, operations
from imcflow.runtime.execution.workspace import Workspace, address
from imcflow.runtime.kernels.conversion import Reading, Scale, Shape, convert_function

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.crossbar.converters import Converters
    from imcflow.runtime.crossbar.stream import Accumulation
    from imcflow.runtime.program import CrossbarKernel


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A product and where its result goes.

    Attributes:
        product: the MULTIPLY.
        cells: [columns * digits of a weight, rows].
        readings: column sums per result: digits of a weight times cycles.
        noise_key: of the read noise, as a signed integer.
        targets: first output channel and scales of the converters, per accumulation.
    """

    product: Product
    cells: NDArray[Any]
    readings: int
    noise_key: int
    targets: list[tuple[int, NDArray[np.float64]]]


class AnalogKernel:
    """A checked kernel on an analog macro."""

    def __init__(self, kernel: CrossbarKernel, converters: Converters) -> None:
        """Arrange cells and the scales of the converters of every tile."""
        self._kernel, self._converters = kernel, converters
        self._cycles = -(-kernel.window.bits // converters.macro.bits_per_cycle)
        self.dtype = np.dtype(np.float32 if _sums_fit_float32(kernel, converters) else np.float64)
        self._windows = DigitWindows(kernel.window, converters.macro.bits_per_cycle, self.dtype)
        # Found here, by one thread: what workers found for themselves might not live as long as its address is used.
        self._quantiles = quantile_pieces()
        self._function = convert_function(wide=self.dtype == np.float64, noisy=converters.noise.read_cells > 0)
        self._tiles = self._arranged()

    def _arranged(self) -> list[Tile]:
        kernel, macro = self._kernel, self._converters.macro
        tiles: dict[int, Tile] = {}
        for item in operations(kernel):
            if not isinstance(item, Product):
                tile = tiles[item.product.number]
                tile.targets.append((item.output, self._scales(item)))
                continue
            values = weight_cells(item.weights, kernel.weight_bits, macro.cell_bits, signed=item.signed).values
            count, weight_digits, rows = values.shape
            cells = self._converters.conductances(item, values).reshape(count * weight_digits, rows)
            key = int(np.uint64(self._converters.noise_key(item)).astype(np.int64))
            narrow = np.ascontiguousarray(cells, self.dtype)
            tiles[item.number] = Tile(item, narrow, weight_digits * self._cycles, key, [])
        return list(tiles.values())

    def _scales(self, item: Accumulation) -> NDArray[np.float64]:
        kernel, converters, product = self._kernel, self._converters, item.product
        macro = converters.macro
        cells = weight_cells(product.weights[:, :1], kernel.weight_bits, macro.cell_bits, signed=product.signed)
        records: list[tuple[float, ...]] = []
        offset = 0.0
        for place in cells.places.tolist():
            for cycle in range(self._cycles):
                signed = kernel.window.signed and cycle == self._cycles - 1
                found = converters.range(product.full_scale, signed_digit=signed)
                weight = place * 2.0 ** (cycle * macro.bits_per_cycle)
                offset += weight * found.low
                records.append((*found, weight))
        scales = np.zeros(Scale.SIZE + Reading.SIZE * len(records))
        scales[Scale.STEP] = converters.step(product.full_scale)
        scales[Scale.OFFSET] = offset
        scales[Scale.FACTOR] = item.factor
        scales[Scale.NOISE] = converters.noise.read_cells
        scales[Scale.SIZE :] = np.array(records).reshape(-1)
        return scales

    def sums(self, maps: NDArray[Any], first_image: int, memory: Workspace) -> NDArray[np.float64]:
        """Return the sums [channels, lanes], integers, without bias.

        Args:
            maps: [images, channels, height, width].
            first_image: number of the first image in the batch.
            memory: of this thread; the result is its scratch "sums".
        """
        kernel, images, per_image = self._kernel, len(maps), self._kernel.lanes_per_image
        inputs = self._windows(maps, memory)
        by_image = inputs.reshape(len(inputs), self._cycles * images, per_image)
        sums = memory.scratch_array("sums", (kernel.output.channels, images, per_image), np.dtype(np.float64))
        sums[...] = 0.0
        for tile in self._tiles:
            product = tile.product
            rows = slice(product.element, product.element + product.weights.shape[1])
            first, last = product.first_lane, product.last_lane
            whole = last - first == per_image
            lines = inputs[rows] if whole else by_image[rows, :, first:last].reshape(rows.stop - rows.start, -1)
            read = memory.scratch_array("read", (len(tile.cells), lines.shape[1]), self.dtype)
            self._convert(tile, np.matmul(tile.cells, lines, out=read), sums, first_image)
        return sums.reshape(len(sums), -1)

    def _convert(self, tile: Tile, read: NDArray[Any], sums: NDArray[np.float64], first_image: int) -> None:
        """Convert the column sums of a tile and add its results to the accumulators [channels, images, lanes]."""
        product, noise = tile.product, self._converters.noise
        (_, images, per_image), shape = sums.shape, np.zeros(Shape.SIZE, np.int64)
        shape[Shape.COLUMNS], shape[Shape.READINGS], shape[Shape.IMAGES] = len(product.weights), tile.readings, images
        shape[Shape.LANES], shape[Shape.STRIDE] = product.last_lane - product.first_lane, per_image
        shape[Shape.KEY], shape[Shape.FIRST_IMAGE] = tile.noise_key, first_image
        if noise.read_cells:
            shape[Shape.QUANTILES] = address(self._quantiles)
        for output, scales in tile.targets:
            target = sums[output:, :, product.first_lane :]
            self._function(address(read), address(target), address(scales), address(shape))


def _sums_fit_float32(kernel: CrossbarKernel, converters: Converters) -> bool:
    """Return whether float32 holds every sum of a column, whatever enters."""
    macro = converters.macro
    if converters.noise.conductance:
        return False
    rows = max((item.weights.shape[1] for item in operations(kernel) if isinstance(item, Product)), default=0)
    digit, cell = 1 << min(macro.bits_per_cycle, kernel.window.bits), 1 << min(macro.cell_bits, kernel.weight_bits)
    return rows * (digit - 1) * (cell - 1) < FLOAT32_EXACT
