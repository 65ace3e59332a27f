"""Literal execution: every product digit by digit and weight column by weight column, as the macro does it.

An activation enters as digits of `bits_per_cycle` bits, lowest first, one per cycle; the top digit of a signed
activation is signed. A weight lies in `weight_bits` columns of one-bit cells; the top column of two's complement
counts negatively. Each cycle gives one sum per physical column. A digital macro adds these sums at their place values.
An analog macro reads each with a converter of `adc_levels` levels over its full scale; codes are added at their place
values, and the result is scaled and rounded to an integer once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from imcflow.runtime.crossbar.stream import Product, operations

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imcflow.runtime.crossbar.converters import Converters
    from imcflow.runtime.program import CrossbarKernel, MacroSummary

    Sums = NDArray[np.float64]


def digits(values: NDArray[np.int64], bits: int, signed: bool, bits_per_cycle: int) -> list[NDArray[np.int64]]:
    """Return the digits of integers, lowest first: value = sum of digit[k] * 2^(k * bits_per_cycle).

    Args:
        values: integers of `bits` bits.
        bits: length of the integers.
        signed: whether they are two's complement; then the last digit is signed.
        bits_per_cycle: length of a digit.
    """
    count = -(-bits // bits_per_cycle)
    mask = (1 << bits_per_cycle) - 1
    parts = [values >> (bits_per_cycle * index) & mask for index in range(count)]
    if signed:
        parts[-1] = values >> (bits_per_cycle * (count - 1))
    return parts


def weight_columns(weights: NDArray[np.int64], bits: int) -> NDArray[np.float64]:
    """Return the cells [bits, columns, rows], each 0 or 1, of weights [columns, rows]; column 0 is the lowest bit."""
    places = np.arange(bits)[:, None, None]
    return (weights[None] >> places & 1).astype(np.float64)


def place_values(bits: int, signed: bool) -> NDArray[Any]:
    """Return what each bit column counts, float64 [bits]."""
    values = np.ldexp(np.ones(bits, np.float64), np.arange(bits))
    if signed:
        values[-1] = -values[-1]
    return values


def serial_sums(
    kernel: CrossbarKernel,
    macro: MacroSummary,
    columns: NDArray[np.int64],
    converters: Converters | None,
) -> NDArray[np.int64]:
    """Return the sums [channels, lanes] of a checked kernel, without bias.

    Args:
        kernel: the stream.
        macro: geometry of the macros.
        columns: window elements, int64 [elements, lanes].
        converters: of an analog macro; None: exact sums.
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
            registers[item.macro] = _product(item, kernel, macro, lanes.reshape(height, -1), converters)
        else:
            part = by_image[item.output : item.output + count, :, product.first_lane : product.last_lane]
            part += registers[product.macro].reshape(part.shape) * item.factor
    return sums


def _product(
    item: Product,
    kernel: CrossbarKernel,
    macro: MacroSummary,
    lanes: NDArray[np.int64],
    converters: Converters | None,
) -> NDArray[np.int64]:
    bits, step = kernel.weight_bits, macro.bits_per_cycle
    count = len(item.weights)
    cells = weight_columns(item.weights, bits)
    if converters is not None:
        cells = converters.cells(item, cells)
    places = place_values(bits, item.signed)
    stacked = cells.reshape(bits * count, -1)
    inputs = digits(lanes, kernel.window.bits, kernel.window.signed, step)
    total: NDArray[Any] = np.zeros((count, lanes.shape[1]))
    offset = 0.0
    for index, digit in enumerate(inputs):
        line_sums = stacked @ digit.astype(np.float64)
        scale = 2.0 ** (index * step)
        if converters is not None:
            signed = kernel.window.signed and index == len(inputs) - 1
            line_sums, low = converters.codes(item, index, line_sums, signed=signed)
            offset += scale * low * float(places.sum())
        total += scale * np.tensordot(places, line_sums.reshape(bits, count, -1), 1)
    if converters is not None:
        total = total * converters.step(item.full_scale) + offset
    return np.rint(total).astype(np.int64)
