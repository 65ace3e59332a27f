"""Compiled order of execution: depth first by consumer, so that few values live at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from imcflow.runtime.compiled_loops.loop import compiled_loop

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

LOAD, OPERATE, ACCUMULATE, STORE = 1, 2, 6, 8
"""Values of `imcflow.dialect.placement.StepKind` that a schedule uses."""


@compiled_loop
def lists_by_key(keys: I32, count: int) -> tuple[I64, I32]:
    """Positions of every key: those of key k are `items[start[k]:start[k + 1]]`, ascending."""
    start = np.zeros(count + 1, np.int64)
    for key in keys:
        start[key + 1] += 1
    for key in range(count):
        start[key + 1] += start[key]
    fill = start[:-1].copy()
    items = np.empty(len(keys), np.int32)
    for position in range(len(keys)):
        key = keys[position]
        items[fill[key]] = position
        fill[key] += 1
    return start, items


@compiled_loop
def depth_first_schedule(
    inputs: int,
    outputs: int,
    lhs: I32,
    rhs: I32,
    accumulate_output: I32,
    accumulate_value: I32,
    slice_accumulations: I32,
    kind: U8,
    index: I32,
) -> int:
    """Order the steps slice by slice; inside, compute what the accumulations need in their order.

    A window element is loaded right before its first use; a value is accumulated into all its outputs as soon as it
    exists; an output is stored after its last accumulation. Outputs without accumulations are stored last. Values that
    no accumulation needs are left out.

    Args:
        inputs, outputs: sizes.
        lhs, rhs: operands of every operation.
        accumulate_output, accumulate_value: of every accumulation.
        slice_accumulations: where the accumulations of every slice begin.
        kind, index: receive the steps, at most one per input, operation, accumulation and output.

    Returns:
        number of steps.
    """
    operations = len(lhs)
    accumulations = len(accumulate_value)
    users_start, users = lists_by_key(accumulate_value, inputs + operations)
    left = np.zeros(outputs, np.int32)
    for output in accumulate_output:
        left[output] += 1
    count = 0
    done = np.zeros(inputs + operations, np.bool_)
    stack = np.empty(operations + 2, np.int32)
    for accumulation in range(accumulations):
        if done[accumulate_value[accumulation]]:
            continue
        depth = 0
        stack[0] = accumulate_value[accumulation]
        while depth >= 0:
            value = stack[depth]
            if value >= inputs:
                a, b = lhs[value - inputs], rhs[value - inputs]
                if not done[a] or not done[b]:
                    depth += 1
                    stack[depth] = a if not done[a] else b
                    continue
                kind[count], index[count] = OPERATE, value - inputs
            else:
                kind[count], index[count] = LOAD, value
            count += 1
            depth -= 1
            done[value] = True
            for at in range(users_start[value], users_start[value + 1]):
                output = accumulate_output[users[at]]
                kind[count], index[count] = ACCUMULATE, users[at]
                count += 1
                left[output] -= 1
                if left[output] == 0:
                    kind[count], index[count] = STORE, output
                    count += 1
                    left[output] = -1
    for output in range(outputs):
        if left[output] == 0:
            kind[count], index[count] = STORE, output
            count += 1
    return count
