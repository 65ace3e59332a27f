"""What holds at the network and at the quantised level; the contract passes check it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from xdsl.dialects.builtin import DYNAMIC_INDEX, ModuleOp, StringAttr
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Operation, SSAValue
from xdsl.utils.exceptions import PassFailedException

from imcflow.dialect.imc import NETWORK_OPS
from imcflow.dialect.locations import describe
from imcflow.dialect.ops_network import ConstantOp, Conv2dOp, GemmOp, MatMulOp
from imcflow.dialect.types import is_float, shape_of
from imcflow.passes.network.constants import constant_value
from imcflow.passes.network.edit import functions
from imcflow.passes.scales.lifter import FLOAT_REASON

LINEAR = (Conv2dOp, GemmOp, MatMulOp)
LEVEL_ATTRIBUTE = "imc.level"

HOW_TO_QUANTISE = (
    "give sample inputs to quantise the activations: --calibrate IN.npz --activation-bits N "
    "(passes imc-ternarize and imc-quantize-activations)"
)


def check_network(module: ModuleOp) -> FuncOp:
    """Check the network level and return its function.

    Raises:
        PassFailedException: naming node, op and reason.
    """
    strangers = [op for op in module.ops if not isinstance(op, FuncOp)]
    if strangers:
        raise PassFailedException(f"{describe(strangers[0])}: a network is one function, nothing else")
    found = functions(module)
    if len(found) != 1:
        raise PassFailedException(f"the module holds {len(found)} functions with a body, a network is exactly one")
    function = found[0]
    name = function.sym_name.data
    if len(function.body.blocks) != 1:
        raise PassFailedException(f"function '{name}' has {len(function.body.blocks)} blocks, a network has one")
    block = function.body.block
    if not isinstance(block.last_op, ReturnOp):
        raise PassFailedException(f"function '{name}' does not end in func.return")
    for index, argument in enumerate(block.args):
        shape = shape_of(argument)
        if not shape or shape[0] != DYNAMIC_INDEX:
            raise PassFailedException(f"argument {index} of function '{name}': axis 0 is the batch and must be '?'")
        if DYNAMIC_INDEX in shape[1:]:
            raise PassFailedException(f"argument {index} of function '{name}': only axis 0 may be '?'")
    for op in block.ops:
        if not isinstance(op, (*NETWORK_OPS, ReturnOp)):
            raise PassFailedException(f"{describe(op)}: no op of the network level")
        if op.results and not isinstance(op, ConstantOp):
            _check_batch(op)
    return function


def _check_batch(op: Operation) -> None:
    shape = shape_of(op.results[0])
    if constant_value(op.results[0]) is not None:
        return
    if not shape or shape[0] != DYNAMIC_INDEX:
        raise PassFailedException(f"{describe(op)}: axis 0 of its result is the batch and must be '?'")


@dataclass(frozen=True)
class FloatParts:
    """The ops on `f32` of a network, by where they stand.

    Attributes:
        before: ops that no integer layer feeds.
        between: ops that an integer layer feeds and that feed another one.
        after: ops that feed no integer layer but are fed by one.
    """

    before: tuple[Operation, ...]
    between: tuple[Operation, ...]
    after: tuple[Operation, ...]


def check_quantised(module: ModuleOp) -> FloatParts:
    """Check the quantised level and return what stays in floating point.

    Raises:
        PassFailedException: naming node, op and reason.
    """
    function = check_network(module)
    ops = [op for op in function.body.block.ops if op.results and constant_value(op.results[0]) is None]
    layers = [op for op in ops if isinstance(op, LINEAR)]
    integer_layers = [op for op in layers if not is_float(op.results[0])]
    if layers and not integer_layers:
        raise PassFailedException(f"no layer is quantised: {_float_layer(layers[0], 'floating point')}")
    for layer in integer_layers:
        if not isinstance(layer, MatMulOp) and constant_value(layer.operands[1]) is None:
            raise PassFailedException(f"{describe(layer)}: its weights are not constant")
    fed, feeding = _downstream(ops, integer_layers), _upstream(ops, integer_layers)
    for layer in layers:
        if not is_float(layer.results[0]):
            continue
        first = layer not in _downstream(ops, [other for other in layers if other is not layer])
        last = layer not in _upstream(ops, [other for other in layers if other is not layer])
        if not first and not last:
            raise PassFailedException(_float_layer(layer, "floating point between other layers"))
    floats = [op for op in ops if any(is_float(value) for value in (*op.operands, *op.results) if _varies(value))]
    return FloatParts(
        before=tuple(op for op in floats if op not in fed),
        between=tuple(op for op in floats if op in fed and op in feeding),
        after=tuple(op for op in floats if op in fed and op not in feeding),
    )


def _varies(value: SSAValue) -> bool:
    return constant_value(value) is None


def _float_layer(layer: Operation, where: str) -> str:
    reason = float_reason(layer)
    because = f": {reason}" if reason else ""
    return f"{describe(layer)} stays in {where}{because}; {HOW_TO_QUANTISE}"


def float_reason(layer: Operation) -> str:
    """Return why `imc-lift-scales` left a layer in floating point; empty if it did not say."""
    reason = layer.attributes.get(FLOAT_REASON)
    return reason.data if isinstance(reason, StringAttr) else ""


def _downstream(ops: Iterable[Operation], sources: Iterable[Operation]) -> set[Operation]:
    """Return the ops that read, directly or not, a result of `sources`."""
    reached: set[SSAValue] = {result for op in sources for result in op.results}
    found: set[Operation] = set()
    for op in ops:
        if any(operand in reached for operand in op.operands):
            found.add(op)
            reached.update(op.results)
    return found


def _upstream(ops: Iterable[Operation], sinks: Iterable[Operation]) -> set[Operation]:
    """Return the ops whose results `sinks` read, directly or not."""
    needed: set[SSAValue] = {operand for op in sinks for operand in op.operands}
    found: set[Operation] = set()
    for op in reversed(list(ops)):
        if any(result in needed for result in op.results):
            found.add(op)
            needed.update(op.operands)
    return found
