"""The pass `imc-unroll`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xdsl.context import Context
from xdsl.dialects.builtin import DenseArrayBase, IntegerAttr, IntegerType, ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import PassFailedException
from xdsl.utils.hints import isa

from imcflow.dialect.attributes import Unit
from imcflow.dialect.attributes_ap import AddSubAttr
from imcflow.dialect.base import integer, integers
from imcflow.dialect.constants import constant_array
from imcflow.dialect.locations import describe, fused_location
from imcflow.dialect.ops_ap import ApLinearOp, ApMaxPoolOp
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MaxPoolOp, PoolOp, SumPoolOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.types import integer_element_of, is_float, shape_of, tensor_type, value_range
from imcflow.errors import ImcflowError
from imcflow.passes.network.edit import erase_dead
from imcflow.passes.network.ranges import analyse
from imcflow.passes.units import SEPARATE, runs_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xdsl.ir import Attribute, Operation, SSAValue

    from imcflow.passes.ap_target import ApTarget
    from imcflow.passes.network.intervals import Interval

    Matrix = NDArray[np.int64]


@dataclass(frozen=True)
class ImcUnroll(ModulePass):
    """Unroll the linear layers of the associative processor into plain add/sub programs.

    Convolution, matrix product, sum pooling and the addition of two tensors become `imc.ap_linear`: the constant
    matrix from the window elements of one output position to its output channels, one signed digit per accumulation,
    one slice per input channel. A step function that alone uses the result joins the op: the digital unit computes it
    while the sum is stored. Maximum pooling becomes `imc.ap_max_pool`.

    Precondition: quantised level, units assigned; weights of these ops are integer constants.
    Postcondition: no op bound to the unit `ap` is left at the quantised level.

    Before:
        %y = imc.conv2d %x, %w : (tensor<?x3x8x8xui4>, tensor<8x3x3x3xsi2>) -> tensor<?x8x6x6xsi10>
    After:
        %y = imc.ap_linear %x {kernel = array<i64: 3, 3>, programs = [#imc.add_sub<...>], ...}
            : (tensor<?x3x8x8xui4>) -> tensor<?x8x6x6xsi10>

    Effect on cost: none by itself; the plain program has one accumulation per nonzero digit. Layers whose accumulators
    would fill more than three quarters of an array are cut into parts of output channels, one array each. With
    `partial-sums`, the input channels of a part are divided among several arrays that work at the same time: the layer
    takes about as many times less long, and moves and adds its outputs' partial sums in return.

    Options:
        target: preset name or YAML file of the associative processor; limits the accumulators of one array.
        partial_sums: most arrays, a power of two, that share the input channels of a convolution or matrix product.
    """

    name = "imc-unroll"

    target: str = "rtm-ap-256"
    partial_sums: int = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the ops in place."""
        from imcflow.passes.ap_target import load_ap_target

        target = load_ap_target(self.target)
        if self.partial_sums < 1 or self.partial_sums & (self.partial_sums - 1):
            raise PassFailedException(f"{self.name}: partial-sums must be a power of two, got {self.partial_sums}")
        intervals = {
            value: interval
            for function in op.ops
            if isinstance(function, FuncOp)
            for value, interval in analyse(function.body.block).items()
        }
        for candidate in list(op.walk()):
            if not runs_on(candidate, Unit.AP) or is_float(candidate.results[0]):
                continue
            if isinstance(candidate, Conv2dOp):
                _unroll(
                    candidate,
                    [candidate.input],
                    convolution_matrix(candidate),
                    conv_geometry(candidate),
                    target,
                    intervals,
                    # Channels of different groups have no output in common.
                    self.partial_sums if candidate.groups.value.data == 1 else 1,
                )
            elif isinstance(candidate, GemmOp):
                _unroll(
                    candidate,
                    [candidate.input],
                    _constant(candidate, candidate.weights, "weights"),
                    {},
                    target,
                    intervals,
                    self.partial_sums,
                )
            elif isinstance(candidate, SumPoolOp):
                _unroll(
                    candidate,
                    [candidate.input],
                    _pool_matrix(candidate),
                    _pool_geometry(candidate, 0),
                    target,
                    intervals,
                )
            elif isinstance(candidate, AddOp) and _adds_activations(candidate):
                operands = [candidate.lhs, candidate.rhs]
                _unroll(candidate, operands, _sum_matrix(candidate), {}, target, intervals)
            elif isinstance(candidate, MaxPoolOp):
                least, _ = value_range(integer_element_of(candidate.input))
                pool = ApMaxPoolOp(
                    candidate.input, tensor_type(candidate.result), geometry=_pool_geometry(candidate, least)
                )
                replace_layer(candidate, pool, [candidate], intervals)
        for function in op.ops:
            if isinstance(function, FuncOp):
                erase_dead(function.body.block)


def convolution_matrix(op: Conv2dOp) -> Matrix:
    """Return the matrix [outputs, channels * kernel_height * kernel_width] of a convolution, groups as zero blocks.

    Raises:
        DiagnosticException: the weights are no constant.
    """
    import numpy as np

    weights = _constant(op, op.weights, "weights")
    outputs, channels_in, *kernel = weights.shape
    groups = op.groups.value.data
    elements = channels_in * kernel[0] * kernel[1]
    if groups == 1:
        return weights.reshape(outputs, elements)
    matrix = np.zeros((outputs, groups * elements), dtype=np.int64)
    per_group = outputs // groups
    for group in range(groups):
        rows = slice(group * per_group, (group + 1) * per_group)
        matrix[rows, group * elements : (group + 1) * elements] = weights[rows].reshape(per_group, elements)
    return matrix


def _constant(op: Operation, value: SSAValue, what: str) -> Matrix:
    from xdsl.utils.exceptions import DiagnosticException

    array = constant_array(value)
    if array is None:
        raise DiagnosticException(
            f"{describe(op)}: {what} must be constant to be unrolled on the associative processor"
        )
    return array


def conv_geometry(op: Conv2dOp) -> dict[str, Attribute]:
    """Return the window of a convolution as properties of a windowed op."""
    return {
        "kernel": integers(shape_of(op.weights)[2:]),
        "strides": op.strides,
        "pads": op.pads,
        "dilations": op.dilations,
        "pad_value": op.pad_value,
    }


def _pool_geometry(op: PoolOp, pad_value: int) -> dict[str, Attribute]:
    """Window of a pooling; the reach of `ceil_mode` beyond the map becomes padding, as far as windows need it."""
    kernel, strides, pads, dilations = (
        [int(number) for number in attribute.iter_values()]
        for attribute in (op.kernel, op.strides, op.pads, op.dilations)
    )
    sizes, outputs = shape_of(op.input)[2:], shape_of(op.result)[2:]
    for axis in range(2):
        covered = (outputs[axis] - 1) * strides[axis] + dilations[axis] * (kernel[axis] - 1) + 1
        pads[2 + axis] = max(pads[2 + axis], covered - sizes[axis] - pads[axis])
    return {
        "kernel": op.kernel,
        "strides": op.strides,
        "pads": integers(pads),
        "dilations": op.dilations,
        "pad_value": integer(pad_value),
    }


def _pool_matrix(op: SumPoolOp) -> Matrix:
    import numpy as np

    channels = shape_of(op.input)[1]
    height, width = (int(size) for size in op.kernel.iter_values())
    return np.kron(np.eye(channels, dtype=np.int64), np.ones((1, height * width), dtype=np.int64))


def _adds_activations(op: AddOp) -> bool:
    shapes = shape_of(op.lhs), shape_of(op.rhs)
    constant = constant_array(op.lhs) is not None or constant_array(op.rhs) is not None
    return shapes[0] == shapes[1] and len(shapes[0]) in (2, 4) and not constant


def _sum_matrix(op: AddOp) -> Matrix:
    import numpy as np

    identity = np.eye(shape_of(op.lhs)[1], dtype=np.int64)
    return np.concatenate([identity, identity], axis=1)


def _unroll(
    op: Conv2dOp | GemmOp | SumPoolOp | AddOp,
    inputs: list[SSAValue],
    matrix: Matrix,
    geometry: dict[str, Attribute],
    target: ApTarget,
    intervals: dict[SSAValue, Interval],
    partial_sums: int = 1,
) -> None:
    import numpy as np

    from imcflow.dialect.add_sub_program import Bounds
    from imcflow.passes.ap_target import split_outputs
    from imcflow.passes.reduction.partial_sums import most_arrays, share_channels
    from imcflow.passes.reduction.plain import plain_program

    bias: Any = getattr(op, "bias", None)
    offset = np.zeros(len(matrix), dtype=np.int64) if bias is None else _constant(op, bias, "bias")
    channel = matrix.shape[1] // (len(inputs) * shape_of(inputs[0])[1])
    ranges = [_channel_range(intervals[value], shape_of(value)[1], geometry) for value in inputs]
    low, high = np.concatenate([part.low for part in ranges]), np.concatenate([part.high for part in ranges])
    bounds = Bounds(np.repeat(low, channel), np.repeat(high, channel))
    # The two maps of an addition are far apart in the window: one slice pairs their elements.
    group = 0 if isinstance(op, AddOp) else channel
    arrays = most_arrays(partial_sums, shape_of(inputs[0])[1], target.summary.array_count)
    try:
        parts = split_outputs(matrix, bounds, offset, group, target, describe(op), keep_outputs=arrays > 1)
    except ImcflowError as error:
        raise PassFailedException(f"{ImcUnroll.name}: {error.message}") from error
    programs = [
        AddSubAttr.of(plain_program(share, group=group, bias=offset[part] if number == 0 else 0 * offset[part]))
        for part in parts
        for number, share in enumerate(share_channels(matrix[part], channel, arrays))
    ]
    threshold = only_step_function(op)
    last = op if threshold is None else threshold
    linear = ApLinearOp(
        inputs,
        programs,
        tensor_type(last.result),
        geometry=geometry,
        channel_low=low.tolist(),
        channel_high=high.tolist(),
        thresholds=None if threshold is None else threshold.thresholds,
        descending=None if threshold is None else threshold.descending,
        low=0 if threshold is None else threshold.low.value.data,
        partial_sums=arrays,
    )
    replace_layer(last, linear, [op] if threshold is None else [op, threshold], intervals)
    if threshold is not None:
        op.detach()
        op.erase()


def _channel_range(interval: Interval, channels: int, geometry: Mapping[str, Attribute]) -> Interval:
    """The range of each channel, widened by the pad value where there is padding."""
    import numpy as np

    from imcflow.passes.network.intervals import Interval

    low, high = np.broadcast_to(interval.low, (channels,)), np.broadcast_to(interval.high, (channels,))
    pads, pad = geometry.get("pads"), geometry.get("pad_value")
    padded = isa(pads, DenseArrayBase[IntegerType]) and any(int(size) for size in pads.iter_values())
    if padded and isinstance(pad, IntegerAttr):
        low, high = np.minimum(low, pad.value.data), np.maximum(high, pad.value.data)
    return Interval(low, high)


def only_step_function(op: Operation) -> ThresholdOp | None:
    """Return the step function with constant thresholds that is the only user of the result, if it may join."""
    uses = list(op.results[0].uses)
    if len(uses) != 1 or uses[0].index != 0 or not isinstance(uses[0].operation, ThresholdOp):
        return None
    threshold = uses[0].operation
    apart = SEPARATE in threshold.attributes or constant_array(threshold.thresholds) is None
    return None if apart else threshold


def replace_layer(op: Operation, new: Operation, sources: list[Operation], intervals: dict[SSAValue, Interval]) -> None:
    """Put `new` in the place of `op`; it computes what the ops `sources` did."""
    from xdsl.rewriter import InsertPoint, Rewriter

    new.location = fused_location(sources)
    Rewriter.insert_op(new, InsertPoint.before(op))
    if op.results[0] in intervals:
        intervals[new.results[0]] = intervals.pop(op.results[0])
    op.results[0].replace_all_uses_with(new.results[0])
    new.results[0].name_hint = op.results[0].name_hint
    op.detach()
    op.erase()
