"""Arithmetic of two tensors: exact in integers where both hold integers, `f32` op by op otherwise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import Operation, SSAValue

from imcflow.dialect.ops_elementwise import (
    AddOp,
    BinaryOp,
    DivOp,
    GreaterEqualOp,
    GreaterOp,
    MulOp,
    PowOp,
    SubOp,
)
from imcflow.lowering.onnx.builder import Affine, NetworkBuilder, Quotient
from imcflow.lowering.onnx.node import Node
from imcflow.lowering.onnx.operands import aligned
from imcflow.lowering.onnx.quantised_dory import REQUANTISING_ADD_ATTRIBUTES, requantising_add
from imcflow.lowering.onnx.ranges import Interval
from imcflow.lowering.onnx.registry import onnx_op
from imcflow.lowering.onnx.requantise import affine_of, requantised_quotient
from imcflow.lowering.onnx.tensors import Activation, Array, Constant, ShapeVector, Tensor

BROADCAST_LIMIT = "constants must be the same for every image of a batch; activations have as many axes as each other"


def _dtype(tensors: list[Tensor]) -> str:
    return next((tensor.dtype for tensor in tensors if isinstance(tensor, Activation)), "float32")


def _folded(tensors: list[Tensor], function: Callable[[Array, Array], Array]) -> Constant | None:
    left, right = tensors
    if not isinstance(left, Constant) or not isinstance(right, Constant):
        return None
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return Constant(np.asarray(function(left.array, right.array)).astype(left.array.dtype))


def _operands(node: Node) -> list[Tensor]:
    if node.input_count != 2:
        raise node.error(f"has {node.input_count} inputs, expected 2")
    tensors = node.tensors()
    if any(isinstance(tensor, ShapeVector) for tensor in tensors):
        raise node.error("arithmetic with the batch size is not supported")
    return tensors


def _as_integers(build: NetworkBuilder, tensors: list[Tensor]) -> tuple[SSAValue, SSAValue] | None:
    """Return both operands as integer values, or None (and nothing emitted) if one is not integral."""
    for tensor in tensors:
        if isinstance(tensor, Constant) and tensor.integers() is None:
            return None
        if isinstance(tensor, Activation) and build.integers(tensor) is None:
            return None
    left, right = (build.integers(tensor) for tensor in tensors)
    return None if left is None or right is None else (left, right)


def combine(
    build: NetworkBuilder,
    op: type[AddOp] | type[SubOp] | type[MulOp],
    tensors: list[Tensor],
) -> SSAValue:
    """Emit a sum, difference or product of aligned operands."""
    pair = _as_integers(build, tensors)
    if pair is None:
        return build.emit(op(build.floats(tensors[0]), build.floats(tensors[1]), f32))
    left, right = pair
    first, second = build.interval(left), build.interval(right)
    interval = first + second if op is AddOp else first - second if op is SubOp else first * second
    result = build.emit(op(left, right, build.element(interval)), interval)
    _remember_affine(build, op, tensors, result)
    return result


def _remember_affine(build: NetworkBuilder, op: type[BinaryOp], tensors: list[Tensor], result: SSAValue) -> None:
    """Note that `result` is an affine function of an earlier value, for a requantisation that may follow."""
    left, right = tensors
    owner = result.owner
    if not isinstance(owner, Operation):
        return
    if isinstance(left, Activation) and isinstance(right, Constant):
        before, factor, negated = affine_of(build, left.value), right.integers(), False
    elif isinstance(right, Activation) and isinstance(left, Constant):
        before, factor, negated = affine_of(build, right.value), left.integers(), op is SubOp
    else:
        return
    if factor is None:
        return
    multiplier, addend = before.multiplier, before.addend
    if op is MulOp:
        multiplier, addend = multiplier * factor, addend * factor
    elif negated:
        multiplier, addend = -multiplier, factor - addend
    else:
        addend = addend + factor if op is AddOp else addend - factor
    build.affine[result] = Affine(before.source, multiplier, addend, (*before.through, owner))


def _arithmetic(
    node: Node,
    build: NetworkBuilder,
    op: type[AddOp] | type[SubOp] | type[MulOp],
    function: Callable[[Array, Array], Array],
) -> Tensor:
    tensors = _operands(node)
    folded = _folded(tensors, function)
    if folded is not None:
        return folded
    return Activation(combine(build, op, aligned(node, tensors)), _dtype(tensors))


@onnx_op(
    "Add",
    attributes=("axis", "broadcast", *REQUANTISING_ADD_ATTRIBUTES),
    limits=BROADCAST_LIMIT + "; the requantising Add of DORY (in1_mul, in1_add, in1_shift, ...) is honoured",
)
def import_add(node: Node, build: NetworkBuilder) -> Tensor:
    """Sum."""
    _refuse_old_broadcast(node)
    if any(node.has(name) for name in REQUANTISING_ADD_ATTRIBUTES):
        return requantising_add(node, build)
    return _arithmetic(node, build, AddOp, np.add)


@onnx_op("Sub", attributes=("axis", "broadcast"), limits=BROADCAST_LIMIT)
def import_sub(node: Node, build: NetworkBuilder) -> Tensor:
    """Difference."""
    _refuse_old_broadcast(node)
    return _arithmetic(node, build, SubOp, np.subtract)


@onnx_op("Mul", attributes=("axis", "broadcast"), limits=BROADCAST_LIMIT)
def import_mul(node: Node, build: NetworkBuilder) -> Tensor:
    """Product."""
    _refuse_old_broadcast(node)
    return _arithmetic(node, build, MulOp, np.multiply)


@onnx_op("Sum", limits=BROADCAST_LIMIT)
def import_sum(node: Node, build: NetworkBuilder) -> Tensor:
    """Sum of any number of tensors, from the left."""
    tensors = node.tensors()
    if all(isinstance(tensor, Constant) for tensor in tensors):
        return Constant(np.asarray(sum(tensor.array for tensor in tensors if isinstance(tensor, Constant))))
    tensors = aligned(node, tensors)
    total = tensors[0]
    for tensor in tensors[1:]:
        total = Activation(combine(build, AddOp, [total, tensor]), _dtype(tensors))
    return total


def _refuse_old_broadcast(node: Node) -> None:
    """Refuse the axis attribute of opset 6: it broadcasts unlike numpy."""
    if node.opset < 7 and node.integer("broadcast", 0) and node.has("axis"):
        raise node.error("attribute 'axis' of opset 6 broadcasting is not supported; convert the model to opset 7")


def _integer_quotient(left: Array, right: Array) -> Array:
    """Return the quotient of constants: truncated towards zero for integers, as ONNX defines."""
    if left.dtype.kind == "f":
        return left / right
    return np.sign(left) * np.sign(right) * (np.abs(left) // np.abs(right))


@onnx_op(
    "Div",
    attributes=("axis", "broadcast"),
    limits=BROADCAST_LIMIT + "; a quotient of ONNX integers is truncated; "
    "Floor, Round or Cast of an integer divided by an integer constant is one exact requantisation",
)
def import_div(node: Node, build: NetworkBuilder) -> Tensor:
    """Quotient."""
    _refuse_old_broadcast(node)
    tensors = _operands(node)
    folded = _folded(tensors, _integer_quotient)
    if folded is not None:
        return folded
    dtype = _dtype(tensors)
    dividend, divisor = aligned(node, tensors)
    exact = _exact_quotient(build, dividend, divisor)
    if dtype.startswith(("int", "uint")):
        if exact is not None:
            return Activation(requantised_quotient(build, exact, "Cast"), dtype)
        pair = _as_integers(build, [dividend, divisor])
        if pair is None:
            raise node.error("divides integers, but an operand is not known to hold integers")
        interval = build.interval(pair[0]).truncated_quotient(build.interval(pair[1]))
        return Activation(build.emit(DivOp(*pair, build.element(interval)), interval), dtype)
    result = build.emit(DivOp(build.floats(dividend), build.floats(divisor), f32))
    if exact is not None and isinstance(result.owner, Operation):
        build.quotients[result] = Quotient(exact.dividend, exact.divisor, (result.owner,))
    return Activation(result, dtype)


def _exact_quotient(build: NetworkBuilder, dividend: Tensor, divisor: Tensor) -> Quotient | None:
    """Return the exact fraction if an integer activation is divided by positive integer constants."""
    if not isinstance(dividend, Activation) or not isinstance(divisor, Constant):
        return None
    value, denominators = build.integers(dividend), divisor.integers()
    if value is None or denominators is None or np.any(denominators <= 0):
        return None
    return Quotient(value, denominators, ())


@onnx_op("Pow", attributes=("axis", "broadcast"), limits=BROADCAST_LIMIT + "; in f32")
def import_pow(node: Node, build: NetworkBuilder) -> Tensor:
    """Power."""
    _refuse_old_broadcast(node)
    tensors = _operands(node)
    folded = _folded(tensors, np.power)
    if folded is not None:
        return folded
    left, right = aligned(node, tensors)
    return Activation(build.emit(PowOp(build.floats(left), build.floats(right), f32)), _dtype(tensors))


def _compare(node: Node, build: NetworkBuilder, op: type[GreaterOp] | type[GreaterEqualOp], *, swapped: bool) -> Tensor:
    tensors = aligned(node, _operands(node))
    if swapped:
        tensors.reverse()
    pair = _as_integers(build, tensors)
    left, right = (build.floats(tensor) for tensor in tensors) if pair is None else pair
    return Activation(build.emit(op(left, right), Interval(0, 1)), "bool")


@onnx_op("Greater", attributes=("axis", "broadcast"), limits=BROADCAST_LIMIT)
def import_greater(node: Node, build: NetworkBuilder) -> Tensor:
    """`a > b`."""
    return _compare(node, build, GreaterOp, swapped=False)


@onnx_op("GreaterOrEqual", limits=BROADCAST_LIMIT)
def import_greater_or_equal(node: Node, build: NetworkBuilder) -> Tensor:
    """`a >= b`."""
    return _compare(node, build, GreaterEqualOp, swapped=False)


@onnx_op("Less", attributes=("axis", "broadcast"), limits=BROADCAST_LIMIT)
def import_less(node: Node, build: NetworkBuilder) -> Tensor:
    """`a < b`."""
    return _compare(node, build, GreaterOp, swapped=True)


@onnx_op("LessOrEqual", limits=BROADCAST_LIMIT)
def import_less_or_equal(node: Node, build: NetworkBuilder) -> Tensor:
    """`a <= b`."""
    return _compare(node, build, GreaterEqualOp, swapped=True)
