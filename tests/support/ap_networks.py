"""Random small networks at the quantised level, bound to the arrays wherever the arrays can take them."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import FunctionType, IntegerType, ModuleOp
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Operation, Region, SSAValue

from imcflow.dialect.attributes import Unit
from imcflow.dialect.constants import integer_constant
from imcflow.dialect.ops_elementwise import AddOp
from imcflow.dialect.ops_network import Conv2dOp, GemmOp, MaxPoolOp, SumPoolOp
from imcflow.dialect.ops_quantise import ThresholdOp
from imcflow.dialect.ops_shape import ReshapeOp
from imcflow.dialect.types import (
    batched,
    integer_element_of,
    integer_type,
    shape_of,
    smallest_integer_type,
    value_range,
)
from imcflow.passes.units import bind


class NetworkBuilder:
    """Appends random layers to one block; `rng` decides everything."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        bits = int(self.rng.integers(1, 6))
        element = integer_type(bits, signed=bits > 1 and bool(self.rng.integers(2)))
        shape = (int(self.rng.integers(1, 5)), int(self.rng.integers(5, 9)), int(self.rng.integers(5, 9)))
        self.input = batched(shape, element)
        self.block = Block(arg_types=[self.input])

    def flip(self) -> bool:
        return bool(self.rng.integers(2))

    def add(self, op: Operation, unit: Unit | None = None) -> SSAValue:
        if unit is not None:
            bind(op, unit)
        self.block.add_op(op)
        return op.results[0]

    def range_of(self, value: SSAValue) -> tuple[int, int]:
        return value_range(integer_element_of(value))

    def convolution(self, x: SSAValue) -> SSAValue:
        """Any groups, strides, pads with any pad value, 1- to 8-bit weights, with or without bias."""
        rng, channels = self.rng, shape_of(x)[1]
        groups = int(rng.choice([1, channels]))
        outputs, kernel, bits = groups * int(rng.integers(1, 5)), int(rng.integers(1, 4)), int(rng.integers(1, 9))
        shape = (outputs, channels // groups, kernel, kernel)
        weights = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) + (bits == 1), shape) * (rng.random(shape) < 0.7)
        bias = rng.integers(-20, 20, outputs) if self.flip() else None
        low, high = self.range_of(x)
        pad = int(rng.integers(low, high + 1)) if self.flip() else 0
        reach = int(np.abs(weights).reshape(outputs, -1).sum(axis=1).max()) * max(abs(low), abs(high), abs(pad)) + 30
        return self.add(
            Conv2dOp(
                x,
                self.add(integer_constant(weights)),
                smallest_integer_type(-reach, reach),
                bias=None if bias is None else self.add(integer_constant(bias)),
                strides=rng.integers(1, 3, 2).tolist(),
                pads=rng.integers(0, 2, 4).tolist(),
                dilations=[1, 1],
                groups=groups,
                pad_value=pad,
            ),
            Unit.AP,
        )

    def threshold(self, x: SSAValue) -> SSAValue:
        rng, channels = self.rng, shape_of(x)[1]
        rows, levels = (channels if self.flip() else 1), int(rng.choice([1, 3, 7]))
        thresholds = np.sort(rng.integers(-40, 40, (rows, levels)), axis=1)
        falling = None
        if self.flip():
            falling = self.add(integer_constant(rng.integers(0, 2, channels), integer_type(1, signed=False)))
        op = ThresholdOp(x, self.add(integer_constant(thresholds)), low=int(rng.integers(-2, 1)), descending=falling)
        return self.add(op, Unit.DIGITAL)

    def doubled(self, x: SSAValue) -> SSAValue:
        low, high = self.range_of(x)
        return self.add(AddOp(x, x, smallest_integer_type(2 * low, 2 * high)), Unit.AP)

    def max_pool(self, x: SSAValue) -> SSAValue:
        op = MaxPoolOp(
            x,
            integer_element_of(x),
            kernel=[2, 2],
            strides=[2, 2],
            pads=[0, 0, 1, 1] if self.flip() else [0, 0, 0, 0],
            ceil_mode=self.flip(),
        )
        return self.add(op, Unit.AP if self.flip() else Unit.DIGITAL)

    def head(self, x: SSAValue) -> SSAValue:
        """Sum pooling over the map and a ternary matrix product."""
        _, channels, height, width = shape_of(x)
        low, high = self.range_of(x)
        size = height * width
        pooled = self.add(
            SumPoolOp(x, smallest_integer_type(min(0, low * size), high * size), kernel=[height, width]), Unit.AP
        )
        flat = self.add(ReshapeOp(pooled, [channels]), Unit.DIGITAL)
        low, high = self.range_of(flat)
        reach = max(1, max(abs(low), high) * channels)
        weights = self.add(integer_constant(self.rng.integers(-1, 2, (7, channels))))
        return self.add(GemmOp(flat, weights, smallest_integer_type(-reach, reach)), Unit.AP)

    def module(self) -> ModuleOp:
        y = self.convolution(self.block.args[0])
        if self.rng.integers(4):
            y = self.threshold(y)
        if self.flip():
            y = self.doubled(y)
        if min(shape_of(y)[2:]) >= 3 and self.flip():
            y = self.max_pool(y)
        if min(shape_of(y)[2:]) >= 3:
            y = self.convolution(y)
        if self.flip():
            y = self.threshold(y)
        y = self.head(y)
        self.block.add_op(ReturnOp(y))
        return ModuleOp([FuncOp("main", FunctionType.from_lists([self.input], [y.type]), Region(self.block))])

    def images(self, count: int = 3) -> np.ndarray:
        element = self.input.element_type
        assert isinstance(element, IntegerType)
        low, high = value_range(element)
        return self.rng.integers(low, high + 1, (count, *self.input.get_shape()[1:]))
