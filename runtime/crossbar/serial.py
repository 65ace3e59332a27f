"""Literal execution: every product digit by digit and weight column by weight column, as the macro does it.

An activation enters as digits of `bits_per_cycle` bits, lowest first, one per cycle; the top digit of a signed
activation is signed. A weight lies in columns of `cell_bits`-bit cells, lowest digit first. With one-bit cells the top
column of two's complement counts negatively; larger cells hold its signed top digit as a difference of conductances.
Each cycle gives one sum per physical column. A digital macro adds these sums at their place values. An analog macro
reads each with a converter of `adc_levels` levels over its full scale; codes are added at their place values, and the
result is scaled and rounded to an integer once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.columns import digits
from imcflow.runtime.crossbar.converters import Converters, columns_per_weight
from imcflow.runtime.crossbar.noise import read_noise
from imcflow.runtime.crossbar.stream import Product, operations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.program import CrossbarKernel, MacroSummary

    Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Cells:
    """The physical columns of a tile.

    Attributes:
        values: float64 [columns, digits of a weight, rows], integers; lowest digit first.
        places: float64 [digits], what each counts.
    """

    values: Sums
    places: Sums


def weight_cells(weights: NDArray[np.int64], bits: int, cell_bits: int, *, signed: bool) -> Cells:
    """Return what the cells of weights [columns, rows] hold.

    Args:
        weights: integers of `bits` bits.
        bits: length of a weight.
        cell_bits: bits of a cell.
        signed: whether the weights are two's complement.
    """
    # With one-bit cells the top digit is unsigned, too: it is its place value that is negative.
    values = digits(weights, bits, signed and cell_bits > 1, cell_bits)
    places: Sums = np.ldexp(np.ones(len(values)), cell_bits * np.arange(len(values)))
    if signed and cell_bits == 1:
        places[-1] = -places[-1]
    return Cells(np.stack(values, axis=1).astype(np.float64), places)


def serial_sums(
    kernel: CrossbarKernel,
    macro: MacroSummary,
    columns: NDArray[np.int64],
    converters: Converters | None,
    first_image: int = 0,
) -> NDArray[np.int64]:
    """Return the sums [channels, lanes] of a checked kernel, without bias.

    Args:
        kernel: the stream.
        macro: geometry of the macros.
        columns: window elements, int64 [elements, lanes].
        converters: of an analog macro; None: exact sums.
        first_image: number of the first image in the batch.
    """
    sums = np.zeros((kernel.output.channels, columns.shape[1]), np.int64)
    by_image = sums.reshape(len(sums), -1, kernel.lanes_per_image)
    inputs = columns.reshape(len(columns), -1, kernel.lanes_per_image)
    registers: dict[int, NDArray[np.int64]] = {}
    for item in operations(kernel):
        product = item if isinstance(item, Product) else item.product
        count, height = product.weights.shape
        if isinstance(item, Product):
            lanes = inputs[item.element : item.element + height, :, item.first_lane : item.last_lane]
            registers[item.macro] = _product(item, kernel, macro, lanes, converters, first_image)
        else:
            part = by_image[item.output : item.output + count, :, product.first_lane : product.last_lane]
            part += registers[product.macro] * item.factor
    return sums


def _product(
    item: Product,
    kernel: CrossbarKernel,
    macro: MacroSummary,
    lanes: NDArray[np.int64],
    converters: Converters | None,
    first_image: int,
) -> NDArray[np.int64]:
    """Return the results [columns, images, lanes] for window elements [rows, images, lanes]."""
    _, images, per_image = lanes.shape
    cells = weight_cells(item.weights, kernel.weight_bits, macro.cell_bits, signed=item.signed)
    conductances = cells.values if converters is None else converters.conductances(item, cells.values)
    inputs = digits(lanes, kernel.window.bits, kernel.window.signed, macro.bits_per_cycle)
    count, weight_digits, _ = conductances.shape
    readings = weight_digits * len(inputs)
    noise = None
    if converters is not None and converters.noise.read_cells:
        drawn = read_noise(converters.noise_key(item), first_image, (count, readings, images, per_image))
        noise = drawn.astype(np.float64) * converters.noise.read_cells
    total: NDArray[Any] = np.zeros((count, images, per_image))
    offset = 0.0
    for weight_digit, place in enumerate(cells.places.tolist()):
        for cycle, digit in enumerate(inputs):
            sums = np.tensordot(conductances[:, weight_digit], digit.astype(np.float64), 1)
            weight = place * 2.0 ** (cycle * macro.bits_per_cycle)
            if converters is not None:
                if noise is not None:
                    sums = sums + noise[:, weight_digit * len(inputs) + cycle]
                signed = kernel.window.signed and cycle == len(inputs) - 1
                low, least, most = converters.range(item.full_scale, signed_digit=signed)
                sums = np.clip(np.rint((sums - low) / converters.step(item.full_scale)), least, most)
                offset += weight * low
            total += weight * sums
    if converters is not None:
        total = total * converters.step(item.full_scale) + offset
    return np.rint(total).astype(np.int64)


def largest_column_sum(cells: Sums, bits: int, signed: bool, macro: MacroSummary) -> int:
    """Return the largest magnitude that a column of cells [columns, digits, rows] can sum to, in unit cells.

    Args:
        cells: what the cells hold.
        bits: length of the activations.
        signed: whether they are two's complement.
        macro: bits per cell and cycle.
    """
    digit = (1 << macro.bits_per_cycle) - 1
    if macro.cell_bits > 1 and bits <= macro.bits_per_cycle:
        digit = 1 << (bits - 1) if signed else (1 << bits) - 1
    return int(np.abs(cells).sum(axis=2).max()) * digit


def kernel_readings(kernel: CrossbarKernel, macro: MacroSummary) -> int:
    """Return how many column sums a result takes: digits of the weight times cycles."""
    return columns_per_weight(kernel.weight_bits, macro) * -(-kernel.window.bits // macro.bits_per_cycle)
