"""Full scales of the converters of an analog kernel, fitted to the sums that its columns really give.

A converter of L levels that covers every possible sum has steps of full scale / (L - 1). Real sums stay far below the
possible ones, so a smaller full scale has finer steps and clips a few sums. Both errors are weighed by the place value
of column and digit, whose squares are their shares of the squared error of a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.runtime.crossbar.columns import digits
from imcflow.runtime.crossbar.converters import AnalogNoise, Converters
from imcflow.runtime.crossbar.serial import Cells, largest_column_sum, weight_cells
from imcflow.runtime.crossbar.stream import Product, operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel, MacroSummary

CANDIDATES = 64
"""Full scales tried between a step of one unit cell and the largest possible sum."""


def converted(sums: NDArray[np.float64], full_scale: int, macro: MacroSummary, *, signed: bool) -> NDArray[np.float64]:
    """Return what a converter without noise reads for column sums, in unit cells.

    Args:
        sums: in unit cells.
        full_scale: of the converter.
        macro: its levels, and the bits of a digit.
        signed: whether the digit is signed.
    """
    converters = Converters(macro, AnalogNoise(), "")
    low, least, most = converters.range(full_scale, signed_digit=signed)
    step = converters.step(full_scale)
    return low + step * np.clip(np.rint((sums - low) / step), least, most)


@dataclass(frozen=True, slots=True, eq=False)
class ColumnSums:
    """How often each sum occurs in the columns of a product, for digits of one kind.

    Attributes:
        signed: whether the digits are.
        values: float64 [sums], in unit cells, ascending.
        counts: float64 [sums], occurrences.
        weights: float64 [sums], occurrences times the squared place value of column and digit.
    """

    signed: bool
    values: NDArray[np.float64]
    counts: NDArray[np.float64]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ConverterRange:
    """The full scale chosen for one product, and what it does to the sums it was chosen on.

    Attributes:
        instruction: number of the MULTIPLY.
        full_scale: chosen, in unit cells.
        largest: full scale that no sum of these cells exceeds.
        clipped_share: share of the conversions beyond the range.
        signal: weighted squares of the sums.
        error: weighted squared error of the conversions.
        error_of_largest: the same if the full scale were the largest.
    """

    instruction: int
    full_scale: int
    largest: int
    clipped_share: float
    signal: float
    error: float
    error_of_largest: float


def fitted_ranges(kernel: CrossbarKernel, macro: MacroSummary, columns: NDArray[np.int64]) -> list[ConverterRange]:
    """Choose the full scale of every product of a kernel: least weighted squared error, ties to the larger one.

    Args:
        kernel: the stream.
        macro: of an analog target.
        columns: window elements of some lanes, int64 [elements, lanes].
    """
    found: list[ConverterRange] = []
    for item in operations(kernel):
        if isinstance(item, Product):
            lanes = columns[item.element : item.element + item.weights.shape[1]]
            found.append(_fitted(item, kernel, macro, lanes))
    return found


def _fitted(item: Product, kernel: CrossbarKernel, macro: MacroSummary, lanes: NDArray[np.int64]) -> ConverterRange:
    cells = weight_cells(item.weights, kernel.weight_bits, macro.cell_bits, signed=item.signed)
    largest = max(1, largest_column_sum(cells.values, kernel.window.bits, kernel.window.signed, macro))
    sums = _column_sums(cells, kernel, macro, lanes)
    converters = Converters(macro, AnalogNoise(), "")
    # Below this full scale a step resolves nothing more.
    finest = min(largest, round(largest / converters.step(largest)))
    scales = np.unique(np.linspace(finest, largest, CANDIDATES).round().astype(np.int64))
    errors = [_error(sums, int(scale), macro) for scale in scales]
    best = len(errors) - 1 - int(np.argmin(errors[::-1]))
    scale = int(scales[best])
    total = sum(float(part.counts.sum()) for part in sums)
    clipped = sum(float(part.counts[_beyond(part, scale, macro)].sum()) for part in sums)
    return ConverterRange(
        instruction=item.number,
        full_scale=scale,
        largest=largest,
        clipped_share=clipped / total if total else 0.0,
        signal=sum(float(part.weights @ part.values**2) for part in sums),
        error=errors[best],
        error_of_largest=errors[-1],
    )


def _column_sums(
    cells: Cells, kernel: CrossbarKernel, macro: MacroSummary, lanes: NDArray[np.int64]
) -> list[ColumnSums]:
    window, per_cycle = kernel.window, macro.bits_per_cycle
    most = int(np.abs(cells.values).sum(axis=2).max()) << per_cycle
    inputs = digits(lanes, window.bits, window.signed, per_cycle)
    # Histograms by kind of digit, shifted so that negative sums have an index.
    counts, weights = np.zeros((2, 2 * most + 1)), np.zeros((2, 2 * most + 1))
    for index, digit in enumerate(inputs):
        kind = int(window.signed and index == len(inputs) - 1)
        for weight_digit, place in enumerate(cells.places.tolist()):
            sums = cells.values[:, weight_digit] @ digit.astype(np.float64)
            histogram = np.bincount(sums.astype(np.int64).reshape(-1) + most, minlength=2 * most + 1)
            counts[kind] += histogram
            weights[kind] += histogram * (place * 2.0 ** (index * per_cycle)) ** 2
    found: list[ColumnSums] = []
    for kind in range(2):
        present = np.flatnonzero(counts[kind])
        values = (present - most).astype(np.float64)
        found.append(ColumnSums(kind == 1, values, counts[kind][present], weights[kind][present]))
    return found


def _error(sums: Sequence[ColumnSums], full_scale: int, macro: MacroSummary) -> float:
    return sum(
        float(part.weights @ (converted(part.values, full_scale, macro, signed=part.signed) - part.values) ** 2)
        for part in sums
    )


def _beyond(part: ColumnSums, full_scale: int, macro: MacroSummary) -> NDArray[np.bool_]:
    step = Converters(macro, AnalogNoise(), "").step(full_scale)
    read = converted(part.values, full_scale, macro, signed=part.signed)
    return np.abs(read - part.values) > step / 2 + 1e-9
