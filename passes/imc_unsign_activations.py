"""The pass `imc-unsign-activations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.rewriter import Rewriter

from imcflow.dialect.base import integer
from imcflow.dialect.constants import constant_array, integer_constant
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MaxPoolOp
from imcflow.dialect.ops_quantise import DequantizeOp, QuantizeOp, ThresholdOp
from imcflow.dialect.ops_shape import ReshapeOp, TransposeOp
from imcflow.dialect.types import integer_element_of, integer_type, is_signed, shape_of, with_element
from imcflow.passes.network.edit import Editor, erase_dead, network_block

if TYPE_CHECKING:
    from xdsl.dialects.builtin import IntegerType
    from xdsl.ir import Operation, SSAValue, Use

MOVERS = (ReshapeOp, TransposeOp, MaxPoolOp)
"""Ops that give elements of their operand, whatever these stand for."""


@dataclass
class _Readers:
    """Who reads a tensor, through ops that only move its elements."""

    layers: list[Conv2dOp | GemmOp]
    scales: list[DequantizeOp]
    moved: list[SSAValue]
    others: list[Use]


@dataclass(frozen=True)
class ImcUnsignActivations(ModulePass):
    """Shift signed activations of linear layers up, so that their least value is 0.

    Quantised networks often store activations as `si8` with a zero point of -128: what is 0 behind a ReLU is the
    integer -128. The digits that enter a macro are then far from 0 where the activation is 0; columns add up large sums
    that cancel only in the digital part, and converters have to resolve them. Behind this pass 0 enters as 0.

    A step function or quantiser with a negative least value `-k` gives `x + k` instead. Layers take `k` times the sum
    of their weights off their bias, dequantisers add `k` to their zero point; where anything else reads the tensor,
    `-k` is added again in the digital unit. Tensors that no linear layer reads stay, and so do the network's inputs.

    Precondition: quantised level.
    Postcondition: quantised level; the network's outputs are the same for all inputs.

    Before:
        %q = imc.threshold %s, %t {low = -2 : i64} : (tensor<?x4xsi9>, tensor<4x3xsi9>) -> tensor<?x4xsi2>
        %y = imc.gemm %q, %w : (tensor<?x4xsi2>, tensor<2x4xsi2>) -> tensor<?x2xsi5>
    After:
        %q = imc.threshold %s, %t {low = 0 : i64} : (tensor<?x4xsi9>, tensor<4x3xsi9>) -> tensor<?x4xui2>
        %y = imc.gemm %q, %w bias %b : (tensor<?x4xui2>, tensor<2x4xsi2>, tensor<2xsi4>) -> tensor<?x2xsi5>

    Effect on cost: none on the macros; an addition per element where other ops read the tensor. Converters of an analog
    macro need fewer bits for the same result.
    """

    name: ClassVar[str] = "imc-unsign-activations"

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        """Rewrite the network in place."""
        block = network_block(op)
        for candidate in list(block.ops):
            if isinstance(candidate, ThresholdOp | QuantizeOp):
                _unsign(candidate)
        erase_dead(block)


def _unsign(source: ThresholdOp | QuantizeOp) -> None:
    """Shift the result of one op, if a layer reads it."""
    element = integer_element_of(source.result)
    if not is_signed(element) or (isinstance(source, QuantizeOp) and source.zero_point_inside is not None):
        return
    readers = _readers(source.result)
    if not readers.layers:
        return
    pads = [op.pad_value.value.data for op in readers.layers if isinstance(op, Conv2dOp) and any(op.pads.iter_values())]
    shift = -min(source.low.value.data, *pads, 0)
    unsigned = integer_type(element.width.data, signed=False)
    if not shift or shift > 1 << (element.width.data - 1):
        return
    _shift_source(source, shift)
    for value in (source.result, *readers.moved):
        Rewriter.replace_value_with_new_type(value, with_element(value, unsigned))
    for layer in dict.fromkeys(readers.layers):
        _shift_layer(layer, shift)
    for scale in dict.fromkeys(readers.scales):
        _shift_zero_point(scale, 2, shift)
    _shift_back(readers.others, shift, element)


def _readers(value: SSAValue) -> _Readers:
    found = _Readers([], [], [], [])
    for use in value.uses:
        op = use.operation
        if isinstance(op, Conv2dOp | GemmOp) and use.index == 0 and _has_constants(op):
            found.layers.append(op)
        elif isinstance(op, DequantizeOp) and use.index == 0 and constant_array(op.zero_point) is not None:
            found.scales.append(op)
        elif isinstance(op, MOVERS):
            behind = _readers(op.results[0])
            found.moved += [op.results[0], *behind.moved]
            found.layers += behind.layers
            found.scales += behind.scales
            found.others += behind.others
        else:
            found.others.append(use)
    return found


def _has_constants(op: Conv2dOp | GemmOp) -> bool:
    return constant_array(op.weights) is not None and (op.bias is None or constant_array(op.bias) is not None)


def _shift_source(source: ThresholdOp | QuantizeOp, shift: int) -> None:
    source.properties["low"] = integer(source.low.value.data + shift)
    if isinstance(source, QuantizeOp):
        source.properties["high"] = integer(source.high.value.data + shift)
        _shift_zero_point(source, 2, shift)


def _shift_zero_point(op: Operation, operand: int, shift: int) -> None:
    zero = constant_array(op.operands[operand])
    if zero is None:
        raise ValueError(f"{op.name}: the zero point is no constant")
    op.operands[operand] = Editor(op).value(integer_constant(zero + shift))


def _shift_layer(layer: Conv2dOp | GemmOp, shift: int) -> None:
    """W x = W (x + k) - k sum(W), also where x is padding."""
    weights = constant_array(layer.weights)
    bias = None if layer.bias is None else constant_array(layer.bias)
    if weights is None:
        raise ValueError(f"{layer.name}: the weights are no constant")
    correction = -shift * weights.reshape(len(weights), -1).sum(axis=1)
    changed = correction if bias is None else bias + correction
    value = Editor(layer).value(integer_constant(np.ascontiguousarray(changed)))
    layer.operands = [layer.input, layer.weights, value]
    if isinstance(layer, Conv2dOp) and any(layer.pads.iter_values()):
        layer.properties["pad_value"] = integer(layer.pad_value.value.data + shift)


def _shift_back(uses: list[Use], shift: int, element: IntegerType) -> None:
    """Let other readers see the tensor as it was."""
    for use in uses:
        value = use.operation.operands[use.index]
        editor = Editor(use.operation)
        offset = editor.add(integer_constant(np.full((1,) * len(shape_of(value)), -shift, np.int64)))
        back = AddOp(value, offset, element)
        use.operation.operands[use.index] = editor.value(back)
