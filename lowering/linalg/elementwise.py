"""Structured operations whose loops are all parallel: arithmetic on whole tensors, broadcasting, transposition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from imcflow.lowering.linalg.builder import Builder
from imcflow.lowering.linalg.contractions import Structured
from imcflow.lowering.linalg.maps import Index
from imcflow.lowering.linalg.scalars import Number, ScalarArithmetic
from imcflow.lowering.linalg.values import Activation, Constant, Empty


def emit_elementwise(build: Builder, parts: Structured) -> Number:
    """Emit the arithmetic of the body on tensors whose axes are in the order of the result.

    Raises:
        ModelError: the result is not indexed by every loop once, or an operation of the body is not supported.
    """
    named = [index.loop for index in parts.maps[-1]]
    loops = [loop for loop in named if loop is not None]
    if len(loops) != len(named) or sorted(loops) != sorted(parts.sizes):
        build.refuse("the result of an elementwise operation must be indexed by every loop once")
    # Where all inputs are constants (weights that are transposed, say), axis 0 is an axis like others.
    activations = any(not isinstance(value, Constant | Empty) for value in parts.values)
    known = {
        argument: _aligned(build, build.known(value, "an input"), index, loops, keep_batch=not activations)
        for argument, value, index in zip(parts.arguments, parts.values, parts.maps, strict=True)
        if not isinstance(value, Empty)
    }
    order = _common_order(list(known.values()))
    result = ScalarArithmetic(build, {key: _in_order(build, value, order) for key, value in known.items()}).value(
        parts.yielded
    )
    if isinstance(result, Activation):
        return replace(result, order=order)
    if not activations:
        return Constant(np.broadcast_to(result.array, [max(1, parts.sizes[loop]) for loop in loops]))
    return result


def _common_order(values: list[Number]) -> tuple[int, ...]:
    """Return the order in which all activations wait to be transposed; none if they differ."""
    orders = {value.order for value in values if isinstance(value, Activation)}
    return orders.pop() if len(orders) == 1 else ()


def _in_order(build: Builder, value: Number, order: tuple[int, ...]) -> Number:
    """Return a value in the layout before the transposition `order`."""
    if isinstance(value, Activation):
        return replace(value, order=()) if order else build.settled(value)
    if not order or not value.array.ndim:
        return value
    return Constant(np.transpose(value.array, np.argsort(order)))


def _aligned(build: Builder, value: Number, index: list[Index], loops: list[int], *, keep_batch: bool) -> Number:
    """Return a value with one axis per loop of the result, in its order; axes it does not have get size 1."""
    if any(entry.loop is None and (entry.terms or entry.offset) for entry in index):
        build.refuse("the inputs of an elementwise operation must be indexed by plain loops")
    axis = {entry.loop: place for place, entry in enumerate(index) if entry.loop is not None}
    ones = [place for place, entry in enumerate(index) if entry.loop is None]
    order = [*(axis[loop] for loop in loops if loop in axis), *ones]
    if isinstance(value, Constant):
        array = np.transpose(value.array, order)
        sizes = iter(array.shape)
        array = array.reshape([next(sizes) if loop in axis else 1 for loop in loops]) if index else array
        if index and not keep_batch and array.shape[0] > 1:
            if not (array == array[:1]).all():
                build.refuse("a constant differs between the images of the batch")
            array = array[:1]
        return Constant(array)
    if not index or index[0].loop != loops[0]:
        build.refuse("axis 0 of an activation, the batch, must be axis 0 of the result")
    moved = build.transposed(value, order)
    sizes = iter(moved.shape[1:])
    return build.reshaped(moved, [next(sizes) if loop in axis else 1 for loop in loops[1:]])


def spread(build: Builder, value: Number, shape: tuple[int, ...]) -> Number:
    """Return an activation that broadcasting left smaller than `shape` as one of that shape.

    Raises:
        ModelError: elements would have to be repeated.
    """
    if isinstance(value, Activation) and value.shape[1:] != tuple(shape)[1:]:
        build.refuse(f"repeats the elements of an activation from {list(value.shape[1:])} to {list(shape[1:])}")
    return value
