"""Compiled propagation of sparse linear forms through an add/sub program."""

# numpy stubs call the element of an array an array; in compiled code it is a scalar.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]
Flags = NDArray[np.bool_]


@compiled_loop
def _grown(column: I64, size: int) -> I64:
    larger = np.empty(max(size, 2 * len(column)), column.dtype)
    for at in range(len(column)):  # a slice would bring the code that words numpy's complaints along
        larger[at] = column[at]
    return larger


@compiled_loop
def _lift_of(low: int) -> int:
    """1 + k for the least 2^k that makes a negative `low` positive or 0: the word becomes no longer by it."""
    lift = 1
    while (np.int64(1) << (lift - 1)) < -low:
        lift += 1
    return lift


@compiled_loop
def value_intervals(
    inputs: int,
    lhs: I32,
    rhs: I32,
    lhs_shift: U8,
    rhs_shift: U8,
    subtract: U8,
    accumulate_output: I32,
    accumulate_value: I32,
    accumulate_shift: U8,
    accumulate_subtract: U8,
    order: I64,
    limit: int,
    low: I64,
    high: I64,
    output_low: I64,
    output_high: I64,
    liftable: Flags,
    lift: U8,
) -> int:
    """Fill `low` and `high` beyond the inputs, and add every output's interval to `output_low` and `output_high`.

    Values that are `liftable` and may be negative get a lift, 1 + k for 2^k, which makes them words without sign of the
    same length at most; intervals, those of the inputs too, are those of the lifted values.

    `order` lists the accumulations by output. The coefficients of a value are kept as a list sorted by input. The form
    of an output is dense and scattered.

    Returns:
        -1, or the first value (or accumulated value) whose interval exceeds `limit`.
    """
    operations = len(lhs)
    constant = np.zeros(inputs + operations, np.int64)
    for value in range(inputs):
        if liftable[value] and low[value] < 0:
            lift[value] = _lift_of(low[value])
            constant[value] = np.int64(1) << (lift[value] - 1)
    start = np.empty(inputs + operations + 1, np.int64)
    index = np.empty(4 * (inputs + operations) + 16, np.int64)
    factor = np.empty(4 * (inputs + operations) + 16, np.int64)
    for value in range(inputs):
        start[value] = value
        index[value] = value
        factor[value] = 1
    start[inputs] = inputs
    for operation in range(operations):
        a, b = lhs[operation], rhs[operation]
        at_a, end_a, at_b, end_b = start[a], start[a + 1], start[b], start[b + 1]
        free = start[inputs + operation]
        needed = free + (end_a - at_a) + (end_b - at_b)
        if needed > len(index):
            index, factor = _grown(index, needed), _grown(factor, needed)
        scale_a = np.int64(1) << lhs_shift[operation]
        scale_b = np.int64(1) << rhs_shift[operation]
        if subtract[operation]:
            scale_b = -scale_b
        least, most = np.int64(0), np.int64(0)
        while at_a < end_a or at_b < end_b:
            coefficient = np.int64(0)
            left_first = at_b >= end_b or (at_a < end_a and index[at_a] < index[at_b])
            position = index[at_a] if left_first else index[at_b]
            if at_a < end_a and index[at_a] == position:
                coefficient += scale_a * factor[at_a]
                at_a += 1
            if at_b < end_b and index[at_b] == position:
                coefficient += scale_b * factor[at_b]
                at_b += 1
            if coefficient == 0:
                continue
            index[free], factor[free] = position, coefficient
            free += 1
            least += coefficient * (low[position] if coefficient > 0 else high[position])
            most += coefficient * (high[position] if coefficient > 0 else low[position])
            # The products themselves may overflow int64: they are bounded in floating point.
            largest = max(abs(float(low[position])), abs(float(high[position])), 1.0)
            if abs(float(coefficient)) * largest > limit or most > limit or least < -limit:
                return inputs + operation
        start[inputs + operation + 1] = free
        result = inputs + operation
        constant[result] = scale_a * constant[a] + scale_b * constant[b]
        least, most = least + constant[result], most + constant[result]
        if liftable[result] and least < 0:
            lift[result] = _lift_of(least)
            added = np.int64(1) << (lift[result] - 1)
            constant[result] += added
            least, most = least + added, most + added
        if most > limit or least < -limit:
            return result
        low[result], high[result] = least, most
    overflow = _output_intervals(
        inputs,
        start,
        index,
        factor,
        constant,
        accumulate_output,
        accumulate_value,
        accumulate_shift,
        accumulate_subtract,
        order,
        limit,
        low,
        high,
        output_low,
        output_high,
    )
    for value in range(inputs):
        low[value] += constant[value]
        high[value] += constant[value]
    return overflow


@compiled_loop
def _output_intervals(
    inputs: int,
    start: I64,
    index: I64,
    factor: I64,
    constant: I64,
    accumulate_output: I32,
    accumulate_value: I32,
    accumulate_shift: U8,
    accumulate_subtract: U8,
    order: I64,
    limit: int,
    low: I64,
    high: I64,
    output_low: I64,
    output_high: I64,
) -> int:
    form = np.zeros(inputs, np.int64)
    position = 0
    while position < len(order):
        output = accumulate_output[order[position]]
        end = position
        while end < len(order) and accumulate_output[order[end]] == output:
            term = order[end]
            scale = np.int64(1) << accumulate_shift[term]
            if accumulate_subtract[term]:
                scale = -scale
            value = accumulate_value[term]
            output_low[output] += scale * constant[value]
            output_high[output] += scale * constant[value]
            for at in range(start[value], start[value + 1]):
                form[index[at]] += scale * factor[at]
            end += 1
        for column in range(inputs):
            coefficient = form[column]
            if coefficient == 0:
                continue
            form[column] = 0
            output_low[output] += coefficient * (low[column] if coefficient > 0 else high[column])
            output_high[output] += coefficient * (high[column] if coefficient > 0 else low[column])
            largest = max(abs(float(low[column])), abs(float(high[column])), 1.0)
            beyond = abs(float(coefficient)) * largest > limit
            if beyond or output_high[output] > limit or output_low[output] < -limit:
                return accumulate_value[order[position]]
        position = end
    return -1
