"""The elementwise ops between an integer tensor and an integer tensor: found, and evaluated at given integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.interpreter import evaluate_op
from imcflow.dialect.ops_elementwise import (
    AbsOp,
    AddOp,
    CastOp,
    ClampOp,
    ClipOp,
    DivOp,
    ErfOp,
    GreaterEqualOp,
    GreaterOp,
    MulOp,
    NegOp,
    PowOp,
    ReluOp,
    RoundOp,
    SigmoidOp,
    SignOp,
    SqrtOp,
    SubOp,
)
from imcflow.dialect.ops_network import BatchNormOp
from imcflow.dialect.ops_quantise import BipolarOp, DequantizeOp, QuantizeOp, RequantizeOp, ThresholdOp
from imcflow.dialect.types import integer_element_of, is_float, shape_of
from imcflow.passes.network.constants import constant_value, per_image

MONOTONE = (
    AddOp,
    SubOp,
    MulOp,
    DivOp,
    GreaterOp,
    GreaterEqualOp,
    ReluOp,
    NegOp,
    SignOp,
    CastOp,
    ClampOp,
    ClipOp,
    RoundOp,
    ErfOp,
    SigmoidOp,
    BatchNormOp,
    QuantizeOp,
    DequantizeOp,
    BipolarOp,
    ThresholdOp,
    RequantizeOp,
)
"""Monotone in their one varying operand: correctly rounded arithmetic keeps the order of real numbers."""

ELEMENTWISE = (*MONOTONE, AbsOp, PowOp, SqrtOp)

PLAIN = (AddOp, SubOp, NegOp, ReluOp, CastOp, ClampOp, ThresholdOp)
"""Integer ops as cheap as a threshold: a chain of these alone is left as it is."""


@dataclass(frozen=True, eq=False)
class Chain:
    """All ops through which `sink` depends on the integer tensor `source`, and on nothing else that varies.

    Attributes:
        source: integer tensor.
        ops: in program order; the last one defines the sink.
        constants: arrays of the constant operands.
        channels: number of channels (axis 1) whose step functions may differ; 1 if all parameters are uniform.
    """

    source: SSAValue
    ops: tuple[Operation, ...]
    constants: dict[SSAValue, NDArray[Any]] = field(repr=False)
    channels: int

    @property
    def sink(self) -> SSAValue:
        """The value that a threshold is to replace."""
        return self.ops[-1].results[0]

    @property
    def is_worth_folding(self) -> bool:
        """Whether anything but cheap integer ops is in the chain."""
        return any(is_float(op.results[0]) or not isinstance(op, PLAIN) or is_float(op.operands[0]) for op in self.ops)

    def evaluate(self, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the sink for source integers `[points, channels]`, op by op in the source's own arithmetic.

        Raises:
            ModelError: if a value does not fit the type of an op's result.
        """
        return self._run(points)[self.sink]

    def _run(self, points: NDArray[np.int64]) -> dict[SSAValue, NDArray[Any]]:
        """Return the source and every op's result as `[points, channels]`."""
        pixels = points.reshape(points.shape + (1,) * (len(shape_of(self.source)) - 2))
        values: dict[SSAValue, NDArray[Any]] = {**self.constants, self.source: pixels}
        for op in self.ops:
            values[op.results[0]] = evaluate_op(op, [values[operand] for operand in op.operands])
        varying = [self.source, *(op.results[0] for op in self.ops)]
        return {value: values[value].reshape(points.shape) for value in varying}

    def is_monotone(self, low: int, high: int) -> bool:
        """Return whether every channel is provably monotone on `low ... high`.

        Each op is monotone in one operand, and where two varying operands meet in a sum, both rise or both fall.
        """
        ends = np.repeat(np.asarray([[low], [high]], np.int64), self.channels, axis=1)
        values = self._run(ends)
        for op in self.ops:
            if not isinstance(op, MONOTONE):
                return False
            varying = [operand for operand in op.operands if operand not in self.constants]
            if len(varying) < 2:
                continue
            if not isinstance(op, AddOp):
                return False
            steps = np.stack([np.asarray(values[v][1] - values[v][0]) for v in varying])
            if not np.all(np.all(steps >= 0, axis=0) | np.all(steps <= 0, axis=0)):
                return False
        return True


def find_chains(sink: Operation, keep_bits: int = 0) -> list[Chain]:
    """Return the chains that end in `sink` and start in one integer tensor, the longest first.

    An integer value that other ops read too is not crossed: it exists anyway, so it is the source. One of at most
    `keep_bits` bits is not crossed either.
    """
    constants: dict[SSAValue, NDArray[Any]] = {}
    inside: list[Operation] = [sink]
    shape = shape_of(sink.results[0])
    found: list[Chain] = []
    frontier = _varying(sink, constants)
    while frontier is not None:
        if len(frontier) == 1:
            (source,) = frontier
            if not is_float(source) and shape_of(source) == shape:
                found.insert(0, _chain(source, inside, constants))
        crossed = next((value for value in frontier if _can_cross(value, inside, shape, keep_bits)), None)
        if crossed is None or not isinstance(crossed.owner, Operation):
            break
        more = _varying(crossed.owner, constants)
        inside.append(crossed.owner)
        frontier = None if more is None else (frontier - {crossed}) | more
    return found


def _varying(op: Operation, constants: dict[SSAValue, NDArray[Any]]) -> set[SSAValue] | None:
    """Return the operands that are not constant and note the constant ones; None if a constant differs per pixel."""
    varying: set[SSAValue] = set()
    for index, operand in enumerate(op.operands):
        array = constant_value(operand)
        if array is None:
            varying.add(operand)
            continue
        constants[operand] = array
        if not _is_channel_parameter(op, index) and not _is_per_channel(array, len(shape_of(op.results[0]))):
            return None
    return varying


def _is_channel_parameter(op: Operation, index: int) -> bool:
    """Return whether the operand holds one row per channel by definition."""
    return index > 0 and isinstance(op, BatchNormOp | ThresholdOp)


def _is_per_channel(array: NDArray[Any], rank: int) -> bool:
    image = per_image(array, rank)
    return image is not None and all(size == 1 for size in image.shape[1:])


def _can_cross(value: SSAValue, inside: Sequence[Operation], shape: tuple[int, ...], keep_bits: int) -> bool:
    op = value.owner
    if not isinstance(op, ELEMENTWISE) or shape_of(value) != shape:
        return False
    if is_float(value):
        return True
    return integer_element_of(value).bitwidth > keep_bits and all(use.operation in inside for use in value.uses)


def _chain(source: SSAValue, inside: Sequence[Operation], constants: dict[SSAValue, NDArray[Any]]) -> Chain:
    chosen = set(inside)
    block = inside[0].parent_block()
    ops = tuple(op for op in (block.ops if block is not None else inside) if op in chosen)
    used = {operand: constants[operand] for op in ops for operand in op.operands if operand in constants}
    per_channel = any(_has_rows(op, index, used) for op in ops for index in range(len(op.operands)))
    return Chain(source, ops, used, shape_of(source)[1] if per_channel else 1)


def _has_rows(op: Operation, index: int, constants: dict[SSAValue, NDArray[Any]]) -> bool:
    """Return whether the operand is a constant that differs from channel to channel."""
    array = constants.get(op.operands[index])
    if array is None:
        return False
    is_row_of_thresholds = isinstance(op, ThresholdOp) and index == 1 and len(array) == 1
    return array.size > 1 and not is_row_of_thresholds
