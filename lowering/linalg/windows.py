"""Structured operations that reduce windows of an activation: maximum and sum poolings of any layout."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from xdsl.dialects import arith
from xdsl.ir import SSAValue

from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import MaxPoolOp, SumPoolOp
from imcflow.lowering.linalg.builder import Builder
from imcflow.lowering.linalg.contractions import SPATIAL_AXES, Structured
from imcflow.lowering.linalg.scalars import ScalarArithmetic
from imcflow.lowering.linalg.values import Activation, Constant, Padded, Value, fits

_MAXIMA = (arith.MaxSIOp, arith.MaxUIOp, arith.MaximumfOp, arith.MaxnumfOp)
_SUMS = (arith.AddiOp, arith.AddfOp)
LEAST_FLOAT = -3.4e38
"""What poolings of `f32` start from, -inf or the least number, lies below."""


def reduced_element(parts: Structured) -> tuple[SSAValue, bool] | None:
    """Return what a body `max(accumulator, x)` or `accumulator + x` reduces, and whether it is a maximum."""
    reduction = parts.yielded.owner
    if not isinstance(reduction, (*_MAXIMA, *_SUMS)) or parts.arguments[-1] not in reduction.operands:
        return None
    element = reduction.rhs if reduction.lhs == parts.arguments[-1] else reduction.lhs
    return element, isinstance(reduction, _MAXIMA)


def emit_window_reduction(build: Builder, parts: Structured, element: SSAValue, *, maximum: bool) -> Activation:
    """Emit `imc.max_pool` or `imc.sum_pool`.

    Raises:
        ModelError: the layout has no pooling, or padding or initial value could win.
    """
    number = 0  # further inputs only give the shape of the window
    value, pads = _without_padding(parts.values[number], maximum=maximum)
    source = build.activation(value, "the pooled tensor")
    pooled = ScalarArithmetic(build, {parts.arguments[number]: replace(source, order=())}).value(element)
    source = replace(build.activation(pooled, "the pooled tensor"), order=source.order)
    kept: list[int] = []
    spatial: list[tuple[int, int, int, int]] = []  # axis, window loop, stride, dilation
    for axis, index in enumerate(parts.maps[number]):
        loops = dict(index.terms)
        window = [loop for loop in loops if loop in parts.reductions]
        if not window and index.loop is not None:
            kept.append(axis)
        elif len(window) == 1 and len(loops) <= 2 and not index.offset:
            stride = next((factor for loop, factor in index.terms if loop not in parts.reductions), 1)
            spatial.append((axis, window[0], stride, loops[window[0]]))
        else:
            build.refuse("an axis of the pooled tensor must be kept or be position * stride + element * dilation")
    if not kept or kept[0] != 0 or not 1 <= len(spatial) <= SPATIAL_AXES:
        build.refuse(f"pools {len(spatial)} axes of {len(parts.maps[number])}; 1 or 2 are supported, not the batch")
    if any(side[axis] for side in pads for axis in kept):
        build.refuse("explicit padding is supported along pooled axes only")
    image = source.shape
    moved = build.transposed(source, [*kept, *(axis for axis, *_ in spatial)])
    missing = SPATIAL_AXES - len(spatial)
    channels = [image[axis] for axis in kept[1:]]
    sizes = [prod(channels), *(image[axis] for axis, *_ in spatial), *[1] * missing]
    shaped = build.settled(build.reshaped(moved, sizes))
    sides = [0, 0, 0, 0]
    for place, (axis, *_) in enumerate(spatial):
        sides[place], sides[place + SPATIAL_AXES] = pads[0][axis], pads[1][axis]
    kernel = [parts.sizes[loop] for _, loop, _, _ in spatial] + [1] * missing
    interval = source.interval
    if interval is not None and not maximum:
        interval = interval.scaled(prod(kernel))
        if any(sides):
            interval = interval.with_zero()
        if parts.result_bits is not None and not fits(interval, parts.result_bits):
            build.refuse(f"gives {interval.low} ... {interval.high}, which may overflow i{parts.result_bits}")
    op = (MaxPoolOp if maximum else SumPoolOp)(
        shaped.value,
        build.element(interval),
        kernel=kernel,
        strides=[stride for _, _, stride, _ in spatial] + [1] * missing,
        dilations=[dilation for *_, dilation in spatial] + [1] * missing,
        pads=sides,
    )
    result = Activation(build.emit(op), interval)
    positions = result.shape[2 : 2 + len(spatial)]
    return _with_initial(build, parts, _as_declared(build, parts, result, kept, spatial, positions, channels), maximum)


def _without_padding(value: Value, *, maximum: bool) -> tuple[Value, tuple[tuple[int, ...], tuple[int, ...]]]:
    """Take explicit padding into the pooling where its elements never win, or count nothing."""
    if isinstance(value, Padded):
        interval = value.inner.interval
        if interval is None:
            neutral = float(value.fill.array) < LEAST_FLOAT if maximum else not value.fill.array.any()
        else:
            fill = int(value.fill.array)
            neutral = fill <= interval.low if maximum else fill == 0
        if neutral:
            return value.inner, (value.low, value.high)
        rank = len(value.low)
    else:
        rank = len(value.shape) if isinstance(value, Activation) else 0
    return value, ((0,) * rank, (0,) * rank)


def _as_declared(
    build: Builder,
    parts: Structured,
    result: Activation,
    kept: list[int],
    spatial: list[tuple[int, int, int, int]],
    positions: tuple[int, ...],
    channels: list[int],
) -> Activation:
    """Bring `[batch, channels, positions]` into the order and shape of the operation's result."""
    source = parts.maps[0]
    loops: list[int | None] = [source[axis].loop for axis in kept[1:]]
    for axis, window, *_ in spatial:
        loops.append(next((loop for loop, _ in source[axis].terms if loop != window), None))
    result = build.reshaped(result, [*channels, *positions])
    wanted = [index.loop for index in parts.maps[-1]][1:]
    named = [loop for loop in wanted if loop is not None]
    ones = [place for place, loop in enumerate(loops) if loop is None]
    order = [0, *(1 + loops.index(loop) for loop in named), *(1 + place for place in ones)]
    if sorted(order) != list(range(len(loops) + 1)):
        build.refuse("the result of a pooling must hold every axis that is kept")
    moved = build.transposed(result, order)
    sizes = iter(moved.shape[1:])
    return build.reshaped(moved, [1 if loop is None else next(sizes) for loop in wanted])


def _with_initial(build: Builder, parts: Structured, result: Activation, maximum: bool) -> Activation:
    initial = build.known(parts.values[-1], "the initial value")
    arithmetic = ScalarArithmetic(build, {})
    if not maximum:
        if isinstance(initial, Constant) and not initial.array.any():
            return result
        single = initial if isinstance(initial, Activation) else Constant(initial.array[:1])
        total = arithmetic.binary(AddOp, build.settled(result), single)
        assert isinstance(total, Activation)
        return total
    if isinstance(initial, Constant) and (initial.array == initial.array.flat[0]).all():
        least = initial.array.flat[0]
        if (result.interval is None and float(least) < LEAST_FLOAT) or (
            result.interval is not None and int(least) <= result.interval.low
        ):
            return result
        limited = arithmetic.larger(build.settled(result), Constant(initial.array.reshape(-1)[:1].reshape(())))
        assert isinstance(limited, Activation)
        return limited
    build.refuse("the initial value of a maximum must be one constant")
