"""Filters with at most two magnitudes of weights as two ternary filters each, and layers that compute both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import SSAValue

from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_elementwise import AddOp, MulOp, SubOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp
from imcflow.dialect.ops_shape import SliceOp
from imcflow.dialect.types import integer_element_of, shape_of, smallest_integer_type
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import Editor
from imcflow.passes.network.forms import parameter_shape, range_of
from imcflow.passes.network.intervals import linear_interval
from imcflow.passes.network.weights import weight_type
from imcflow.passes.reduction.digits import signed_digits

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FactoredWeights:
    """The weights `first[m] * ternary[2 * m] - second[m] * ternary[2 * m + 1]`.

    Attributes:
        ternary: int64 [2 * M, ...], -1, 0 and 1; the two filters of an output lie side by side, so that they stay in
            one group of channels and, where a layer is cut, on one array.
        first, second: magnitudes [M], more than 0, of the type of the weights.
    """

    ternary: IntArray
    first: NDArray[Any]
    second: NDArray[Any]


def mean_digits(weights: IntArray) -> float:
    """Return how many signed digits the nonzero weights have on average; 0 if all are zero."""
    nonzero = weights[weights != 0]
    return len(signed_digits(nonzero.reshape(1, -1))) / nonzero.size if nonzero.size else 0.0


def factored(weights: NDArray[Any]) -> FactoredWeights | None:
    """Return the two ternary filters of each output, or None if one has more than two magnitudes.

    The second filter is negated, so that a filter of `{-n, 0, p}` becomes two filters of zeros and ones.

    Args:
        weights: finite numbers [M, ...].
    """
    rows = weights.reshape(len(weights), -1)
    ternary = np.zeros((len(rows), 2, rows.shape[1]), np.int64)
    factors = np.ones((2, len(rows)), weights.dtype)
    for number, row in enumerate(rows):
        magnitudes = np.unique(np.abs(row[row != 0]))
        if len(magnitudes) > 2:
            return None
        # The magnitude of the first positive weight leads: then all filters of an output of one sign hold that sign.
        if len(magnitudes) == 2 and row[np.argmax(row > 0)] == magnitudes[1]:
            magnitudes = magnitudes[::-1]
        for place, magnitude in enumerate(magnitudes):
            sign = 1 if place == 0 else -1
            ternary[number, place] = sign * np.sign(row) * (np.abs(row) == magnitude)
            factors[place, number] = magnitude
    return FactoredWeights(ternary.reshape(2 * len(rows), *weights.shape[1:]), factors[0], factors[1])


def factor_layer(layer: Conv2dOp | GemmOp, rows: FactoredWeights) -> None:
    """Replace an integer layer by one with the ternary weights, and combine its outputs on the digital unit."""
    editor = Editor(layer)
    halves = _paired_sums(editor, layer, rows.ternary)
    axes = (-1,) + (1,) * (len(shape_of(layer.result)) - 2)
    left = _multiple(editor, halves[0], rows.first.reshape(axes))
    right = _multiple(editor, halves[1], rows.second.reshape(axes))
    element = integer_element_of(layer.result)
    bias = None if layer.bias is None else constant_value(layer.bias)
    if bias is None:
        editor.replace(editor.value(SubOp(left, right, element)))
        return
    (low, high), (other_low, other_high) = range_of(left), range_of(right)
    difference = editor.value(SubOp(left, right, smallest_integer_type(low - other_high, high - other_low)))
    constant = editor.value(integer_constant(parameter_shape(bias.reshape(axes))))
    editor.replace(editor.value(AddOp(difference, constant, element)))


def slice_pairs(editor: Editor, both: SSAValue) -> tuple[SSAValue, SSAValue]:
    """Return the channels 0, 2, ... and the channels 1, 3, ... of a tensor."""
    channels = shape_of(both)[1]
    first, second = (editor.value(SliceOp(both, axis=1, start=start, stop=channels, step=2)) for start in (0, 1))
    return first, second


def _paired_sums(editor: Editor, layer: Conv2dOp | GemmOp, ternary: IntArray) -> tuple[SSAValue, SSAValue]:
    """Insert a layer with two filters per output and return the sums of the first and of the second ones."""
    weights = editor.value(integer_constant(ternary, weight_type(ternary)))
    pads = any(layer.pads.get_values()) if isinstance(layer, Conv2dOp) else False
    pad_value = layer.pad_value.value.data if isinstance(layer, Conv2dOp) else 0
    low, high = linear_interval(layer.input, ternary, None, padded=pads, pad_value=pad_value)
    element = smallest_integer_type(int(low.min()), int(high.max()))
    if isinstance(layer, Conv2dOp):
        sums: Conv2dOp | GemmOp = Conv2dOp(
            layer.input,
            weights,
            element,
            strides=layer.strides.get_values(),
            pads=layer.pads.get_values(),
            dilations=layer.dilations.get_values(),
            groups=layer.groups.value.data,
            pad_value=pad_value,
        )
    else:
        sums = GemmOp(layer.input, weights, element)
    return slice_pairs(editor, editor.value(sums))


def _multiple(editor: Editor, value: SSAValue, factors: IntArray) -> SSAValue:
    """Multiply by one factor per channel, or by one for all."""
    if np.all(factors == 1):
        return value
    if np.all(factors == factors.flat[0]):
        factors = factors.reshape(-1)[0].reshape(())
    ends = [int(end) * int(factor) for end in range_of(value) for factor in (factors.min(), factors.max())]
    constant = editor.value(integer_constant(factors))
    return editor.value(MulOp(value, constant, smallest_integer_type(min(ends), max(ends))))
