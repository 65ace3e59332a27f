"""Quantisers move before the ops that only move or select elements, next to the accumulators that they read.

`q(max_pool(x)) = max_pool(q(x))` for every rising q, and data movement commutes with every elementwise function. The
pooling and the movement then work on few bits.
"""

from __future__ import annotations

import numpy as np
from xdsl.ir import Block, Operation, SSAValue

from imcflow.dialect.ops_elementwise import AddOp, CastOp, ClipOp, DivOp, MulOp, ReluOp, RoundOp, SubOp
from imcflow.dialect.ops_network import MaxPoolOp
from imcflow.dialect.ops_quantise import BipolarOp, QuantizeOp, ThresholdOp
from imcflow.dialect.ops_shape import ConcatOp, DepthToSpaceOp, ReshapeOp, SliceOp, TransposeOp
from imcflow.dialect.types import element_type_of, is_float, shape_of, with_element
from imcflow.passes.network.constants import constant_value, per_image
from imcflow.passes.network.edit import Editor, copy_op, erase_dead

MOVEMENT = (ReshapeOp, TransposeOp, SliceOp, ConcatOp, DepthToSpaceOp, MaxPoolOp)
QUANTISERS = (QuantizeOp, BipolarOp, ThresholdOp)
PASSED = (AddOp, SubOp, MulOp, DivOp, ReluOp, ClipOp, RoundOp, CastOp)


def hoist_quantisers(block: Block) -> None:
    """Move each quantiser, with the elementwise ops before it, before the movement that they follow."""
    pending: list[Operation] = [op for op in block.ops if isinstance(op, QUANTISERS)]
    while pending:
        quantiser = pending.pop()
        movement = _movement_before(quantiser)
        if movement is not None:
            pending.extend(_hoist(quantiser, movement))
    erase_dead(block)


def _movement_before(quantiser: Operation) -> Operation | None:
    """Return the op that the quantiser may pass."""
    chain: list[Operation] = []
    current = quantiser
    while True:
        if not _is_simple(current):
            return None
        chain.append(current)
        source = _varying_operand(current)
        if source is None or not is_float(source) or not source.has_one_use():
            return None
        owner = source.owner
        if isinstance(owner, MOVEMENT):
            break
        if not isinstance(owner, PASSED):
            return None
        current = owner
    if isinstance(owner, MaxPoolOp):
        return owner if all(_is_rising(op) for op in chain) else None
    return owner if all(_has_uniform_parameters(op) for op in chain) else None


def _varying_operand(op: Operation) -> SSAValue | None:
    varying = [operand for operand in op.operands if constant_value(operand) is None]
    return varying[0] if len(varying) == 1 else None


def _is_simple(op: Operation) -> bool:
    source = _varying_operand(op)
    return source is not None and shape_of(source) == shape_of(op.results[0])


def _has_uniform_parameters(op: Operation) -> bool:
    if isinstance(op, ThresholdOp):
        return shape_of(op.thresholds)[0] == 1 and op.descending is None
    arrays = [constant_value(operand) for operand in op.operands]
    return all(array is None or array.size == 1 for array in arrays)


def _is_rising(op: Operation) -> bool:
    """Return whether `op` is a rising function of its varying operand, the same for all pixels of a channel."""
    match op:
        case ThresholdOp():
            return op.descending is None
        case QuantizeOp() | DivOp():
            parameter = constant_value(op.operands[1])
            if parameter is None or not np.all(parameter > 0):
                return False
        case MulOp():
            parameters = [array for array in map(constant_value, op.operands) if array is not None]
            if not np.all(parameters[0] > 0):
                return False
        case SubOp():
            if constant_value(op.rhs) is None:
                return False
        case _:
            pass
    rank = len(shape_of(op.results[0]))
    for operand in op.operands:
        array = constant_value(operand)
        if array is None:
            continue
        image = per_image(array, rank)
        if image is None or any(size != 1 for size in image.shape[1:]):
            return False
    return True


def _hoist(quantiser: Operation, movement: Operation) -> list[Operation]:
    """Apply the chain from `movement` to `quantiser` to each operand of the movement, then move the integers."""
    chain: list[Operation] = [quantiser]
    while (source := _varying_operand(chain[0])) is not None and source.owner is not movement:
        owner = source.owner
        assert isinstance(owner, Operation)
        chain.insert(0, owner)
    editor = Editor(quantiser)
    element = element_type_of(quantiser.results[0])
    results: list[SSAValue] = []
    for value in movement.operands:
        for op in chain:
            value = _apply(editor, op, value)
        results.append(value)
    editor.replace(editor.value(copy_op(movement, results, with_element(movement.results[0], element))))
    # What the chain read from here has no readers left; it must not count as a reader of what comes before it.
    for op in (*reversed(chain[:-1]), movement):
        op.detach()
        op.erase()
    return [value.owner for value in results if isinstance(value.owner, Operation)]


def _apply(editor: Editor, op: Operation, value: SSAValue) -> SSAValue:
    """Insert a copy of `op` that reads `value` instead of its varying operand."""
    old = _varying_operand(op)
    operands = [value if operand is old else operand for operand in op.operands]
    return editor.value(copy_op(op, operands, with_element(value, element_type_of(op.results[0]))))
