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
from imcflow.dialect.ops_network import Conv2dOp, MaxPoolOp, PoolOp, SumPoolOp
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
    from imcflow.passes.unrolling.matrices import LinearOp

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
    `arrays-per-layer`, more arrays work on a layer at the same time, which then takes about as many times less long.
    They share the input channels where every output may need all of them, and move and add partial sums in return; else
    (groups, poolings, sums of tensors) they share the outputs.

    Options:
        target: preset name or YAML file of the associative processor; limits the accumulators of one array.
        arrays_per_layer: most arrays, a power of two, that share a layer; or `auto`: as many as give all layers
            together the least estimated energy-delay product, among those that the target has for each.
    """

    name = "imc-unroll"

    target: str = "rtm-ap-256"
    arrays_per_layer: int | str = 1

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Replace the ops in place."""
        from imcflow.passes.ap_target import load_ap_target
        from imcflow.passes.unrolling.arrays import AUTO, arrays_per_layer
        from imcflow.passes.unrolling.matrices import LinearOp

        target = load_ap_target(self.target)
        wanted = self.arrays_per_layer
        if wanted != AUTO and (isinstance(wanted, str) or wanted < 1 or wanted & (wanted - 1)):
            raise PassFailedException(f"{self.name}: arrays-per-layer must be a power of two or {AUTO}, got {wanted}")
        intervals = {
            value: interval
            for function in op.ops
            if isinstance(function, FuncOp)
            for value, interval in analyse(function.body.block).items()
        }
        here = [item for item in op.walk() if runs_on(item, Unit.AP) and not is_float(item.results[0])]
        layers = [item for item in here if isinstance(item, LinearOp) and not _adds_a_constant(item)]
        for layer, arrays in zip(layers, arrays_per_layer(wanted, layers, target), strict=True):
            _unroll(layer, arrays, target, intervals)
        for pool in here:
            if isinstance(pool, MaxPoolOp):
                least, _ = value_range(integer_element_of(pool.input))
                unrolled = ApMaxPoolOp(pool.input, tensor_type(pool.result), geometry=_pool_geometry(pool, least))
                replace_layer(pool, unrolled, [pool], intervals)
        for function in op.ops:
            if isinstance(function, FuncOp):
                erase_dead(function.body.block)


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


def _adds_a_constant(op: Operation) -> bool:
    """Whether an addition is not one of two tensors of one shape; the digital unit keeps it."""
    if not isinstance(op, AddOp):
        return False
    shapes = shape_of(op.lhs), shape_of(op.rhs)
    constant = constant_array(op.lhs) is not None or constant_array(op.rhs) is not None
    return shapes[0] != shapes[1] or len(shapes[0]) not in (2, 4) or constant


def _geometry(op: LinearOp) -> dict[str, Attribute]:
    if isinstance(op, Conv2dOp):
        return conv_geometry(op)
    return _pool_geometry(op, 0) if isinstance(op, SumPoolOp) else {}


def _unroll(op: LinearOp, arrays: int, target: ApTarget, intervals: dict[SSAValue, Interval]) -> None:
    import numpy as np

    from imcflow.dialect.add_sub_program import Bounds
    from imcflow.passes.ap_target import split_outputs
    from imcflow.passes.reduction.partial_sums import share_channels
    from imcflow.passes.reduction.plain import plain_program
    from imcflow.passes.unrolling.matrices import constant_of, joins_channels, layer_matrix

    inputs = [op.lhs, op.rhs] if isinstance(op, AddOp) else [op.input]
    matrix, geometry = layer_matrix(op), _geometry(op)
    partial_sums = arrays if joins_channels(op) else 1
    bias: Any = getattr(op, "bias", None)
    offset = np.zeros(len(matrix), dtype=np.int64) if bias is None else constant_of(op, bias, "bias")
    channel = matrix.shape[1] // (len(inputs) * shape_of(inputs[0])[1])
    ranges = [_channel_range(intervals[value], shape_of(value)[1], geometry) for value in inputs]
    low, high = np.concatenate([part.low for part in ranges]), np.concatenate([part.high for part in ranges])
    bounds = Bounds(np.repeat(low, channel), np.repeat(high, channel))
    # The two maps of an addition are far apart in the window: one slice pairs their elements.
    group = 0 if isinstance(op, AddOp) else channel
    try:
        parts = split_outputs(matrix, bounds, offset, group, target, describe(op), keep_outputs=partial_sums > 1)
    except ImcflowError as error:
        raise PassFailedException(f"{ImcUnroll.name}: {error.message}") from error
    if partial_sums < arrays and len(parts) < arrays:
        size = -(-len(matrix) // arrays)
        parts = [slice(begin, min(begin + size, len(matrix))) for begin in range(0, len(matrix), size)]
    programs = [
        AddSubAttr.of(plain_program(share, group=group, bias=offset[part] if number == 0 else 0 * offset[part]))
        for part in parts
        for number, share in enumerate(share_channels(matrix[part], channel, partial_sums))
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
        partial_sums=partial_sums,
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
