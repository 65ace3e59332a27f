"""Structured operations that multiply an activation by constant weights: convolutions, matrix products, any layout."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from xdsl.dialects import arith
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.lowering.linalg.builder import Builder
from imcflow.lowering.linalg.maps import Index
from imcflow.lowering.linalg.scalars import ScalarArithmetic
from imcflow.lowering.linalg.values import Activation, Constant, Padded, Value, fits
from imcflow.lowering.onnx.ranges import Interval, linear_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPATIAL_AXES = 2


@dataclass(frozen=True, eq=False)
class Structured:
    """A structured operation with one result, its parts as plain data.

    Attributes:
        values: what inputs and the initial value (last) stand for.
        maps: their indexing maps.
        reductions: loops that are reduced.
        sizes: number of iterations of each loop; -1 for a dynamic batch.
        arguments: of the body, in the same order.
        yielded: result of the body.
        result_bits: width of an integer result, None for `f32`.
    """

    values: list[Value]
    maps: list[list[Index]]
    reductions: frozenset[int]
    sizes: dict[int, int]
    arguments: list[SSAValue]
    yielded: SSAValue
    result_bits: int | None


@dataclass(frozen=True)
class Axes:
    """The loops of a contraction by what they run over; `positions` pairs (output position, window element or None)."""

    batch: int
    groups: list[int]
    outputs: list[int]
    channels: list[int]
    positions: list[tuple[int, int | None]]


def accumulated_factors(parts: Structured) -> tuple[SSAValue, SSAValue] | None:
    """Return the two factors of a body `accumulator + left * right`, or None for another body."""
    addition = parts.yielded.owner
    if not isinstance(addition, arith.AddiOp | arith.AddfOp):
        return None
    accumulator = parts.arguments[-1]
    if accumulator not in addition.operands:
        return None
    product = addition.rhs if addition.lhs == accumulator else addition.lhs
    if not isinstance(product.owner, arith.MuliOp | arith.MulfOp):
        return None
    return product.owner.lhs, product.owner.rhs


def emit_contraction(build: Builder, parts: Structured, factors: tuple[SSAValue, SSAValue]) -> Activation:
    """Emit a convolution or a matrix product.

    Raises:
        ModelError: two activations are multiplied, the layout has more than two spatial axes, ...
    """
    left, right = (_argument_of(build, parts, factor) for factor in factors)
    activation, weights = left, right
    if isinstance(parts.values[left], Constant):
        activation, weights = right, left
        factors = (factors[1], factors[0])
    if isinstance(parts.values[activation], Constant) or not isinstance(parts.values[weights], Constant):
        build.refuse("one factor must be an activation and the other one constant weights")
    constants = {
        argument: value
        for argument, value in zip(parts.arguments, parts.values, strict=True)
        if isinstance(value, Constant) and not value.array.shape
    }
    table = build.known(parts.values[weights], "the weights")
    filters = ScalarArithmetic(build, {**constants, parts.arguments[weights]: table}).value(factors[1])
    assert isinstance(filters, Constant)
    source = _source(build, parts, activation, factors[0], constants)
    axes = _axes(build, parts, activation, weights)
    return _emit(build, parts, axes, (activation, weights), source, filters)


def _argument_of(build: Builder, parts: Structured, factor: SSAValue) -> int:
    """Return the number of the one tensor argument that a factor depends on."""
    found: set[int] = set()
    stack = [factor]
    while stack:
        value = stack.pop()
        if value in parts.arguments:
            number = parts.arguments.index(value)
            if parts.maps[number]:
                found.add(number)
        elif isinstance(value.owner, Operation):
            stack.extend(value.owner.operands)
    if len(found) != 1:
        build.refuse("each factor of a product must depend on one tensor")
    return found.pop()


@dataclass(frozen=True, eq=False)
class Source:
    """The activation of a contraction.

    Attributes:
        tensor: what the layer reads.
        offset: added to every element before it is multiplied (minus the zero point); goes into the bias.
        pads: explicit padding before and behind each axis, or None.
        fill: what padded positions of `tensor` hold.
    """

    tensor: Activation
    offset: int
    pads: tuple[tuple[int, ...], tuple[int, ...]] | None
    fill: int

    @property
    def interval(self) -> Interval | None:
        """Integers that the layer multiplies, offset apart."""
        inside = self.tensor.interval
        return inside if inside is None or self.pads is None else inside.union(Interval(self.fill, self.fill))


def _source(
    build: Builder, parts: Structured, number: int, factor: SSAValue, constants: dict[SSAValue, Constant]
) -> Source:
    """Return the activation factor; a zero point that is subtracted becomes an offset."""
    value, argument = parts.values[number], parts.arguments[number]

    def scalar(at: Constant) -> Constant:
        result = ScalarArithmetic(build, {**constants, argument: at}).value(factor)
        assert isinstance(result, Constant)
        return result

    inner = value.inner if isinstance(value, Padded) else build.activation(value, "the first factor")
    pads = (value.low, value.high) if isinstance(value, Padded) else None
    fill = value.fill if isinstance(value, Padded) else Constant(np.zeros((), np.int64))
    offset = 0
    if inner.interval is not None and _is_offset(factor, argument):
        offset = int(scalar(Constant(np.zeros((), np.int64))).array)
    else:
        raw = replace(inner, order=())
        result = ScalarArithmetic(build, {**constants, argument: raw}).value(factor)
        order, inner = inner.order, build.activation(result, "the first factor")
        inner = replace(inner, order=order)
        fill = scalar(fill) if pads is not None else fill
    if inner.interval is None and fill.array.any():
        build.refuse("explicit padding of f32 must be 0")
    return Source(inner, offset, pads, int(fill.array))


def _is_offset(value: SSAValue, argument: SSAValue) -> bool:
    """Return whether a value is the argument plus a constant."""
    if value == argument:
        return True
    match value.owner:
        case arith.ExtSIOp() | arith.ExtUIOp() as extension:
            return _is_offset(extension.input, argument)
        case arith.AddiOp() as addition:
            return sum(_is_offset(side, argument) for side in (addition.lhs, addition.rhs)) == 1
        case arith.SubiOp() as subtraction:
            return _is_offset(subtraction.lhs, argument) and not _is_offset(subtraction.rhs, argument)
        case _:
            return False


def _axes(build: Builder, parts: Structured, activation: int, weights: int) -> Axes:
    source, filters, output = parts.maps[activation], parts.maps[weights], parts.maps[-1]
    in_filters = {loop for index in filters for loop, _ in index.terms}
    in_output = {loop for index in output for loop, _ in index.terms}
    for index in (*filters, *output):
        if index.loop is None and (index.terms or index.offset):
            build.refuse("weights and result must be indexed by plain loops")
    batch = source[0].loop if source else None
    if batch is None or not output or output[0].loop != batch or batch in in_filters:
        build.refuse("axis 0 of the activation and of the result must be the batch")
    groups: list[int] = []
    channels: list[int] = []
    positions: list[tuple[int, int | None]] = []
    in_source: set[int] = set()
    for index in source[1:]:
        loops = [loop for loop, _ in index.terms]
        in_source.update(loops)
        position = [loop for loop in loops if loop in in_output and loop not in in_filters]
        if index.loop is not None and not position:
            if index.loop not in in_filters:
                build.refuse("sums an axis of the activation that has no weights")
            (groups if index.loop in in_output else channels).append(index.loop)
            continue
        element = [loop for loop in loops if loop in in_filters and loop not in in_output]
        if len(position) != 1 or len(position) + len(element) != len(loops) or len(element) > 1 or index.offset:
            build.refuse("an axis of the activation must be a channel or position * stride + element * dilation")
        positions.append((position[0], element[0] if element else None))
    outputs = [index.loop for index in filters if index.loop is not None and index.loop not in in_source]
    outputs = [loop for loop in outputs if loop in in_output]
    known = {batch, *groups, *outputs, *channels, *(loop for pair in positions for loop in pair if loop is not None)}
    if known != set(parts.sizes):
        build.refuse("a loop of the product belongs to neither the weights nor the activation")
    if len(positions) > SPATIAL_AXES:
        build.refuse(f"has {len(positions)} spatial axes, at most {SPATIAL_AXES} are supported")
    return Axes(batch, groups, outputs, channels, positions)


def _emit(
    build: Builder,
    parts: Structured,
    axes: Axes,
    numbers: tuple[int, int],
    source: Source,
    filters: Constant,
) -> Activation:
    source_axis = {loop: axis for axis, index in enumerate(parts.maps[numbers[0]]) for loop, _ in index.terms}
    factors = {loop: factor for index in parts.maps[numbers[0]] for loop, factor in index.terms}
    spatial = axes.positions
    inner = [*axes.groups, *axes.channels]
    order = [0, *(source_axis[loop] for loop in inner), *(source_axis[position] for position, _ in spatial)]
    pads = source.pads
    if pads is not None and any(pads[side][axis] for side in (0, 1) for axis in (0, *(source_axis[i] for i in inner))):
        build.refuse("explicit padding is supported along spatial axes only")
    image = source.tensor.shape
    count = prod(parts.sizes[loop] for loop in inner)
    maps = [image[source_axis[position]] for position, _ in spatial]
    moved = build.transposed(source.tensor, order)
    groups, outputs = (prod(parts.sizes[loop] for loop in loops) for loops in (axes.groups, axes.outputs))
    elements = [element for _, element in spatial]
    matrix = _arranged(parts.maps[numbers[1]], filters.array, [axes.groups, axes.outputs, axes.channels, elements])
    bias, added = _initial(build, parts, axes)
    if source.offset:
        shifted = matrix.reshape(groups * outputs, -1).sum(axis=1) * source.offset
        bias = shifted if bias is None else bias + shifted
    interval = None
    if source.interval is not None:
        interval = linear_interval(matrix.reshape(groups * outputs, -1), source.interval, bias)
        if parts.result_bits is not None and not fits(interval, parts.result_bits):
            build.refuse(f"gives {interval.low} ... {interval.high}, which may overflow i{parts.result_bits}")
    constant_bias = None if bias is None else build.constant(bias)
    element = build.element(interval)
    if not spatial and groups == 1:
        flat = build.settled(build.reshaped(moved, [count]))
        op = GemmOp(flat.value, build.constant(matrix.reshape(outputs, -1)), element, bias=constant_bias)
        result = Activation(build.emit(op), interval)
    else:
        missing = SPATIAL_AXES - len(spatial)
        shaped = build.settled(build.reshaped(moved, [count, *maps, *[1] * missing]))
        axis = [source_axis[position] for position, _ in spatial]
        sides = [0, 0, 0, 0]
        if pads is not None:
            for place, number in enumerate(axis):
                sides[place], sides[place + SPATIAL_AXES] = pads[0][number], pads[1][number]
        kernel = [1 if loop is None else parts.sizes[loop] for loop in elements] + [1] * missing
        op = Conv2dOp(
            shaped.value,
            build.constant(matrix.reshape(groups * outputs, -1, *kernel)),
            element,
            bias=constant_bias,
            strides=[factors[position] for position, _ in spatial] + [1] * missing,
            dilations=[1 if loop is None else factors[loop] for loop in elements] + [1] * missing,
            pads=sides,
            groups=groups,
            pad_value=source.fill,
        )
        result = Activation(build.emit(op), interval)
    result = _as_declared(build, parts, axes, result)
    return result if added is None else _added(build, result, added, parts)


def _arranged(indices: list[Index], array: NDArray[Any], order: list[list[Any]]) -> NDArray[Any]:
    """Return the weights with the axes of the given loops in order; loops that they do not have are left out."""
    axis = {index.loop: place for place, index in enumerate(indices) if index.loop is not None}
    wanted = [axis[loop] for loops in order for loop in loops if loop in axis]
    rest = [place for place in range(array.ndim) if place not in wanted]  # constant indices: axes of size 1
    return np.ascontiguousarray(np.transpose(array, [*wanted, *rest]))


def _initial(build: Builder, parts: Structured, axes: Axes) -> tuple[NDArray[Any] | None, Constant | Activation | None]:
    """Return the initial value as a bias per output channel, or as a tensor that is added; None for 0."""
    initial = build.known(parts.values[-1], "the initial value")
    if isinstance(initial, Activation):
        return None, initial
    array = initial.array
    if not array.any():
        return None, None
    loops = [index.loop for index in parts.maps[-1]]
    channels = [place for place, loop in enumerate(loops) if loop in (*axes.groups, *axes.outputs)]
    corner = array[tuple(slice(None) if place in channels else slice(0, 1) for place in range(array.ndim))]
    if not (array == corner).all():
        return None, Constant(_one_image(build, array))
    order = [loops.index(loop) for loop in (*axes.groups, *axes.outputs)]
    rest = [place for place in range(array.ndim) if place not in order]
    return np.transpose(corner, [*order, *rest]).reshape(-1).copy(), None


def _one_image(build: Builder, array: NDArray[Any]) -> NDArray[Any]:
    if array.shape[0] > 1 and not (array == array[:1]).all():
        build.refuse("a constant differs between the images of the batch")
    return array[:1]


def _as_declared(build: Builder, parts: Structured, axes: Axes, result: Activation) -> Activation:
    """Reshape and transpose `[batch, groups * outputs, positions]` to the order of the operation's result."""
    loops = [*axes.groups, *axes.outputs, *(position for position, _ in axes.positions)]
    shape = result.shape
    tail = list(shape[2:]) if axes.positions else []
    sizes = [parts.sizes[loop] for loop in (*axes.groups, *axes.outputs)]
    result = build.reshaped(result, [*sizes, *tail[: len(axes.positions)]])
    place = {loop: number + 1 for number, loop in enumerate(loops)}
    wanted = [index.loop for index in parts.maps[-1]]
    result = build.transposed(result, [0, *(place[loop] for loop in wanted[1:] if loop is not None)])
    declared = [1 if loop is None else result.shape[1 + at] for at, loop in _numbered(wanted[1:])]
    return build.reshaped(result, declared)


def _numbered(loops: list[int | None]) -> list[tuple[int, int | None]]:
    """Number the loops that exist; constant indices keep the number of the next one."""
    numbered: list[tuple[int, int | None]] = []
    at = 0
    for loop in loops:
        numbered.append((at, loop))
        at += loop is not None
    return numbered


def _added(build: Builder, result: Activation, added: Constant | Activation, parts: Structured) -> Activation:
    total = ScalarArithmetic(build, {}).binary(AddOp, build.settled(result), added)
    assert isinstance(total, Activation)
    if total.interval is not None and parts.result_bits is not None and not fits(total.interval, parts.result_bits):
        build.refuse(f"gives {total.interval.low} ... {total.interval.high}, may overflow i{parts.result_bits}")
    return total
