"""Meaning of the mapped level: programs evaluated operation by operation on the window of every output position."""

from __future__ import annotations

import numpy as np
from xdsl.ir import Block, SSAValue

from imcflow.dialect.add_sub_program import evaluate
from imcflow.dialect.interpreter.registry import Array, meaning
from imcflow.dialect.ops_ap import ApLinearOp, ApMaxPoolOp, WindowedOp, in_parts
from imcflow.dialect.ops_ap_unpacked import ApAccumulateOp, ApAddOp, ApSubOp, ApUnpackedOp, ApYieldOp
from imcflow.dialect.ops_network import window_properties
from imcflow.dialect.types import shape_of


def windows(op: WindowedOp, feature_map: Array) -> Array:
    """Return the window elements `[channels * kernel_height * kernel_width, N * OH * OW]` of one input."""
    if feature_map.ndim == 2:
        return feature_map.T
    strides, pads, dilations = window_properties(op.strides, op.pads, op.dilations)
    padded = np.pad(
        feature_map,
        ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])),
        constant_values=op.pad_value.value.data,
    )
    out_height, out_width = shape_of(op.result)[2:]
    kernel_height, kernel_width = op.kernel_size
    taps = [
        padded[
            :,
            :,
            row * dilations[0] : row * dilations[0] + (out_height - 1) * strides[0] + 1 : strides[0],
            column * dilations[1] : column * dilations[1] + (out_width - 1) * strides[1] + 1 : strides[1],
        ]
        for row in range(kernel_height)
        for column in range(kernel_width)
    ]
    # [taps, N, C, OH, OW] -> [C, taps, N, OH, OW]
    ordered = np.stack(taps).transpose(2, 0, 1, 3, 4)
    return ordered.reshape(feature_map.shape[1] * len(taps), -1)


def _as_tensor(op: WindowedOp, lanes: Array) -> Array:
    """Return `[channels, N * positions]` in the shape of the result."""
    shape = shape_of(op.result)
    if len(shape) == 2:
        return lanes.T
    return lanes.reshape(shape[1], -1, *shape[2:]).transpose(1, 0, 2, 3)


def _stepped(op: ApLinearOp | ApUnpackedOp, sums: Array, steps: tuple[Array, ...]) -> Array:
    """Apply the op's step function to sums `[channels, lanes]`."""
    if op.thresholds is None:
        return sums
    thresholds = np.broadcast_to(steps[0], (len(sums), steps[0].shape[1]))
    counts: Array = np.count_nonzero(sums[:, :, None] >= thresholds[:, None, :], axis=2)
    if op.descending is not None:
        counts = np.where(steps[1][:, None] > 0, thresholds.shape[1] - counts, counts)
    return op.low.value.data + counts


@meaning(ApLinearOp)
def ap_linear(op: ApLinearOp, *operands: Array) -> Array:
    """Evaluate the programs on the windows, then the step function."""
    count = len(op.inputs)
    elements = np.concatenate([windows(op, operand) for operand in operands[:count]])
    results = [evaluate(part.program(), elements) for part in op.programs]
    sums = np.concatenate([np.sum(part, axis=0) for part in in_parts(results, op.partial_sums)])
    return _as_tensor(op, _stepped(op, sums, operands[count:]))


@meaning(ApUnpackedOp)
def ap_unpacked(op: ApUnpackedOp, *operands: Array) -> Array:
    """Evaluate the regions op by op on the windows, then the step function."""
    count = len(op.inputs)
    elements = np.concatenate([windows(op, operand) for operand in operands[:count]])
    results = [_region_outputs(body.block, elements) for body in op.bodies]
    sums = np.concatenate([np.sum(part, axis=0) for part in in_parts(results, op.partial_sums)])
    return _as_tensor(op, _stepped(op, sums, operands[count:]))


def _region_outputs(block: Block, elements: Array) -> Array:
    """Evaluate one region on window elements `[elements, lanes]`; the result is `[outputs, lanes]`."""
    values: dict[SSAValue, Array] = dict(zip(block.args, elements, strict=True))
    sums: dict[int, Array] = {}
    nothing = np.zeros(elements.shape[1], np.int64)
    results: list[Array] = []
    for inner in block.ops:
        if isinstance(inner, ApAddOp | ApSubOp):
            left = values[inner.lhs] << inner.lhs_shift.value.data
            right = values[inner.rhs] << inner.rhs_shift.value.data
            values[inner.result] = left - right if isinstance(inner, ApSubOp) else left + right
        elif isinstance(inner, ApAccumulateOp):
            term = values[inner.value] << inner.shift.value.data
            output = inner.output.value.data
            sums[output] = sums.get(output, nothing) + (-term if inner.subtract is not None else term)
        elif isinstance(inner, ApYieldOp):
            biases = [int(bias) for bias in inner.bias.iter_values()]
            results += [sums.get(output, nothing) + bias for output, bias in enumerate(biases)]
    return np.stack(results)


@meaning(ApMaxPoolOp)
def ap_max_pool(op: ApMaxPoolOp, feature_map: Array) -> Array:
    """Take the largest element of every window."""
    channels = feature_map.shape[1]
    elements = windows(op, feature_map)
    return _as_tensor(op, elements.reshape(channels, -1, elements.shape[1]).max(axis=1))
