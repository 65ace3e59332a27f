"""The literal meaning of linalg on tensors: loops over the iteration space, bodies on registers that wrap around.

The oracle of the conversion from linalg. It knows nothing of convolutions or poolings, only of indexing maps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xdsl.dialects import arith, math, tensor
from xdsl.dialects.builtin import DenseIntOrFPElementsAttr, FloatAttr, IntegerAttr, IntegerType, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.dialects.linalg.abstract_ops import LinalgStructuredOperation
from xdsl.dialects.linalg.ops import FillOp, PoolingNchwMaxOp, ReduceOp, TransposeOp
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.ir.affine import AffineMap
from xdsl.utils.hints import isa

Array = NDArray[Any]
Evaluator = Callable[[Any], tuple[Any, ...]]
"""Point of the loops (numbers or arrays) -> index of an operand."""

_BINARY: dict[type[Operation], Callable[[Array, Array], Any]] = {
    arith.AddiOp: np.add,
    arith.SubiOp: np.subtract,
    arith.MuliOp: np.multiply,
    arith.AddfOp: np.add,
    arith.SubfOp: np.subtract,
    arith.MulfOp: np.multiply,
    arith.DivfOp: np.divide,
    arith.MaxSIOp: np.maximum,
    arith.MinSIOp: np.minimum,
    arith.MaximumfOp: np.maximum,
    arith.MinimumfOp: np.minimum,
    arith.ShRSIOp: lambda a, b: a >> b,
    arith.ShLIOp: lambda a, b: a << b,
    arith.FloorDivSIOp: lambda a, b: a // b,
    arith.CeilDivSIOp: lambda a, b: -(-a // b),
    arith.DivSIOp: lambda a, b: np.sign(a) * np.sign(b) * (abs(a) // abs(b)),
}
_PREDICATES = {2: np.less, 3: np.less_equal, 4: np.greater, 5: np.greater_equal}


def wrapped(values: Any, kind: Attribute) -> Array:
    """Return integers as a register of the type holds them, read as two's complement; floats as float32."""
    if not isa(kind, IntegerType):
        return np.asarray(values, np.float32) if np.asarray(values).dtype.kind == "f" else np.asarray(values)
    bits = kind.width.data
    half = 1 << (bits - 1)
    return ((np.asarray(values, np.int64) + half) & ((1 << bits) - 1)) - half if bits < 64 else np.asarray(values)


def element_type(value: SSAValue) -> Attribute:
    assert isa(value.type, TensorType[Attribute])
    return value.type.element_type


def shape_of(value: SSAValue) -> tuple[int, ...]:
    assert isa(value.type, TensorType[Attribute])
    return value.type.get_shape()


def picking(axes: list[int]) -> Evaluator:
    return lambda point: tuple(point[axis] for axis in axes)


def evaluating(affine: AffineMap) -> Evaluator:
    return lambda point: tuple(result.eval(point, []) for result in affine.results)


def evaluate(function: FuncOp, inputs: list[Array]) -> list[Array]:
    """Return the results of a function on tensors."""
    block = function.body.block
    known: dict[SSAValue, Array] = {}
    for argument, array in zip(block.args, inputs, strict=True):
        known[argument] = wrapped(array, element_type(argument))
    for op in block.ops:
        if isinstance(op, ReturnOp):
            return [known[value] for value in op.operands]
        known[op.results[0]] = _result(op, known)
    raise AssertionError("no return")


def _result(op: Operation, known: dict[SSAValue, Array]) -> Array:
    if isinstance(op, arith.ConstantOp):
        return _constant(op)
    if isinstance(op, tensor.EmptyOp):
        return np.zeros(shape_of(op.results[0]), np.int64)
    if isinstance(op, tensor.CollapseShapeOp | tensor.ExpandShapeOp):
        return known[op.operands[0]].reshape(shape_of(op.results[0]))
    if isinstance(op, tensor.PadOp):
        end = op.region.block.last_op
        assert end is not None
        low, high = (list(part.get_values()) for part in (op.static_low, op.static_high))
        fill = known[end.operands[0]].item()
        return np.pad(known[op.source], list(zip(low, high, strict=True)), constant_values=fill)
    if isinstance(op, FillOp):
        return np.full(shape_of(op.results[0]), known[op.operands[0]].item())
    if isinstance(op, TransposeOp):
        return np.transpose(known[op.operands[0]], list(op.permutation.get_values()))
    if isinstance(op, ReduceOp):
        rank = known[op.operands[0]].ndim
        reduced = set(op.dimensions.get_values())
        maps = [list(range(rank)), [axis for axis in range(rank) if axis not in reduced]]
        evaluators = [picking(axes) for axes in maps]
        return _loops(op, known, evaluators, reduced, list(known[op.operands[0]].shape), op.regions[0].block)
    assert isinstance(op, LinalgStructuredOperation), op.name
    if isinstance(op, PoolingNchwMaxOp):  # xDSL's hidden body reads the window instead of the accumulator
        maximum = op.body.block.first_op
        assert maximum is not None
        maximum.operands[1] = op.body.block.args[2]
    maps_ = [attribute.data for attribute in op.get_indexing_maps()]
    kinds = [str(kind.data) for kind in op.get_iterator_types()]
    sizes = [0] * len(kinds)
    for operand, affine in zip(op.operands, maps_, strict=True):
        for axis, expression in enumerate(affine.results):
            position = getattr(expression, "position", None)
            if position is not None:
                sizes[position] = known[operand].shape[axis]
    evaluators = [evaluating(affine) for affine in maps_]
    return _loops(op, known, evaluators, {i for i, k in enumerate(kinds) if k != "parallel"}, sizes, op.body.block)


def _loops(
    op: Operation,
    known: dict[SSAValue, Array],
    evaluators: list[Evaluator],
    reduced: set[int],
    sizes: list[int],
    body: Block,
) -> Array:
    """Run the body for all points of the parallel loops at once, and for the reductions one after the other."""
    output = known[op.operands[-1]].astype(np.result_type(known[op.operands[-1]], np.int64)).copy()
    if not isinstance(element_type(op.results[0]), IntegerType):
        output = output.astype(np.float32)
    grid = np.indices([1 if loop in reduced else size for loop, size in enumerate(sizes)])
    steps = [range(size) if loop in reduced else range(1) for loop, size in enumerate(sizes)]
    for step in itertools.product(*steps):
        point = [points + offset for points, offset in zip(grid, step, strict=True)]
        arguments = [known[v][e(point)] for v, e in zip(op.operands[:-1], evaluators[:-1], strict=True)]
        at = evaluators[-1](point)
        output[at] = _body(body, [*arguments, output[at]], known)
    return output


def _body(body: Block, arguments: list[Any], known: dict[SSAValue, Array]) -> Array:
    values = dict(known)
    for argument, value in zip(body.args, arguments, strict=True):
        values[argument] = np.asarray(value)
    for op in body.ops:
        if not op.results:
            return values[op.operands[0]]
        operands = [values[operand] for operand in op.operands]
        values[op.results[0]] = wrapped(_scalar(op, operands), op.results[0].type)
    raise AssertionError("no yield")


def _scalar(op: Operation, operands: list[Array]) -> Any:
    if isinstance(op, arith.ConstantOp):
        return _constant(op)
    if type(op) in _BINARY:
        return _BINARY[type(op)](*operands)
    if isinstance(op, arith.ExtSIOp | arith.TruncIOp | arith.SIToFPOp):
        return operands[0].astype(np.float32) if isinstance(op, arith.SIToFPOp) else operands[0]
    if isinstance(op, arith.ExtUIOp):
        assert isa(op.input.type, IntegerType)
        return operands[0] & ((1 << op.input.type.width.data) - 1)
    if isinstance(op, arith.FPToSIOp):
        return np.trunc(operands[0]).astype(np.int64)
    if isinstance(op, math.RoundEvenOp):
        return np.rint(operands[0])
    if isinstance(op, arith.CmpiOp):
        return _PREDICATES[op.predicate.value.data](*operands)
    assert isinstance(op, arith.SelectOp), op.name
    return np.where(operands[0] != 0, operands[1], operands[2])


def _constant(op: arith.ConstantOp) -> Array:
    if isinstance(op.value, IntegerAttr | FloatAttr):
        number = op.value.value.data
        return np.asarray(number, np.float32 if isinstance(op.value, FloatAttr) else np.int64)
    assert isinstance(op.value, DenseIntOrFPElementsAttr)
    values = np.array(op.value.get_values())
    return np.broadcast_to(values, op.value.get_shape()) if values.size == 1 else values.reshape(op.value.get_shape())
